"""One system's AUROC in groups of the images, and how far apart the groups are."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Num

from pipeline.results.evaluation.files.evaluations import SCHEMAS
from pipeline.results.evaluation.groupings import GROUPINGS, UNKNOWN, Grouping, Groups
from pipeline.results.evaluation.scores import MEAN, LabelledSet
from pipeline.results.statistics.bootstrap import replicate_aurocs
from pipeline.results.statistics.estimate import Estimate, Interval, average, percentile
from pipeline.results.statistics.metrics import auroc, auroc_influence, rank

CELLS = tuple(SCHEMAS["subgroups"].names)
"""A row for each finding of each group that holds an image, and one for their mean (`MEAN`)."""

GAPS = tuple(SCHEMAS["gaps"].names)
"""A row for each finding of each grouping, and one for the mean; gap = AUROC in group - other."""

FEWEST_PATIENTS = 2
"""Of either class, at the least: one patient's images say nothing of other patients."""


class Subgroups(NamedTuple):
    """All groupings of one system.

    `low` and `high` are null where there is no value, and everywhere without replicates.
    """

    cells: pd.DataFrame
    """Columns CELLS. Beside `MEAN`, positives have at least one of the findings averaged."""
    gaps: pd.DataFrame
    """Columns GAPS. `chosen`: the two groups were picked by their AUROC, see `score_subgroups`."""
    averaged: dict[str, tuple[str, ...]]
    """Findings in the means of each grouping: the same in all of its groups."""


def score_subgroups(
    frame: pd.DataFrame,
    images: LabelledSet,
    metadata: pd.DataFrame,
    counts: Float[np.ndarray, "patients r"],
    *,
    min_cell: int,
    min_patients: int = FEWEST_PATIENTS,
    groupings: Mapping[str, Grouping] = GROUPINGS,
    interval: Callable[[Estimate], Interval] = percentile,
) -> Subgroups:
    """AUROC by group and finding, with intervals over patients; small cells keep theirs back.

    A cell, a finding in a group, is shown if it has `min_cell` positive and as many negative
    images, and either class `min_patients`; a group is open if it can show half of the
    findings, and shows none otherwise. Every null comes with a reason. Means compare groups of
    one grouping, not groupings: each has its own `averaged`.

    All groups of a replicate hold the same drawn patients, so that gaps are paired. A replicate
    that leaves a cell one class only keeps it at its whole value, as in `scores.score`; with few
    positive patients that is often (2: e^-2 = 14 % of replicates), and the interval too narrow.

    A grouping of two possible groups has its gap as they are listed, whatever its sign. Of more,
    it is the best minus the worst, and never negative: chosen after the fact, it is too large on
    average (chance alone gives one), and so is its interval, which takes the pair as given.

    Args:
        frame: image_index and a probability of each finding.
        images: the labels; findings of one class among all images are in no table.
        metadata: image_index and what the groupings ask for.
        counts: of `patient_counts`; without replicates there are no intervals.
        min_cell: fewest images of either class.
        min_patients: fewest patients of either class.
        groupings: by name.
        interval: of values and of gaps.

    Raises:
        ValueError: `counts` is of other patients, or an image belongs to no group.
    """
    if len(counts) != images.patients:
        raise ValueError(f"expected counts of {images.patients} patients, found {len(counts)}")
    about = metadata.set_index("image_index").loc[images.image_index]
    probs = images.probs(frame)
    cells, gaps, averaged = [], [], {}
    for name, grouping in groupings.items():
        groups = grouping(about)
        table, averaged[name] = _table(
            _divide(images, probs, counts, groups), min_cell, min_patients
        )
        cells += [
            (name, group, finding, *_cell_row(cell, interval))
            for group, row in table.items()
            for finding, cell in row.items()
        ]
        fixed = len(set(groups.names) - {UNKNOWN}) == 2
        for finding in (*images.targets, MEAN):
            column = {
                group: row[finding]
                for group, row in table.items()
                if not (fixed and group == UNKNOWN)
            }
            gaps.append((name, finding, *_gap_row(column, interval, fixed=fixed)))
    return Subgroups(_frame(cells, CELLS), _frame(gaps, GAPS), averaged)


class _Part(NamedTuple):
    """The images of one group."""

    patient: Int[np.ndarray, " n"]
    """0, 1, ...: the row of `counts`, which are those of the group's patients alone: products of
    small groups stay small."""
    known: dict[str, Bool[np.ndarray, " n"]]
    """Whether each image's label is known; `targets` and `probs` are of those alone."""
    targets: dict[str, Bool[np.ndarray, " k"]]
    probs: dict[str, Num[np.ndarray, " k"]]
    counts: Float[np.ndarray, "patients r"]
    present: Bool[np.ndarray, " everyone"]
    """Which of all patients are in the group."""


class _Cell(NamedTuple):
    """A finding in a group, or the mean: a value, or the reason why there is none."""

    images: int
    patients: int
    positives: int
    positive_patients: int
    value: Estimate | None
    reason: str | None


_Row = dict[str, _Cell]  # of one group, by finding


def _divide(
    images: LabelledSet,
    probs: dict[str, Num[np.ndarray, " _"]],
    counts: Float[np.ndarray, "patients r"],
    groups: Groups,
) -> dict[str, _Part]:
    """The groups that hold an image."""
    parts = {}
    for code in np.unique(groups.code):
        inside = groups.code == code
        rows, patient = np.unique(images.patient[inside], return_inverse=True)
        parts[groups.names[code]] = _Part(
            patient,
            {finding: images.knows(finding)[inside] for finding in images.targets},
            {one: targets[images.of(one, inside)] for one, targets in images.targets.items()},
            {one: values[images.of(one, inside)] for one, values in probs.items()},
            counts[rows],
            np.isin(np.arange(len(counts)), rows),
        )
    return parts


def _table(
    parts: dict[str, _Part], min_cell: int, min_patients: int
) -> tuple[dict[str, _Row], tuple[str, ...]]:
    """All cells of a grouping with the means, and the findings averaged."""
    table = {
        group: {finding: _cell(part, finding, min_cell, min_patients) for finding in part.targets}
        for group, part in parts.items()
    }
    closed = {group: _closed(row) for group, row in table.items()}
    open_rows = [row for group, row in table.items() if closed[group] is None]
    averaged = tuple(
        finding
        for finding in (open_rows[0] if open_rows else ())
        if all(row[finding].value for row in open_rows)
    )
    for group, row in table.items():
        reason = closed[group]
        if reason:
            for finding, cell in row.items():
                row[finding] = cell._replace(value=None, reason=cell.reason or reason)
        row[MEAN] = _mean(parts[group], row, averaged, reason)
    return table, averaged


def _closed(row: _Row) -> str | None:
    """Why a group shows nothing."""
    shown = sum(cell.value is not None for cell in row.values())
    if 2 * shown < len(row):
        return f"{shown} of {len(row)} findings can be shown, fewer than half"
    return None


def _cell(part: _Part, finding: str, min_cell: int, min_patients: int) -> _Cell:
    targets, owner = part.targets[finding], part.patient[part.known[finding]]
    reason = _too_small(owner, targets, min_cell, min_patients)
    if reason:
        return _Cell(*_sizes(owner, targets), None, reason)
    ranking = rank(targets, part.probs[finding], owner, units=len(part.counts))
    whole = float(auroc(ranking, np.ones((len(part.counts), 1)))[0])
    drawn = replicate_aurocs(ranking, part.counts)
    influence = np.zeros(len(part.present))  # of all patients, or groups could not be subtracted
    influence[part.present] = auroc_influence(ranking)
    value = Estimate(whole, np.where(np.isnan(drawn), whole, drawn), influence)
    return _Cell(*_sizes(owner, targets), value, None)


def _sizes(
    owner: Int[np.ndarray, " k"], targets: Bool[np.ndarray, " k"]
) -> tuple[int, int, int, int]:
    ill = len(np.unique(owner[targets]))
    return len(targets), len(np.unique(owner)), int(targets.sum()), ill


def _too_small(
    owner: Int[np.ndarray, " k"], targets: Bool[np.ndarray, " k"], min_cell: int, min_patients: int
) -> str | None:
    """Why a cell is not shown."""
    for noun, side in (("positive", targets), ("negative", ~targets)):
        found, owners = int(side.sum()), len(np.unique(owner[side]))
        if found < min_cell:
            return f"{_counted(found, noun)}, fewer than {min_cell}"
        if owners < min_patients:
            return f"{noun}s of {_counted(owners, 'patient')}, fewer than {min_patients}"
    return None


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _mean(part: _Part, row: _Row, averaged: tuple[str, ...], closed: str | None) -> _Cell:
    some = np.zeros(len(part.patient), bool)
    for finding in averaged:
        some[part.known[finding]] |= part.targets[finding]
    sizes = _sizes(part.patient, some)
    reason = closed or (None if averaged else "no finding is shown in every open group")
    if reason:
        return _Cell(*sizes, None, reason)
    values = [value for finding in averaged if (value := row[finding].value)]
    return _Cell(*sizes, average(values), None)


def _cell_row(cell: _Cell, interval: Callable[[Estimate], Interval]) -> tuple[Any, ...]:
    *sizes, value, reason = cell
    if value is None:
        return (*sizes, None, None, None, reason)
    return (*sizes, value.value, *interval(value), None)


def _gap_row(
    column: dict[str, _Cell], interval: Callable[[Estimate], Interval], *, fixed: bool
) -> tuple[Any, ...]:
    values = {group: cell.value for group, cell in column.items() if cell.value}
    if len(values) < 2:
        reason = f"shown in {len(values)} of {_counted(len(column), 'group')}, a gap needs 2"
        return (None, None, not fixed, None, None, None, reason)
    names = list(values)
    if not fixed:
        names.sort(key=lambda group: values[group].value, reverse=True)
    gap = values[names[0]] - values[names[-1]]
    return (names[0], names[-1], not fixed, gap.value, *interval(gap), None)


def _frame(rows: list[tuple[Any, ...]], columns: tuple[str, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(columns))
    numbers = [name for name in ("auroc", "gap", "low", "high") if name in columns]
    return frame.astype(dict.fromkeys(numbers, float))
