"""`python -m benchmarks.maps` on the finished pipeline's cohort."""

import json
from pathlib import Path

import pytest

from benchmarks.maps import FIRST, read_cohort, run_variant, table

pytestmark = pytest.mark.xdist_group("pipeline")  # run once, on one worker


@pytest.mark.slow
def test_maps_of_each_pooling_are_judged_and_told_beside_each_other(finished: Path):
    cohort = read_cohort(finished)
    runs = [run_variant(cohort, name, seed=1) for name in (FIRST, "pcam/8/32")]
    plain, sharp = (run["maps"] for run in json.loads(json.dumps(runs)))
    assert {"cam 0.7", "cam otsu", "cam fitted", "layercam at 8 px otsu"} <= plain.keys()
    assert not any("8 px" in name for name in sharp)  # its last maps are as fine
    assert plain["best box for each finding"] == sharp["best box for each finding"]
    for maps in (plain, sharp):
        assert all(0 <= one["iou"] <= 1 and len(one["drawn"]) == 200 for one in maps.values())
    lines = table(runs).splitlines()
    assert len(lines) == 2 + len(plain) + len(sharp)
    other = next(line for line in lines if "pcam/8/32" in line)
    difference = runs[1]["auroc"][0] - runs[0]["auroc"][0]
    assert f"({difference:+.3f}, " in other
