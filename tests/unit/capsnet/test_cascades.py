"""Which branches are cascades: the same file for all values that say the same of it."""

import hashlib
from pathlib import Path

import yaml

from pipeline.capsnet.cascades import read_cascades, write_cascades
from pipeline.params.whole import parse_params
from tests.stages.conftest import merge

PARAMS = Path(__file__).parents[3] / "params.yaml"


def digests(folder, **changes):
    cfg = parse_params(merge(yaml.safe_load(PARAMS.read_text()), changes))
    write_cascades(cfg.members, cfg.ensemble.members, folder)
    return {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def test_another_backbone_changes_nothing_and_a_cascade_changes_its_members_file(tmp_path):
    before = digests(tmp_path / "plain")
    assert digests(tmp_path / "other", second={"local": "densenet121"}) == before
    after = digests(tmp_path / "cascade", second={"local": "densenet121_capsnet"})
    assert {name for name in before if before[name] != after[name]} == {"second.json"}
    assert read_cascades(tmp_path / "cascade/second.json") == {"global": False, "local": True}
    assert digests(tmp_path / "deep", second={"local": "resnet50_capsnet"}) == after


def test_members_that_do_not_vote_have_no_file(tmp_path):
    assert set(digests(tmp_path / "two", ensemble={"members": ["model", "third"]})) == {
        "model.json", "third.json",
    }  # fmt: skip
