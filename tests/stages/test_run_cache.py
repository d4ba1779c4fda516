"""DVC's cache of runs gives back what a value came to, and never what another value came to."""

import copy

import pytest
import yaml
from dvc.stage.cache import _get_cache_hash

from pipeline.base.shards import Shards
from tests.stages.conftest import run

pytestmark = pytest.mark.xdist_group("pipeline")


def leaves(values, place=()):
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from leaves(value, (*place, key))
        else:
            yield *place, key


def other(values, place):
    """The same, with another value at a place."""
    changed = copy.deepcopy(values)
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = "another value"
    return changed


def test_it_tells_runs_apart_that_differ_in_any_value(finished):
    lock = yaml.safe_load((finished / "dvc.lock").read_text())
    for name, stage in lock["stages"].items():
        known = _get_cache_hash(copy.deepcopy(stage), key=True)
        for place in leaves(stage.get("params", {})):
            changed = stage | {"params": other(stage["params"], place)}
            assert _get_cache_hash(changed, key=True) != known, (name, place)


@pytest.mark.parametrize("key", ["crop.size", "ingest.nfiles", "size.global"])
def test_the_names_that_are_refused_are_those_that_it_overlooks(finished, key):
    """Once this fails, DVC has mended its issue 10296, and they need not be refused."""
    stage = yaml.safe_load((finished / "dvc.lock").read_text())["stages"]["ingest"]
    section, leaf = key.split(".")
    one, two = (stage | {"params": {"params.yaml": {section: {leaf: n}}}} for n in (1, 2))
    assert _get_cache_hash(one, key=True) == _get_cache_hash(two, key=True)


def test_crops_of_another_side_are_cut_though_it_knows_some(finished):
    crops = finished / "data/crops/model"
    before = Shards(crops).shape[-1]
    params = finished / "params.yaml"
    text = params.read_text()
    values = yaml.safe_load(text)
    values["crop"]["input_size"] = 2 * before
    try:
        params.write_text(yaml.safe_dump(values, sort_keys=False))
        run("dvc", "repro", "extract_crops@model", cwd=finished)
        assert Shards(crops).shape[-1] == 2 * before
        params.write_text(text)
        told = run("dvc", "repro", "extract_crops@model", cwd=finished).stdout
        assert "'extract_crops@model' is cached - skipping run" in told
        assert Shards(crops).shape[-1] == before
    finally:
        params.write_text(text)
        run("git", "checkout", "-q", ".", cwd=finished)
        run("dvc", "checkout", "-q", "--force", cwd=finished)
