"""The page of plots: without DVC's or Vega's help there is none, and one is told so."""

import sys

import pytest

from pipeline.errors import PipelineError
from pipeline.plot_page import draw_plots


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
