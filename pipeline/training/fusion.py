"""Training a fusion head on what two frozen branches have pooled."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from pipeline.artifacts.shards import Shards
from pipeline.networks.fusion import Fusion
from pipeline.params import FusionParams, TrainParams
from pipeline.training.examples import Examples, as_float
from pipeline.training.fit import Epoch, Recipe, Task, fit
from pipeline.training.losses import build_loss


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
        schedule=params.schedule,
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
    global_: Shards, local: Shards, metadata: Float[np.ndarray, "n m"]
) -> Float[np.ndarray, "n d"]:
    """`[global pooled, local pooled, metadata]` of every image."""
    rows = np.arange(len(metadata))
    parts = [global_.gather(rows), local.gather(rows), metadata]
    return np.concatenate(parts, axis=1, dtype=np.float32)
