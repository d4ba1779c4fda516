"""Keys of params.yaml that DVC's run cache does not see."""

from collections.abc import Iterator
from typing import Any, Final

from pipeline.params.faults import Place

OVERLOOKED: Final = ("size", "nfiles")
"""Wherever they stand, it takes them for what it notes of a file (treeverse/dvc, issue 10296).

Runs that differ below such a key alone are one and the same to it: it says that a stage "is
cached", and checks out what came of the other value.
"""


def overlooked(values: Any, place: Place = ()) -> Iterator[str]:
    """The dotted names of such keys in what a file says."""
    inner = values if isinstance(values, dict) else {}
    if isinstance(values, list):
        inner = dict(enumerate(values))
    for key, value in inner.items():
        if key in OVERLOOKED:
            yield ".".join(map(str, (*place, key)))
        yield from overlooked(value, (*place, key))
