"""A split of a cohort of which labels are unknown: they are neither positive nor negative."""

import numpy as np
import pandas as pd
import pytest

from pipeline.base.findings import FINDINGS
from pipeline.cohort.splitting.split import (
    assign_splits,
    check_learnable,
    check_positives,
    count_splits,
)
from pipeline.errors import CohortError
from pipeline.params.sections import SplitParams

PARAMS = SplitParams(seed=0, val_fraction=0.2, test_fraction=0.25, min_positives=5)
NO_LISTS = pd.DataFrame({"image_index": [], "official": []}, dtype=str)


def cohort(rows=900):
    """Half of the images are of a hospital that knows three findings alone; none knows Hernia."""
    rng = np.random.default_rng(0)
    index = pd.DataFrame(
        {"image_index": [f"{n:04d}.png" for n in range(rows)], "patient_id": np.arange(rows) // 2}
    )
    labels = pd.DataFrame(rng.random((rows, 14)) < 0.1, columns=list(FINDINGS)).astype("boolean")
    labels.loc[rows // 2 :, list(FINDINGS[3:])] = None
    return pd.concat([index, labels.assign(Hernia=None).astype("boolean")], axis=1)


def test_positives_and_known_negatives_are_shared_out_alike():
    index = cohort()
    table = index.merge(assign_splits(index, NO_LISTS, PARAMS), on="image_index")
    val = table["split"] == "val"
    for finding in FINDINGS[:-1]:
        for label in (True, False):
            here = (table[finding] == label).fillna(False)
            assert (here & val).sum() / here.sum() == pytest.approx(0.15, abs=0.03)


def test_unknown_labels_are_counted_apart(caplog):
    index = cohort()
    splits = assign_splits(index, NO_LISTS, PARAMS)
    check_learnable(index, splits)
    counts = count_splits(index, splits)
    for name, count in counts.items():
        rows = index[(splits["split"] == name).to_numpy()]
        assert count["unknown"]["Hernia"] == len(rows)
        assert count["unknown"]["Atelectasis"] == 0
        assert count["unknown"]["Nodule"] == rows["Nodule"].isna().sum()
        assert count["positives"]["Nodule"] == rows["Nodule"].sum()
    assert "unknown of all images outside test: Hernia" in caplog.text
    whole = index.assign(**{name: index["Mass"].fillna(False).astype(bool) for name in FINDINGS})
    assert "unknown" not in count_splits(whole, splits)["val"]


def test_a_validation_set_needs_positives_that_are_known():
    index = cohort()
    splits = assign_splits(index, NO_LISTS, PARAMS)
    val = index["image_index"].isin(splits.loc[splits["split"] == "val", "image_index"])
    blind = index.assign(Mass=index["Mass"].mask(val))
    with pytest.raises(CohortError, match="Mass: 0 positives in validation"):
        check_positives(blind, splits, PARAMS)


def test_a_finding_whose_known_labels_are_alike_is_refused_and_one_without_any_is_not():
    index = cohort()
    splits = assign_splits(index, NO_LISTS, PARAMS)
    alike = index.assign(Mass=index["Mass"].mask(index["Mass"].fillna(False)))
    with pytest.raises(CohortError, match=r"learn Mass: .* whose label is known .*ingest.columns"):
        check_learnable(alike, splits)
    nothing = index.assign(**dict.fromkeys(FINDINGS, None)).astype(
        dict.fromkeys(FINDINGS, "boolean")
    )
    with pytest.raises(CohortError, match=r"no label of the .* training images is known"):
        check_learnable(nothing, splits)
