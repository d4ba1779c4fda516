"""Pretraining the CapsNet of a cascade, with reconstruction, on radiographs of 28 x 28 pixels."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from pipeline.base.cascades import Cascades
from pipeline.base.files import replacing
from pipeline.base.findings import FINDINGS
from pipeline.base.seeds import derive_seed
from pipeline.base.shards import Shards
from pipeline.capsnet.autoencoder import CapsuleAutoencoder, build_autoencoder
from pipeline.capsnet.reconstructions import Pretraining, Reconstruction, write_reconstructions
from pipeline.networks.augment import as_they_are, prepare
from pipeline.networks.checkpoints import write_checkpoint
from pipeline.networks.device import settle
from pipeline.networks.readouts.capsule import SIDE
from pipeline.params.sections import CapsnetParams, TrainParams
from pipeline.training.data.examples import Examples, load_examples
from pipeline.training.data.watch import Watch, unwatched
from pipeline.training.fit import Task, fit
from pipeline.training.losses import Loss, build_loss, seen_to_lack
from pipeline.training.plan import build_plan
from pipeline.training.records.kept import kept_epoch
from pipeline.training.records.snapshots import Snapshots
from pipeline.training.state import Epoch

log = logging.getLogger(__name__)

Start = tuple[dict[str, Tensor], dict[str, Any]]
"""A checkpoint."""

Follow = Callable[[str, Callable[..., Iterator[Epoch]]], list[Epoch]]

_NOTHING: Start = ({}, {"network": "none"})


@dataclass(frozen=True)
class Pretrained:
    """What a member's branches start with."""

    states: dict[str, Start]
    """By branch: a checkpoint of the CapsNet without its decoder, or of nothing."""
    described: Pretraining | None
    """For the report."""


def pretrain(
    cascades: Cascades,
    images: Callable[[], dict[str, Examples]],
    train: TrainParams,
    params: CapsnetParams,
    *,
    seed: int,
    follow: Follow,
) -> dict[str, Pretrained]:
    """A CapsNet for each member that has a cascade, and nothing for the others.

    Args:
        cascades: of all members.
        images: `thumbnails`, asked for if there is a cascade.
        train: the section that all trainings share.
        params: the CapsNet's own.
        seed: of all; each member has one of its own.
        follow: trains as the stage does: takes the member and what `fit` yields epochs from.
    """
    examples = images() if any(any(one.values()) for one in cascades.values()) else {}
    if not examples:
        log.info("no branch of any member is a cascade: nothing to pretrain")
    return {
        member: _pretrained(member, needed, examples, train, params, seed=seed, follow=follow)
        for member, needed in cascades.items()
    }


def _pretrained(
    member: str,
    needed: Mapping[str, bool],
    examples: dict[str, Examples],
    train: TrainParams,
    params: CapsnetParams,
    *,
    seed: int,
    follow: Follow,
) -> Pretrained:
    if not any(needed.values()):
        return Pretrained(dict.fromkeys(needed, _NOTHING), None)
    own = derive_seed(seed, member, "capsnet")
    network = build_autoencoder(len(FINDINGS), seed=own)
    epochs = follow(member, partial(fit_capsnet, network, examples, train, params, seed=own))
    start = capsnet_state(network)
    states = {branch: start if is_cascade else _NOTHING for branch, is_cascade in needed.items()}
    return Pretrained(states, describe_pretraining(network, examples, epochs, keep=train.keep))


def write_pretrained(pretrained: Mapping[str, Pretrained], starts: Path, described: Path) -> None:
    """Write, for each member, `<member>/<branch>.safetensors` and what the report shows."""
    with replacing(starts) as fresh:
        for member, one in pretrained.items():
            for branch, (state, about) in one.states.items():
                write_checkpoint(state, about, fresh / member / f"{branch}.safetensors")
    with replacing(described) as fresh:
        fresh.mkdir(parents=True)
        for member, one in pretrained.items():
            write_reconstructions(one.described, fresh / member)


def thumbnails(shards: Shards, index: pd.DataFrame, splits: pd.DataFrame) -> dict[str, Examples]:
    """Images at 28 x 28 pixels with their labels beside them, by split."""
    loaded = load_examples(shards, index, splits, size=SIDE)
    return {split: with_labels(one) for split, one in loaded.items()}


def with_labels(examples: Examples) -> Examples:
    """The same, their targets being inputs too: the decoder is shown the true labels.

    It is not shown those that are unknown.
    """
    inputs = (*examples.inputs, examples.targets.nan_to_num())
    return Examples(examples.image_index, examples.split, inputs, examples.targets)


def fit_capsnet(
    network: CapsuleAutoencoder,
    examples: dict[str, Examples],
    train: TrainParams,
    params: CapsnetParams,
    *,
    seed: int,
    snapshots: Snapshots | None = None,
    watch: Watch = unwatched,
) -> Iterator[Epoch]:
    """Margin loss and reconstruction; see `fit`.

    The epoch is kept by `train.keep` as everywhere. By loss, the reconstruction counts with the
    margin loss; by AUROC, the capsules' lengths alone rank epochs, as scores of the findings.
    """
    plan = build_plan(train, params, precision="fp32", seed=seed)
    targets = examples["train"].targets
    margin = build_loss("margin", targets, train.losses).loss
    partly = bool(targets.isnan().any())
    loss = with_reconstruction(margin, weight=params.reconstruction, partly=partly)
    task = Task(examples["train"], examples["val"], loss, as_they_are)
    return fit(network, task, plan, snapshots=snapshots, watch=watch)


def with_reconstruction(loss: Loss, *, weight: float, partly: bool = False) -> Loss:
    """`loss` of the logits, a sum over findings, and `weight` times the reconstruction's error.

    Sabour et al. (arXiv:1710.09829, Sec. 4.1) add 0.0005 times the squared error summed over the
    pixels to a margin loss summed over the capsules.

    With `partly`, labels may be unknown. The decoder is not shown their capsules, so that an
    image's error counts as much as labels of it are known.
    """

    def total(outputs: Float[Tensor, "b d"], targets: Float[Tensor, "b f"]) -> Float[Tensor, ""]:
        logits, error = outputs[:, :-1], outputs[:, -1]
        shown = _known_mean(error, targets) if partly or seen_to_lack(targets) else error.mean()
        return loss(logits, targets) * targets.shape[1] + weight * shown

    return total


def _known_mean(error: Float[Tensor, " b"], targets: Float[Tensor, "b f"]) -> Float[Tensor, ""]:
    known = (~targets.isnan()).sum(dim=1)
    return (error * known).sum() / known.sum().clamp(min=1)


def describe_pretraining(
    network: CapsuleAutoencoder, examples: dict[str, Examples], epochs: list[Epoch], *, keep: str
) -> Pretraining | None:
    """For the report: a test image of each finding, drawn again from its true labels' capsules."""
    kept = kept_epoch(epochs, keep)
    if kept is None:
        return None
    drawn = _reconstruct(network, examples["test"])
    return Pretraining(len(epochs), kept.epoch, keep, kept.val_auroc, drawn)


def _reconstruct(network: CapsuleAutoencoder, test: Examples) -> list[Reconstruction]:
    chosen = _one_of_each(test.targets)
    rows = torch.tensor(list(chosen.values()))
    device = settle(network)
    images, targets = prepare(tuple(one[rows].to(device) for one in test.inputs))
    with torch.inference_mode():
        decoded = network.eval().reconstruct(images, targets)
    pairs = zip(chosen.items(), _bytes(images), _bytes(decoded), strict=True)
    return [
        Reconstruction(test.image_index[row], finding, image, copy)
        for (finding, row), image, copy in pairs
    ]


def _one_of_each(targets: Float[Tensor, "n f"]) -> dict[str, int]:
    """The first image of each finding that stands for no finding yet, if there is one."""
    chosen: dict[str, int] = {}
    for finding, column in zip(FINDINGS, targets.unbind(1), strict=True):
        rows = (column == 1).nonzero().flatten().tolist()
        fresh = [row for row in rows if row not in chosen.values()]
        if rows:
            chosen[finding] = (fresh or rows)[0]
    return chosen


def capsnet_state(network: CapsuleAutoencoder) -> Start:
    """What a branch starts with, as a checkpoint: the CapsNet without its decoder."""
    about = {"network": "capsnet", "findings": list(FINDINGS)}
    return dict(network.capsnet.state_dict()), about


def _bytes(images: Float[Tensor, "b 1 h w"]) -> np.ndarray:
    return np.asarray((images[:, 0] * 255).round().to(torch.uint8).cpu())
