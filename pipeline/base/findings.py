"""The 14 findings of ChestX-ray14: ONE order, and every alias (Wang et al., CVPR 2017)."""

import re

FINDINGS: tuple[str, ...] = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)

BOXED_FINDINGS: tuple[str, ...] = FINDINGS[:8]
"""The findings for which radiologists drew boxes (BBox_List_2017.csv)."""

NO_FINDING = "No Finding"

ALIASES: dict[str, str] = {
    "Infiltrate": "Infiltration",  # in NIH's list of boxes
    "Pleural_Effusion": "Effusion",  # in CheXpert
}


def plain(name: object) -> str:
    """A name of a finding or a column as it is compared, everywhere.

    Case, blanks, underscores, hyphens and dots mean nothing: `Pleural_thickening` is `pleural
    thickening`, `Image.Index` is `image index`.
    """
    return re.sub(r"[\s_.-]+", "", str(name).casefold())


SPELLINGS: dict[str, str] = {plain(name): name for name in FINDINGS} | {
    plain(alias): finding for alias, finding in ALIASES.items()
}
"""By plain name, the finding that is meant."""


def canonical(name: str) -> str:
    """The name in `FINDINGS` that `name` means, however it is spelt.

    Raises:
        ValueError: `name` is neither a finding nor an alias of one.
    """
    finding = SPELLINGS.get(plain(name))
    if finding is None:
        raise ValueError(f"unknown finding {name!r}; expected one of {', '.join(FINDINGS)}")
    return finding
