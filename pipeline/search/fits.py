"""The training of each branch, as its stage does it, for any params."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.base.members import STUDIED
from pipeline.base.seeds import derive_seed
from pipeline.base.shards import Shards
from pipeline.base.tables import read_index, read_splits
from pipeline.fusion.head_training import fusion_task, read_view
from pipeline.params.sections import LearningParams, Section
from pipeline.params.whole import Params
from pipeline.training.branches import BranchTask, global_task, local_task
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
    return studied_global(
        cfg,
        images=Shards(inputs["images"]),
        index=read_index(inputs["index"]),
        splits=read_splits(inputs["splits"]),
        seed=derive_seed(cfg.seed, STUDIED, "global"),
    ).fit


def studied_global(
    cfg: Params, *, images: Shards, index: pd.DataFrame, splits: pd.DataFrame, seed: int
) -> BranchTask:
    """The global branch of the member under study, to be trained as the params say."""
    member = cfg.members[STUDIED]
    return global_task(
        member.global_,
        member.weights.global_,
        cfg.train,
        cfg.global_,
        images=images,
        index=index,
        splits=splits,
        seed=seed,
    )


def local_fit(cfg: Params, inputs: Inputs) -> Fit:
    """That of the stage `train_local`."""
    member = cfg.members[STUDIED]
    return local_task(
        member.local,
        member.weights.local,
        cfg.train,
        cfg.local,
        crops=Shards(inputs["crops"]),
        global_model=inputs["global-model"],
        index=read_index(inputs["index"]),
        splits=read_splits(inputs["splits"]),
        seed=derive_seed(cfg.seed, STUDIED, "local"),
    ).fit


def fusion_fit(cfg: Params, inputs: Inputs) -> Fit:
    """That of the stage `train_fusion`."""
    return fusion_task(
        read_view(inputs["global-model"], inputs["global-features"]),
        read_view(inputs["local-model"], inputs["local-features"]),
        read_index(inputs["index"]),
        read_splits(inputs["splits"]),
        cfg.train,
        cfg.fusion,
        seed=derive_seed(cfg.seed, STUDIED, "fusion"),
    ).fit


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
