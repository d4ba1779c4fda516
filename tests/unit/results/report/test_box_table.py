"""Localisation as the page shows it: who stands where, and what is known of it."""

import numpy as np
import pandas as pd

from pipeline.base.tables import LOCALISATION
from pipeline.results.localisation.box_measures import MEAN
from pipeline.results.report.views.box_table import SHOWN, Estimate, box_table


def made(*systems):
    rows = [
        (member, method, finding, measure, place / 10, 0.0, np.nan, 3)
        for place, (member, method) in enumerate(systems)
        for finding in ("Mass", MEAN)
        for measure in SHOWN
    ]
    return pd.DataFrame(rows, columns=LOCALISATION.names)


def test_the_image_free_baselines_stand_last_and_other_members_apart():
    table = box_table(
        made(("a", "cam"), ("model", "cam"), ("model", "cam_randomised"), ("baseline", "box")),
        "model",
        "cam",
    )
    assert [row.name for row in table.rows] == [
        "model cam", "model cam, random weights", "baseline box",
    ]  # fmt: skip
    assert [row.name for row in table.others] == ["a cam"]
    assert [row.is_baseline for row in table.rows] == [False, False, True]
    assert [row.is_control for row in table.rows] == [False, True, False]
    assert table.bar == 0.3
    assert table.cases == {"Mass": 3}


def test_a_limit_that_is_not_known_is_none():
    table = box_table(made(("model", "cam"), ("baseline", "box")), "model", "cam")
    assert table.rows[0].measures["lead"] == Estimate(0.0, 0.0, None)


def test_random_weights_are_a_control_with_a_fitted_threshold_too():
    table = box_table(
        made(("model", "cam_randomised_fitted"), ("baseline", "box")), "model", "cam"
    )
    (row, _) = table.rows
    assert (row.name, row.is_control) == ("model cam, random weights, threshold fitted", True)


def test_a_fitted_threshold_is_called_so():
    table = box_table(made(("model", "cam_fitted"), ("baseline", "box")), "model", "cam")
    assert table.rows[0].name == "model cam, threshold fitted"


def test_no_boxes_no_table():
    assert box_table(made(), "model", "cam") is None


def test_five_rows_stand_for_all_and_none_stands_twice():
    table = box_table(
        made(
            ("model", "attention"), ("model", "crop"), ("model", "cam"),
            ("model", "cam_randomised"), ("a", "cam"), ("baseline", "box"),
            ("baseline", "far_box"),
        ),
        "model",
        "cam",
    )  # fmt: skip
    assert [row.name for row, _ in table.short] == [
        "a cam", "model cam", "model attention", "model crop", "baseline far_box",
    ]  # fmt: skip
    few = made(("model", "cam"), ("model", "cam_randomised"), ("baseline", "box"))
    assert [why for _, why in box_table(few, "model", "cam").short] == [
        "the best of all heatmaps", "sees no image", "explains nothing",
    ]  # fmt: skip
