"""What dvc.yaml declares of a stage, against DVC's own reading of it."""

from pathlib import Path

import pytest

from pipeline.errors import ArtifactError
from pipeline.graph.index import params_of, paths_of, read_index
from pipeline.guard.declared import declared_of, is_code

REPO = Path(__file__).parents[3]


def test_every_stage_declares_what_dvc_says_that_it_does():
    stages = read_index(REPO).stages
    assert len(stages) > 20
    for stage in stages:
        name, _, item = stage.addressing.partition("@")
        declared = declared_of(name, item, REPO)
        assert declared.name == stage.addressing
        assert set(declared.code) == {path for path in paths_of(stage) if is_code(path)}
        whole = (
            [""] if name == "check" else []
        )  # DVC names no key of a file that counts as a whole
        assert sorted(declared.params) == sorted(params_of(stage) or whole)


def test_what_is_no_stage_of_a_graph_declares_nothing(tmp_path):
    assert declared_of("summary", "", REPO) is None
    assert declared_of("split", "", tmp_path) is None


def test_a_dvc_yaml_of_plots_alone_declares_nothing(tmp_path):
    (tmp_path / "dvc.yaml").write_text("plots: [one.csv]\n")
    assert declared_of("split", "", tmp_path) is None


def test_a_graph_that_is_half_written_is_named(tmp_path):
    (tmp_path / "dvc.yaml").write_text("stages: [")
    with pytest.raises(ArtifactError, match=r"dvc\.yaml: not YAML"):
        declared_of("split", "", tmp_path)
