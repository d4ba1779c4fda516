"""The evaluation as the page shows it: places among published works, lines, pairs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import made_index, made_splits, made_systems

from pipeline.params.sections import EvaluateParams
from pipeline.results.evaluation.calibration import calibrate
from pipeline.results.evaluation.evaluation import evaluate
from pipeline.results.report.views.evaluation_view import (
    calibration_rows,
    known,
    standing,
    studied_pairs,
    threshold_rows,
)


@pytest.fixture(scope="module")
def systems():
    index = made_index()
    return made_systems(index, made_splits(index))


@pytest.fixture(scope="module")
def evaluation(systems):
    index = made_index()
    params = EvaluateParams(
        bootstrap=10, calibration="platt", sensitivity=0.9, min_cell=3, min_patients=2
    )
    return evaluate(
        systems,
        index,
        made_splits(index),
        {},
        params,
        subject="ensemble",
        voters=["model.fusion"],
        seed=0,
    )


@given(st.floats(0, 1))
def test_a_run_stands_below_better_works_and_above_worse_ones(mean_auroc):
    ranked = standing(mean_auroc)
    aurocs = [mean_auroc if work is None else work.mean_auroc for work in ranked]
    assert aurocs == sorted(aurocs, reverse=True)
    assert ranked.count(None) == 1
    assert all(work.split == "official" for work in ranked if work)


def test_the_lines_of_the_table_are_those_of_the_calibrated_predictions(systems, evaluation):
    for row in calibration_rows(evaluation.tables["calibration"], "ensemble"):
        expected = evaluation.calibrated["ensemble"][row.finding]
        moved = calibrate(systems["ensemble"][row.finding].to_numpy(), row.line)
        np.testing.assert_array_equal(moved.astype(np.float32), expected)


def test_the_ensemble_s_differences_come_first_and_other_members_have_none(evaluation):
    pairs = studied_pairs(evaluation.tables["comparisons"], subject="ensemble", member="model")
    assert [(pair.system, pair.against) for pair in pairs] == [
        ("ensemble", "model.fusion"), ("model.fusion", "model.global"),
    ]  # fmt: skip
    assert all(list(pair.differences)[-1] == "mean" for pair in pairs)
    others = studied_pairs(evaluation.tables["comparisons"], subject="none", member="second")
    assert others == []


def test_a_threshold_has_all_four_measures(evaluation):
    rows = threshold_rows(evaluation.tables["thresholds"], "ensemble", "f1")
    assert len(rows) == 14
    assert all(list(r.measures) == ["sensitivity", "specificity", "ppv", "npv"] for r in rows)


@pytest.mark.parametrize(("value", "expected"), [(None, None), (float("nan"), None), (0.0, 0.0)])
def test_null_is_unknown_and_nought_is_not(value, expected):
    assert known(value) == expected
