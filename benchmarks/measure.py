"""What is measured, each figure beside the one it is compared with, in one run."""

import copy
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.bare import Bare
from benchmarks.conventional import Conventional
from benchmarks.machine import wait_for_device
from benchmarks.setup import (
    NIH_TRAIN,
    PAPER,
    SIZE,
    Amount,
    amount,
    make_network,
    make_plan,
    make_task,
    random_images,
)
from pipeline.base.shards import Shards, write_shards
from pipeline.base.watching import Look
from pipeline.cohort.phantom.cohort import make_cohort
from pipeline.networks.augment import DRAWN, augmentation, prepare
from pipeline.networks.device import default_device
from pipeline.networks.rows import Rows, StoredImages
from pipeline.params.sections import PhantomParams
from pipeline.training.data.batches import gathered
from pipeline.training.fit import fit
from pipeline.training.records.snapshots import Snapshots
from pipeline.training.state import begin

Figures = dict[str, Any]

FILES = 64
"""PNG files of 1024 x 1024 pixels."""

_LOADER_ROUNDS = 3  # enough for a ratio that is far from 1


def write_files(folder: Path) -> None:
    """Made radiographs of ChestX-ray14's size, as PNG."""
    params = PhantomParams(
        seed=1, patients=50, size_px=1024, label_noise=0.1, prevalence_scale=2.0
    )
    for image in islice(make_cohort(params).images, FILES):
        (folder / image.image_index).write_bytes(image.png)


def against_bare(backbone: str, much: Amount) -> Figures:
    """Training images per second of `fit` and of the bare step."""
    bare = Bare(make_network(backbone), much.batch)
    return _in_turns(backbone, much, "bare", lambda: bare.images_per_second(much.steps))


def against_loader(backbone: str, folder: Path, much: Amount) -> Figures:
    """The same of `fit` and of training from PNG files and workers."""
    loader, bare = Conventional(folder, much.batch), Bare(make_network(backbone), much.batch)
    usual = partial(loader.images_per_second, bare, much.steps)
    return _in_turns(backbone, replace(much, rounds=_LOADER_ROUNDS), "conventional", usual)


def _in_turns(backbone: str, much: Amount, name: str, other: Callable[[], float]) -> Figures:
    """Rates of `fit` and another training, medians of rounds, and the ratios of neighbours."""
    task = make_task(random_images(much.batch * much.steps))
    epochs = fit(make_network(backbone), task, make_plan(much.batch, epochs=much.rounds + 1))
    others, fits = [], []
    for _ in range(much.rounds + 1):  # the first warms up
        others.append(other())
        fits.append(next(epochs).images_per_second)
    ratios = [mine / its for its, mine in zip(others, fits, strict=True)][1:]
    return {
        "fit": median(fits[1:]),
        name: median(others[1:]),
        "ratio": median(ratios),
        "ratios": sorted(ratios),
    }


def feeding(folder: Path, much: Amount) -> Figures:
    """Augmented images per second on the device, without a network: cached, streamed, usual."""
    rows = random_images(much.batch * much.steps)
    usual = Conventional(folder, much.batch).feeding(much.steps)
    with tempfile.TemporaryDirectory() as kept:
        stored = _stored(Path(kept) / "images", rows.numpy()[:, 0])
        cached, streamed = (_fed(source, much) for source in (rows.to(default_device()), stored))
    return {"cached": cached, "streamed": streamed, "conventional": usual}


def _fed(rows: Rows, much: Amount) -> float:
    order = list(torch.randperm(len(rows)).split(much.batch))
    augment = augmentation(PAPER, alpha=False)
    for _ in range(2):  # the first warms up
        wait_for_device()
        started = time.perf_counter()
        for (images,) in gathered((rows,), order, default_device()):
            augment(prepare((images,)), torch.rand(DRAWN, len(images)).to(images.device))
        wait_for_device()
    return len(rows) / (time.perf_counter() - started)


def _stored(folder: Path, images: np.ndarray) -> StoredImages:
    write_shards(({"image": image} for image in images), folder)
    shards = Shards(folder)
    return StoredImages(shards, np.arange(len(shards)), SIZE)


class _Reached(Exception):  # noqa: N818
    """The first batch is there: no more is needed."""


def first_batch(folder: Path, much: Amount) -> Figures:
    """Seconds from the call of `fit` to its first batch, from 4,096 images of 256 px in shards.

    All is read, hashed for the snapshots' key and resized before it, where images are cached.
    """
    rows = 4096
    pixels = np.random.default_rng(0).integers(0, 256, (rows, 256, 256), np.uint8)
    with tempfile.TemporaryDirectory() as kept:
        stored = _stored(Path(kept) / "images", pixels)
        cached, streamed = (
            _time_to_first_batch(stored, Path(kept), much, mode=mode) for mode in ("on", "off")
        )
    usual = Conventional(folder, much.batch).first_batch_seconds
    return {"images": rows, "cached": cached, "streamed": streamed, "conventional": usual}


def _time_to_first_batch(rows: Rows, root: Path, much: Amount, *, mode: str) -> float:
    def reached() -> None:
        wait_for_device()
        raise _Reached

    def watch(*, epoch: int, sizes: Sequence[int]) -> Look:  # noqa: ARG001
        return nullcontext(reached)

    plan = make_plan(much.batch, epochs=1, device_cache=mode)
    network, task = make_network("resnet18"), make_task(rows)
    snapshots = Snapshots("bench", root=root)
    started = time.perf_counter()
    with suppress(_Reached):
        next(fit(network, task, plan, snapshots=snapshots, watch=watch))
    return time.perf_counter() - started


def snapshot_seconds(backbone: str) -> float:
    """What it takes to keep where a training stands."""
    with tempfile.TemporaryDirectory() as kept:
        training = begin(make_network(backbone), make_plan(2, epochs=1), steps=1)
        for value in training.network.parameters():
            value.grad = torch.zeros_like(value)
        training.optimizer.step()
        training.best = copy.deepcopy(training.network.state_dict())
        snapshots = Snapshots("bench", root=Path(kept))
        snapshots.load()
        started = time.perf_counter()
        snapshots.save(training.state_dict(), epoch=1)
        return time.perf_counter() - started


def peak_megabytes(what: str, backbone: str) -> float:
    """Of a process of its own that does nothing else: "fit" or "bare"."""
    command = [sys.executable, "-m", "benchmarks.peak", what, backbone]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(json.loads(done.stdout))


def measure_training(backbones: Sequence[str], say: Callable[[str], None]) -> Figures:
    """All figures of trainings."""
    much, found = amount(), {}
    with tempfile.TemporaryDirectory() as files:
        say(f"{FILES} radiographs of 1024 x 1024 pixels")
        write_files(Path(files))
        for backbone in backbones:
            say(f"{backbone}: fit and the bare step in turns")
            bare = against_bare(backbone, much)
            say(f"{backbone}: fit and a conventional loader in turns")
            usual = against_loader(backbone, Path(files), much)
            say(f"{backbone}: memory")
            peak = {what: peak_megabytes(what, backbone) for what in ("bare", "fit")}
            found[backbone] = {
                "against bare": bare,
                "against conventional": usual,
                "epoch seconds": {
                    "fit": NIH_TRAIN / bare["fit"],
                    "conventional": NIH_TRAIN / usual["conventional"],
                },
                "peak MB": peak,
                "snapshot seconds": snapshot_seconds(backbone),
            }
        say("feeding without a network, and the first batch")
        fed, first = feeding(Path(files), much), first_batch(Path(files), much)
    setting = {
        "device": default_device().type,
        "size": SIZE,
        "batch": much.batch,
        "steps": much.steps,
        "rounds": much.rounds,
        "loader rounds": _LOADER_ROUNDS,
    }
    return {"setting": setting, "networks": found, "feeding": fed, "first batch": first}
