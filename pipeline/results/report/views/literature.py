"""Published AUROCs on ChestX-ray14, and when one's own may stand beside them."""

import hashlib
from collections.abc import Iterable
from typing import Literal, NamedTuple

from pipeline.base.findings import FINDINGS

OFFICIAL_TEST_IMAGES, OFFICIAL_TEST_PATIENTS = 25_596, 2_797

_OFFICIAL_TEST = "38ca5ef7f756092946f57c1a59faca882ed589a1ab1f72590b45dc06c6d5e1cc"
"""SHA-256 of the sorted names of NIH's test_list.txt, a line each."""


class Work(NamedTuple):
    """One published model."""

    name: str
    year: int | None
    source: str
    split: Literal["official", "random"]
    """Random splits hold other images, often of training patients: not comparable."""
    mean_auroc: float
    auroc: dict[str, float]
    """By finding, where it was published."""


def _by_finding(text: str) -> dict[str, float]:
    return dict(zip(FINDINGS, map(float, text.split()), strict=True))


WORKS: tuple[Work, ...] = (
    Work(
        "EVA-X-B, pretrained on 520,000 radiographs", 2024, "Yao et al., arXiv:2405.05237",
        "official", 0.835, {},
    ),
    Work(
        "AE-CNN", 2018, "as published", "official", 0.824,
        _by_finding(
            ".7821 .9008 .8356 .7087 .8379 .7881 .7363 .8684 .7608 .8498 .9221 .8402 .7828 .9242"
        ),
    ),
    Work(
        "XProtoNet, DenseNet-121 at 512 px", 2021, "Kim et al., CVPR 2021", "official", 0.822, {}
    ),
    Work(
        "AG-CNN with metadata, ensemble", None, "the paper that this pipeline follows",
        "official", 0.8170, {},
    ),
    Work(
        "CRAL, DenseNet-121 (by AG-CNN's authors)", 2018,
        "Guan and Huang, Pattern Recognition Letters", "official", 0.816,
        _by_finding(
            ".781 .883 .831 .697 .830 .764 .725 .866 .758 .853 .911 .826 .780 .918"
        ),
    ),
    Work(
        "AG-CNN with metadata, DenseNet-121 global branch", None,
        "the paper that this pipeline follows", "official", 0.8118, {},
    ),
    Work(
        "DenseNet-121 at 512 px, the best of several", None, "practitioners' reports", "official",
        0.819, {},
    ),
    Work(
        "DenseNet-121 at 320 px", None, "practitioners' reports", "official", 0.811, {}
    ),
    Work(
        "DenseNet-121", 2018, "Guendel et al., arXiv:1803.04565", "official", 0.807, {}
    ),
    Work(
        "AG-CNN with metadata, ResNeXt-101 global branch", None,
        "the same paper; columns put right", "official", 0.8067,
        _by_finding(
            ".7650 .8829 .8230 .6974 .8149 .7581 .6972 .8513 .7474 .8302 .9174 .8201 .7786 .9103"
        ),
    ),
    Work(
        "AG-CNN with metadata, ResNet-50 global branch", None,
        "the same paper; columns put right", "official", 0.7970,
        _by_finding(
            ".7518 .8782 .8128 .6956 .7930 .7383 .6860 .8442 .7298 .8367 .9128 .8029 .7581 .9178"
        ),
    ),
    Work(
        "ResNet-50 (the data set's authors)", 2017, "Wang et al., CVPR 2017, arXiv:1705.02315",
        "official", 0.745,
        _by_finding(
            ".7003 .8100 .7585 .6614 .6933 .6687 .6580 .7993 .7032 .8052 .8330 .7859 .6835 .8717"
        ),
    ),
    Work(
        "age, gender and view alone", 2026, "computed from the official labels", "official", 0.602,
        _by_finding(
            ".549 .519 .557 .611 .536 .562 .598 .557 .609 .698 .503 .684 .598 .843"
        ),
    ),
    Work("AG-CNN", 2018, "Guan et al., arXiv:1801.09927", "random", 0.871, {}),
    Work("CheXNet, DenseNet-121", 2017, "Rajpurkar et al., arXiv:1711.05225", "random", 0.841, {}),
    Work("DenseNet with LSTM", 2017, "Yao et al., arXiv:1710.10501", "random", 0.798, {}),
)  # fmt: skip
"""Those on the official test list first."""


def why_not_comparable(image_index: Iterable[str], findings: Iterable[str]) -> str | None:
    """Why a mean AUROC on these test images stands beside none of `WORKS`; None if it does.

    Args:
        image_index: names of the test images.
        findings: that the mean is over.
    """
    names, lacking = sorted(image_index), [name for name in FINDINGS if name not in set(findings)]
    if lacking:
        return (
            f"The mean is over {len(FINDINGS) - len(lacking)} of the 14 findings (without "
            f"{', '.join(lacking)}) and does not compare with published ones."
        )
    if hashlib.sha256("\n".join(names).encode()).hexdigest() == _OFFICIAL_TEST:
        return None
    return (
        f"The test set holds {len(names):,} images and is not the official test list of "
        f"ChestX-ray14, {OFFICIAL_TEST_IMAGES:,} images of {OFFICIAL_TEST_PATIENTS:,} patients: "
        "figures on any other images do not compare with published ones."
    )
