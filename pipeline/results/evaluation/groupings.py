"""Ways to divide images by what is known of the patient and of the view."""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int

AGE_BANDS = {"0-19": 0, "20-39": 20, "40-59": 40, "60-79": 60, "80+": 80}
"""The youngest age of each, in years; a band ends below the next one."""

UNKNOWN = "unknown"
"""The group of images of which an age, a gender or a view is not known."""


class Groups(NamedTuple):
    """Every image in one group."""

    names: tuple[str, ...]
    """All that there can be, in the order in which one reads them."""
    code: Int[np.ndarray, " n"]
    """The place in `names` of each image's group."""


Grouping = Callable[[pd.DataFrame], Groups]
"""Of images by their age_years, gender and view_position."""


def by_gender(metadata: pd.DataFrame) -> Groups:
    """M or F, or `UNKNOWN` where some image has none."""
    return _by_value(metadata["gender"], ("M", "F"))


def by_view(metadata: pd.DataFrame) -> Groups:
    """PA or AP, or `UNKNOWN` where some image has none."""
    return _by_value(metadata["view_position"], ("PA", "AP"))


def by_age(metadata: pd.DataFrame) -> Groups:
    """Bands of 20 years of the age at the image, or `UNKNOWN`."""
    years = metadata["age_years"].to_numpy(float)
    band = np.searchsorted(list(AGE_BANDS.values()), years, "right") - 1
    code = np.where(np.isnan(years), len(AGE_BANDS), band)
    return _checked(Groups((*AGE_BANDS, UNKNOWN), code), metadata["age_years"])


def combined(*groupings: Grouping) -> Grouping:
    """Every group of one within every group of the others: "F, 60-79, AP"."""

    def divide(metadata: pd.DataFrame) -> Groups:
        parts = [grouping(metadata) for grouping in groupings]
        names = tuple(", ".join(name) for name in product(*(part.names for part in parts)))
        shape = tuple(len(part.names) for part in parts)
        return Groups(names, np.ravel_multi_index(tuple(part.code for part in parts), shape))

    return divide


GROUPINGS: dict[str, Grouping] = {
    "gender": by_gender,
    "age": by_age,
    "view": by_view,
    "gender, age and view": combined(by_gender, by_age, by_view),
}


def _by_value(values: pd.Series, names: tuple[str, ...]) -> Groups:
    code, missing = pd.Index(names).get_indexer(pd.Index(values)), values.isna().to_numpy()
    if missing.any():
        names, code = (*names, UNKNOWN), np.where(missing, len(names), code)
    return _checked(Groups(names, code), values)


def _checked(groups: Groups, values: pd.Series) -> Groups:
    nowhere = groups.code < 0
    if nowhere.any():
        raise ValueError(
            f"{values.name}: {nowhere.sum()} of {len(values)} images are in none of the groups "
            f"{', '.join(groups.names)}; first: {values[nowhere].iloc[0]!r}"
        )
    return groups
