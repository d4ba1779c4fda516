"""Subgroups as the page shows them: the findings averaged, and a scale that holds all marks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_results import made_index, made_splits, made_systems

from pipeline.results.evaluation.scores import labelled
from pipeline.results.evaluation.subgroups import score_subgroups
from pipeline.results.report.views.box_table import Estimate
from pipeline.results.report.views.subgroup_view import grouping_views, scale_of
from pipeline.results.statistics.bootstrap import patient_counts

values = st.floats(0, 1)


@pytest.mark.parametrize("min_cell", [1, 4, 5, 6, 8, 100])
def test_the_findings_averaged_are_read_back_from_the_cells(min_cell):
    index = made_index()
    frame = made_systems(index, made_splits(index))["ensemble"]
    images = labelled(frame, index, split="test")
    counts = patient_counts(images.patients, replicates=0, seed=0)
    groups = score_subgroups(frame, images, index, counts, min_cell=min_cell)
    views = grouping_views(groups.cells, groups.gaps)
    assert {view.name: tuple(view.averaged) for view in views} == groups.averaged


@given(st.lists(st.tuples(values, values, values), min_size=1))
def test_a_scale_holds_all_ends_between_round_ticks(triples):
    estimates = [Estimate(value, low, high) for low, value, high in map(sorted, triples)]
    scale = scale_of(estimates)
    assert scale.low < scale.high
    assert [scale.low, scale.high] == [scale.ticks[0], scale.ticks[-1]]
    assert len(scale.ticks) <= 7
    assert all(-1e-9 <= scale.place(v) <= 100 + 1e-9 for one in estimates for v in one)


@given(values)
def test_values_without_intervals_have_a_scale_too(value):
    scale = scale_of([Estimate(value, None, None), Estimate(None, None, None)])
    assert 0 <= scale.place(value) <= 100


def test_nothing_shown_has_no_scale():
    assert scale_of([Estimate(None, None, None)]) is None
