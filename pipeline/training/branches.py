"""Training a branch on images, and what it then sees in all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards
from pipeline.networks.augment import augmentation, to_unit
from pipeline.networks.branch import Branch, BranchSpec, Pooling, adopt, build_branch
from pipeline.networks.checkpoints import read_checkpoint
from pipeline.networks.device import settle
from pipeline.networks.mirror import Mirrored
from pipeline.networks.pretrained import read_weights
from pipeline.networks.rows import image_batches
from pipeline.params.sections import BranchParams, LocalParams, TrainParams
from pipeline.training.data.examples import Examples, load_examples
from pipeline.training.data.watch import Watch, unwatched
from pipeline.training.fit import Task, fit
from pipeline.training.losses import build_loss
from pipeline.training.plan import build_plan
from pipeline.training.records.snapshots import Snapshots
from pipeline.training.state import Epoch

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class BranchTask:
    """A branch that is ready to be trained, and the images that it is trained and judged on."""

    branch: Branch
    examples: dict[str, Examples]
    train: TrainParams
    params: BranchParams
    seed: int

    def fit(
        self, *, snapshots: Snapshots | None = None, watch: Watch = unwatched
    ) -> Iterator[Epoch]:
        """Train it; see `fit_branch`."""
        given = (self.branch, self.examples, self.train, self.params)
        return fit_branch(*given, seed=self.seed, snapshots=snapshots, watch=watch)


def global_task(
    backbone: str,
    weights: str,
    train: TrainParams,
    params: BranchParams,
    *,
    images: Shards,
    index: pd.DataFrame,
    splits: pd.DataFrame,
    seed: int,
    capsnet: Weights | None = None,
) -> BranchTask:
    """The global branch before its training: what its stage and a search train.

    Args:
        backbone: its name.
        weights: where it starts, as `read_weights` takes it.
        train: what all training stages share.
        params: what this branch has of its own.
        images: of the cohort; row i of them is row i of `index`.
        index: labels, schema INDEX.
        splits: schema SPLITS.
        seed: of what starts at random, and of the training.
        capsnet: where a cascade's CapsNet starts; None or empty for every other branch.
    """
    return _branch_task(
        backbone,
        weights,
        train,
        params,
        images,
        index,
        splits,
        size=train.input_size,
        seed=seed,
        capsnet=capsnet,
    )


def local_task(
    backbone: str,
    weights: str,
    train: TrainParams,
    params: LocalParams,
    *,
    crops: Shards,
    global_model: Path,
    index: pd.DataFrame,
    splits: pd.DataFrame,
    seed: int,
    capsnet: Weights | None = None,
) -> BranchTask:
    """The local branch before its training, on crops; otherwise as `global_task`.

    With `params.start`, it begins as the global branch of the checkpoint ended.
    """
    task = _branch_task(
        backbone,
        weights,
        train,
        params,
        crops,
        index,
        splits,
        size=crops.shape[-1],
        seed=seed,
        capsnet=capsnet,
    )
    adopt(task.branch, *read_checkpoint(global_model), start=params.start)
    return task


def _branch_task(
    backbone: str,
    weights: str,
    train: TrainParams,
    params: BranchParams,
    images: Shards,
    index: pd.DataFrame,
    splits: pd.DataFrame,
    *,
    size: int,
    seed: int,
    capsnet: Weights | None,
) -> BranchTask:
    spec = BranchSpec(
        backbone,
        FINDINGS,
        output_stride=params.output_stride,
        input_size=size,
        standardise=train.standardise,
        pooling=params.pooling,
        pyramid=params.pyramid,
    )
    start = read_weights(weights, spec)
    examples = load_examples(images, index, splits, size=size)
    prior = prior_logits(examples["train"], train)
    branch = build_branch(
        spec, weights=start, capsnet=capsnet or {}, prior_logits=prior, seed=seed
    )
    return BranchTask(branch, examples, train, params, seed)


def fit_branch(
    branch: Branch,
    examples: dict[str, Examples],
    train: TrainParams,
    params: BranchParams,
    *,
    seed: int,
    snapshots: Snapshots | None = None,
    watch: Watch = unwatched,
) -> Iterator[Epoch]:
    """Train a branch on its images; see `fit`."""
    fitted = build_loss(train.loss, examples["train"].targets, train.losses)
    plan = build_plan(
        train, params, precision=train.precision, seed=seed, head_epochs=params.head_epochs
    )
    augment = augmentation(train.augment, alpha=train.standardise)
    task = Task(examples["train"], examples["val"], fitted.loss, augment)
    return fit(branch, task, plan, snapshots=snapshots, watch=watch)


def prior_logits(train: Examples, params: TrainParams) -> Float[Tensor, " f"]:
    """How frequent each finding is, as a head says it before it has learnt anything else."""
    return build_loss(params.loss, train.targets, params.losses).prior_logits


def pooled_rows(
    branch: Branch, shards: Shards, *, flip: bool
) -> Iterator[dict[str, Float[np.ndarray, " k"]]]:
    """The pooled features of every image in fp32, as rows for `write_shards`.

    With `flip`, the mean of those of the image and of its mirror image.
    """
    device = settle(branch)
    seeing: Pooling = Mirrored(branch.eval()) if flip else branch.eval()
    for batch in image_batches(shards, size=branch.spec.input_size):
        with torch.inference_mode():
            pooled = seeing.pooled(to_unit(batch.to(device))).cpu().numpy()
        for row in pooled:
            yield {"pooled": row}
    branch.cpu()
