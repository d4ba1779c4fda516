"""What was counted, dropped or is unknown of a table, for the report and the log."""

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pandas as pd

from pipeline.base.findings import FINDINGS

log = logging.getLogger(__name__)


def total(counts: Iterable[Counter[str]]) -> Counter[str]:
    """Their sum, in which noughts stay."""
    summed: Counter[str] = Counter()
    for one in counts:
        summed.update(one)
    return summed


def account(
    table: pd.DataFrame,
    *,
    rows: int,
    left_out: Counter[str],
    uncertain: Counter[str],
    dropped: Counter[str],
) -> dict[str, Any]:
    """The same as JSON-able values.

    Args:
        table: one row for each image.
        rows: that were taken.
        left_out: rows that were not, by why.
        uncertain: labels by finding.
        dropped: rows by names that are no finding.
    """
    unknown = {name: int(table[name].isna().sum()) for name in FINDINGS}
    return {
        "rows_taken": rows,
        "rows_left_out": dict(left_out),
        "rows_beside_the_first_of_an_image": rows - len(table),
        "patients": int(table["patient_id"].nunique()),
        "genders_unknown": int(table["gender"].isna().sum()),
        "views_unknown": int(table["view_position"].isna().sum()),
        "labels_uncertain": dict(uncertain),
        "labels_unknown": {name: count for name, count in unknown.items() if count},
        "names_dropped": dict(sorted(dropped.items())),
    }


def tell(source: str, images: int, taken: dict[str, Any]) -> None:
    """Say the chief of it in the log."""
    log.info(
        "%s: %s rows of %s images and %s patients", source, f"{taken['rows_taken']:,}",
        f"{images:,}", f"{taken['patients']:,}",
    )  # fmt: skip
    for what in ("rows_left_out", "labels_uncertain", "names_dropped"):
        if taken[what]:
            said = ", ".join(f"{name} {count:,}" for name, count in taken[what].items())
            log.info("  %s: %s", what.replace("_", " "), said)
    never = [name for name, count in taken["labels_unknown"].items() if count == images]
    if never:
        log.warning("%s: unknown of all images: %s", source, ", ".join(never))
