"""The plots of experiments over each other, in a browser that reaches nothing."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.stages.conftest import CXR, run

pytest.importorskip("vl_convert")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
OFFLINE = ["--headless", "--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND"]

in_a_browser = pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")


# Says at the end of the page what it has loaded, or tried to.
LOADED = """<div id="loaded"></div><script>addEventListener("load", () => setTimeout(() => {
  const names = performance.getEntriesByType("resource").map((entry) => entry.name);
  document.getElementById("loaded").textContent = names.join(" ");
}, 5000));</script></main>"""


def seen(page):
    """Each plot by its id: what stands in its place once the page has been drawn; and `loaded`."""
    watched = page.with_name("watched.html")
    watched.write_text(page.read_text().replace("</main>", LOADED))
    command = [CHROMIUM, *OFFLINE, "--virtual-time-budget=30000", "--dump-dom", watched.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    watched.unlink()
    pieces = re.split(r'<div id="([^"]+)"', shown.partition("<main>")[2])
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


@pytest.fixture(scope="module")
def tighter(finished):
    """An experiment beside HEAD whose heatmaps are cut higher."""
    run("dvc", "exp", "run", "-n", "tighter", "-S", "iou.threshold=0.95", "iou", cwd=finished)
    yield finished
    run("git", "checkout", "-q", ".", cwd=finished)
    run("dvc", "checkout", "-q", cwd=finished)
    run("dvc", "exp", "remove", "-q", "tighter", cwd=finished)


@pytest.fixture(scope="module")
def page(tighter):
    told = run(*CXR, "plots", "HEAD", "tighter", cwd=tighter).stdout
    page = tighter / "report/plots/index.html"
    assert told.strip() == page.as_uri()
    return page


@pytest.mark.xdist_group("pipeline")
def test_what_one_looks_for_first_is_first_on_the_page(page):
    order = re.findall(r'<div id = "(\w+)"', page.read_text())
    curves = [name for name in order if name.startswith("plots_curves_")]
    assert len(curves) == 7  # three branches of two members, and the fusion through the first's
    assert order[0] == "auroc"
    assert order[1:8] == curves
    assert order[8:10] == ["roc", "iou"]


@in_a_browser
@pytest.mark.xdist_group("pipeline")
def test_every_plot_is_drawn_with_both_revisions_and_nothing_is_loaded(page):
    plots = seen(page)
    assert plots.pop("loaded").startswith("></div>")
    assert set(plots) == set(re.findall(r'<div id = "(\w+)"', page.read_text()))
    for name, shown in plots.items():
        assert "<svg" in shown, shown[:500]
        assert ">HEAD<" in shown, name
        assert ">tighter<" in shown, name
    assert ">cam, threshold fitted<" in plots["iou"]
    assert ">Learning curves of model/global<" in plots["plots_curves_model_global_csv"]


@in_a_browser
@pytest.mark.xdist_group("pipeline")
def test_where_no_revision_has_data_the_plot_says_so_and_the_others_are_drawn(page, tmp_path):
    nothing = """<main><div id="nothing"><script>vegaEmbed("#nothing", {});</script></div>"""
    other = tmp_path / "index.html"
    other.write_text(page.read_text().replace("<main>", nothing))
    plots = seen(other)
    assert "nothing: none of these revisions has data of it" in plots["nothing"]
    assert "<svg" in plots["auroc"]


@in_a_browser
@pytest.mark.xdist_group("pipeline")
def test_what_dvc_plots_writes_on_its_own_is_drawn_with_the_vega_beside_it(
    page, tighter, tmp_path
):
    run("dvc", "plots", "diff", "HEAD", "tighter", "--targets", "iou", cwd=tighter)
    beside = seen(page)
    assert list(beside) == ["iou", "loaded"]
    assert "<svg" in beside["iou"]
    assert beside["loaded"].startswith("></div>")
    alone = seen(Path(shutil.copy(page, tmp_path)))
    assert "run: make plots" in alone["iou"]
    assert "https://cdn" in alone["loaded"]  # asked in vain


@pytest.mark.xdist_group("pipeline")
def test_metrics_and_params_diff_show_what_differs_and_nothing_else(tighter):
    params = run("dvc", "params", "diff", "HEAD", "tighter", cwd=tighter).stdout.split("\n")
    assert [line.split() for line in params[1:] if line] == [
        ["params.yaml", "iou.threshold", "0.7", "0.95"]
    ]
    every = "metrics/methods.json"
    diff = ["dvc", "metrics", "diff", "--json", "--targets", every, "--", "HEAD", "tighter"]
    changed = json.loads(run(*diff, cwd=tighter).stdout)[every]
    assert all(entry["old"] != entry["new"] for entry in changed.values())
    methods = {name.split(".")[1] for name in changed}
    assert {"attention", "cam"} <= methods
    assert not [name for name in methods if "fitted" in name or name.endswith("_box")]


@in_a_browser
@pytest.mark.slow
@pytest.mark.xdist_group("pipeline")
def test_learning_curves_of_two_trainings_lie_over_each_other(finished):
    run("dvc", "exp", "run", "--temp", "-n", "other", "-S", "model.global=resnet18", cwd=finished)
    run(*CXR, "plots", "HEAD", "other", cwd=finished)
    run("dvc", "exp", "remove", "-q", "other", cwd=finished)
    plots = seen(finished / "report/plots/index.html")
    changed, same = (plots[f"plots_curves_{member}_global_csv"] for member in ("model", "second"))
    assert points(changed, "HEAD")
    assert points(changed, "other")
    assert points(changed, "HEAD") != points(changed, "other")
    assert points(same, "HEAD") == points(same, "other")


def points(shown, revision):
    """The points of a revision's curves, as the picture tells them to who cannot see it."""
    return set(re.findall(rf'aria-label="([^"]*); rev: {revision}[;"]', shown))
