"""Published localisation on ChestX-ray14, to read one's own beside.

Of all 984 official boxes (880 test images, 8 findings): figures on fewer do not compare.
"""

from typing import NamedTuple


class Published(NamedTuple):
    """Means over the eight findings; None where it was not published."""

    name: str
    source: str
    iou: float | None
    t_iou: dict[str, float]


WANG_T_IOU = {
    "Atelectasis": {"0.1": 0.6888, "0.3": 0.2444, "0.5": 0.0500, "0.7": 0.0055},
    "Cardiomegaly": {"0.1": 0.9383, "0.3": 0.4589, "0.5": 0.1780, "0.7": 0.0273},
    "Effusion": {"0.1": 0.6601, "0.3": 0.3006, "0.5": 0.1111, "0.7": 0.0196},
    "Infiltration": {"0.1": 0.7073, "0.3": 0.2764, "0.5": 0.0650, "0.7": 0.0000},
    "Mass": {"0.1": 0.4000, "0.3": 0.1529, "0.5": 0.0117, "0.7": 0.0000},
    "Nodule": {"0.1": 0.1392, "0.3": 0.0379, "0.5": 0.0126, "0.7": 0.0000},
    "Pneumonia": {"0.1": 0.6333, "0.3": 0.1666, "0.5": 0.0333, "0.7": 0.0083},
    "Pneumothorax": {"0.1": 0.3775, "0.3": 0.1326, "0.5": 0.0306, "0.7": 0.0204},
}
"""T(IoU) of Wang et al. (CVPR 2017, arXiv:1705.02315), Table 4; several boxes for an image."""


def _mean(threshold: str) -> float:
    values = [one[threshold] for one in WANG_T_IOU.values()]
    return sum(values) / len(values)


PUBLISHED = (
    Published(
        "Wang et al. 2017, ResNet-50, CAM",
        "arXiv:1705.02315, Table 4",
        None,
        {threshold: _mean(threshold) for threshold in ("0.1", "0.3", "0.5", "0.7")},
    ),
    Published("CLARiTy 2025, its best", "CLARiTy", None, {"0.1": 0.81, "0.5": 0.32}),
    Published(
        "AG-CNN with other heatmaps: Grad-CAM, DenseNet-121",
        "the paper that this pipeline follows, Table III",
        0.113,
        {},
    ),
    Published("the best earlier work that it compares with", "the same table", 0.201, {}),
    Published(
        "no image: a centred box of half the side",
        "computed from the official boxes",
        0.151,
        {"0.1": 0.426, "0.3": 0.185, "0.5": 0.087, "0.7": 0.008},
    ),
    Published(
        "no image: the best single box",
        "computed from the official boxes, fitted on them",
        0.170,
        {},
    ),
    Published(
        "no image: the best box for each finding",
        "computed from the official boxes, fitted on them",
        0.210,
        {},
    ),
)
