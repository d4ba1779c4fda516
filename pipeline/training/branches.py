"""Training a branch on images, and what it then sees in all of them."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.artifacts.shards import Shards
from pipeline.networks.branch import Branch
from pipeline.networks.device import settle
from pipeline.params import BranchParams, TrainParams
from pipeline.training.augment import random_flip_rotation, to_unit
from pipeline.training.examples import Examples, image_batches
from pipeline.training.fit import Epoch, Recipe, Task, fit
from pipeline.training.losses import build_loss


def start_at_prior(branch: Branch, train: Examples, *, loss: str) -> None:
    """Let the head say how frequent each finding is before it has learnt anything else."""
    with torch.no_grad():
        branch.head.bias.copy_(build_loss(loss, train.targets).prior_logits)


def fit_branch(
    branch: Branch,
    examples: dict[str, Examples],
    train: TrainParams,
    params: BranchParams,
    *,
    seed: int,
) -> Iterator[Epoch]:
    """Train a branch on its images; see `fit`."""
    fitted = build_loss(train.loss, examples["train"].targets)
    recipe = Recipe(
        epochs=params.epochs,
        batch_size=train.batch_size,
        learning_rate=params.learning_rate,
        weight_decay=train.weight_decay,
        schedule=params.schedule,
        head_epochs=params.head_epochs,
        patience=train.patience,
        precision=train.precision,
        seed=seed,
    )

    def augment(images: Tensor, generator: torch.Generator) -> Tensor:
        return random_flip_rotation(
            images,
            flip=train.flip,
            rotation_degrees=train.rotation_degrees,
            generator=generator,
        )

    task = Task(examples["train"], examples["val"], to_unit, augment, fitted.loss)
    return fit(branch, task, recipe)


def pooled_rows(branch: Branch, shards: Shards) -> Iterator[dict[str, Float[np.ndarray, " k"]]]:
    """The pooled features of every image in fp32, as rows for `write_shards`."""
    device = settle(branch)
    branch.eval()
    for batch in image_batches(shards, size=branch.spec.input_size):
        with torch.inference_mode():
            pooled = branch.pooled(to_unit(batch.to(device))).cpu().numpy()
        for row in pooled:
            yield {"pooled": row}
    branch.cpu()
