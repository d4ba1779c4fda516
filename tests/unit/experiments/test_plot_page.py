"""The page of plots: without DVC's or Vega's help there is none, and one is told so."""

import logging
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.errors import PipelineError
from pipeline.experiments.plot_page import draw_plots, expect_data

REPO = Path(__file__).parents[3]


def test_without_vega_one_is_told_where_it_comes_from(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(PipelineError, match="pip install vl-convert-python"):
        draw_plots([], tmp_path)
    assert not list(tmp_path.iterdir())


def test_where_there_is_nothing_to_draw_no_older_page_is_left(tmp_path, monkeypatch, capfd):
    pytest.importorskip("vl_convert")
    (tmp_path / "index.html").write_text("older")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(PipelineError, match="`dvc plots show`"):
        draw_plots([], tmp_path)
    assert "No plots were loaded" in capfd.readouterr().err
    assert not (tmp_path / "index.html").exists()


GRAPH = """\
plots:
- one:
    x: {one.csv: a}
    y: {one.csv: b}
- two:
    x: {two.csv: a}
    y: {two.csv: b}
"""


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """Two plots, of which nobody has data, in a repository with this project's template."""
    pytest.importorskip("vl_convert")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(REPO / ".dvc/plots", tmp_path / ".dvc/plots")
    (tmp_path / ".dvc/config").write_text("[core]\n    no_scm = true\n    analytics = false\n")
    (tmp_path / "dvc.yaml").write_text(GRAPH)
    (tmp_path / "params.yaml").touch()
    return tmp_path


def test_a_page_of_which_no_plot_has_data_is_no_page(repository):
    with pytest.raises(PipelineError, match="none of its 2 plots has data here; `dvc repro`"):
        draw_plots([], repository / "report")
    assert not (repository / "report/index.html").exists()


def test_plots_without_data_are_named_and_the_others_are_on_the_page(repository, caplog):
    (repository / "two.csv").write_text("a,b\n1,2\n")
    with caplog.at_level(logging.INFO):
        page = draw_plots([], repository / "report")
    assert page.exists()
    assert "1 plots have no data here: one;" in caplog.text


def test_the_command_ends_with_an_error_where_nothing_was_loaded(repository):
    command = [sys.executable, "-m", "pipeline.commands.cli", "plots"]
    environment = {"PYTHONPATH": str(REPO), "PATH": str(Path(sys.executable).parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1].startswith("error: no page: none of its 2 plots has data")


def test_data_of_every_plot_needs_no_word(caplog):
    expect_data("""var spec = {"data": 1};\n vegaEmbed('#one', spec);""")
    assert not caplog.records
