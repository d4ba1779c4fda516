"""Training a branch on images, and a fusion head on what two branches see."""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.artifacts.shards import Shards
from pipeline.networks.branch import Branch
from pipeline.networks.device import autocast, settle
from pipeline.networks.fusion import Fusion
from pipeline.params import BranchParams, FusionParams, TrainParams
from pipeline.training.augment import random_flip_rotation, to_unit
from pipeline.training.examples import Examples, as_float, load_images
from pipeline.training.fit import Epoch, Recipe, Task, fit
from pipeline.training.losses import build_loss

_BATCH = 256  # images per forward pass


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
    with torch.no_grad():
        branch.head.bias.copy_(fitted.prior_logits)
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


def fit_fusion(
    fusion: Fusion,
    examples: dict[str, Examples],
    train: TrainParams,
    params: FusionParams,
    *,
    seed: int,
) -> Iterator[Epoch]:
    """Train a fusion head on joined features, the branches being frozen; see `fit`."""
    recipe = Recipe(
        epochs=params.epochs,
        batch_size=train.batch_size,
        learning_rate=params.learning_rate,
        weight_decay=train.weight_decay,
        schedule="one_cycle",
        head_epochs=0,
        patience=train.patience,
        precision="fp32",
        seed=seed,
    )
    fitted = build_loss(train.loss, examples["train"].targets)
    task = Task(
        examples["train"], examples["val"], as_float, lambda inputs, _: inputs, fitted.loss
    )
    return fit(fusion, task, recipe)


def join_features(
    global_: Branch,
    images: Shards,
    local: Branch,
    crops: Shards,
    metadata: Float[np.ndarray, "n m"],
    *,
    precision: str,
) -> Float[np.ndarray, "n d"]:
    """`[global pooled, local pooled, metadata]` of every image, branches in eval mode."""
    parts = [_pooled(global_, images, precision), _pooled(local, crops, precision), metadata]
    return np.concatenate(parts, axis=1, dtype=np.float32)


@torch.inference_mode()
def _pooled(branch: Branch, shards: Shards, precision: str) -> Float[np.ndarray, "n k"]:
    device = settle(branch)
    branch.eval()
    pooled = []
    for start in range(0, len(shards), _BATCH):
        rows = np.arange(start, min(start + _BATCH, len(shards)))
        batch = load_images(shards, rows, size=branch.spec.input_size)
        with autocast(device, precision):
            pooled.append(branch.pooled(to_unit(batch.to(device))).float().cpu())
    branch.cpu()
    return torch.cat(pooled).numpy()
