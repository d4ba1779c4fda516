"""Training a fusion head: on what two frozen branches have pooled, or through both of them."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.base.shards import Shards
from pipeline.fusion.head import Fusion, FusionSpec, JointFusion, build_fusion, join_branches
from pipeline.networks.augment import Augment, as_they_are, augmentation
from pipeline.networks.branch import Branch, BranchSpec
from pipeline.params.sections import FusionParams, TrainParams
from pipeline.training.data.examples import Examples, beside, load_examples, vector_examples
from pipeline.training.fit import Task, fit
from pipeline.training.losses import build_loss
from pipeline.training.plan import build_plan
from pipeline.training.records.snapshots import Snapshots
from pipeline.training.state import Epoch
from pipeline.training.watch import Watch, unwatched

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BranchView:
    """A trained branch, what it looks at, and what it has pooled of that."""

    branch: Branch
    images: Shards
    pooled: Shards
    """Row i of both is image i of the index."""


@dataclass(frozen=True)
class FusionTask:
    """A network that ends in a fusion head, and what it is trained and judged on."""

    network: Fusion | JointFusion
    examples: dict[str, Examples]
    spec: FusionSpec
    branches: dict[str, BranchSpec]
    """By "global" and "local"."""

    def about(self) -> dict[str, Any]:
        """The JSON-able description that goes into a checkpoint."""
        branches = {name: spec.about() for name, spec in self.branches.items()}
        return {"fusion": self.spec.about(), **branches}


def fusion_task(
    global_: BranchView,
    local: BranchView,
    metadata: Float[np.ndarray, "n m"],
    index: pd.DataFrame,
    splits: pd.DataFrame,
    params: FusionParams,
    *,
    seed: int,
) -> FusionTask:
    """The head on stored features; with `finetune`, both branches and the head on images."""
    views, rows = (global_, local), np.arange(len(index))
    spec = FusionSpec(
        head=params.head,
        inputs=sum(view.pooled.shape[1] for view in views) + metadata.shape[1],
        findings=global_.branch.spec.findings,
        hidden=params.hidden,
        dropout=params.dropout,
    )
    branches = {"global": global_.branch.spec, "local": local.branch.spec}
    fusion = build_fusion(spec, global_.branch.head, local.branch.head, seed=seed)
    if not params.finetune:
        parts = [*(view.pooled.gather(rows) for view in views), metadata]
        joined = np.concatenate(parts, axis=1, dtype=np.float32)
        return FusionTask(fusion, vector_examples(joined, index, splits), spec, branches)
    images, crops = (
        load_examples(view.images, index, splits, size=view.branch.spec.input_size)
        for view in views
    )
    known = vector_examples(metadata.astype(np.float32), index, splits)
    network = join_branches(global_.branch, local.branch, fusion)
    return FusionTask(network, beside(beside(images, crops), known), spec, branches)


def fit_fusion(
    task: FusionTask,
    train: TrainParams,
    params: FusionParams,
    *,
    seed: int,
    snapshots: Snapshots | None = None,
    watch: Watch = unwatched,
) -> Iterator[Epoch]:
    """Train a fusion head, and the branches if they are part of the network; see `fit`."""
    plan = build_plan(
        train, params, precision=train.precision if params.finetune else "fp32", seed=seed
    )
    examples = task.examples
    loss = build_loss(train.loss, examples["train"].targets, train.losses).loss
    augment: Augment = as_they_are
    if params.finetune:
        log.info("both branches learn with the fusion head, whole and from the first epoch on")
        augment = augmentation(train.augment, alpha=train.standardise)
    learnt = Task(examples["train"], examples["val"], loss, augment)
    return fit(task.network, learnt, plan, snapshots=snapshots, watch=watch)
