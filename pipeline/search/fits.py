"""The training of each branch, as its stage does it, for any params."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.base.members import STUDIED
from pipeline.base.seeds import derive_seed
from pipeline.base.shards import Shards
from pipeline.base.tables import read_index, read_splits
from pipeline.fusion.head_training import BranchView, fit_fusion, fusion_task
from pipeline.fusion.metadata import fit_metadata
from pipeline.networks.branch import adopt, restore_branch
from pipeline.networks.checkpoints import read_checkpoint
from pipeline.params.sections import LearningParams, Section
from pipeline.params.whole import Params
from pipeline.training.branches import branch_task, fit_branch
from pipeline.training.data.examples import training_rows
from pipeline.training.state import Epoch

Fit = Callable[..., Iterator[Epoch]]
"""Takes the keywords `snapshots` and `watch`."""

Inputs = Mapping[str, Path]
"""What the stage of the branch reads, by the option of its command line."""


@dataclass(frozen=True)
class Work:
    """What a trial needs to know beside its changes; the same folders on every machine."""

    branch: str
    inputs: Inputs
    base: dict[str, Any]
    """The values of params.yaml."""
    root: Path
    """The checkout."""
    folder: Path
    """Of the search."""
    threads: int


def global_fit(cfg: Params, inputs: Inputs) -> Fit:
    """That of the stage `train_global`."""
    member, seed = cfg.members[STUDIED], derive_seed(cfg.seed, STUDIED, "global")
    task = branch_task(
        member.global_,
        member.weights.global_,
        {},
        Shards(inputs["images"]),
        read_index(inputs["index"]),
        read_splits(inputs["splits"]),
        cfg.train,
        cfg.global_,
        size=cfg.train.input_size,
        seed=seed,
    )
    return partial(fit_branch, task.branch, task.examples, cfg.train, cfg.global_, seed=seed)


def local_fit(cfg: Params, inputs: Inputs) -> Fit:
    """That of the stage `train_local`."""
    member, seed = cfg.members[STUDIED], derive_seed(cfg.seed, STUDIED, "local")
    crops = Shards(inputs["crops"])
    task = branch_task(
        member.local,
        member.weights.local,
        {},
        crops,
        read_index(inputs["index"]),
        read_splits(inputs["splits"]),
        cfg.train,
        cfg.local,
        size=crops.shape[-1],
        seed=seed,
    )
    adopt(task.branch, *read_checkpoint(inputs["global-model"]), start=cfg.local.start)
    return partial(fit_branch, task.branch, task.examples, cfg.train, cfg.local, seed=seed)


def fusion_fit(cfg: Params, inputs: Inputs) -> Fit:
    """That of the stage `train_fusion`."""
    seed = derive_seed(cfg.seed, STUDIED, "fusion")
    table, assigned = read_index(inputs["index"]), read_splits(inputs["splits"])
    global_view = BranchView(
        restore_branch(*read_checkpoint(inputs["global-model"])),
        Shards(inputs["global-features"], "pooled"),
    )
    local_view = BranchView(
        restore_branch(*read_checkpoint(inputs["local-model"])),
        Shards(inputs["local-features"], "pooled"),
    )
    metadata = fit_metadata(training_rows(table, assigned), cfg.fusion.features)
    known = metadata.encode(table)
    task = fusion_task(global_view, local_view, known, table, assigned, cfg.fusion, seed=seed)
    return partial(fit_fusion, task, cfg.train, cfg.fusion, seed=seed)


FITS: dict[str, Callable[[Params, Inputs], Fit]] = {
    "global": global_fit,
    "local": local_fit,
    "fusion": fusion_fit,
}


def own_params(cfg: Params, branch: str) -> LearningParams:
    """The section that the training of a branch has of its own."""
    sections: dict[str, LearningParams] = {
        "global": cfg.global_,
        "local": cfg.local,
        "fusion": cfg.fusion,
    }
    return sections[branch]


def deciding(cfg: Params, branch: str) -> list[Any]:
    """The params that decide on a training, for its snapshots."""
    sections: list[Section] = [cfg.train, own_params(cfg, branch)]
    return [section.model_dump() for section in sections]
