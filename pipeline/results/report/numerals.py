"""Numbers as the page spells them."""

NBSP = "\u00a0"


def number(value: float | None, digits: int = 3) -> str:
    """A dash for what is not known."""
    return "–" if value is None else f"{value:z.{digits}f}".replace("-", "−")


def signed(value: float | None) -> str:
    """With its sign, of differences."""
    return "–" if value is None else f"{value:+.3f}".replace("-", "−")


def percent(value: float | None, digits: int = 0) -> str:
    """Of a share in [0, 1], mostly."""
    return "–" if value is None else f"{100 * value:z.{digits}f}{NBSP}%".replace("-", "−")


def threshold(value: float) -> str:
    """Two digits that count, of small ones too."""
    return f"{value:.3f}" if value >= 0.01 else f"{value:.2g}"


def p_value(value: float) -> str:
    """Behind its sign, no finer than anyone needs."""
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"
