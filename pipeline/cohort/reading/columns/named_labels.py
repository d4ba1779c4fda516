"""The labels of a table's rows, whatever it calls them: 1, 0, or NaN where nobody knows."""

import ast
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from jaxtyping import Float

from pipeline.base.findings import FINDINGS, NO_FINDING, SPELLINGS, plain
from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.csv_text import require
from pipeline.params.columns import ColumnsParams

BLANKS = ("", "nan", "none", "null", "na", "n/a", "<na>")
"""How tables write that a cell says nothing, in any case."""

NONE = "none"
"""What a name is said to mean that is no finding."""

LIST = "list"
"""The separator of a cell that is written as a list of Python's."""

_UNCERTAIN = {"zeros": 0.0, "ones": 1.0, "ignore": np.nan}
_STATES = {1.0: 1.0, 0.0: 0.0, -1.0: -1.0}
_BLANK = 2.0


@dataclass(frozen=True)
class RowLabels:
    """Of rows of a table, in their order."""

    states: Float[np.ndarray, "n 14"]
    """1, 0 or NaN; columns as FINDINGS."""
    named: set[str]
    """Findings that the table has."""
    dropped: Counter[str] = field(default_factory=Counter)
    """Names that are none of the findings, and in how many rows they are."""
    uncertain: Counter[str] = field(default_factory=Counter)
    """Uncertain labels by finding, whatever became of them."""


def meaning_of(name: str, findings: Mapping[str, str]) -> str | None:
    """The finding that a name means, or NO_FINDING; None for one that is no finding."""
    said = {plain(one): finding for one, finding in findings.items()}.get(plain(name))
    if said is None:
        said = NO_FINDING if plain(name) == plain(NO_FINDING) else SPELLINGS.get(plain(name))
    if said is not None and plain(said) == plain(NO_FINDING):
        return NO_FINDING
    return None if said in (None, NONE) else said


def is_blank(values: pd.Series) -> pd.Series:
    """Which cells say nothing."""
    return values.str.casefold().isin(BLANKS)


def row_labels(
    text: Mapping[str, pd.Series], file: TextFile, layout: ColumnsParams, *, uncertain: str
) -> RowLabels:
    """Labels of the rows of a file.

    Args:
        text: its columns, of `read_columns`.
        file: for messages.
        layout: which columns are of labels, and what names mean.
        uncertain: zeros, ones or ignore: what a label of -1 becomes.

    Raises:
        CohortError: names the file, the row and what was expected.
    """
    if isinstance(layout.labels, str):
        return _of_names(text[layout.labels], file, layout)
    columns = {name: text[name] for name in layout.labels}
    return _of_columns(columns, file, layout, uncertain)


def _of_names(cells: pd.Series, file: TextFile, layout: ColumnsParams) -> RowLabels:
    codes, texts = pd.factorize(cells)
    split = [_names(cell, layout.separator) for cell in texts]
    is_right = pd.Series([names is not None for names in split])[codes].set_axis(cells.index)
    require(is_right, cells, file, "names as a list, such as ['pneumonia', 'normal'], or nothing")
    lists = [names or () for names in split]
    meant = [{meaning_of(name, layout.findings) for name in names} for names in lists]
    states = np.array([[finding in found for finding in FINDINGS] for found in meant], float)
    states = states.reshape(-1, len(FINDINGS))  # of no row, too
    states[np.array([not names for names in lists], bool)] = np.nan  # nobody has labelled it
    counts = np.bincount(codes, minlength=len(texts))
    dropped: Counter[str] = Counter()
    for names, count in zip(lists, counts.tolist(), strict=True):
        others = {name for name in names if meaning_of(name, layout.findings) is None}
        dropped.update(dict.fromkeys(others, count))
    named = {finding for found in meant for finding in found if finding in FINDINGS}
    return RowLabels(states[codes], named, dropped)


def _names(cell: str, separator: str | None) -> tuple[str, ...] | None:
    """The names in a cell, of which none are blank; None if it is no list."""
    if cell.casefold() in BLANKS:
        return ()
    names: object = cell.split(separator)
    if separator == LIST:
        try:
            names = ast.literal_eval(cell)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return tuple(filter(None, (name.strip() for name in names)))


def _of_columns(
    columns: Mapping[str, pd.Series], file: TextFile, layout: ColumnsParams, uncertain: str
) -> RowLabels:
    states = {name: _states(cells, file) for name, cells in columns.items()}
    meant = {name: meaning_of(name, layout.findings) for name in columns}
    healthy = np.zeros(len(next(iter(states.values()))), bool)
    for name, finding in meant.items():
        if finding == NO_FINDING:
            healthy |= states[name] == 1
    table, counts = [], Counter[str]()
    for finding in FINDINGS:
        of = [states[name] for name, meaning in meant.items() if meaning == finding]
        counts[finding] = sum(int((one == -1).sum()) for one in of)
        table.append(_joined([_resolved(one, healthy, layout, uncertain) for one in of], healthy))
    dropped = {
        name: int((states[name] == 1).sum()) for name, meaning in meant.items() if meaning is None
    }
    named = {meaning for meaning in meant.values() if meaning in FINDINGS}
    return RowLabels(np.stack(table, axis=1), named, Counter(dropped), +counts)


def _states(cells: pd.Series, file: TextFile) -> Float[np.ndarray, " n"]:
    """1, 0, -1 or _BLANK."""
    codes, texts = pd.factorize(cells)
    found = pd.to_numeric(pd.Series(texts, dtype=str), errors="coerce").map(_STATES)
    states = found.mask(is_blank(pd.Series(texts, dtype=str)), _BLANK)
    expected = "1, 0, -1 (uncertain) or nothing"
    require(states.notna()[codes].set_axis(cells.index), cells, file, expected)
    return states.to_numpy(float)[codes]


def _resolved(
    states: Float[np.ndarray, " n"],
    healthy: np.ndarray,
    layout: ColumnsParams,
    uncertain: str,
) -> Float[np.ndarray, " n"]:
    nothing = np.where(healthy | (layout.blank == "zeros"), 0.0, np.nan)
    known = np.where(states == -1, _UNCERTAIN[uncertain], states)
    return np.where(states == _BLANK, nothing, known)


def _joined(
    columns: Sequence[Float[np.ndarray, " n"]], like: np.ndarray
) -> Float[np.ndarray, " n"]:
    """Of columns that mean one finding: there if one says so, absent if all do."""
    if not columns:
        return np.full(len(like), np.nan)
    stack = np.stack(columns)
    return np.where((stack == 1).any(axis=0), 1.0, np.where((stack == 0).all(axis=0), 0, np.nan))
