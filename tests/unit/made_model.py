"""A packaged model of small networks with random weights, written for tests."""

from pathlib import Path

import numpy as np
import torch
from branches import make_branch, some_images

from pipeline.base.findings import FINDINGS
from pipeline.fusion.head import FusionSpec, LinearFusion
from pipeline.networks.branch import Branch
from pipeline.networks.checkpoints import write_checkpoint
from pipeline.params.whole import load_params
from pipeline.predict.description import Boxes, Call, Cohort, Description, write_description
from pipeline.predict.familiarity import Familiarity, write_familiarity
from pipeline.predict.validation import Validation, write_validation

MEMBERS = ("model", "second")
UNCALLED = "Hernia"
"""The finding without a threshold."""

_TINY = Path(__file__).parents[1] / "tiny.yaml"


def write_model(folder: Path, *, side: int = 64) -> Path:
    """A model that finds every image familiar and whose calls go either way."""
    for seed, member in enumerate(MEMBERS):
        _write_member(folder / member, seed)
    write_description(_description(side), folder / "model.json")
    anything = Familiarity(np.zeros(256), np.eye(1, 256), np.ones(1), rest=1.0, limit=1e6)
    write_familiarity(anything, folder / "familiar.safetensors")
    rng = np.random.default_rng(0)
    said = {
        name: np.sort(rng.uniform(0.3, 0.7, (len(FINDINGS), 20)).astype(np.float32))
        for name in (*MEMBERS, "voted")
    }
    write_validation(Validation(said, said.pop("voted")), folder / "validation.safetensors")
    return folder


def _write_member(folder: Path, seed: int) -> None:
    folder.mkdir(parents=True)
    for number, branch in enumerate(("global", "local")):
        made = _awake(make_branch(seed=2 * seed + number, size=32, standardise=True))
        write_checkpoint(made.state_dict(), made.spec.about(), folder / f"{branch}.safetensors")
    metadata = {"features": ["age", "gender", "view"], "age_mean": 50.0, "age_std": 15.0}
    spec = FusionSpec("linear", 2 * 1280 + 4, FINDINGS, hidden=8, dropout=0.0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = LinearFusion(spec)
    about = {"fusion": spec.about(), "metadata": metadata, "global": {}, "local": {}}
    write_checkpoint(head.state_dict(), about, folder / "fusion.safetensors")


def _awake(branch: Branch) -> Branch:
    """With normalisations that know noise: else nothing of an image is left in the features."""
    for layer in branch.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = 1.0
    with torch.no_grad():
        branch.train()(some_images(16, size=32))
    return branch.eval()


def _description(side: int) -> Description:
    cfg = load_params(_TINY)
    return Description(
        format=1,
        findings=FINDINGS,
        image_side=side,
        members={name: name for name in MEMBERS},
        vote="mean",
        others=(),
        heatmap=cfg.heatmap,
        crop=cfg.crop,
        boxes=Boxes(threshold=0.7, region="peak"),
        flip_at_predict=False,
        calls={
            name: Call(
                slope=2.0, intercept=-1.0, thresholds={} if name == UNCALLED else {"youden": 0.5}
            )
            for name in FINDINGS
        },
        mean=None,
        scores={},
        cohort=Cohort(images={"train": 1, "val": 20, "test": 1}, digest="0" * 64),
        params={},
    )
