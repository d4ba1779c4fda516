"""Measured numbers in README.md and docs/, and whether docs/numbers.yaml says whence they come.

What looks measured is a number with decimals, and one before a unit of time, size, rate or count.
A number is traced if a source that its section names holds it. What no file holds was printed by a
run that cannot be repeated here. Such numbers are pinned by a digest: who changes one has to say
anew which run printed it.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipeline.tracking.origin import flatten

REPO = Path(__file__).parents[2]

LEDGER = REPO / "docs/numbers.yaml"

WRITTEN = {"docs/bad_inputs.md", "docs/rooms.md"}
"""Pages that are written from code as a whole."""

_UNIT = (
    r"%|s\b|ms\b|min\b|minutes?\b|hours?\b|days?\b|[KMG]i?B\b|images/s|images a second|times as\b|"
    r"test images|boxed cases|patients"
)
_NUMBER = re.compile(
    rf"(?<![\w.:/#@-])[-+]?(?:\d[\d,]*(?:\.\d+)?(?= (?:{_UNIT}))|\d+\.\d+(?![\w.]*\w))"
)
_MADE = re.compile(r"^<!-- Written by .*?^<!-- End of .*?-->$", flags=re.M | re.S)
_TYPED = re.compile(r"(?<!`)`[^`]+`(?!`)|^\$ .*$|\b95 %", flags=re.M)
"""What is typed, which other tests look at; and the level of all intervals."""

_EITHER = re.compile(r"^(#+ .+|```.*)$", flags=re.M)


@dataclass(frozen=True)
class Traced:
    """What docs/numbers.yaml says of one section."""

    sources: tuple[str, ...]
    """Files, `file:key` of JSON or YAML, or `page#section`."""
    printed_by: str
    """The run that printed what no source holds."""
    digest: str
    """Of these numbers."""


def read_ledger() -> dict[str, Traced]:
    """By the section, as `page#section`."""
    entries = yaml.safe_load(LEDGER.read_text(encoding="utf-8"))
    return {
        place: Traced(
            sources=tuple(entry.get("from", ())),
            printed_by=entry.get("printed_by", ""),
            digest=str(entry.get("digest", "")),
        )
        for place, entry in entries.items()
    }


def measured(text: str) -> list[str]:
    """The numbers of a text that look measured, in its order."""
    return _NUMBER.findall(text)


def sections(page: str, text: str) -> dict[str, str]:
    """The text below each heading, without what is written from code, by `page#section`."""
    found, place, is_code = {}, f"{page}#", False
    for part in _EITHER.split(_MADE.sub("", text)):
        if part.startswith("```"):
            is_code = not is_code
        elif re.match(r"#+ ", part) and not is_code:
            name = re.sub(r"[^\w -]", "", part.lstrip("# ").lower()).replace(" ", "-")
            place = f"{page}#{name}"
            continue
        found[place] = found.get(place, "") + _TYPED.sub("", part)
    return found


def all_sections() -> dict[str, list[str]]:
    """The measured numbers of every section that has some."""
    pages = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md"))]
    names = {path.relative_to(REPO).as_posix(): path for path in pages}
    texts = {
        place: text
        for name, path in names.items()
        if name not in WRITTEN
        for place, text in sections(name, path.read_text(encoding="utf-8")).items()
    }
    return {place: found for place, text in texts.items() if (found := measured(text))}


def untraced(numbers: Sequence[str], sources: Sequence[str]) -> list[str]:
    """Those that none of the sources holds."""
    held = [holder(source) for source in sources]
    return [number for number in numbers if not any(number in one for one in held)]


class Holder:
    """The numbers of one source, of which some are asked for with fewer digits."""

    def __init__(self, written: Sequence[str], values: Sequence[float] = ()) -> None:
        self._written = {float(_plain(one)) for one in written}
        self._values = values

    def __contains__(self, number: str) -> bool:
        plain = _plain(number)
        digits = len(plain.partition(".")[2])
        scaled = (value * scale for value in self._values for scale in (1, 100))
        return float(plain) in self._written or any(
            f"{value:.{digits}f}" == plain for value in scaled
        )


@cache
def holder(source: str) -> Holder:
    """What a source holds.

    Raises:
        ValueError: there is no such file, key or section.
    """
    path, mark, key = re.fullmatch(r"([^:#]+)(?:([:#])(.*))?", source).groups()
    if not (REPO / path).is_file():
        raise ValueError(f"docs/numbers.yaml: no such file: {path}")
    text = (REPO / path).read_text(encoding="utf-8")
    if mark == "#":
        if source not in (there := sections(path, text)):
            raise ValueError(f"docs/numbers.yaml: {path} has no section {key}")
        return Holder(re.findall(r"\d[\d,]*(?:\.\d+)?", there[source]))
    if path.endswith(".json"):
        return Holder((), _values(flatten(json.loads(text)), key or "", source))
    if mark:
        return Holder((), _values(flatten(yaml.safe_load(text)), key, source))
    return Holder(re.findall(r"\d[\d,_]*(?:\.\d+)?", text))


def digest(numbers: Sequence[str]) -> str:
    """A short name of these numbers in this order."""
    return hashlib.sha256(" ".join(numbers).encode()).hexdigest()[:8]


def faults(ledger: Mapping[str, Traced], found: Mapping[str, Sequence[str]]) -> list[str]:
    """Sections whose numbers the ledger does not account for, and entries without numbers."""
    idle = [place for place in ledger if place not in found]
    wrong = [f"{place}: no measured number stands there; remove the entry" for place in idle]
    for place, numbers in found.items():
        said = fault(ledger.get(place, Traced((), "", "")), numbers)
        wrong += [f"{place}: {said}"] if said else []
    return wrong


def fault(traced: Traced, numbers: Sequence[str]) -> str:
    """What is wrong with what the ledger says of one section; nothing, if nothing is."""
    left = untraced(numbers, traced.sources)
    some = ", ".join(left[:6]) + (", ..." if left[6:] else "")
    if left and not traced.printed_by:
        return f"none of {[*traced.sources]} holds {some}; name what does, or what printed them"
    if left and digest(left) != traced.digest:
        return (
            f"{some} are not what was printed by {traced.printed_by!r}; "
            f"say what printed them, and digest: {digest(left)!r}"
        )
    if traced.printed_by and not left:
        return "its sources hold all numbers; remove printed_by and digest"
    return ""


def _plain(number: str) -> str:
    return number.lstrip("+-").replace(",", "").replace("_", "")


def _values(leaves: Mapping[str, Any], key: str, source: str) -> list[float]:
    """Numbers of a key, or of all that it is the beginning of."""
    found = [
        abs(float(value))
        for name, value in leaves.items()
        if not key or f"{name}.".startswith(f"{key}.")
        if isinstance(value, int | float)
    ]
    if not found:
        raise ValueError(f"docs/numbers.yaml: {source}: no number there")
    return found
