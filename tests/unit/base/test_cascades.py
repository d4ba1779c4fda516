"""Which branches are cascades: the same file for all values that say the same of it."""

from pathlib import Path

import yaml

from pipeline.base.cascades import read_cascades, write_cascades
from pipeline.params.whole import parse_params
from tests.stages.conftest import merge

PARAMS = Path(__file__).parents[3] / "params.yaml"


def written(file, **changes):
    cfg = parse_params(merge(yaml.safe_load(PARAMS.read_text()), changes))
    write_cascades(cfg.members, cfg.ensemble.members, file)
    return file.read_bytes()


def test_another_backbone_changes_nothing_and_a_cascade_does(tmp_path):
    file = tmp_path / "cascades.json"
    before = written(file)
    assert written(file, second={"local": "densenet121"}) == before
    after = written(file, second={"local": "densenet121_capsnet"})
    assert after != before
    assert read_cascades(file)["second"] == {"global": False, "local": True}
    assert not any(read_cascades(file)["model"].values())
    assert written(file, second={"local": "resnet50_capsnet"}) == after


def test_members_that_do_not_vote_are_not_in_it(tmp_path):
    file = tmp_path / "cascades.json"
    written(file, ensemble={"members": ["model", "third"]})
    assert set(read_cascades(file)) == {"model", "third"}
