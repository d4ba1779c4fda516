"""Hold out whole patients: the official test list kept, the rest stratified by finding."""

import logging
from typing import Any

import numpy as np
import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import SPLIT_NAMES, known, positive
from pipeline.cohort.splitting.stratify import share_out
from pipeline.errors import CohortError
from pipeline.params.sections import SplitParams

log = logging.getLogger(__name__)


def assign_splits(index: pd.DataFrame, lists: pd.DataFrame, params: SplitParams) -> pd.DataFrame:
    """The split of every image (schema SPLITS), sorted by image_index.

    With official lists, the test list is the test split and `val_fraction` of the other
    patients are held out for validation. Without, `test_fraction` of all patients are held
    out for test first. Patients are never divided, each finding's positive images are shared
    out in the same fractions (the numbers of patients then follow, exactly where enough
    patients have no finding), as are the known negatives of a finding that is unknown of some
    images, and the order of rows does not matter.

    Args:
        index: schema INDEX.
        lists: schema OFFICIAL_LISTS; no rows for a cohort without lists.
        params: fractions of patients, the guard's number and the seed.

    Raises:
        CohortError: the lists divide a patient or leave an image out, a split is empty, or
            `check_positives` refuses the validation set.
    """
    index = index.sort_values("image_index")
    official = _official(index, lists)
    absent = [name for name in ("train_val", "test") if len(lists) and name not in set(official)]
    if absent:
        raise CohortError(
            f"the official lists have none of these {len(index):,} images for {absent[0]}; use a "
            "cohort with images of both lists, or remove both lists for a random split"
        )
    outside = index[official != "test"]
    patients = _labels(outside).groupby(outside["patient_id"]).sum()
    names, fractions = _shares(params, has_test=len(lists) > 0)
    subset = share_out(patients.to_numpy(np.int64), np.array(fractions), seed=params.seed)
    by_patient = pd.Series(np.array(names)[subset], index=patients.index)
    split = index["patient_id"].map(by_patient).fillna("test")
    splits = pd.DataFrame({"image_index": index["image_index"], "split": split})
    check_positives(index, splits, params)
    return splits.reset_index(drop=True)


def _labels(images: pd.DataFrame) -> pd.DataFrame:
    """What is to be shared out alike, a column each."""
    columns = {finding: positive(images, finding) for finding in FINDINGS}
    for finding in FINDINGS:
        is_known = known(images, finding)
        if not is_known.all():
            columns[f"no {finding}"] = is_known & ~columns[finding]
    return pd.DataFrame(columns, index=images.index)


def _shares(params: SplitParams, *, has_test: bool) -> tuple[tuple[str, ...], list[float]]:
    val, test = params.val_fraction, params.test_fraction
    if has_test:
        return SPLIT_NAMES[:2], [1 - val, val]
    return SPLIT_NAMES, [(1 - test) * (1 - val), (1 - test) * val, test]


def _official(index: pd.DataFrame, lists: pd.DataFrame) -> pd.Series:
    """The official list of each row of the index; missing values without lists."""
    official = index["image_index"].map(lists.set_index("image_index")["official"])
    if len(lists) == 0:
        return official
    unlisted = index["image_index"][official.isna()]
    if len(unlisted):
        raise CohortError(
            f"{len(unlisted):,} of {len(index):,} images are in neither official list, first: "
            f"{unlisted.iloc[0]}; expected all of them, or no lists"
        )
    number = official.groupby(index["patient_id"]).nunique()
    divided = number.index[number > 1]
    if len(divided):
        raise CohortError(
            f"the official lists divide {len(divided):,} patients between train_val and test, "
            f"first: patient {divided[0]}; expected whole patients"
        )
    return official


def check_positives(index: pd.DataFrame, splits: pd.DataFrame, params: SplitParams) -> None:
    """Refuse splits that cannot be learnt from or chosen on.

    A finding has *enough patients* when `val_fraction` of its patients outside the test split
    is `split.min_positives` or more: a fair share of them alone then gives that many positive
    images. A finding with fewer is allowed fewer positives, and named in the log; so is one of
    which no label is known.

    Raises:
        CohortError: train or val is empty, or a finding that has enough patients has fewer
            than `split.min_positives` positive validation images.
    """
    table = index.merge(splits, on="image_index", validate="1:1")
    counts = table["split"].value_counts()
    empty = [name for name in SPLIT_NAMES if name not in counts]
    if empty:
        raise CohortError(
            f"no patient is left for {' and '.join(empty)} out of "
            f"{table['patient_id'].nunique():,}; expected at least one each: use a larger "
            "cohort or larger split fractions"
        )
    outside, val = table[table["split"] != "test"], table[table["split"] == "val"]
    positives = {name: int(positive(val, name).sum()) for name in _known_findings(outside)}
    few = [name for name, number in positives.items() if number < params.min_positives]
    patients = {name: outside["patient_id"][positive(outside, name)].nunique() for name in few}
    faults = [
        f"{name}: {positives[name]} positives in validation, {patients[name]:,} patients"
        for name in few
    ]
    enough = [patients[name] * params.val_fraction >= params.min_positives for name in few]
    refused = [fault for fault, is_enough in zip(faults, enough, strict=True) if is_enough]
    if refused:
        raise CohortError(
            f"expected at least split.min_positives = {params.min_positives} validation "
            "positives of each finding that has enough patients; raise split.val_fraction or "
            "lower split.min_positives\n  " + "\n  ".join(refused)
        )
    for fault in faults:
        log.warning(
            "fewer than split.min_positives (too few patients for more): %s outside test", fault
        )


def _known_findings(outside: pd.DataFrame) -> list[str]:
    """Those that some image knows; the others are named in the log."""
    there = [name for name in FINDINGS if known(outside, name).any()]
    unknown = [name for name in FINDINGS if name not in there]
    if unknown:
        log.warning("unknown of all images outside test: %s", ", ".join(unknown))
    return there


def check_learnable(index: pd.DataFrame, splits: pd.DataFrame) -> None:
    """Refuse a training split in which some finding is never, or always, there.

    One of which no label is known is left alone: nothing is learnt of it.

    Raises:
        CohortError: names the findings; or no label of any is known.
    """
    table = index.merge(splits, on="image_index", validate="1:1")
    train = table.loc[table["split"] == "train", list(FINDINGS)]
    whole = all(known(train, name).all() for name in FINDINGS)
    alike = [name for name in FINDINGS if len(train[name].dropna().unique()) == 1]
    if alike:
        of = "" if whole else " whose label is known"
        raise CohortError(
            f"no network can learn {', '.join(alike)}: all {len(train):,} training images{of} "
            "have the same label; each of the 14 findings is needed, so use a larger part of the "
            "cohort" + ("" if whole else ", or leave the finding out of ingest.columns.findings")
        )
    if not any(known(train, name).any() for name in FINDINGS):
        raise CohortError(
            f"no label of the {len(train):,} training images is known, so nothing can be learnt"
        )


def count_splits(index: pd.DataFrame, splits: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Images, patients and positive images per finding of each split, JSON-able.

    Where labels are unknown, how many are, too.
    """
    table = index.merge(splits, on="image_index", validate="1:1")
    return {name: _count(table[table["split"] == name]) for name in SPLIT_NAMES}


def _count(table: pd.DataFrame) -> dict[str, Any]:
    unknown = {finding: int((~known(table, finding)).sum()) for finding in FINDINGS}
    return {
        "images": len(table),
        "patients": int(table["patient_id"].nunique()),
        "positives": {finding: int(positive(table, finding).sum()) for finding in FINDINGS},
    } | ({"unknown": unknown} if any(unknown.values()) else {})
