"""A packaged model that has learnt nothing, made in a moment: for what one does with a model."""

from pathlib import Path

import cv2
import numpy as np
import torch
from branches import make_branch

from pipeline.base.findings import FINDINGS
from pipeline.fusion.head import FusionSpec, LinearFusion
from pipeline.fusion.metadata import MetadataEncoder
from pipeline.networks.checkpoints import write_checkpoint
from pipeline.params.whole import load_params
from pipeline.predict.description import (
    FORMAT,
    NOTE,
    Boxes,
    Call,
    Cohort,
    Description,
    Score,
    write_description,
)
from pipeline.predict.familiarity import Familiarity, write_familiarity
from pipeline.predict.package import FAMILIAR, VALIDATION
from pipeline.predict.validation import Validation, write_validation

TINY = Path(__file__).parents[1] / "tiny.yaml"
FEATURES = ("age", "gender", "view")


def make_package(folder: Path, *, seed: int = 0) -> Path:
    """One of a single member, whose weights follow from the seed."""
    for branch in ("global", "local"):
        network = make_branch(size=32, seed=seed)
        write_checkpoint(
            network.state_dict(), network.spec.about(), folder / f"model/{branch}.safetensors"
        )
    about = network.spec.about()
    fusion = FusionSpec("linear", 2 * 1280 + 4, FINDINGS, hidden=8, dropout=0.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = LinearFusion(fusion)
    known = {"fusion": fusion.about(), "global": about, "local": about}
    known |= {"metadata": MetadataEncoder(FEATURES, 50.0, 15.0).about()}
    write_checkpoint(head.state_dict(), known, folder / "model/fusion.safetensors")
    seen = Familiarity(np.zeros(256), np.eye(4, 256), np.ones(4), rest=1.0, limit=1e9)
    write_familiarity(seen, folder / FAMILIAR)
    scale = np.tile(np.linspace(0, 1, 20, dtype=np.float32), (len(FINDINGS), 1))
    write_validation(Validation({"model": scale}, scale.copy()), folder / VALIDATION)
    write_description(description(), folder / NOTE)
    return folder


def description() -> Description:
    cfg = load_params(TINY)
    score = Score(auroc=0.75, low=0.7, high=0.8, positives=30)
    return Description(
        format=FORMAT,
        findings=FINDINGS,
        image_side=96,
        members={"model": "model"},
        vote="mean",
        others=(),
        heatmap=cfg.heatmap,
        crop=cfg.crop,
        boxes=Boxes(threshold=0.7, region="peak"),
        flip_at_predict=False,
        calls=dict.fromkeys(FINDINGS, Call(slope=1.0, intercept=0.0, thresholds={"youden": 0.5})),
        mean=score.model_copy(update={"positives": None}),
        scores=dict.fromkeys(FINDINGS, score),
        cohort=Cohort(images={"train": 80, "val": 20, "test": 20}, digest="0" * 64),
        params={"seed": cfg.seed, "global": cfg.global_.model_dump(mode="json")},
    )


def png(seed: int = 0, side: int = 128) -> bytes:
    """Noise of many grey values: no radiograph, but a picture of the right kind."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)
    return cv2.imencode(".png", pixels)[1].tobytes()
