"""What heatmaps and crops cost: beside the forward pass, pytorch-grad-cam and the disk."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.machine import wait_for_device
from benchmarks.setup import SIZE, amount, make_network, random_images
from pipeline.attention.crop import cut_crops
from pipeline.attention.extract import seen_rows
from pipeline.attention.heatmaps import Maps
from pipeline.attention.place import place_crops
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import tiles
from pipeline.base.shards import Shards, write_shards
from pipeline.networks.augment import to_unit
from pipeline.networks.branch import Branch
from pipeline.networks.device import exact, settle
from pipeline.networks.layers import find_layer
from pipeline.networks.rows import FORWARD
from pipeline.params.sections import CropParams

Figures = dict[str, Any]

METHODS = ("cam", "gradcam_pp", "layercam")
"""Three that differ at the last layer, of all 14 findings."""

CACHE = 512
"""Side of the cached images, from which crops are cut."""


def against_forward(backbone: str, images: int, rounds: int) -> Figures:
    """Seconds of a bare forward pass of some images, and of `seen_rows` on the same, in turns."""
    branch = make_network(backbone).eval()
    layer = find_layer(branch, "last")
    with tempfile.TemporaryDirectory() as kept:
        pixels = random_images(images)
        write_shards(({"image": one} for one in pixels[:, 0].numpy()), Path(kept) / "i")
        shards = Shards(Path(kept) / "i")
        bare, mine = [], []
        for _ in range(rounds + 1):  # the first warms up
            bare.append(_seconds(lambda: _forward(branch, pixels)))
            mine.append(
                _seconds(lambda: list(seen_rows(branch, layer, shards, METHODS, flip=False)))
            )
    ratios = [one / other for one, other in zip(mine[1:], bare[1:], strict=True)]
    return {
        "images": images,
        "forward": images / median(bare[1:]),
        "heatmaps": images / median(mine[1:]),
        "ratio": median(ratios),
        "ratios": sorted(ratios),
    }


def _forward(branch: Branch, pixels: torch.Tensor) -> None:
    device = settle(branch)
    with torch.inference_mode(), exact(device):
        for part in pixels.split(FORWARD):
            branch(to_unit(part.to(device)))


def package_seconds(backbone: str, images: int) -> float | None:
    """Of pytorch-grad-cam for the same maps of one image; None where it is not installed.

    It hooks the last features, and runs the network forward and back for every map.
    """
    try:
        from pytorch_grad_cam import GradCAMPlusPlus, HiResCAM, LayerCAM  # noqa: PLC0415
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget  # noqa: PLC0415
    except ImportError:
        return None
    branch = make_network(backbone).eval()
    settle(branch)
    pixels = to_unit(random_images(images).to(branch.mean.device))

    def run() -> None:
        for kind in (HiResCAM, GradCAMPlusPlus, LayerCAM):
            with kind(model=branch, target_layers=[branch.blocks[-1]]) as method:
                for finding in range(len(FINDINGS)):
                    method(pixels, [ClassifierOutputTarget(finding)] * images)

    return _seconds(run) / images


def _seconds(run: Callable[[], object]) -> float:
    wait_for_device()
    started = time.perf_counter()
    run()
    wait_for_device()
    return time.perf_counter() - started


def crops_per_second(images: int) -> Figures:
    """Placing, cutting and writing crops from a cache of 512 px, and writing the same bytes."""
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept)
        cached, maps, logits, index = _made_cohort(folder, images)
        params = CropParams(
            method="cam", top=1, threshold=0.7, region="peak", margin=0.1, min_side=0.3, windows=0,
            side=0.25, input_size=SIZE,
        )  # fmt: skip
        started = time.perf_counter()
        placed = place_crops(index, maps, logits, np.zeros(logits.shape[1]), params)
        between = time.perf_counter()
        write_shards(cut_crops(cached, placed, size=SIZE), folder / "crops")
        _settle_on_disk((folder / "crops").iterdir())
        ended = time.perf_counter()
        block = Shards(folder / "crops").gather(np.arange(images))
        again = time.perf_counter()
        np.save(folder / "raw.npy", block)
        _settle_on_disk([folder / "raw.npy"])
        disk = images * SIZE**2 / 1e6 / (time.perf_counter() - again)
    return {
        "images": images,
        "placed": images / (between - started),
        "written": images / (ended - between),
        "MB/s": images * SIZE**2 / 1e6 / (ended - between),
        "disk MB/s": disk,
    }


def _settle_on_disk(paths: Iterable[Path]) -> None:
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _made_cohort(
    folder: Path, images: int
) -> tuple[Shards, dict[str, Maps], np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng(0)
    some = rng.integers(0, 256, (8, CACHE, CACHE), np.uint8)
    write_shards(({"image": some[row % 8]} for row in range(images)), folder / "cache")
    rows = (
        {
            "attention": rng.random((1, 7, 7)).astype(np.float16),
            "cam": rng.random((len(FINDINGS), 7, 7)).astype(np.float16),
        }
        for _ in range(images)
    )
    write_shards(rows, folder / "maps")
    maps = {name: Maps(Shards(folder / "maps", name), tiles(7)) for name in ("attention", "cam")}
    index = pd.DataFrame({"image_index": [f"{row:08d}_000.png" for row in range(images)]})
    return Shards(folder / "cache"), maps, rng.normal(size=(images, len(FINDINGS))), index


def peak_megabytes(images: int) -> float:
    """Of a process that makes the crops of so many images, and nothing else."""
    command = [sys.executable, "-m", "benchmarks.peak", "crops", str(images)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout)


def measure_attention(backbones: Sequence[str], say: Callable[[str], None]) -> Figures:
    """All figures."""
    on_gpu = torch.cuda.is_available()
    images, few, rounds = (2048, 32, 7) if on_gpu else (64, 2, amount().rounds)
    found = {}
    for backbone in backbones:
        say(f"{backbone}: heatmaps and the bare forward pass in turns")
        mine = against_forward(backbone, images, rounds)
        say(f"{backbone}: pytorch-grad-cam")
        theirs = package_seconds(backbone, few)
        found[backbone] = {"against forward": mine, "package seconds": theirs}
    say("crops")
    crops = crops_per_second(2048)
    say("memory of crops")
    peak = {str(many): peak_megabytes(many) for many in (2048, 8192)}
    return {"heatmaps": found, "crops": crops, "crops peak MB": peak}
