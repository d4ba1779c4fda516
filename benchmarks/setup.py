"""The same network, data and loss for everything that is compared."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from pipeline.base.findings import FINDINGS
from pipeline.networks.augment import augmentation
from pipeline.networks.branch import Branch, BranchSpec, build_branch
from pipeline.networks.device import default_device
from pipeline.networks.rows import Rows
from pipeline.params.sections import AugmentParams
from pipeline.training.data.examples import Examples
from pipeline.training.fit import Task
from pipeline.training.plan import Plan

SIZE = 224
"""Side of the network's input, in pixels: the field's usual one."""

NIH_TRAIN = 82_736
"""Training images of the paper's split of ChestX-ray14."""

PAPER = AugmentParams(
    flip=0.5, rotation_degrees=15.0, shift=0.0, scale=0.0, crop=0.0, contrast=0.0
)


@dataclass(frozen=True)
class Amount:
    """How much of it: a GPU needs more for a steady figure."""

    batch: int
    steps: int
    """Of a round."""
    rounds: int
    """Beside the first, which warms up and is not counted."""


def amount() -> Amount:
    """As much as takes about a minute for each network."""
    on_gpu = default_device().type == "cuda"
    return Amount(64, 40, 7) if on_gpu else Amount(16, 5, 5)


def make_network(backbone: str) -> Branch:
    """A branch on whole images, from random weights."""
    spec = BranchSpec(backbone, FINDINGS, output_stride=32, input_size=SIZE, standardise=False)
    return build_branch(spec, weights=None, seed=0)


def loss(logits: Float[Tensor, "b f"], targets: Float[Tensor, "b f"]) -> Float[Tensor, ""]:
    """Binary cross-entropy."""
    return functional.binary_cross_entropy_with_logits(logits, targets)


def random_images(rows: int) -> Tensor:
    """Bytes: to compute on them costs the same as on radiographs."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (rows, 1, SIZE, SIZE), generator=generator, dtype=torch.uint8)


def random_targets(rows: int) -> Float[Tensor, "n f"]:
    """About as many positives as there are."""
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(rows, len(FINDINGS), generator=generator) < 0.1).float()


def make_task(train: Rows, val_rows: int = 32) -> Task:
    """The paper's augmentation on these training images."""
    rows = len(train)
    examples = Examples([str(row) for row in range(rows)], "train", (train,), random_targets(rows))
    val = Examples(
        [str(row) for row in range(val_rows)],
        "val",
        (random_images(val_rows),),
        random_targets(val_rows),
    )
    return Task(examples, val, loss, augmentation(PAPER, alpha=False))


def make_plan(batch: int, *, epochs: int, device_cache: str = "on") -> Plan:
    """Nothing but speed matters."""
    return Plan(
        epochs=epochs,
        batch_size=batch,
        micro_batch=batch,
        learning_rate=1e-4,
        weight_decay=0.01,
        schedule="constant",
        warmup=0.0,
        head_epochs=0,
        keep="loss",
        patience=epochs,
        ema=0.0,
        precision="auto",
        device_cache=device_cache,
        compile=False,
        deterministic=False,
        threads=torch.get_num_threads(),  # as what it is compared with
        seed=0,
    )
