"""A packaged model of random weights, made in about a second, and radiographs that it knows."""

from dataclasses import dataclass
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
from pipeline.fusion.head import HEADS, FusionSpec, join_branches
from pipeline.fusion.metadata import METADATA, MetadataEncoder
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
from pipeline.predict.package import FAMILIAR, VALIDATION, Networks

SIDE = 64
"""Of the cached images, in pixels."""


_CROP = CropParams(
    method="attention",
    top=1,
    threshold=0.7,
    region="peak",
    margin=0.1,
    min_side=0.3,
    windows=0,
    side=0.25,
    input_size=32,
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


_HIDDEN = 8


@dataclass(frozen=True)
class Kind:
    """What a member is made of."""

    global_: str = "mobilenet_v2"
    local: str = "mobilenet_v3"
    head: str = "linear"
    is_joint: bool = False
    """Whether its head has branches of its own, with other weights."""
    features: tuple[str, ...] = METADATA
    pooling: str = "average"
    pyramid: int = 0
    """Of both branches."""


def write_model(
    folder: Path,
    *,
    members: tuple[str, ...] = MEMBERS,
    kind: Kind = Kind(),
    seed: int = 0,
    picky: bool = True,
    **changes: Any,
) -> Path:
    """A folder as the stage `package` leaves it; `changes` are fields of its description.

    Its thresholds are such that some findings are called, and its familiar images are the
    `radiographs`; if it is not `picky`, all that there may be.
    """
    for number, name in enumerate(members):
        _write_member(folder, name, seed + number, kind)
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


def made_networks(kind: Kind, *, seed: int = 0) -> Networks:
    """Those of a member, in eval mode."""
    global_, local = _branches(kind, seed)
    known = MetadataEncoder(kind.features, age_mean=50.0, age_std=15.0)
    columns = sum({"age": 2}.get(one, 1) for one in kind.features)
    with torch.no_grad():
        blank = torch.zeros(1, 1, 32, 32)
        pooled = [branch.pooled(blank).shape[1] for branch in (global_, local)]
    spec = FusionSpec(kind.head, sum(pooled) + columns, FINDINGS, hidden=_HIDDEN, dropout=0.5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = HEADS[kind.head](spec)
    if kind.is_joint:
        head = join_branches(*_branches(kind, seed + 10), head)
    return Networks(global_, local, head.eval(), known)


def _write_member(folder: Path, name: str, seed: int, kind: Kind) -> None:
    global_, local, head, known = made_networks(kind, seed=seed)
    inputs = (head.fusion if kind.is_joint else head).head.in_features
    spec = FusionSpec(kind.head, inputs, FINDINGS, hidden=_HIDDEN, dropout=0.5)
    about = {
        "fusion": spec.about(), "global": global_.spec.about(), "local": local.spec.about(),
        "metadata": known.about(),
    }  # fmt: skip
    for branch, one in (("global", global_), ("local", local)):
        path = folder / name / f"{branch}.safetensors"
        write_checkpoint(one.state_dict(), one.spec.about(), path)
    write_checkpoint(head.state_dict(), about, folder / name / "fusion.safetensors")


def _branches(kind: Kind, seed: int) -> tuple[Branch, Branch]:
    options = {"seed": seed, "size": 32, "pooling": kind.pooling, "pyramid": kind.pyramid}
    global_ = make_branch(kind.global_, output_stride=16, **options)
    return _seen_some(global_), _seen_some(make_branch(kind.local, **options))


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
