"""Which column of a stranger's table is what, by ONE rule of how a name is read."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.base.findings import FINDINGS, SPELLINGS, plain
from pipeline.errors import ArtifactError

IMAGE_COLUMNS = ("image_index", "image", "image_id", "image_name", "filename", "file", "path")
"""Names of the column that names the radiograph; the first that is there is taken."""

SPLIT_COLUMN = "split"

_BLANK = r"[\s_.-]*"
_FINDING = re.compile(
    "(.*?)("
    + "|".join(_BLANK.join(name) for name in sorted(SPELLINGS, key=len, reverse=True))
    + ")(.*)",
    re.IGNORECASE,
)


class Columns(NamedTuple):
    """The columns of a file that are read, as the file names them."""

    image: str
    split: str | None
    findings: dict[str, str]
    """By finding."""
    pattern: str
    """What the findings' columns have in common, with * for the finding."""


def find_columns(columns: Sequence[str], affix: str | None, path: object) -> Columns:
    """What each column is.

    Args:
        columns: the header of a file.
        affix: which columns of findings are meant, `prob_*`, `0_*`, or `#_*` where # counts the
            findings; None where there is one kind.
        path: of the file, for messages.

    Raises:
        ArtifactError: no column names the image or a finding, two mean the same, or the columns
            asked for are not there.
    """
    pattern, findings = _family(_families(columns, path), affix, path)
    split = only_column(columns, (SPLIT_COLUMN,), path)
    return Columns(image_column(columns, path), split, findings, pattern)


def image_column(columns: Sequence[str], path: object) -> str:
    """The column that names the radiograph: the first of `IMAGE_COLUMNS` that is there.

    Raises:
        ArtifactError: there is none, or two have that name in different spellings.
    """
    known = [only_column(columns, (name,), path) for name in IMAGE_COLUMNS]
    first = next((column for column in known if column is not None), None)
    if first is None:
        raise ArtifactError(
            f"{path}: no column names the radiograph; expected one of "
            f"{', '.join(IMAGE_COLUMNS)}, found {', '.join(map(str, columns))}"
            + ("; is it separated by commas?" if len(columns) == 1 else "")
        )
    return first


def only_column(columns: Sequence[str], names: Sequence[str], path: object) -> str | None:
    """The one column that has any of these names, if there is any.

    Args:
        columns: the header of a file.
        names: of one meaning, for which the first stands in messages.
        path: of the file, for messages.

    Raises:
        ArtifactError: there are two.
    """
    meant = {plain(name) for name in names}
    named = [column for column in columns if plain(column) in meant]
    if len(named) > 1:
        spelt = " and ".join(map(repr, named))
        raise ArtifactError(f"{path}: {spelt} are both columns of {names[0]}; keep one of them")
    return named[0] if named else None


class _Family(NamedTuple):
    """Columns that differ in the finding alone."""

    pattern: str
    findings: dict[str, str]


def _families(columns: Sequence[str], path: object) -> dict[str, _Family]:
    """Columns named by findings, by what is before and behind the finding's name."""
    families: dict[str, _Family] = {}
    for column in columns:
        match = _FINDING.fullmatch(str(column).strip())
        if not match:
            continue
        before, spoken, behind = match.groups()
        written = f"{before}*{behind}"
        findings = families.setdefault(plain(written), _Family(written, {})).findings
        finding = SPELLINGS[plain(spoken)]
        if finding in findings:
            both = f"{findings[finding]!r} and {column!r}"
            raise ArtifactError(f"{path}: {both} are both columns of {finding}; keep one of them")
        findings[finding] = column
    if not families:
        raise ArtifactError(
            f"{path}: no column is named by a finding; expected {FINDINGS[0]} or "
            f"prob_{FINDINGS[0]} and so on, found {', '.join(map(str, columns))}"
        )
    return _numbered(families)


def _numbered(families: dict[str, _Family]) -> dict[str, _Family]:
    """Of columns that count the findings, `0_Atelectasis` and `1_Cardiomegaly`, one family `#_*`.

    `0_Mass` and `1_Mass` stay two: of two networks, say.
    """
    groups: dict[str, list[str]] = {}
    for key in families:
        groups.setdefault(re.sub(r"\d+", "#", key), []).append(key)
    found: dict[str, _Family] = {}
    for merged, keys in groups.items():
        together = [families[key] for key in keys]
        findings = {name: column for one in together for name, column in one.findings.items()}
        if len(keys) > 1 and len(findings) == sum(len(one.findings) for one in together):
            found[merged] = _Family(re.sub(r"\d+", "#", together[0].pattern), findings)
        else:
            found |= {key: families[key] for key in keys}
    return found


def _family(families: dict[str, _Family], affix: str | None, path: object) -> _Family:
    found = ", ".join(f"{one.pattern} ({len(one.findings)})" for one in families.values())
    if affix is None and len(families) > 1:
        raise ArtifactError(
            f"{path}: several kinds of columns are named by findings: {found}; say which are the "
            "probabilities, with --columns"
        )
    if affix is None:
        return next(iter(families.values()))
    if affix.count("*") != 1:
        raise ArtifactError(
            f"--columns {affix}: expected one * in the place of the finding, as in prob_*"
        )
    if plain(affix) not in families:
        raise ArtifactError(f"{path}: no columns {affix}; found {found}")
    return families[plain(affix)]
