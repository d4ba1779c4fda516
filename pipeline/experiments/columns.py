"""Rows of words as a table for a terminal."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Each column as wide as its widest word, two spaces between columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = (
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True))
        for row in rows
    )
    return "\n".join(line.rstrip() for line in lines)


def within(value: float | None, low: float | None, high: float | None) -> str:
    """`0.792 (0.775-0.807)`; a dash for what is not known."""
    if value is None or low is None or high is None:
        return "-" if value is None else f"{value:.3f}"
    return f"{value:.3f} ({low:.3f}-{high:.3f})"


def gained(value: float | None, low: float | None, high: float | None) -> str:
    """`+0.039 (+0.027 to +0.049)`, of a difference."""
    if value is None or low is None or high is None:
        return "-" if value is None else f"{value:+.3f}"
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
