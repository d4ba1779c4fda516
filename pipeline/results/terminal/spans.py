"""Numbers with their intervals, as words for a table."""


def within(value: float | None, low: float | None, high: float | None) -> str:
    """`0.792 (0.775-0.807)`; a dash for what is not known."""
    if value is None or low is None or high is None:
        return "-" if value is None else f"{value:.3f}"
    return f"{value:.3f} ({low:.3f}-{high:.3f})"


def ends(low: float | None, high: float | None) -> str:
    """`0.775 to 0.807`; nothing where they are not known."""
    return "" if low is None or high is None else f"{low:.3f} to {high:.3f}"


def gained(value: float | None, low: float | None, high: float | None) -> str:
    """`+0.039 (+0.027 to +0.049)`, of a difference."""
    if value is None or low is None or high is None:
        return "-" if value is None else f"{value:+.3f}"
    return f"{value:+.3f} ({low:+.3f} to {high:+.3f})"
