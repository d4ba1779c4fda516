"""Whose probabilities judge the labels, and of which images: never those of the training."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import read_predictions
from pipeline.errors import ArtifactError
from pipeline.params.faults import nearest
from pipeline.results.evaluation.files.prediction_files import read_prediction_file
from pipeline.results.given_boxes.given_cases import as_labelled, expect_labelled

TRAINED_ON = "train"

_FILES = (".csv", ".csv.gz", ".parquet")


class JudgedImages(NamedTuple):
    """Probabilities of images that the network has not learnt from."""

    predictions: pd.DataFrame
    """image_index, split, and columns of findings; in the order of image_index."""
    read: str
    """What was taken, in words."""


def is_file(named: str) -> bool:
    """Whether this is a path of predictions, and no system of a run."""
    return named.endswith(_FILES) or Path(named).is_file()


def of_system(name: str, folder: Path) -> JudgedImages:
    """The validation and test images, by a system of the run.

    Args:
        name: `ensemble`, `model.fusion`, ...
        folder: of all systems' probabilities, `<name>.parquet`.

    Raises:
        ArtifactError: there is no such system.
    """
    systems = sorted(path.stem for path in folder.glob("*.parquet"))
    if not systems:
        raise ArtifactError(
            f"{folder}: holds no predictions; `dvc repro evaluate` makes them, `dvc pull "
            "evaluate` fetches them where they were pushed. Or give a file of predictions"
        )
    if name not in systems:
        raise ArtifactError(
            f"{name}: neither a file nor a system of this run; {nearest(name, systems)}"
        )
    frame = read_predictions(folder / f"{name}.parquet")
    return JudgedImages(frame, f"{name}: {_counted(frame)}; calibrated on validation")


def of_file(
    path: Path,
    images: pd.DataFrame,
    splits: pd.DataFrame | None,
    *,
    out_of_fold: bool,
    columns: str | None = None,
) -> JudgedImages:
    """Images of a file of predictions, less those that the network was trained on.

    Args:
        path: as `read_prediction_file` reads it.
        images: all that there are: image_index.
        splits: of the run (schema SPLITS), for a file without a column of its own; None where
            there is no run, and all images of such a file are taken for test.
        out_of_fold: whether training images, too, were predicted by networks that had not seen
            them.
        columns: which are meant, `prob_*`.

    Raises:
        ArtifactError: the file cannot be read, an image has two rows, is not in the labels or
            not in the run's splits, or all of them are training images.
    """
    frame = read_prediction_file(path, affix=columns)
    frame["image_index"] = as_labelled(frame["image_index"], images)
    expect_labelled(frame["image_index"], images, path, of="row")
    _expect_once(frame["image_index"], path)
    source = "its column split"
    if "split" not in frame:
        source = "this run's splits" if splits is not None else "no column split: all test"
        frame["split"] = "test" if splits is None else _splits_of(frame["image_index"], splits)
    trained = frame["split"] == TRAINED_ON
    if trained.all() and not out_of_fold:
        raise ArtifactError(
            f"{path}: all its {len(frame):,} images are training images ({source}). A network "
            "repeats the labels that it has learnt, wrong ones too. If none of these images was "
            "learnt by the network that predicted it, say --out-of-fold"
        )
    kept = frame if out_of_fold else frame[~trained]
    said = f"{path.name}: {_counted(kept)} ({source})"
    if trained.any():
        many = f"{trained.sum():,} training images"
        said += f"; {many} {'out of fold, as told' if out_of_fold else 'are not judged'}"
    found = [name for name in FINDINGS if name in frame]
    ordered = kept.sort_values("image_index", ignore_index=True)
    return JudgedImages(ordered[["image_index", "split", *found]], said)


def _expect_once(names: pd.Series, path: Path) -> None:
    """Refuse an image under two spellings, such as with its ending and without."""
    repeated = names[names.duplicated()]
    if len(repeated):
        raise ArtifactError(
            f"{path}: has two rows for {len(repeated):,} images; first: {repeated.iloc[0]} (one "
            "of them may lack its ending); keep one"
        )


def _splits_of(names: pd.Series, splits: pd.DataFrame) -> list[str]:
    known = splits.set_index("image_index")["split"]
    absent = names[~names.isin(known.index)]
    if len(absent):
        raise ArtifactError(
            f"{len(absent):,} of {len(names):,} images have no split in this run; first: "
            f"{absent.iloc[0]}; give the file a column split (train, val, test)"
        )
    return [str(one) for one in known.loc[names]]


def _counted(frame: pd.DataFrame) -> str:
    counts = frame["split"].value_counts()
    parts = [f"{counts[name]:,} {name}" for name in ("train", "val", "test") if name in counts]
    return f"{len(frame):,} images ({', '.join(parts)})"
