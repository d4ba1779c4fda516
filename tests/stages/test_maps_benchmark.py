"""`python -m benchmarks.maps` and `benchmarks.crops` on the finished pipeline's cohort."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from benchmarks.cohort import read_cohort, run_all
from benchmarks.crops import (
    RULES,
    Boxed,
    covered,
    curves,
    drawn_curves,
    in_the_middle,
    read_boxed,
    rows,
    told,
)
from benchmarks.maps import FIRST, run_variant, table

pytestmark = pytest.mark.xdist_group("pipeline")  # run once, on one worker


@pytest.mark.slow
def test_maps_of_each_pooling_are_judged_and_told_beside_each_other(
    finished: Path, tmp_path: Path
):
    run = partial(run_variant, read_cohort(finished))
    runs = run_all((FIRST, "pcam/8/32"), 1, tmp_path / "kept.jsonl", run)
    assert run_all((FIRST,), 1, tmp_path / "kept.jsonl", pytest.fail) == runs[:1]  # as kept
    plain, sharp = (one["maps"] for one in json.loads(json.dumps(runs)))
    assert {"cam 0.7", "cam otsu", "cam fitted", "layercam at 8 px otsu"} <= plain.keys()
    assert not any("8 px" in name for name in sharp)  # its last maps are as fine
    assert plain["best box for each finding"] == sharp["best box for each finding"]
    for maps in (plain, sharp):
        assert all(0 <= one["iou"] <= 1 and len(one["drawn"]) == 200 for one in maps.values())
    learnt, others, best = (part.splitlines() for part in table(runs).split("\n\n"))
    assert len(learnt) == len(others) == 2 + 2  # a head, and the variants
    assert f"{sharp['cam fitted']['iou']:.3f} (" in learnt[-1]
    difference = runs[1]["auroc"][0] - runs[0]["auroc"][0]
    assert f"| {difference:+.4f} (" in learnt[-1]
    assert f"{plain['layercam at 8 px otsu']['iou']:.3f} (" in others[-2]
    assert others[-1].endswith("| – |")
    assert f"{plain['best box for each finding']['iou']:.3f} (" in best[0]


def test_crop_rules_are_judged_by_what_they_cover(finished: Path, tmp_path: Path):
    every = read_boxed(finished)
    patient = np.unique(every.patient[::4], return_inverse=True)[1]
    boxed = Boxed(every.seen[::4], every.truths[::4], patient)
    found = dict(curves(boxed))
    assert found.keys() == RULES.keys()
    for (settings, _), each in zip(RULES.values(), found.values(), strict=True):
        assert each.shape == (len(settings), len(boxed.seen), 2)
        assert ((each >= 0) & (each <= 1)).all()
    middle = found["a square in the middle, no image seen"].mean(axis=1)
    assert (np.diff(middle, axis=0) >= 0).all()
    assert middle[-1] == pytest.approx([1, 1])
    lines = told(rows(found, boxed)).splitlines()
    assert len(lines) == 2 + len(RULES)
    drawn_curves(found).savefig(tmp_path / "crops.png")


def test_what_crops_cover_is_counted_once():
    half, both = in_the_middle(0.5), np.array([[0, 0, 0.5, 0.5], [0, 0, 0.5, 1]])
    assert covered(both, half) == pytest.approx((0.5, 0.5))
    assert covered(half, half) == pytest.approx((0.25, 1))
