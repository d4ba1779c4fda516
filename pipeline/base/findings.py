"""The 14 findings of ChestX-ray14: ONE order, and every alias (Wang et al., CVPR 2017)."""

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
    "Infiltrate": "Infiltration",
    "Pleural Thickening": "Pleural_Thickening",
}


def canonical(name: str) -> str:
    """The name in `FINDINGS` that `name` means.

    Raises:
        ValueError: `name` is neither a finding nor an alias of one.
    """
    finding = ALIASES.get(name, name)
    if finding not in FINDINGS:
        raise ValueError(f"unknown finding {name!r}; expected one of {', '.join(FINDINGS)}")
    return finding
