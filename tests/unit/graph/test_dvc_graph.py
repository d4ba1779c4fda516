"""DVC's graph, and what is said where there is none."""

import pytest
from dvc.repo import Repo

from pipeline.errors import ArtifactError
from pipeline.graph.index import covers, read_index


def test_a_folder_that_is_none_of_dvc_s_is_an_error_and_no_traceback(tmp_path):
    with pytest.raises(ArtifactError, match="not inside of a DVC repository"):
        read_index(tmp_path)


def test_a_graph_that_cannot_be_read_is_an_error_and_no_traceback(tmp_path):
    Repo.init(str(tmp_path), no_scm=True)
    (tmp_path / "dvc.yaml").write_text("stages: {one: {cmd: [}}\n")
    with pytest.raises(ArtifactError, match=r"DVC cannot read the graph: .*dvc\.yaml"):
        read_index(tmp_path)


@pytest.mark.parametrize(
    ("key", "covered"),
    [("train", True), ("train.ema", True), ("trainer", False), ("seed", True), ("see", False)],
)
def test_a_section_covers_its_keys_alone(key, covered):
    assert covers(["train", "seed"], key) is covered
