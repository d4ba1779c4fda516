"""Many names in one line."""

from collections.abc import Iterable

_SHOWN = 6


def listed(names: Iterable[str]) -> str:
    """The first names, comma-separated, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"{', '.join(found[:_SHOWN])}{more}"
