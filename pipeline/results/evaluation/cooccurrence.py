"""What is called together: the calls on images of each label, beside the labels on them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool

from pipeline.base.findings import FINDINGS, NO_FINDING
from pipeline.results.evaluation.scores import LabelledSet

COLUMNS = ("actual", "called", "share", "labelled", "images")


def cooccurrence(calls: Mapping[str, Bool[np.ndarray, " n"]], images: LabelledSet) -> pd.DataFrame:
    """A row for each label and each finding that is called.

    Args:
        calls: by finding; the others are not in the table.
        images: test images and their labels.

    Returns:
        COLUMNS: of the `images` with the label `actual` ("No Finding": with none), the `share`
        that `called` is called on, and the share that is `labelled` with it: what the first would
        be if every call were right. Labels that no image has are left out, and so are images of
        which it is not known whether they have `called`, or whether they have none.
    """
    groups = {name: images.positive(name) for name in FINDINGS if name in images.targets}
    groups[NO_FINDING] = _with_none(images)
    rows = [
        (label, finding, hits[here].mean(), images.positive(finding)[here].mean(), int(here.sum()))
        for label, group in groups.items()
        for finding, hits in calls.items()
        for here in [group & images.knows(finding)]
        if here.any()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _with_none(images: LabelledSet) -> Bool[np.ndarray, " n"]:
    """Images of which all labels are known, and none is positive."""
    none = np.ones(len(images.image_index), bool)
    for finding in images.targets:
        none &= images.knows(finding) & ~images.positive(finding)
    return none
