"""Ours beside what others train with: `python -m benchmarks.peers`, the same cohort and minutes.

In a checkout with the recipe to be compared, behind `dvc repro split`. Ours is a member of the
pipeline, of DVC's stages as they are. Peers train on the same images at the same size, which they
find decoded and resized, in the same precision, for at least as many epochs and CPU minutes as
ours took, and keep their best epoch.
"""

import copy
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import timm
import torch
import typer
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torchvision import models
from torchvision.transforms import v2

from benchmarks.cohort import (
    Cohort,
    Figures,
    mean_of,
    of_variants,
    read_cohort,
    run_all,
    spread,
    told_less,
)
from benchmarks.costs import cost_of
from benchmarks.machine import describe_machine
from benchmarks.table import markdown
from pipeline.base.findings import FINDINGS
from pipeline.base.members import STUDIED
from pipeline.base.tables import read_predictions
from pipeline.networks.augment import to_unit
from pipeline.networks.backbones.zoo import build_backbone
from pipeline.networks.branch import BranchSpec
from pipeline.networks.device import autocast, settle
from pipeline.networks.pretrained import read_weights
from pipeline.params.names import TIMM
from pipeline.training.data.batches import cached
from pipeline.training.data.examples import Examples, load_examples
from pipeline.training.judging import mean_auroc
from pipeline.training.predict import predict_logits
from pipeline.training.prediction_tables import predict_table

MIN_BATCH = 2
"""Fewer images have no statistics for BatchNorm."""


class Seeing(nn.Module):
    """A network that takes images in [0, 1]."""

    def __init__(self, network: nn.Module, prepare: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.network, self.prepare = network, prepare

    def forward(self, images: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b f"]:
        """Logits."""
        logits: Tensor = self.network(self.prepare(images))
        return logits


@dataclass(frozen=True)
class Peer:
    """How somebody else trains."""

    network: Callable[[Cohort], Seeing]
    augment: Callable[[Float[Tensor, "1 h w"]], Tensor]
    """Of one image."""
    loss: Callable[[Float[Tensor, "n f"]], Callable[[Tensor, Tensor], Tensor]]
    """From the training targets to a loss."""
    optimizer: Callable[[nn.Module], Optimizer]
    batch_size: int
    cost: Callable[[float, float], float]
    """Of an epoch, by its validation loss and AUROC: that of the lowest is kept."""
    plateau: bool = False


def of_its_library(cohort: Cohort) -> Seeing:
    """The global backbone as torchvision or timm has it, from the same weights, with a new head.

    It sees the greys as three equal channels in the statistics of its weights.
    """
    cfg = cohort.params
    member, size = cfg.members[STUDIED], cfg.train.input_size
    name = member.global_
    network: nn.Module = (
        timm.create_model(name.removeprefix(TIMM))
        if name.startswith(TIMM)
        else getattr(models, name)(weights=None)
    )
    spec = BranchSpec(name, FINDINGS, output_stride=32, input_size=size, standardise=False)
    start = read_weights(member.weights.global_, spec)
    if start is not None:
        network.load_state_dict(start.state)
    place, head = [pair for pair in network.named_modules() if isinstance(pair[1], nn.Linear)][-1]
    assert isinstance(head, nn.Linear)
    network.set_submodule(place, nn.Linear(head.in_features, len(FINDINGS)))
    known = build_backbone(name, output_stride=32, input_size=size)
    return Seeing(network, partial(as_colours, mean=known.mean, std=known.std))


def as_colours(images: Tensor, *, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Three equal channels, brought to the statistics that a network was pretrained on."""
    seen: Tensor = v2.functional.normalize(images.expand(-1, 3, -1, -1), [*mean], [*std])
    return seen


def of_torchxrayvision(_: Cohort) -> Seeing:
    """Its DenseNet-121, of one channel, which its authors train from random weights."""
    from torchxrayvision.models import DenseNet, get_densenet_params  # noqa: PLC0415 (an extra)

    shape = get_densenet_params("densenet121")
    network: nn.Module = DenseNet(num_classes=len(FINDINGS), in_channels=1, **shape)
    return Seeing(network, hounsfield_like)


def hounsfield_like(images: Tensor) -> Tensor:
    """Greys from -1024 to 1024, as torchxrayvision's `normalize`."""
    return (images * 2 - 1) * 1024


def plain_loss(_: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Binary cross-entropy, all alike."""
    return binary_cross_entropy_with_logits


def of_tasks(targets: Float[Tensor, "n f"]) -> Callable[[Tensor, Tensor], Tensor]:
    """torchxrayvision's: the sum over findings, rare ones weighing more (its `taskweights`)."""
    positives = targets.sum(0)
    weights = positives.max() - positives + positives.mean()
    weights = weights / weights.max()

    def loss(logits: Tensor, truth: Tensor) -> Tensor:
        each = binary_cross_entropy_with_logits(logits, truth, reduction="none").mean(0)
        return (weights.to(each) * each).sum()

    return loss


_PLAIN = Peer(
    network=of_its_library,
    augment=v2.RandomHorizontalFlip(),
    loss=plain_loss,
    optimizer=lambda network: Adam(network.parameters(), lr=1e-4),
    batch_size=16,
    cost=lambda loss, _auroc: loss,
    plateau=True,
)
_TORCHXRAYVISION = Peer(
    network=of_torchxrayvision,
    augment=v2.RandomAffine(45, translate=(0.15, 0.15), scale=(0.85, 1.15)),
    loss=of_tasks,
    optimizer=lambda network: Adam(network.parameters(), lr=1e-3, weight_decay=1e-5, amsgrad=True),
    batch_size=64,
    cost=lambda _loss, auroc: -auroc,
)
PEERS: dict[str, Peer] = {
    "plain fine-tuning, as CheXNet's reproductions": _PLAIN,
    "torchxrayvision": _TORCHXRAYVISION,
    "torchxrayvision's training, our network and weights": replace(
        _TORCHXRAYVISION, network=of_its_library
    ),
}
OURS = "ours, "
NETWORKS = ("global", "local", "fusion")


def run_ours(root: Path, seed: int) -> dict[str, Figures]:
    """Train the member under study with DVC under a seed: figures of each of its networks.

    Minutes of one include those of what it is trained on.
    """
    cohort = read_cohort(root)
    params = root / "params.yaml"
    before = params.read_text(encoding="utf-8")
    found, minutes = {}, 0.0
    try:
        params.write_text(re.sub(r"(?m)^seed: \d+", f"seed: {seed}", before), encoding="utf-8")
        for one in NETWORKS:
            repro = [sys.executable, "-m", "dvc", "repro", f"train_{one}@{STUDIED}"]
            minutes += cost_of(repro, root, log=root / "peers.log").cpu_seconds / 60
            table = read_predictions(root / f"data/predictions/{STUDIED}/{one}.parquet")
            found[one] = {"minutes": minutes, "auroc": cohort.test_aurocs(table)}
    finally:
        params.write_text(before, encoding="utf-8")
    return found


def run_peer(cohort: Cohort, name: str, seed: int, *, epochs: int, minutes: float) -> Figures:
    """Train a peer for at least so long, and judge its best epoch on test images."""
    peer = PEERS[name]
    torch.manual_seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (torchvision may draw from it)
    size = cohort.params.train.input_size
    examples = load_examples(cohort.images, cohort.index, cohort.splits, size=size)
    network = peer.network(cohort)
    start = time.process_time()
    best, cost, done = network.state_dict(), np.inf, 0
    for found in _epochs(peer, network, examples):
        done += 1
        if found < cost:
            best, cost = copy.deepcopy(network.state_dict()), found
        spent = (time.process_time() - start) / 60
        if done >= epochs and spent >= minutes:
            break
    network.load_state_dict(best)
    table = predict_table(network.eval(), examples)
    return {"minutes": spent, "epochs": done, "auroc": cohort.test_aurocs(table)}


def _epochs(peer: Peer, network: Seeing, examples: dict[str, Examples]) -> Iterator[float]:
    """Train without end; the cost of each epoch."""
    device = settle(network)
    train, val = cached([examples["train"], examples["val"]], device, mode="on")
    (images,) = train.inputs
    optimizer, loss = peer.optimizer(network), peer.loss(train.targets)
    schedule = ReduceLROnPlateau(optimizer, factor=0.1, patience=5)
    while True:
        network.train()
        for rows in torch.randperm(len(train)).split(peer.batch_size):
            if len(rows) < MIN_BATCH:
                continue
            seen = torch.stack([peer.augment(one) for one in to_unit(images[rows.to(device)])])
            with autocast(device, "auto"):
                logits = network(seen)
            optimizer.zero_grad()
            loss(logits.float(), train.targets[rows]).backward()
            optimizer.step()
        logits = predict_logits(network, val.inputs, precision="auto")
        truth = val.targets.cpu()
        val_loss = float(loss(logits, truth))
        if peer.plateau:
            schedule.step(val_loss)
        yield peer.cost(val_loss, mean_auroc(truth.numpy().astype(bool), logits.numpy()))


def table(runs: Sequence[Figures]) -> str:
    """In Markdown: a row for each; means over seeds."""
    head = [
        "", "seeds", "epochs", "CPU minutes", "test AUROC (lowest, highest seed)",
        "ours (fusion) less it (95 %)",
    ]  # fmt: skip
    rows = [head]
    variants = of_variants(runs)
    ours = variants[f"{OURS}fusion"]
    for name, own in variants.items():
        cells = [
            name,
            str(len(own)),
            f"{mean_of(own, 'epochs'):.0f}",
            f"{mean_of(own, 'minutes'):.1f}",
            spread(own),
            "" if own is ours else told_less(ours, own),
        ]
        rows.append(cells)
    return markdown(rows)


def main(
    seeds: Annotated[int, typer.Option(help="Of weights and batches: 1, 2, ...")] = 3,
    kept: Annotated[Path, typer.Option(help="JSON lines, one a run.")] = Path("peers.jsonl"),
) -> None:
    """Train ours and the peers under each seed, and print the table of all of them."""
    root = Path()
    cohort = read_cohort(root)
    cfg = cohort.params
    passes = {"global": cfg.global_.epochs}
    passes["local"] = passes["fusion"] = cfg.global_.epochs + cfg.local.epochs
    ours: dict[int, dict[str, Figures]] = {}

    def run(name: str, seed: int) -> Figures:
        if name in PEERS:
            enough = _minutes_kept(kept, seed)
            return run_peer(cohort, name, seed, epochs=passes["fusion"], minutes=enough)
        if seed not in ours:
            ours[seed] = run_ours(root, seed)
        network = name.removeprefix(OURS)
        return ours[seed][network] | {"epochs": passes[network]}

    names = [*(f"{OURS}{one}" for one in NETWORKS), *PEERS]
    runs = run_all(names, seeds, kept, run)
    print(f"{describe_machine()}\n\n{table(runs)}")  # noqa: T201


def _minutes_kept(kept: Path, seed: int) -> float:
    """What ours took in all."""
    runs = map(json.loads, kept.read_text(encoding="utf-8").splitlines())
    (found,) = [run for run in runs if run["variant"] == f"{OURS}fusion" and run["seed"] == seed]
    return float(found["minutes"])


if __name__ == "__main__":
    typer.run(main)
