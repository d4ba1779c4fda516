"""Bad inputs of `cxr suspects`."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from inputs import BadInput
from made_results import made_index, made_predictions, made_splits, write_labels

from pipeline.commands.judging import suspects
from pipeline.results.suspects.judged_images import of_file

INDEX = made_index(30, 2)
SPLITS = made_splits(INDEX)
HELD_OUT = made_predictions(INDEX, SPLITS, signal=4.0)

Call = Callable[[Path], None]


def judged(frame: pd.DataFrame, **options: object) -> Call:
    """A call on a file of predictions beside NIH's table, without a checkout."""

    def call(folder: Path) -> None:
        frame.to_csv(folder / "p.csv", index=False)
        write_labels(INDEX, folder / "labels.csv")
        words = {"labels": folder / "labels.csv", "out": folder / "out"} | options
        suspects.main(str(folder / "p.csv"), **words)

    return call


def some_trained(folder: Path) -> None:
    """A file of which some images are training images; they are left out."""
    some = HELD_OUT.assign(split=["train", "val"] * 20)
    some.to_csv(folder / "p.csv", index=False)
    found = of_file(folder / "p.csv", INDEX, None, out_of_fold=False)
    assert len(found.predictions) == 20
    assert found.read.endswith("20 training images are not judged")


def absent(folder: Path) -> None:
    write_labels(INDEX, folder / "labels.csv")
    suspects.main("ensemble", labels=folder / "labels.csv", out=folder / "out")


SUSPECTS = {
    "suspects_some_trained": BadInput(
        "predictions of training images among others",
        some_trained,
        read_as="the others, and how many were left out is said; `--out-of-fold` takes them",
    ),
    "suspects_all_trained": BadInput(
        "predictions of training images alone",
        judged(HELD_OUT.assign(split="train")),
        "…/p.csv: all its 40 images are training images (its column split). A network repeats "
        "the labels that it has learnt, wrong ones too. If none of these images was learnt by the "
        "network that predicted it, say --out-of-fold",
    ),
    "suspects_strangers": BadInput(
        "images that the labels lack",
        judged(HELD_OUT.assign(image_index=[f"x{row}.png" for row in range(40)])),
        "…/p.csv: 40 of 40 images are not in the labels; first: x0.png (row 0), where names are "
        "such as 00000000_000.png",
    ),
    "suspects_constant": BadInput(
        "one probability for all images",
        judged(HELD_OUT[["image_index", "split"]].assign(Mass=0.5)),
        "no finding can be judged; Mass in test: probabilities are not higher where the label is "
        "given; Mass in val: …",
    ),
    "suspects_no_file": BadInput(
        "a system's name, and no checkout to have it",
        absent,
        "ensemble: no such file; beside --labels expected a file of predictions, csv or parquet",
    ),
    "suspects_no_radiographs": BadInput(
        "a folder of radiographs that holds none",
        lambda folder: judged(HELD_OUT, images=folder)(folder),
        "…: holds no radiograph (.png, .jpg, .dcm)",
    ),
}
