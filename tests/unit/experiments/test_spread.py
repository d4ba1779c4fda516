"""Mean and spread over seeds, against scipy and small sums."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pipeline.experiments.seed_report import seed_report
from pipeline.experiments.spread import Measured, aurocs, averaged, common, gains, ious, spread


def test_the_spread_of_three_values_by_hand():
    found = spread([1.0, 2.0, 3.0])
    assert (found.mean, found.deviation, found.least, found.most) == (2.0, 1.0, 1.0, 3.0)
    # t of 2 degrees at 97.5 % is 4.303
    assert (found.low, found.high) == pytest.approx(
        (2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), 1e-4
    )


@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=9, unique=True))
def test_the_interval_is_scipy_s(values):
    found = spread(values)
    oracle = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((oracle.low, oracle.high), abs=1e-9)
    assert found.deviation == pytest.approx(np.std(values, ddof=1))


def test_of_one_seed_nothing_is_said_of_spread():
    found = spread([0.7])
    assert (found.mean, found.least, found.most) == (0.7, 0.7, 0.7)
    assert all(map(math.isnan, (found.deviation, found.low, found.high)))


def test_of_no_seed_nothing_is_said():
    with pytest.raises(ValueError, match="no values"):
        spread([])
    assert "no seed is finished" in seed_report({}, {})


def test_ends_are_averaged_where_every_run_has_them():
    both = [Measured(0.5, 0.4, 0.6), Measured(0.7, 0.6, 1.0)]
    assert averaged(both) == pytest.approx(Measured(0.6, 0.5, 0.8))
    assert averaged([Measured(0.5, 0.4, 0.6), Measured(0.7)]) == Measured(0.6)


def systems(auroc, **others):
    ends = {"mean_auroc_low": auroc - 0.02, "mean_auroc_high": auroc + 0.02}
    scored = {"mean_auroc": auroc, "auroc": {"Mass": auroc}} | ends
    delta = {"model.fusion - model.global": {"mean_auroc": 0.01, "low": -0.01, "high": 0.03}}
    beside = {"metadata_only": scored, "test": {"images": 9}, "delta": delta}
    return {"model.fusion": scored, "ensemble": scored} | beside | others


METHODS = {
    "model": {"cam": {"mean": {"iou": 0.2}}, "cam_randomised": {"mean": {"iou": 0.1}}},
    "baseline": {"centre_box": {"mean": {"iou": 0.3}}},
}


def test_what_is_measured_is_what_training_changes():
    assert list(aurocs(systems(0.7))) == ["ensemble", "model.fusion"]
    assert aurocs(systems(0.7))["ensemble"] == pytest.approx(Measured(0.7, 0.68, 0.72))
    assert gains(systems(0.7)) == {"model.fusion - model.global": Measured(0.01, -0.01, 0.03)}
    assert ious(METHODS) == {"model.cam": Measured(0.2)}
    assert ious({}) == {}


def test_what_only_some_runs_have_is_left_out():
    """The ensemble is compared with the member that validation prefers: not always the same."""
    one, other = {"a": Measured(1.0), "b": Measured(2.0)}, {"a": Measured(3.0)}
    assert common([one, other]) == {"a": [Measured(1.0), Measured(3.0)]}


def test_the_report_lays_both_kinds_of_interval_side_by_side():
    text = seed_report({7: systems(0.7), 8: systems(0.72)}, {7: METHODS, 8: METHODS})
    (row,) = [line.split("  ") for line in text.splitlines() if "ensemble" in line]
    words = [word.strip() for word in row if word.strip()]
    assert words == [
        "ensemble", "0.710", "0.014", "0.700 to 0.720", "0.583 to 0.837",
        "0.680 to 0.720", "0.690 to 0.730",
    ]  # fmt: skip
    assert text.startswith("2 seeds: 7, 8\n")
    assert "metadata_only" not in text


def test_the_report_of_one_seed_without_boxes_has_dashes_and_no_iou():
    text = seed_report({7: systems(0.7)}, {7: {}})
    assert text.startswith("1 seed: 7\n")
    assert "IoU" not in text
    assert "nan" not in text
