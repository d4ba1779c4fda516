"""Predictions of any make, evaluated as the pipeline evaluates its own."""

import logging
from pathlib import PurePosixPath

import pandas as pd

from pipeline.errors import ArtifactError
from pipeline.params.sections import EvaluateParams
from pipeline.results.evaluation.digest import differences
from pipeline.results.evaluation.evaluation import Evaluation, evaluate
from pipeline.results.evaluation.files.systems import Systems, aligned
from pipeline.results.evaluation.score_tables import comparison_rows, score_rows
from pipeline.results.evaluation.scores import hold_out, labelled

log = logging.getLogger(__name__)


def evaluate_given(
    systems: Systems, entries: pd.DataFrame, params: EvaluateParams, *, seed: int
) -> Evaluation:
    """Evaluate the first of `systems`, and its paired differences from the others.

    All patients of the labels who are in no predictions stand in for the training images, on
    which the metadata floor is fitted.

    Args:
        systems: predictions (schema PREDICTIONS, or fewer findings) by name; the first is looked
            at closely, and may have validation images, on which it is calibrated.
        entries: the cohort's table, of `pipeline.cohort.reading.nih.parse_entries`.
        params: section `evaluate`.
        seed: of the bootstrap.

    Raises:
        ArtifactError: an image has no label, scores are the labels themselves, or the
            predictions differ in images or findings.
        CohortError: no finding has both classes.
    """
    subject, *others = systems
    systems = {name: _as_labelled(frame, entries) for name, frame in systems.items()}
    for name, frame in systems.items():
        _expect_labels(name, frame, entries)
        _refuse_labels(name, only_test(frame), entries)
    splits = _splits(systems[subject], entries)
    _warn_of_shared_patients(splits, entries)
    alone = evaluate(
        {subject: systems[subject]}, entries, splits, {}, params, subject=subject, seed=seed
    )
    if not others:
        return alone
    tests = aligned({name: only_test(frame) for name, frame in systems.items()})
    images = labelled(tests[subject], entries, split="test")
    held = hold_out(
        tests, images, replicates=params.bootstrap, min_patients=params.min_patients, seed=seed
    )
    scores = score_rows({"test": held})
    pairs = comparison_rows(held.scores, [(subject, other) for other in others])
    tables = alone.tables | {
        "scores": pd.concat(
            [alone.tables["scores"], scores[scores["system"] != subject]], ignore_index=True
        ),
        "comparisons": pairs,
    }
    return alone._replace(tables=tables, metrics=alone.metrics | {"delta": differences(pairs)})


def frames_of(evaluation: Evaluation) -> dict[str, pd.DataFrame]:
    """Its tables, the points of its plots and, if there are any, calibrated predictions."""
    calibrated = dict(zip(["calibrated"], evaluation.calibrated.values(), strict=False))
    plots = {f"{name}_plot": frame for name, frame in evaluation.plots.items()}
    return evaluation.tables | plots | calibrated


def only_test(frame: pd.DataFrame) -> pd.DataFrame:
    """The test images."""
    return frame[frame["split"] == "test"].reset_index(drop=True)


def _as_labelled(frame: pd.DataFrame, entries: pd.DataFrame) -> pd.DataFrame:
    """Images as the labels spell them: with their ending there, and without blanks around."""
    spelt = {PurePosixPath(name).stem: name for name in entries["image_index"]}
    names = frame["image_index"].str.strip()
    return frame.assign(image_index=[spelt.get(PurePosixPath(one).stem, one) for one in names])


def _expect_labels(name: str, frame: pd.DataFrame, entries: pd.DataFrame) -> None:
    unknown = frame.loc[~frame["image_index"].isin(entries["image_index"]), "image_index"]
    if len(unknown):
        raise ArtifactError(
            f"{name}: {len(unknown):,} of {len(frame):,} images are not in the labels; first: "
            f"{unknown.iloc[0]}, where names are such as {entries['image_index'].iloc[0]}"
        )


def _refuse_labels(name: str, frame: pd.DataFrame, entries: pd.DataFrame) -> None:
    """No network calls every image as text mining labelled it: the columns are the labels'."""
    images = labelled(frame, entries, split="test")
    targets, said = images.targets, images.probs(frame)
    if targets and all((said[one] == truth).all() for one, truth in targets.items()):
        raise ArtifactError(
            f"{name}: its scores are the labels themselves, in all of {len(frame):,} images and "
            f"{len(targets)} findings; expected probabilities: give their file, or name their "
            "columns with --columns"
        )


def _splits(frame: pd.DataFrame, entries: pd.DataFrame) -> pd.DataFrame:
    """The predicted images' own, and "train" for all images of patients who have none of them."""
    patients = entries.set_index("image_index")["patient_id"]
    seen = patients.loc[frame["image_index"]]
    others = entries.loc[~entries["patient_id"].isin(seen), ["image_index"]]
    splits = pd.concat([frame[["image_index", "split"]], others.assign(split="train")])
    return splits.sort_values("image_index", ignore_index=True)


def _warn_of_shared_patients(splits: pd.DataFrame, entries: pd.DataFrame) -> None:
    owner = splits.merge(entries[["image_index", "patient_id"]], on="image_index")
    test, val = (set(owner.loc[owner["split"] == one, "patient_id"]) for one in ("test", "val"))
    if test & val:
        log.warning(
            "%s patients have test and validation images: calibration and thresholds look better "
            "than they are",
            f"{len(test & val):,}",
        )
