"""Reconstructions: what a pretrained CapsNet makes of a few radiographs, for the report."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from pipeline.base.files import read_json
from pipeline.base.shards import Shards, write_shards

_NOTE = "pretraining.json"


@dataclass(frozen=True)
class Reconstruction:
    """A radiograph at 28 x 28 pixels and its reconstruction."""

    image_index: str
    finding: str
    """One of its labels: the one for which it was chosen."""
    image: UInt8[np.ndarray, "28 28"]
    decoded: UInt8[np.ndarray, "28 28"]


@dataclass(frozen=True)
class Pretraining:
    """How a CapsNet was pretrained, and what it then drew."""

    epochs: int
    kept: int
    """The epoch whose weights were kept."""
    keep: str
    """By which rule."""
    val_auroc: float
    """Of the kept epoch."""
    examples: list[Reconstruction]


def write_reconstructions(pretraining: Pretraining | None, folder: Path) -> None:
    """Write what `read_reconstructions` reads."""
    if pretraining is None:
        write_shards([], folder, notes={_NOTE: None})
        return
    notes = {
        "epochs": pretraining.epochs,
        "kept": pretraining.kept,
        "keep": pretraining.keep,
        "val_auroc": pretraining.val_auroc,
        "examples": [
            {"image_index": one.image_index, "finding": one.finding}
            for one in pretraining.examples
        ],
    }
    rows = ({"image": one.image, "decoded": one.decoded} for one in pretraining.examples)
    write_shards(rows, folder, notes={_NOTE: notes})


def read_reconstructions(folder: Path) -> Pretraining | None:
    """How the CapsNet was pretrained; None if no branch of the member is a cascade."""
    notes = read_json(folder / _NOTE)
    if notes is None:
        return None
    images, decoded = Shards(folder, "image"), Shards(folder, "decoded")
    examples = [
        Reconstruction(one["image_index"], one["finding"], images[row], decoded[row])
        for row, one in enumerate(notes["examples"])
    ]
    return Pretraining(notes["epochs"], notes["kept"], notes["keep"], notes["val_auroc"], examples)
