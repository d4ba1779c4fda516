"""Floors: what metadata alone, prevalence alone, or predictions of other images reach."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import PREDICTIONS, known, positive
from pipeline.errors import CohortError
from pipeline.fusion.metadata import METADATA, fit_metadata
from pipeline.results.evaluation.files.systems import FLOORS

HELD_OUT = ("val", "test")


def floors(
    predictions: pd.DataFrame, index: pd.DataFrame, splits: pd.DataFrame, *, seed: int
) -> dict[str, pd.DataFrame]:
    """Predictions of the findings that `predictions` has, by the names of `FLOORS`.

    Without training images nothing can be fitted, and only the shuffled ones are there.
    """
    found = {"shuffled": shuffled(predictions, seed=seed)}
    if splits["split"].eq("train").any():
        found["metadata_only"] = metadata_only(index, splits)
        found["prevalence"] = prevalence(index, splits)
    columns = [name for name in PREDICTIONS.names if name in predictions]
    return {name: found[name][columns] for name in FLOORS if name in found}


def shuffled(predictions: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """The same predictions dealt out anew among the images of each split.

    The labels are then as good as shuffled: what differs from chance here is chance, or a fault
    in the evaluation.
    """
    rng = np.random.default_rng(seed)
    frame = predictions.sort_values("image_index", ignore_index=True)
    rows = np.arange(len(frame))
    for split in HELD_OUT:
        here = np.flatnonzero(frame["split"] == split)
        rows[here] = rng.permutation(here)
    probs = frame.drop(columns=["image_index", "split"]).iloc[rows].reset_index(drop=True)
    return pd.concat([frame[["image_index", "split"]], probs], axis=1)


def metadata_only(index: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Logistic regression per finding on age, gender and view, fitted on the training images.

    A model that does not beat this floor may have learnt who is ill and how ill people are
    photographed, not what illness looks like.

    Returns:
        Predictions (schema PREDICTIONS) on the validation and test images.

    Raises:
        CohortError: no training image.
    """
    images, train = _with_split(index, splits)
    features = fit_metadata(images[train], METADATA).encode(images)
    columns = {
        finding: _fit_predict(features, positive(images, finding), train & known(images, finding))
        for finding in FINDINGS
    }
    return _held_out(images, columns)


def prevalence(index: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """Each finding's share of the training images, the same for every image.

    Of those whose label is known; a half where none is.

    Returns:
        Predictions (schema PREDICTIONS) on the validation and test images.

    Raises:
        CohortError: no training image.
    """
    images, train = _with_split(index, splits)
    columns = {
        finding: np.full(
            len(images), _share(positive(images, finding), train & known(images, finding))
        )
        for finding in FINDINGS
    }
    return _held_out(images, columns)


def _fit_predict(
    features: Float[np.ndarray, "n k"],
    targets: Bool[np.ndarray, " n"],
    train: Bool[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415  (2 s to import)

    if targets[train].all() or not targets[train].any() or not features.shape[1]:
        return np.full(len(targets), _share(targets, train))
    model = LogisticRegression(solver="newton-cholesky").fit(features[train], targets[train])
    return np.asarray(model.predict_proba(features)[:, 1])


def _share(targets: Bool[np.ndarray, " n"], rows: Bool[np.ndarray, " n"]) -> float:
    return float(targets[rows].mean()) if rows.any() else 0.5


def _with_split(
    index: pd.DataFrame, splits: pd.DataFrame
) -> tuple[pd.DataFrame, Bool[np.ndarray, " n"]]:
    images = index.merge(splits, on="image_index", validate="one_to_one")
    train = images["split"].eq("train").to_numpy(bool)
    if not train.any():
        raise CohortError("no image of the index is in the train split; run the stage `split`")
    return images, train


def _held_out(images: pd.DataFrame, columns: dict[str, Float[np.ndarray, " n"]]) -> pd.DataFrame:
    probs = pd.DataFrame(columns, index=images.index).astype(np.float32)
    frame = pd.concat([images[["image_index", "split"]], probs], axis=1)
    return frame[frame["split"].isin(HELD_OUT)].reset_index(drop=True)
