"""Anybody's predictions: csv or parquet with a column for each finding, however it is named."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipeline.base.findings import FINDINGS, plain
from pipeline.base.listing import listed
from pipeline.errors import ArtifactError
from pipeline.results.evaluation.files.given_tables import file_names, read_given_table
from pipeline.results.evaluation.files.prediction_columns import (
    IMAGE_COLUMNS,
    Columns,
    find_columns,
)
from pipeline.results.evaluation.files.prediction_splits import splits_of, take_rows

log = logging.getLogger(__name__)


class Given(NamedTuple):
    """Predictions to evaluate, and what was taken for them."""

    systems: dict[str, pd.DataFrame]
    """By the file's name, with a column `split`: val or test."""
    read: list[str]
    """A line for each file, in their order: rows, the rule that took them, and columns."""


def read_prediction_files(
    paths: Sequence[Path],
    validation: Path | None,
    *,
    affix: str | None = None,
    parts: int = 1,
) -> Given:
    """Predictions of several systems, and the first one's of validation images.

    Args:
        paths: of `read_prediction_file`; without a split of their own, all their images are test.
        validation: the validation images of the first file; with a split of its own, those.
        affix: as there, for every file.
        parts: likewise.

    Raises:
        ArtifactError: as there; or a file has no test image, the validation file other findings,
            or validation images are in both.
    """
    given = Given({}, [])
    for number, path in enumerate(paths):
        frame, line = _rows_of(path, ("test",) if number else ("test", "val"), affix, parts)
        name = path.name if path.name not in given.systems else str(path)
        given.systems[name] = frame
        given.read.append(f"{name}: {line}")
    if validation is not None:
        first = next(iter(given.systems))
        val, line = _rows_of(validation, ("val",), affix, parts)
        given.systems[first] = _with_validation(given.systems[first], val, validation)
        given.read.append(f"{validation.name}: {line}")
    return given


def _rows_of(
    path: Path, kept: tuple[str, ...], affix: str | None, parts: int
) -> tuple[pd.DataFrame, str]:
    """The rows of some splits, and what was read, in words."""
    table = _table(path, affix, parts)
    rows = take_rows(table.frame, kept, table.columns, path)
    return rows.frame, f"{rows.rule}; {_described(table)}"


def _with_validation(frame: pd.DataFrame, val: pd.DataFrame, path: Path) -> pd.DataFrame:
    both = frame["image_index"].isin(val["image_index"])
    if both.any():
        raise ArtifactError(
            f"{path}: {both.sum():,} of its images are among those to be evaluated; first: "
            f"{frame.loc[both, 'image_index'].iloc[0]}. Validation images must be others"
        )
    differing = [name for name in FINDINGS if (name in val) != (name in frame)]
    if differing:
        raise ArtifactError(f"{path}: has other findings; different: {', '.join(differing)}")
    return pd.concat([frame, val[list(frame)]], ignore_index=True)


def read_prediction_file(path: Path, *, affix: str | None = None, parts: int = 1) -> pd.DataFrame:
    """Probabilities by image, whoever made them.

    A column is a finding's if its name is that of the finding (NIH's, or an alias; in any case,
    with any blanks) with what all of them have before or behind it: `prob_`, say.

    Args:
        path: csv (also gzipped) or parquet.
        affix: which columns are meant: `prob_*`, with the finding in the place of the star. None
            where only one kind of columns is named by findings.
        parts: how many parts of an image's path, from its end, are its name, joined by `_`.

    Returns:
        image_index, float columns of the findings that
        the file has, in the order of `FINDINGS`, and `split` if it has that.

    Raises:
        ArtifactError: no such file, no image or finding in it, several candidates for one
            finding, an image named twice, a value that is no probability, splits under another
            name, or columns asked for that are not there.
    """
    table = _table(path, affix, parts)
    log.info("%s: %s rows; %s", path, f"{len(table.frame):,}", _described(table))
    return table.frame


class _Table(NamedTuple):
    frame: pd.DataFrame
    columns: Columns
    not_read: list[str]


def _table(path: Path, affix: str | None, parts: int) -> _Table:
    frame = _read(path)
    columns = find_columns(list(map(str, frame.columns)), affix, path)
    found = pd.DataFrame({"image_index": file_names(frame[columns.image], parts)})
    _expect_each_once(found["image_index"], path)
    for finding in FINDINGS:
        if finding in columns.findings:
            found[finding] = _probabilities(
                frame[columns.findings[finding]], path, found["image_index"]
            )
    splits = splits_of(frame, columns, path)
    if splits is not None:
        found["split"] = splits
    _warn_of_calls(found, path)
    read = {columns.image, columns.split, *columns.findings.values()}
    return _Table(
        found.reset_index(drop=True), columns, [name for name in frame.columns if name not in read]
    )


def _described(table: _Table) -> str:
    """The columns that were read, in words."""
    columns = table.columns
    not_read = f"; not read: {listed(map(repr, table.not_read))}" if table.not_read else ""
    return (
        f"columns {columns.pattern} of {len(columns.findings)} findings; images by "
        f"{columns.image!r}{not_read}"
    )


def _warn_of_calls(frame: pd.DataFrame, path: Path) -> None:
    scored = [name for name in FINDINGS if name in frame]
    called = [name for name in scored if frame[name].isin([0, 1]).all()]
    if called:
        log.warning(
            "%s: all scores of %s are 0 or 1: labels or thresholded calls rather than "
            "probabilities, so AUROC is that of one threshold and calibration means nothing",
            path,
            "all findings" if called == scored else ", ".join(called),
        )


def _read(path: Path) -> pd.DataFrame:
    """The table with all its columns; an index by images is one of them."""
    return _with_names(read_given_table(path, rows="prediction"))


_UNNAMED = ("__index_level_0__", "")
"""How pandas calls an index without a name, in parquet and in csv."""


def _with_names(frame: pd.DataFrame) -> pd.DataFrame:
    """An index without a name is the images', if it holds text and no other column is theirs."""
    if {plain(name) for name in frame.columns} & {plain(name) for name in IMAGE_COLUMNS}:
        return frame
    unnamed = [
        name
        for name in frame.columns
        if name in _UNNAMED and not pd.api.types.is_numeric_dtype(frame[name])
    ]
    return frame.rename(columns=dict.fromkeys(unnamed[:1], IMAGE_COLUMNS[0]))


_ROUNDING = 1e-5
"""How far beyond 0 or 1 a probability may be that was computed in few digits."""


def _probabilities(values: pd.Series, path: Path, images: pd.Series) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce").astype("float64")
    wrong = ~numbers.between(-_ROUNDING, 1 + _ROUNDING)
    if wrong.any():
        first = int(np.flatnonzero(wrong)[0])
        far = numbers[wrong].abs().max() > 2
        raise ArtifactError(
            f"{path}, row {values.index[first]} ({images.iloc[first]}), column {values.name}: "
            f"{values.iloc[first]} is no probability in [0, 1]"
            + (f", nor are {wrong.sum() - 1:,} others of the column" if wrong.sum() > 1 else "")
            + ("; of logits take the sigmoid first" if far else "")
        )
    return numbers.clip(0, 1)


def _expect_each_once(names: pd.Series, path: Path) -> None:
    repeated = names[names.duplicated()]
    if len(repeated):
        raise ArtifactError(
            f"{path}: names {len(repeated):,} images more than once; first: {repeated.iloc[0]}"
        )
