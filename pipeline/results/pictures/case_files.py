"""The cases of the page's browser, in files of some hundred each."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.base.files import read_json, replacing, write_json, write_text
from pipeline.errors import ArtifactError
from pipeline.results.pictures.cases import Case

PER_FILE = 250
"""Cases in a file."""

_ABOUT = "about.json"


@dataclass(frozen=True)
class CaseFiles:
    """What `write_cases` wrote."""

    about: dict[str, Any]
    """What all cases share; `images`, their names in order; `ious` of each, by finding."""
    files: list[Path]
    """Of `PER_FILE` cases each, in order: JSON lists of `pipeline.results.pictures.cases.Case`."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files)


def write_cases(
    cases: Iterable[Case], names: Iterable[str], folder: Path, *, about: dict[str, Any]
) -> None:
    """Write a folder of cases.

    Args:
        cases: one for each name.
        names: of the images, in the same order.
        folder: is made anew.
        about: what all cases share, JSON-able.
    """
    names = list(names)
    with replacing(folder) as fresh:
        fresh.mkdir()
        ious = []
        for place, some in enumerate(_batched(cases)):
            ious += [one.pop("ious") for one in some]
            write_text(json.dumps(some, separators=(",", ":")), fresh / _name(place))
        if len(ious) != len(names):
            raise ArtifactError(f"{folder}: {len(ious)} cases of {len(names)} images")
        write_json(about | {"per_file": PER_FILE, "images": names, "ious": ious}, fresh / _ABOUT)


def read_cases(folder: Path) -> CaseFiles:
    """What all cases share, and where they are: the images stay unread."""
    about = read_json(folder / _ABOUT)
    files = -(-len(about["images"]) // about["per_file"])
    return CaseFiles(about, [folder / _name(place) for place in range(files)])


def _name(place: int) -> str:
    return f"cases-{place:04d}.json"


def _batched(cases: Iterable[Case]) -> Iterator[list[Case]]:
    some: list[Case] = []
    for one in cases:
        some.append(one)
        if len(some) == PER_FILE:
            yield some
            some = []
    if some:
        yield some
