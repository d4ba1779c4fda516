"""What lies in a cohort's folder, in any of the layouts in which people have ChestX-ray14."""

import codecs
import gzip
import io
import json
import logging
import os
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.base.broken_files import decode_text, impostor, spreadsheet
from pipeline.cohort.reading.cohort_names import (
    BOXES,
    DEEPEST,
    ENTRIES_FIRST,
    ENTRIES_V2020,
    KINDS,
    TEST_LIST,
    TRAIN_VAL_LIST,
    kind_of,
    meant_for,
)
from pipeline.cohort.reading.image_files import (
    ARCHIVE_ENDINGS,
    image_key,
    may_be_image,
    name_of,
)
from pipeline.errors import CohortError

log = logging.getLogger(__name__)

CEILING = "ceiling.json"

_GZIP = b"\x1f\x8b"
_LARGEST_TEXT = 2**29
"""Bytes; NIH's table has 8 million."""


@dataclass(frozen=True)
class TextFile:
    """A file of text and the name that messages about it use."""

    name: str
    text: str


@dataclass(frozen=True)
class CohortFiles:
    """The files of a cohort: small ones read, radiographs only found."""

    folder: Path
    entries: TextFile
    boxes: TextFile | None
    train_val: TextFile | None
    test: TextFile | None
    not_read: list[str]
    """Text files that by their names may be meant for a list or table that was not found."""
    ceiling: dict[str, Any]
    images: dict[str, list[Path]]
    """Files of radiographs that lie loose, by `image_key`, wherever in the folder."""
    archives: list[Path]
    """Tar and zip archives, of which nothing is unpacked."""
    others: dict[str, int]
    """How many files there are of each ending that are not read."""
    tables: list[TextFile] = field(default_factory=list)
    """All tables, of which `entries` is the first; where they are none of NIH's."""
    parts: int = 1
    """How many parts of a file's path, from its end, are its name."""


def find_cohort(folder: Path, *, tables: Sequence[str] = (), parts: int = 1) -> CohortFiles:
    """Find a cohort's files and say which; radiographs and archives lie anywhere below `folder`.

    Flat `images/*.png` (or no subfolder), Kaggle's `images_001/images/*.png` and NIH's
    `images_001.tar.gz` are all found, as are JPEG, DICOM and zip files. Files whose names begin
    with a dot, as macOS leaves them, do not count. Text files have their usual names (see
    `kind_of`), may be gzipped, and lie in `folder` or up to `DEEPEST` folders below. v2020's
    table is preferred: it mends 181 rows of the first release.

    Args:
        folder: of the cohort.
        tables: names of tables that are none of NIH's, of which those that are there are read;
            without any, NIH's are looked for.
        parts: of a file's path, from its end, that are its name.

    Raises:
        CohortError: no such folder, no table, two different files that may be the same table or
            list.
    """
    if not folder.is_dir():
        raise CohortError(f"{folder}: no such folder; expected one in NIH ChestX-ray14's layout")
    files = list(_walk(folder))
    images = [path for path in files if may_be_image(path.name)]
    others = [path for path in files if not may_be_image(path.name)]
    archives = [path for path in others if path.name.lower().endswith(ARCHIVE_ENDINGS)]
    texts = _texts(folder, others)
    named = {path: name for path in others for name in tables if _is_called(path, name)}
    not_read = _not_read(folder, [path for path in others if path not in named], texts)
    read = _named_tables(folder, named, tables) if tables else []
    cohort = CohortFiles(
        folder=folder,
        entries=read[0] if read else _table(folder, texts, not_read),
        boxes=texts.get(BOXES),
        train_val=texts.get(TRAIN_VAL_LIST),
        test=texts.get(TEST_LIST),
        not_read=not_read,
        ceiling=_read_ceiling(folder / CEILING),
        images=_by_key(images, parts),
        archives=sorted(archives),
        others=Counter(
            path.suffix.lower()
            for path in {*others} - {*archives} - {*named}
            if kind_of(path) is None and path.name != CEILING
        ),
        tables=read,
        parts=parts,
    )
    _say_what_is_there(cohort)
    return cohort


def _table(folder: Path, texts: dict[str, TextFile], not_read: Sequence[str]) -> TextFile:
    entries = texts.get(ENTRIES_V2020) or texts.get(ENTRIES_FIRST)
    if entries is None:
        hint = f"; by their names these may be meant: {', '.join(not_read)}" if not_read else ""
        raise CohortError(
            f"{folder}: holds no {ENTRIES_V2020} nor {ENTRIES_FIRST} (nor either with .gz){hint}"
        )
    return entries


def _is_called(path: Path, name: str) -> bool:
    return path.name.casefold().removesuffix(".gz") == name.casefold().removesuffix(".gz")


def _named_tables(folder: Path, named: dict[Path, str], tables: Sequence[str]) -> list[TextFile]:
    """Those of `tables` that are there, in that order."""
    near = {path: name for path, name in named.items() if _depth(folder, path) <= DEEPEST}
    found = {
        name: [path for path, its in near.items() if its == name]
        for name in tables
        if name in near.values()
    }
    if not found:
        raise CohortError(
            f"{folder}: holds none of the tables of ingest.columns ({', '.join(tables)}), nor one "
            f"of them with .gz, up to {DEEPEST} folders below; put it there, or name another in "
            "ingest.columns.tables"
        )
    return [_one_of(paths, f"table {name}", folder) for name, paths in found.items()]


def _say_what_is_there(cohort: CohortFiles) -> None:
    found = {BOXES: cohort.boxes, TRAIN_VAL_LIST: cohort.train_val, TEST_LIST: cohort.test}
    tables = [file.name for file in cohort.tables] or [cohort.entries.name]
    used = [*tables, *(file.name for file in found.values() if file)]
    log.info("%s: read %s", cohort.folder, ", ".join(used))
    absent = [f"{KINDS[name].meaning} ({name})" for name, file in found.items() if file is None]
    if absent:
        log.warning("%s: there is no %s", cohort.folder, ", no ".join(absent))
    if cohort.not_read:
        log.warning(
            "%s: not read, though their names are similar: %s", cohort.folder,
            ", ".join(cohort.not_read),
        )  # fmt: skip


def _texts(folder: Path, files: Sequence[Path]) -> dict[str, TextFile]:
    """Every text file that is there, by NIH's name."""
    candidates: dict[str, list[Path]] = {}
    for path in files:
        kind = kind_of(path)
        if kind is not None and _depth(folder, path) <= DEEPEST:
            candidates.setdefault(kind, []).append(path)
    return {
        kind: _one_of(paths, KINDS[kind].meaning, folder) for kind, paths in candidates.items()
    }


def _one_of(paths: Sequence[Path], meaning: str, folder: Path) -> TextFile:
    """The first of files that say the same."""
    first, *others = sorted(paths, key=lambda path: (_depth(folder, path), path))
    text = _read_text(first)
    for other in others:
        if _read_text(other).split() != text.split():
            raise CohortError(
                f"{first} and {other} may both be the {meaning} and differ; remove "
                "the one not meant"
            )
    return TextFile(first.relative_to(folder).as_posix(), text)


def _not_read(folder: Path, files: Sequence[Path], found: dict[str, TextFile]) -> list[str]:
    """Files whose names are like one that was not found, or that lie too deep to be looked at."""
    absent = KINDS.keys() - found.keys()
    if absent & {ENTRIES_V2020, ENTRIES_FIRST} != {ENTRIES_V2020, ENTRIES_FIRST}:
        absent -= {ENTRIES_V2020, ENTRIES_FIRST}
    return [
        path.relative_to(folder).as_posix()
        for path in files
        if absent & {kind_of(path), *meant_for(path)}
    ]


def _depth(folder: Path, path: Path) -> int:
    return len(path.relative_to(folder).parts) - 1


def _walk(folder: Path) -> Iterator[Path]:
    """Files, in order; a folder that links lead to several times, or in a circle, once."""
    seen: set[tuple[int, int]] = set()
    for root, folders, names in os.walk(folder, followlinks=True):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(names) if not name.startswith("."))


def _by_key(paths: Sequence[Path], parts: int) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in paths:
        found.setdefault(image_key(name_of(path.as_posix(), parts)), []).append(path)
    return found


def read_text_file(path: Path) -> TextFile:
    """A file of text, gzipped if its name ends in .gz.

    Raises:
        CohortError: no such file, or something else than text is in it.
    """
    if not path.is_file():
        raise CohortError(f"{path}: no such file")
    return TextFile(path.name, _read_text(path))


def _read_text(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CohortError(f"{path}: cannot be read ({error.strerror})") from None
    reason = impostor(content) or spreadsheet(content)
    if reason is not None:
        raise CohortError(f"{path}: {reason}")
    try:
        if content.startswith(_GZIP) or path.suffix.lower() == ".gz":
            content = _inflated(content, path)
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return content.decode("utf-16")
        return decode_text(content, path)
    except (OSError, EOFError, zlib.error) as error:
        raise CohortError(f"{path}: not a whole gzip file ({error})") from None
    except UnicodeDecodeError:
        raise CohortError(f"{path}: begins as UTF-16 text and is none; save it as UTF-8") from None
    except ValueError as error:
        raise CohortError(str(error)) from None


def _inflated(content: bytes, path: Path) -> bytes:
    """What a gzip file holds, as long as it may be a table."""
    with gzip.open(io.BytesIO(content)) as file:
        inflated = file.read(_LARGEST_TEXT + 1)
    if len(inflated) > _LARGEST_TEXT:
        raise CohortError(f"{path}: unpacks to more than {_LARGEST_TEXT:,} bytes of text")
    return inflated


def _read_ceiling(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        ceiling = json.loads(_read_text(path))
    except json.JSONDecodeError as error:
        raise CohortError(f"{path}: not JSON ({error})") from None
    aurocs = ceiling.get("auroc") if isinstance(ceiling, dict) else None
    if not isinstance(aurocs, dict) or not all(_is_auroc(value) for value in aurocs.values()):
        raise CohortError(
            f'{path}: expected {{"auroc": {{finding: the best AUROC that the labels allow}}}}'
        )
    return dict(ceiling)


def _is_auroc(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value <= 1
