"""Under which names people have the text files of ChestX-ray14."""

import re
from pathlib import PurePath
from typing import NamedTuple

ENTRIES_V2020 = "Data_Entry_2017_v2020.csv"
ENTRIES_FIRST = "Data_Entry_2017.csv"
BOXES = "BBox_List_2017.csv"
TRAIN_VAL_LIST = "train_val_list.txt"
TEST_LIST = "test_list.txt"

DEEPEST = 2
"""Folders below the cohort's own in which a text file is looked for."""


class TextKind(NamedTuple):
    """One of the text files of a cohort."""

    meaning: str
    """As messages call it."""
    alike: str
    """Pattern of plain names that are probably meant for it."""


KINDS: dict[str, TextKind] = {
    ENTRIES_V2020: TextKind("table", r"dataentry|metadata|labels"),
    ENTRIES_FIRST: TextKind("table of the first release", r"dataentry|metadata"),
    BOXES: TextKind("box list", r"bbox|boundingbox|boxlist"),
    TRAIN_VAL_LIST: TextKind("train_val list", r"train.*list|trainval|^train"),
    TEST_LIST: TextKind("test list", r"test.*list|^test"),
}
"""By NIH's own name."""

_TEXT = (".csv", ".txt", ".tsv", ".xlsx", ".json", ".parquet")
_SUFFIX = re.compile(r"(official)?(nih)?$")


def kind_of(path: PurePath) -> str | None:
    """NIH's name of the file that `path` is, read by its name alone; None if it is none.

    Case, blanks, underscores, hyphens, `.gz`, and `_NIH`, `_Official` or both at the end mean
    nothing: `BBox_List_2017_Official_NIH.csv` and `Test-List.TXT.gz` are known.
    """
    return _BY_PLAIN_NAME.get(_plain(path.name))


def meant_for(path: PurePath) -> list[str]:
    """NIH's names of the files that `path` looks like, though it is none of them."""
    name = path.name.lower().removesuffix(".zip")  # which is not unpacked
    stem, ending = _plain(name)
    if kind_of(path) is not None or ending not in _TEXT:
        return []
    return [name for name, kind in KINDS.items() if re.search(kind.alike, stem)]


def _plain(name: str) -> tuple[str, str]:
    """Letters and digits of a name, and its ending."""
    path = PurePath(name.lower().removesuffix(".gz"))
    stem = re.sub(r"[^a-z0-9]", "", path.stem)
    return _SUFFIX.sub("", stem, count=1), path.suffix


_BY_PLAIN_NAME = {_plain(name): name for name in KINDS}
