"""Answers as text for a terminal."""

from collections.abc import Sequence

from pipeline.predict.many.stream import Answer
from pipeline.predict.prediction import Prediction

IN_FULL = 4
"""Radiographs at most that are said in full; of more, a line each."""


def spoken(answer: Answer, *, in_full: bool) -> str:
    """One radiograph: a table of findings, or a line of those that are called."""
    if answer.prediction is None:
        return f"{answer.path}: {answer.fault}"
    return _table(answer) if in_full else _line(answer, answer.prediction)


def _line(answer: Answer, found: Prediction) -> str:
    if found.warnings:
        return f"{answer.path}: nothing called: {'; '.join(found.warnings)}"
    called = [
        f"{_words(name)} {found.findings[name].probability:.2f}"
        for name in found.ranked
        if found.calls[name]
    ]
    return f"{answer.path}: {', '.join(called) or 'no finding called'}"


def _table(answer: Answer) -> str:
    found = answer.prediction
    assert found is not None
    members = list(found.seen)
    rows = [
        ["finding", "call", "probability", "threshold", "above", "raw", *members],
        *([*_cells(found, name), *_shares(found, name, members)] for name in found.ranked),
    ]
    said = [f"Not to be trusted, and nothing called: {one}." for one in found.warnings]
    said += [f"Note: {one}." for one in found.notes]
    return "\n".join([str(answer.path), *_aligned(rows), *said])


def _cells(found: Prediction, name: str) -> list[str]:
    one = found.findings[name]
    call = {True: "yes", False: "no", None: "–"}[found.calls[name]]
    at = "–" if one.calibrated_threshold is None else f"{one.calibrated_threshold:.3f}"
    return [_words(name), call, f"{one.probability:.3f}", at, f"{one.above:.0%}", f"{one.raw:.3f}"]


def _shares(found: Prediction, name: str, members: Sequence[str]) -> list[str]:
    return [f"{found.findings[name].shares[member]:.3f}" for member in members]


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _words(finding: str) -> str:
    return finding.replace("_", " ")


LEGEND = (
    "probability and threshold are calibrated on validation images; above: the share of them with "
    "a lower one; then the members' votes. Research use only, no medical device."
)
