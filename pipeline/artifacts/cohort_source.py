"""What lies in a cohort's folder, in any of the layouts in which people have ChestX-ray14."""

import gzip
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artifacts.impostors import impostor
from pipeline.errors import CohortError

ENTRIES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
"""The table, the preferred release first: v2020 mends 181 rows of the first."""
BOXES = ("BBox_List_2017.csv",)
TRAIN_VAL_LIST = ("train_val_list.txt", "train_val_list_NIH.txt")
TEST_LIST = ("test_list.txt", "test_list_NIH.txt")
CEILING = "ceiling.json"
ARCHIVE_ENDINGS = (".tar.gz", ".tgz", ".tar")


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
    ceiling: dict[str, Any]
    images: dict[str, Path]
    """PNG files that lie loose, by file name, wherever in the folder."""
    archives: list[Path]
    """Tar archives, plain or gzipped, of which nothing is unpacked."""


def find_cohort(folder: Path) -> CohortFiles:
    """Find a cohort's files: text files in `folder`, PNGs and tar archives anywhere below.

    Flat `images/*.png` (or no subfolder), Kaggle's `images_001/images/*.png` and NIH's
    `images_001.tar.gz` are all found. Text files may be gzipped (`.gz`).

    Raises:
        CohortError: no such folder, no table, or one image name at two places.
    """
    if not folder.is_dir():
        raise CohortError(f"{folder}: no such folder; expected one in NIH ChestX-ray14's layout")
    entries = _read_first(folder, ENTRIES)
    if entries is None:
        raise CohortError(f"{folder}: holds no {' nor '.join(ENTRIES)} (nor either with .gz)")
    files = list(_walk(folder))
    return CohortFiles(
        folder=folder,
        entries=entries,
        boxes=_read_first(folder, BOXES),
        train_val=_read_first(folder, TRAIN_VAL_LIST),
        test=_read_first(folder, TEST_LIST),
        ceiling=_read_ceiling(folder / CEILING),
        images=_by_name(path for path in files if path.name.lower().endswith(".png")),
        archives=sorted(path for path in files if path.name.lower().endswith(ARCHIVE_ENDINGS)),
    )


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in sorted(names))


def _by_name(paths: Iterator[Path]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in paths:
        first = found.setdefault(path.name, path)
        if first is not path:
            raise CohortError(
                f"{path.name} lies at two places, {first} and {path}; remove the one not meant"
            )
    return found


def _read_first(folder: Path, names: Sequence[str]) -> TextFile | None:
    candidates = [folder / f"{name}{end}" for name in names for end in ("", ".gz")]
    path = next((path for path in candidates if path.is_file()), None)
    return None if path is None else read_text_file(path)


def read_text_file(path: Path) -> TextFile:
    """A file of text, gzipped if its name ends in .gz.

    Raises:
        CohortError: no such file, or something else than text is in it.
    """
    if not path.is_file():
        raise CohortError(f"{path}: no such file")
    return TextFile(path.name, _read_text(path))


def _read_text(path: Path) -> str:
    content = path.read_bytes()
    reason = impostor(content)
    if reason is not None:
        raise CohortError(f"{path}: {reason}")
    try:
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        return content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        raise CohortError(f"{path}: not a whole gzip file ({error})") from None
    except UnicodeDecodeError as error:
        raise CohortError(f"{path}: not UTF-8 text ({error})") from None


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
