"""A packaged model of random weights, made in about a second, and radiographs that it knows."""

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from branches import make_branch

from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards, write_shards
from pipeline.cohort.phantom.cohort import make_cohort
from pipeline.cohort.reading.images import decode_grey, resize_square, thumbnail
from pipeline.fusion.head import HEADS, FusionSpec
from pipeline.fusion.metadata import MetadataEncoder
from pipeline.networks.branch import Branch
from pipeline.networks.checkpoints import write_checkpoint
from pipeline.params.sections import CropParams, HeatmapParams, PhantomParams
from pipeline.predict.about.description import (
    FORMAT,
    NOTE,
    Boxes,
    Call,
    Cohort,
    Description,
    Score,
    write_description,
)
from pipeline.predict.about.familiarity import Familiarity, fit_familiarity, write_familiarity
from pipeline.predict.about.validation import Validation, write_validation
from pipeline.predict.package import FAMILIAR, VALIDATION

SIDE = 64
"""Of the cached images, in pixels."""


_CROP = CropParams(
    method="attention", top=1, threshold=0.7, region="peak", margin=0.1, min_side=0.3, size=32
)
MEMBERS = ("one", "two")
UNCALLED = "Hernia"
"""The finding without a threshold."""

_CALLS = {
    name: Call(slope=1.5, intercept=-0.3, thresholds={} if name == UNCALLED else {"youden": 0.5})
    for name in FINDINGS
}


@cache
def radiographs() -> tuple[bytes, ...]:
    """PNG files of the synthetic cohort, the patients' in order."""
    params = PhantomParams(seed=5, patients=60, size_px=128, label_noise=0.1, prevalence_scale=2.0)
    return tuple(one.png for one in make_cohort(params, workers=1).images)


def write_model(
    folder: Path,
    *,
    members: tuple[str, ...] = MEMBERS,
    seed: int = 0,
    picky: bool = True,
    **changes: Any,
) -> Path:
    """A folder as the stage `package` leaves it; `changes` are fields of its description.

    Its thresholds are such that some findings are called, and its familiar images are the
    `radiographs`; if it is not `picky`, all that there may be.
    """
    for number, name in enumerate(members):
        _write_member(folder, name, seed + number)
    anything = Familiarity(np.zeros(256), np.eye(1, 256), np.ones(1), rest=1.0, limit=1e6)
    write_familiarity(_familiar(folder) if picky else anything, folder / FAMILIAR)
    rng = np.random.default_rng(0)
    votes = {name: _sorted(rng) for name in members}
    write_validation(Validation(votes, _sorted(rng)), folder / VALIDATION)
    score = Score(auroc=0.75, low=0.7, high=0.8, positives=30)
    about = Description(
        format=FORMAT,
        findings=FINDINGS,
        image_side=SIDE,
        members={one: one for one in members},
        shown=members[0],
        vote="mean",
        others=(),
        heatmap=HeatmapParams(methods=["attention", "cam"], layer="last"),
        crop=_CROP,
        boxes=Boxes(threshold=0.7, region="peak"),
        flip_at_predict=False,
        calls=_CALLS,
        mean=score.model_copy(update={"positives": None}),
        scores=dict.fromkeys(FINDINGS, score),
        cohort=Cohort(images={"train": 60}, digest="0" * 64, is_synthetic=False),
        params={"seed": 7, "global": {"epochs": 1}},
    ).model_copy(update=changes)
    write_description(about, folder / NOTE)
    return folder


def _sorted(rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.random((len(FINDINGS), 40), np.float32), axis=1)


def _write_member(folder: Path, name: str, seed: int) -> None:
    global_ = _seen_some(make_branch("mobilenet_v2", seed=seed, size=32, output_stride=16))
    local = _seen_some(make_branch("mobilenet_v3", seed=seed, size=32))
    known = MetadataEncoder(("age", "gender", "view"), age_mean=50.0, age_std=15.0)
    with torch.no_grad():
        blank = torch.zeros(1, 1, 32, 32)
        pooled = [branch.pooled(blank).shape[1] for branch in (global_, local)]
    spec = FusionSpec("linear", sum(pooled) + 4, FINDINGS, hidden=8, dropout=0.5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = HEADS["linear"](spec)
    about = {
        "fusion": spec.about(), "global": global_.spec.about(), "local": local.spec.about(),
        "metadata": known.about(),
    }  # fmt: skip
    for branch, one in (("global", global_), ("local", local)):
        path = folder / name / f"{branch}.safetensors"
        write_checkpoint(one.state_dict(), one.spec.about(), path)
    write_checkpoint(head.state_dict(), about, folder / name / "fusion.safetensors")


def _seen_some(branch: Branch) -> Branch:
    """With statistics of radiographs, without which random weights make nothing of any."""
    pixels = [resize_square(decode_grey(one).pixels, 32) for one in radiographs()[:32]]
    for layer in branch.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None
    with torch.no_grad():
        branch.train()(torch.from_numpy(np.stack(pixels))[:, None] / 255)
    return branch.eval()


def _familiar(folder: Path) -> Familiarity:
    images = [resize_square(decode_grey(one).pixels, SIDE) for one in radiographs()]
    shards = folder.with_name(f"{folder.name}_thumbnails")
    write_shards(({"image": thumbnail(one)} for one in images), shards)
    names = [f"{row}.png" for row in range(len(images))]
    index = pd.DataFrame({"image_index": names})
    splits = pd.DataFrame({"image_index": names, "split": np.resize(["train", "val"], len(names))})
    return fit_familiarity(Shards(shards), index, splits)


def png(seed: int = 0, side: int = 128) -> bytes:
    """Noise of many grey values: no radiograph, but a picture of the right kind."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()
