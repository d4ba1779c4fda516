"""`cxr predict` beside decoding and forward passes, one after the other and nothing else."""

import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8

from benchmarks.measure import write_files
from pipeline.attention.crop import cut_crop
from pipeline.cohort.reading.tags import UNSAID
from pipeline.errors import ArtifactError
from pipeline.fusion.head import Fusion, JointFusion
from pipeline.networks.augment import to_unit
from pipeline.networks.branch import Branch
from pipeline.networks.rows import resized
from pipeline.predict.about.description import read_description
from pipeline.predict.many.given_files import Source
from pipeline.predict.many.stream import BATCH, predict_files
from pipeline.predict.model import Model, load_model
from pipeline.predict.package import read_networks

Figures = dict[str, Any]

IMAGES = 320

_CENTRE = np.array([0.2, 0.2, 0.8, 0.8])
"""A crop of the usual size, for which no heatmap is asked."""


def measure_predicting(folder: Path, *, images: int = IMAGES, rounds: int = 5) -> Figures:
    """Radiographs of 1024 x 1024 pixels per second of each way, in turns.

    Args:
        folder: of a packaged model.
        images: how many files; some are read several times.
        rounds: counted; one more warms up and fills the page cache.

    Raises:
        ArtifactError: there is no packaged model.
    """
    if not (folder / "model.json").is_file():
        raise ArtifactError(f"{folder}: no packaged model; `make demo` makes one")
    model, bare = load_model(folder), Bare(folder)
    with tempfile.TemporaryDirectory() as kept:
        write_files(Path(kept))
        paths = list(islice(cycle(sorted(Path(kept).iterdir())), images))
        ways: dict[str, Callable[[], object]] = {
            "predict": lambda: stream(model, paths),
            "bare": lambda: bare.predict(paths),
        }
        taken: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds + 1):
            for name, way in ways.items():
                started = time.perf_counter()
                way()
                taken[name].append(time.perf_counter() - started)
    ours, its = taken["predict"][1:], taken["bare"][1:]
    return {
        "predicting": {
            "images": images,
            "members": {
                name: [global_.spec.backbone, local.spec.backbone]
                for name, (global_, local, _) in bare.members.items()
            },
            "rates": {name: images / median(times[1:]) for name, times in taken.items()},
            "ratios": sorted(one / mine for mine, one in zip(ours, its, strict=True)),
        }
    }


def stream(model: Model, paths: Sequence[Path]) -> int:
    """As the command does, without writing."""
    sources = [Source(path) for path in paths]
    return sum(1 for _ in predict_files(model, sources, UNSAID, lateral=False))


class Bare:
    """The networks of a packaged model, each once on every image."""

    def __init__(self, folder: Path) -> None:
        about = read_description(folder)
        self._side, self._crop = about.image_side, about.crop.input_size
        self.members: dict[str, tuple[Branch, Branch, Fusion | JointFusion]] = {}
        for name, voting in about.members.items():
            one = read_networks(folder, name, voting)
            self.members[name] = (one.global_.eval(), one.local.eval(), one.fusion.eval())

    def predict(self, paths: Sequence[Path]) -> list[Float32[np.ndarray, "b f"]]:
        """Batch after batch: decode, resize, global branches, local branches, heads."""
        batches = [paths[start : start + BATCH] for start in range(0, len(paths), BATCH)]
        with torch.inference_mode():
            return [self._batch([self._read(path) for path in batch]) for batch in batches]

    def _read(self, path: Path) -> UInt8[np.ndarray, "s s"]:
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        if image is None:
            raise ValueError(f"{path}: OpenCV cannot decode it")
        side = (self._side, self._side)
        return np.asarray(cv2.resize(image, side, interpolation=cv2.INTER_AREA))

    def _batch(self, images: Sequence[UInt8[np.ndarray, "s s"]]) -> Float32[np.ndarray, "b f"]:
        crops = np.stack([cut_crop(one, _CENTRE, size=self._crop) for one in images])
        votes = []
        for global_, local, fusion in self.members.values():
            whole = to_unit(resized(np.stack(images), global_.spec.input_size))
            cut = to_unit(resized(crops, local.spec.input_size))
            seen = [global_.pooled(whole), local.pooled(cut)]
            known = torch.zeros(len(images), _columns(fusion) - sum(one.shape[1] for one in seen))
            if isinstance(fusion, JointFusion):
                logits = fusion(whole, cut, known)
            else:
                logits = fusion(torch.cat([*seen, known], dim=1))
            votes.append(logits.sigmoid())
        return np.asarray(torch.stack(votes).mean(dim=0).numpy(), np.float32)


def _columns(fusion: Fusion | JointFusion) -> int:
    head = fusion.fusion.head if isinstance(fusion, JointFusion) else fusion.head
    return int(head.in_features)
