"""Training a fusion head: on what two frozen branches have pooled, or through both of them."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.base.shards import Shards
from pipeline.fusion.head import Fusion, FusionSpec, JointFusion, build_fusion, join_branches
from pipeline.fusion.metadata import MetadataEncoder, fit_metadata
from pipeline.networks.augment import Augment, as_they_are, augmentation
from pipeline.networks.branch import Branch, BranchSpec, restore_branch
from pipeline.networks.checkpoints import read_checkpoint
from pipeline.params.sections import FusionParams, TrainParams
from pipeline.training.data.examples import (
    Examples,
    beside,
    load_examples,
    training_rows,
    vector_examples,
)
from pipeline.training.data.watch import Watch, unwatched
from pipeline.training.fit import Task, fit
from pipeline.training.losses import build_loss
from pipeline.training.plan import build_plan
from pipeline.training.records.snapshots import Snapshots
from pipeline.training.state import Epoch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BranchView:
    """A trained branch, and what it has pooled of what it looks at."""

    branch: Branch
    pooled: Shards
    """Row i is image i of the index."""


def read_view(model: Path, features: Path) -> BranchView:
    """That of a checkpoint and of the shards of what it has pooled."""
    return BranchView(restore_branch(*read_checkpoint(model)), Shards(features, "pooled"))


@dataclass(frozen=True)
class FusionTask:
    """A network that ends in a fusion head, and what it is trained and judged on."""

    network: Fusion | JointFusion
    examples: dict[str, Examples]
    spec: FusionSpec
    branches: dict[str, BranchSpec]
    """By "global" and "local"."""
    metadata: MetadataEncoder
    train: TrainParams
    params: FusionParams
    seed: int

    def about(self) -> dict[str, Any]:
        """The JSON-able description that goes into a checkpoint."""
        branches = {name: spec.about() for name, spec in self.branches.items()}
        return {"fusion": self.spec.about(), **branches, "metadata": self.metadata.about()}

    def fit(
        self, *, snapshots: Snapshots | None = None, watch: Watch = unwatched
    ) -> Iterator[Epoch]:
        """Train the fusion head, and the branches if they are part of the network; see `fit`."""
        train, examples = self.train, self.examples
        through_branches = isinstance(self.network, JointFusion)
        precision = train.precision if through_branches else "fp32"
        plan = build_plan(train, self.params, precision=precision, seed=self.seed)
        loss = build_loss(train.loss, examples["train"].targets, train.losses).loss
        augment: Augment = as_they_are
        if through_branches:
            log.info("both branches learn with the fusion head, whole and from the first epoch on")
            augment = augmentation(train.augment, alpha=train.standardise)
        learnt = Task(examples["train"], examples["val"], loss, augment)
        return fit(self.network, learnt, plan, snapshots=snapshots, watch=watch)


def fusion_task(
    global_: BranchView,
    local: BranchView,
    index: pd.DataFrame,
    splits: pd.DataFrame,
    train: TrainParams,
    params: FusionParams,
    *,
    seed: int,
) -> FusionTask:
    """The head on stored features before its training: what its stage and a search train.

    Args:
        global_: the global branch, and what it has pooled.
        local: the local branch, and what it has pooled.
        index: labels and metadata, schema INDEX.
        splits: schema SPLITS.
        train: what all training stages share.
        params: what the fusion has of its own.
        seed: of what starts at random, and of the training.
    """
    encoder = fit_metadata(training_rows(index, splits), params.features)
    metadata = encoder.encode(index)
    spec, fusion = _head(global_, local, metadata, params, seed=seed)
    rows = np.arange(len(index))
    parts = [*(view.pooled.gather(rows) for view in (global_, local)), metadata]
    joined = np.concatenate(parts, axis=1, dtype=np.float32)
    examples = vector_examples(joined, index, splits)
    return FusionTask(fusion, examples, spec, _specs(global_, local), encoder, train, params, seed)


def joint_task(
    global_: BranchView,
    local: BranchView,
    images: Shards,
    crops: Shards,
    index: pd.DataFrame,
    splits: pd.DataFrame,
    train: TrainParams,
    params: FusionParams,
    *,
    seed: int,
) -> FusionTask:
    """Both branches and the head on images and crops, of which row i is image i of the index."""
    encoder = fit_metadata(training_rows(index, splits), params.features)
    metadata = encoder.encode(index)
    spec, fusion = _head(global_, local, metadata, params, seed=seed)
    seen = [
        load_examples(shards, index, splits, size=view.branch.spec.input_size)
        for shards, view in ((images, global_), (crops, local))
    ]
    known = vector_examples(metadata.astype(np.float32), index, splits)
    network = join_branches(global_.branch, local.branch, fusion)
    examples = beside(beside(*seen), known)
    return FusionTask(
        network, examples, spec, _specs(global_, local), encoder, train, params, seed
    )


def _head(
    global_: BranchView,
    local: BranchView,
    metadata: Float[np.ndarray, "n m"],
    params: FusionParams,
    *,
    seed: int,
) -> tuple[FusionSpec, Fusion]:
    """A head that starts as the mean of both branches' logits."""
    spec = FusionSpec(
        head=params.head,
        inputs=sum(view.pooled.shape[1] for view in (global_, local)) + metadata.shape[1],
        findings=global_.branch.spec.findings,
        hidden=params.hidden,
        dropout=params.dropout,
    )
    return spec, build_fusion(spec, global_.branch.head, local.branch.head, seed=seed)


def _specs(global_: BranchView, local: BranchView) -> dict[str, BranchSpec]:
    return {"global": global_.branch.spec, "local": local.branch.spec}
