"""How it is usually done: PNG files, PIL, torchvision's transforms, workers of a DataLoader.

As in the public reproductions of CheXNet: full-size files are decoded in every epoch, images are
resized, flipped and turned one by one. It is given what helps it: workers on all cores that stay
alive, pinned memory, files in the page cache, the same network, precision and optimiser.
"""

import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from benchmarks.bare import Bare
from benchmarks.machine import wait_for_device
from benchmarks.setup import SIZE, random_targets
from pipeline.base.cores import cores


class PngFolder(Dataset[tuple[Tensor, Tensor]]):
    """So many images from the files of a folder, again and again."""

    def __init__(self, folder: Path, length: int) -> None:
        self._paths = sorted(folder.glob("*.png"))
        self._targets = random_targets(len(self._paths))
        self._length = length
        self._transform = transforms.Compose(
            [
                transforms.Resize((SIZE, SIZE)),
                transforms.RandomHorizontalFlip(0.5),
                transforms.RandomRotation(15, transforms.InterpolationMode.BILINEAR),
                transforms.ToTensor(),
                transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
            ]
        )

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        place = row % len(self._paths)
        with Image.open(self._paths[place]) as image:
            return self._transform(image.convert("RGB")), self._targets[place]


class Conventional:
    """Such a loader, which never ends, and the training on it."""

    def __init__(self, folder: Path, batch: int) -> None:
        self._batch = batch
        self._ahead = 2 * cores()  # batches that its workers have ready when nobody asks
        started = time.perf_counter()
        self._batches = iter(
            DataLoader(
                PngFolder(folder, 1_000_000 * batch),
                batch_size=batch,
                num_workers=cores(),
                pin_memory=torch.cuda.is_available(),
            )
        )
        next(self._batches)
        self.first_batch_seconds = time.perf_counter() - started

    def feeding(self, steps: int) -> float:
        """Images per second of the loader alone."""
        return self._rate(lambda *_: None, steps)

    def images_per_second(self, bare: Bare, steps: int) -> float:
        """Of training on it."""
        return self._rate(bare.step_on, steps)

    def _rate(self, use: Callable[[Tensor, Tensor], None], steps: int) -> float:
        for _ in range(self._ahead):  # decoded while nobody took the time
            use(*next(self._batches))
        wait_for_device()
        started = time.perf_counter()
        for images, targets in islice(self._batches, steps):
            use(images, targets)
        wait_for_device()
        return steps * self._batch / (time.perf_counter() - started)
