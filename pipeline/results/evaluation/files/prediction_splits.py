"""Which rows of a stranger's table are test: its column of splits, in any spelling of theirs."""

from typing import NamedTuple

import pandas as pd

from pipeline.base.findings import plain
from pipeline.base.tables import SPLIT_NAMES
from pipeline.errors import ArtifactError
from pipeline.results.evaluation.files.prediction_columns import Columns

_WORDS = frozenset(
    {
        *SPLIT_NAMES,
        "training",
        "valid",
        "validation",
        "dev",
        "trainval",
        "testing",
        "holdout",
        "eval",
        "evaluation",
    }
)
"""What a column of splits holds, whatever it is called; only `SPLIT_NAMES` are understood."""

_NAMES = frozenset(
    {"fold", "set", "subset", "partition", "phase", "istrain", "istest", "isval", "isvalid"}
)
"""Columns that tell of splits, whatever they hold."""

_TEST_WORDS = frozenset({"test", "testing"})


def splits_of(frame: pd.DataFrame, columns: Columns, path: object) -> pd.Series | None:
    """The split of each row, one of `SPLIT_NAMES`; None if the file has no such column.

    Raises:
        ArtifactError: a value is none of them in any case, or a column that is not called split
            holds splits: to take training rows for test rows would flatter the scores.
    """
    if columns.split is None:
        _refuse_hidden_split(frame, columns, path)
        return None
    values = frame[columns.split]
    splits = values.astype(str).str.strip().str.lower()
    wrong = values[~splits.isin(SPLIT_NAMES)]
    if len(wrong):
        raise ArtifactError(
            f"{path}, row {wrong.index[0]}, column {columns.split}: {wrong.iloc[0]!r}; expected "
            f"one of {', '.join(SPLIT_NAMES)}"
        )
    return splits


def _refuse_hidden_split(frame: pd.DataFrame, columns: Columns, path: object) -> None:
    read = {columns.image, *columns.findings.values()}
    for name in frame.columns:
        if name in read:
            continue
        texts = [value for value in frame[name] if isinstance(value, str)]
        is_called_so = plain(name) in _NAMES
        if not is_called_so and len(texts) < len(frame):
            continue  # numbers, lists, gaps: no words of splits
        words = {plain(value): str(value) for value in frame[name].dropna().unique()}
        speaks_of_splits = words.keys() <= _WORDS and not words.keys() <= _TEST_WORDS
        if speaks_of_splits or (is_called_so and (len(words) > 1 or frame[name].isna().any())):
            raise ArtifactError(
                f"{path}: the column {str(name)!r} holds {', '.join(sorted(words.values())[:5])}, "
                f"and is not called split; call it split, with {', '.join(SPLIT_NAMES)}, to have "
                "its test rows evaluated, or remove it to have all rows"
            )


_SPOKEN = {"val": "validation"}


class RowsTaken(NamedTuple):
    """The rows of a file that are used, and what rule took them."""

    frame: pd.DataFrame
    """With a column `split`."""
    rule: str


def take_rows(
    frame: pd.DataFrame, kept: tuple[str, ...], columns: Columns, path: object
) -> RowsTaken:
    """The rows of some splits; where the file has no splits, all its rows.

    Args:
        frame: with a column `split` or without.
        kept: splits; the first is the one that must be there, and that all rows without a split
            are of.
        columns: of the file.
        path: of the file, for messages.

    Raises:
        ArtifactError: the file has splits, and no row is of the first of `kept`.
    """
    wanted, spoken, total = kept[0], _SPOKEN.get(kept[0], kept[0]), f"{len(frame):,}"
    if "split" not in frame:
        rule = f"{total} of {total} rows, all for {spoken} (it has no column split)"
        return RowsTaken(frame.assign(split=wanted), rule)
    counts = frame["split"].value_counts()
    if wanted not in counts:
        raise ArtifactError(f"{path}: none of its images is of the split {wanted}")
    others = [
        f"{name}: {counts[name]:,}, {'for calibration' if name in kept else 'not used'}"
        for name in ("val", "test", "train")
        if name in counts and name != wanted
    ]
    beside = f" ({'; '.join(others)})" if others else ""
    rule = f"{counts[wanted]:,} of {total} rows, where {columns.split!r} is {wanted}{beside}"
    return RowsTaken(frame[frame["split"].isin(kept)].reset_index(drop=True), rule)
