"""The official train_val and test lists of ChestX-ray14."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import pandas as pd

from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.image_files import image_key
from pipeline.errors import CohortError


@dataclass(frozen=True)
class OfficialLists:
    """Which list each image of the table is in."""

    table: pd.DataFrame
    """image_index, official ("train_val" or "test"); no rows if the cohort has no lists."""
    not_in_table: int
    """Listed names that the table does not know."""


def parse_lists(
    train_val: TextFile | None, test: TextFile | None, names: pd.Series
) -> OfficialLists:
    """Membership of the table's images, `names`; no rows when both lists are absent.

    Raises:
        CohortError: one list without the other, a name twice or in both, or an image of the
            table in neither.
    """
    if train_val is None and test is None:
        return OfficialLists(pd.DataFrame({"image_index": [], "official": []}, dtype=str), 0)
    if train_val is None or test is None:
        there = train_val or test
        raise CohortError(
            f"the cohort has {there.name if there else ''} without its counterpart; expected "
            "train_val_list.txt and test_list.txt, or neither for a random split"
        )
    spelt = {image_key(name): name for name in names}
    members = {"train_val": _names(train_val, spelt), "test": _names(test, spelt)}
    listed = pd.DataFrame(
        [(name, official) for official, all_names in members.items() for name in all_names],
        columns=["image_index", "official"],
        dtype=str,
    )
    _check(listed["image_index"], names, f"{train_val.name} and {test.name}")
    known = listed["image_index"].isin(names)
    table = listed[known].sort_values("image_index").reset_index(drop=True)
    return OfficialLists(table, not_in_table=int((~known).sum()))


def _names(file: TextFile, spelt: Mapping[str, str]) -> list[str]:
    """The images of a list, as the table spells them: folders, quotes, endings do not matter."""
    stripped = (line.strip().strip("'\"") for line in file.text.splitlines())
    lines = [PurePosixPath(line).name for line in stripped if line]
    names = pd.Series([spelt.get(image_key(line), line) for line in lines], dtype=str)
    twice = names[names.duplicated()]
    if len(twice):
        raise CohortError(f"{file.name}: {len(twice):,} names twice, first: {twice.iloc[0]}")
    return list(names)


def _check(listed: pd.Series, names: pd.Series, files: str) -> None:
    both = listed[listed.duplicated()]
    if len(both):
        raise CohortError(f"{files}: {len(both):,} images in both, first: {both.iloc[0]}")
    unlisted = names[~names.isin(listed)]
    if len(unlisted):
        raise CohortError(
            f"{files}: {len(unlisted):,} of the table's {len(names):,} images are in neither "
            f"list, first: {unlisted.iloc[0]}, where names are such as {listed.iloc[0]}; remove "
            "both lists for a random split"
        )


def lists_of_images(lists: OfficialLists, names: pd.Series) -> pd.DataFrame:
    """The rows of `lists` (schema OFFICIAL_LISTS) that belong to `names`."""
    table = lists.table
    return table[table["image_index"].isin(names)].reset_index(drop=True)
