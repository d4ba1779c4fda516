"""A search that begins, goes on or is refused, and what it says and writes."""

import json
import logging
import shutil
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import yaml
from dvc.repo import Repo

import pipeline.search
from pipeline.errors import ParamsError, PipelineError
from pipeline.search import run as module
from pipeline.search.run import prepare_search, run_search
from pipeline.search.trials import changed
from pipeline.tracking import launch, search, spool
from pipeline.tracking.spool import exclusive

REPO = Path(__file__).parents[3]
PARAMS = yaml.safe_load((REPO / "tests/tiny.yaml").read_text())
LOCKED = yaml.safe_load((REPO / "dvc.lock").read_text())["stages"]
DATA = {name: LOCKED[name] for name in ("ingest", "split")}
SPEC = {
    "branch": "global",
    "trials": 2,
    "seed": 3,
    "concurrent": 2,
    "resources": {"cpu": 1, "gpu": 0},
    "asha": {"grace": 1, "reduction": 2},
    "space": {
        "global.epochs": {"grid": [1, 2]},
        "global.learning_rate": {"loguniform": [0.001, 0.01]},
    },
}
"""Of four trials: two draws of a learning rate, each for one epoch and for two."""


@pytest.fixture(scope="module")
def graph(tmp_path_factory):
    """A folder with the graph and its code, asked once what a search may try and rests on."""
    root = tmp_path_factory.mktemp("graph")
    shutil.copy(REPO / "dvc.yaml", root)
    for name in ("pipeline", "stages"):
        (root / name).symlink_to(REPO / name)
    (root / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    Repo.init(str(root), no_scm=True)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("read_scope", "code_files"):
            patch.setattr(module, name, cache(getattr(module, name)))
        patch.setattr(module, "expect_current", lambda scope, root: None)  # starts DVC
        yield root


@pytest.fixture
def root(graph):
    """The same, of which nothing was tried yet."""
    shutil.rmtree(graph / ".search", ignore_errors=True)
    (graph / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": DATA}))
    (graph / "params.yaml").write_text(yaml.safe_dump(PARAMS))
    return graph


def prepare(root, *, fresh=False, **changes):
    (root / "wide.yaml").write_text(yaml.safe_dump(changed(SPEC, changes), sort_keys=False))
    return prepare_search(root / "wide.yaml", root, fresh=fresh)


def noted(root):
    return json.loads((root / ".search/wide/search.json").read_text())


def test_all_that_decides_on_a_trial_is_noted_but_what_is_tried(root):
    found = prepare(root)
    about = noted(root)
    assert found.place == ".search/wide"
    assert about["params.train.batch_size"] == 16
    assert about["space.global.epochs"] == ["grid", 1, 2]
    assert not {"params.global.epochs", "params.global.learning_rate", "trials"} & about.keys()
    images = str(found.scope.inputs()["images"])
    assert f"{about[f'data.{images}']}" in (root / "dvc.lock").read_text()


def rewrite(path, old, new):
    path.write_text(path.read_text().replace(old, new, 1))


OTHERS = {
    "seed was 3, is 4": {"seed": 4},
    "asha.grace was 1, is 2": {"asha.grace": 2},
    "resources.cpu was 1.0, is 2.0": {"resources.cpu": 2},
    "space.global.epochs was ['grid', 1, 2], is ['grid', 1, 3]": {
        "space": SPEC["space"] | {"global.epochs": {"grid": [1, 3]}}
    },
}


@pytest.mark.parametrize("said", OTHERS)
def test_a_search_of_other_values_is_none_to_go_on_with(root, said):
    prepare(root)
    before = noted(root)
    with pytest.raises(ParamsError) as caught:
        prepare(root, **OTHERS[said])
    assert str(caught.value) == (
        f".search/wide holds a search with other values: {said}. Put them back, or give this "
        "search another --name, or begin anew with --fresh"
    )
    assert noted(root) == before


SPLITS = DATA["split"]["outs"][0]["md5"]


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("params.yaml", "batch_size: 16", "batch_size: 8", "params.train.batch_size was 16, is 8"),
        ("params.yaml", "seed: 2017", "seed: 2018", "params.phantom.seed was 2017, is 2018"),
        ("dvc.lock", SPLITS, "ab" * 16, f"data.data/splits.parquet was '{SPLITS}', is 'abab"),
    ],
)
def test_nor_is_one_of_other_params_or_data(root, file, old, new, said):
    prepare(root)
    rewrite(root / file, old, new)
    with pytest.raises(ParamsError, match=f"other values: {said}"):
        prepare(root)


def test_of_many_other_values_some_are_named_and_the_others_counted(root):
    prepare(root)
    with pytest.raises(
        ParamsError, match=r"values: asha.* 2\.0, is 3\.0; .*is 4 and 3 more\. Put"
    ):
        prepare(
            root, seed=4, asha={"grace": 2, "reduction": 3}, resources={"cpu": 2, "gpu": 1},
            space={"global.epochs": {"grid": [1, 2, 3]}},
        )  # fmt: skip


def test_more_trials_go_on_with_those_that_are_there(root):
    first = prepare(root)
    before = noted(root)
    more = prepare(root, trials=3)
    assert (len(first.trials), more.trials[:4]) == (4, first.trials)
    assert noted(root) == before


def test_a_fresh_search_forgets_all_but_who_leads_it(root):
    folder = prepare(root).folder
    (folder / ".ckpt/t001").mkdir(parents=True)
    (folder / "log.jsonl").write_text("{}\n")
    before = noted(root)
    prepare(root, fresh=True, seed=4)
    assert {path.name for path in folder.iterdir()} == {"lock", "search.json"}
    assert noted(root)["began"] > before["began"]


def test_results_of_nobody_knows_which_search_are_not_gone_on_with(root):
    folder = prepare(root).folder
    (folder / "log.jsonl").write_text("{}\n")
    (folder / "search.json").unlink()
    with pytest.raises(ParamsError, match=r"not of which search they are \(search.json\); put"):
        prepare(root)
    prepare(root, fresh=True)


FATES = {
    "t001": ("finished", [0.6]),
    "t002": ("stopped", [0.9]),
    "t003": ("failed", []),
    "t004": ("finished", [0.65, 0.7]),
}
"""What the trials come to, and the AUROC of each of their epochs."""


def ray_of(fates, *, until=None, asked=None):
    """In place of Ray: trials come to these fates, until one ends behind which it is stopped."""

    def run_trials(spec, work, logbook, *, epochs, address, tell):
        if asked is not None:
            asked.append((work, dict(epochs), address, [x.trial.name for x in logbook.left()]))
        for name in [one.trial.name for one in logbook.left()]:
            state, aurocs = fates[name]
            logbook.start(name)
            tell(name)
            for number, auroc in enumerate(aurocs, start=1):
                numbers = {"epoch": number, "val_loss": 1 / number, "val_auroc": auroc}
                logbook.add(name, numbers | {"seconds": 2.0}, stopped=state == "stopped")
                tell(name)
            logbook.end(name, state, "RuntimeError: no memory" if state == "failed" else "")
            tell(name)
            if name == until:
                raise KeyboardInterrupt

    ray = ModuleType("tune")
    ray.run_trials = run_trials
    return ray


@pytest.fixture
def lead(root, monkeypatch, caplog):
    """Leads the search, with trials that are not trained."""
    caplog.set_level(logging.INFO)

    def call(fates=FATES, *, until=None, asked=None, **changes):
        fake = ray_of(fates, until=until, asked=asked)
        monkeypatch.setattr(pipeline.search, "tune", fake, raising=False)
        return run_search(prepare(root, **changes), address=None)

    return call


def test_the_best_of_those_trained_to_their_end_is_said_and_written(root, lead, caplog):
    said = lead()
    folder, line = root / ".search/wide", said.splitlines()[-1]
    assert said.startswith("best of 4: t004, mean AUROC 0.7000 on validation images; this runs")
    assert "(.search/wide/best.txt)" in said
    assert (folder / "best.txt").read_text() == f"{line}\n"
    assert line.startswith("OMP_NUM_THREADS=1 dvc exp run -S global.epochs=2 -S global.learning_")
    table = pd.read_csv(folder / "trials.csv")
    assert list(table["state"]) == ["finished", "stopped", "failed", "finished"]
    assert caplog.messages[0] == (
        ".search/wide: 4 trials of train_global@model, 2 at a time, at most 2 epochs each"
    )
    assert "t003 failed: RuntimeError: no memory" in caplog.messages


def test_a_trial_is_given_what_its_stage_reads_and_its_own_number_of_epochs(root, lead):
    asked = []
    lead(asked=asked)
    ((work, epochs, address, names),) = asked
    assert epochs == {"t001": 1, "t002": 2, "t003": 1, "t004": 2}
    assert names == ["t001", "t002", "t003", "t004"]
    assert (work.branch, work.threads, address) == ("global", 1, None)
    assert (work.root, work.folder) == (root, root / ".search/wide")
    assert set(work.inputs) == {"images", "index", "splits"}


def test_a_search_that_was_stopped_goes_on_with_what_is_left(lead, caplog):
    with pytest.raises(KeyboardInterrupt):
        lead(until="t001")
    assert caplog.messages[-1] == "stopped; the same command goes on"
    asked = []
    lead(asked=asked)
    assert asked[0][-1] == ["t002", "t003", "t004"]
    assert [one for one in caplog.messages if one.endswith("epochs each; goes on, 1 are over")]


def test_a_search_that_is_over_trains_nothing_and_says_the_same(lead):
    fates = FATES | {"t003": ("finished", [0.5])}
    asked = []
    assert lead(fates) == lead(fates, asked=asked)
    assert asked == []


def test_a_search_without_a_trained_trial_says_where_the_reasons_are(root, lead):
    with pytest.raises(PipelineError) as caught:
        lead(dict.fromkeys(FATES, ("failed", [])))
    assert str(caught.value) == (
        "no trial was trained to its end; .search/wide/trials.csv says why, and the same command "
        "tries those that failed again"
    )
    assert set(pd.read_csv(root / ".search/wide/trials.csv")["state"]) == {"failed"}
    assert not (root / ".search/wide/best.txt").exists()
    assert "t004" in lead()


def test_a_search_that_another_process_leads_is_left_alone(root, lead):
    with pytest.raises(KeyboardInterrupt):
        lead(until="t001")
    folder, said = root / ".search/wide", "another process is at the search in .search/wide; wait"
    before = (folder / "log.jsonl").read_text()
    found = prepare(root)
    with exclusive(folder / "lock"):
        for begin in (lambda: prepare(root, fresh=True), lambda: run_search(found, address=None)):
            with pytest.raises(PipelineError, match=said):
                begin()
    assert (folder / "log.jsonl").read_text() == before


@pytest.mark.parametrize(("pause", "tables"), [(60.0, 4), (-1.0, 12)])
def test_a_table_is_shown_as_a_trial_ends_and_else_after_a_while(
    lead, caplog, monkeypatch, pause, tables
):
    monkeypatch.setattr(module, "TABLE_EVERY_S", pause)
    lead()
    shown = [one for one in caplog.messages if one.startswith("4 trials: ")]
    assert len(shown) == tables
    assert shown[-1].startswith("4 trials: 2 finished, 1 stopped, 1 failed")


@pytest.mark.parametrize(
    ("threads", "gpu", "begins"),
    [("auto", 0, "OMP_NUM_THREADS=1 dvc exp run"), (1, 0, "dvc exp run"), ("auto", 1, "dvc exp")],
)
def test_the_line_of_a_trial_says_its_threads_where_nothing_else_does(root, threads, gpu, begins):
    params = changed(PARAMS, {"train.threads": threads})
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    found = prepare(root, resources={"cpu": 1, "gpu": gpu})
    assert found.line(found.trials[0]).startswith(begins)
    assert found.keep == dict.fromkeys(FATES, "loss")


def test_mlflow_hears_once_of_each_epoch_though_a_search_was_stopped(root, lead, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setenv("CXR_TRACKING", "on")
    monkeypatch.setenv("DVC_ROOT", str(root))
    monkeypatch.setattr(search, "start_writer", lambda folder: None)
    with pytest.raises(KeyboardInterrupt):
        lead(until="t002")
    lead()
    paths = spool.spools(launch.spool_folder(root))
    records = [[json.loads(line) for line in path.read_text().splitlines()] for path in paths]
    assert len({records[0]["parent"]["key"] for records in records}) == 1
    trials = [one for one in records if one[0]["stage"] == "trial"]
    heard = {
        name: [one["step"] for trial in trials if trial[0]["title"] == name for one in trial[1:-1]]
        for name in FATES
    }
    assert heard == {"t001": [1], "t002": [1], "t003": [], "t004": [1, 2]}
    ends = {one[0]["title"]: (one[-1]["state"], one[-1]["status"]) for one in trials}
    assert ends["t002"] == ("stopped", "FINISHED")
    assert ends["t003"] == ("failed", "FAILED")
    (whole,) = [one for one in records if one[0]["stage"] == "search" and len(one) > 1]
    assert whole[1]["values"] == {"val_auroc": 0.7}
    assert [one["kind"] for one in whole[2:]] == ["artifact", "artifact", "end"]


@pytest.mark.parametrize(
    ("absent", "error", "said"),
    [
        (
            "ray",
            PipelineError,
            r"a search needs Ray Tune, .* pip install 'ray\[tune\]' \(the extra",
        ),
        ("pipeline.search.tune", ModuleNotFoundError, "halted"),
    ],
)
def test_ray_is_asked_for_where_it_is_what_is_missing(root, monkeypatch, absent, error, said):
    monkeypatch.delitem(sys.modules, "pipeline.search.tune", raising=False)
    monkeypatch.delattr(pipeline.search, "tune", raising=False)
    monkeypatch.setitem(sys.modules, absent, None)
    with pytest.raises(error, match=said):
        run_search(prepare(root), address=None)
