"""Packaged models in the registry of a real MLflow store: put there once, and found again."""

import json
import os
import shutil
import sqlite3
from pathlib import Path

import pandas as pd
import pytest
from made_model import png, write_model
from waiting import becomes_true

from pipeline import tracking
from pipeline.commands.checkout import MARKS
from pipeline.commands.model import main
from pipeline.errors import ArtifactError, PipelineError
from pipeline.predict.about.description import NOTE, read_description
from pipeline.predict.card import model_card
from pipeline.predict.model import load_model
from pipeline.predict.package import digest_of
from pipeline.tracking.registry import model_folder, register_model
from tests.stages.checkouts import use
from tests.stages.tracked import start

pytestmark = [  # of MLflow's own code
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A checkout whose model was packaged by a tracked stage, then registered."""
    with pytest.MonkeyPatch.context() as patch:
        checkout = use(patch, tmp_path_factory.mktemp("made") / "made")
        models = write_model(checkout.root / "data/models", members=("model",))
        with checkout.begin("package"):
            tracking.log_artifact(models / NOTE)
        other = write_model(checkout.root / "other", members=("model",)) / NOTE
        other.write_text(other.read_text().replace('"vote": "mean"', '"vote": "rank"'))
        with checkout.begin("package"):
            tracking.log_artifact(other)
        assert checkout.write() == set()
        version = register_model(models, "cxr", revision="abc+", root=checkout.root)
        assert (version.uri, version.is_new) == ("models:/cxr/1", True)
    return checkout


@pytest.fixture
def checkout(made, monkeypatch):
    return use(monkeypatch, made.root)


@pytest.fixture
def copy(made, tmp_path, monkeypatch):
    """A copy of the checkout, which a test may change."""
    shutil.copytree(made.root, tmp_path / "copy")
    return use(monkeypatch, tmp_path / "copy")


def version_of(checkout, number="1"):
    return checkout.client().get_model_version("cxr", number)


def test_a_version_has_card_digest_revision_and_figures_for_people(checkout):
    version = version_of(checkout)
    about = read_description(checkout.root / "data/models")
    about = about.model_copy(update={"revision": "abc+"})
    backbones = {"model": "mobilenet_v2 + mobilenet_v3"}
    assert version.description == model_card(about, backbones)
    assert version.tags == {
        "digest": digest_of(checkout.root / "data/models"),
        "revision": "abc+",
        "mean AUROC": "0.750 (0.700 to 0.800)",
    }


def test_its_model_and_run_have_figures_and_params_below_the_run_that_packaged_it(checkout):
    client = checkout.client()
    run = client.get_run(version_of(checkout).run_id)
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    ends = {"mean_auroc": 0.75, "mean_auroc_low": 0.7, "mean_auroc_high": 0.8}
    assert run.data.metrics.items() > ends.items()
    assert {one.key: one.value for one in model.metrics} == run.data.metrics
    assert run.data.params == model.params
    assert model.params.items() > {"vote": "mean", "seed": "7", "global.epochs": "1"}.items()
    assert run.info.status == "FINISHED"
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    (maker,) = [
        one
        for one in client.search_runs(["1"], "tags.stage = 'package'")
        if one.data.tags["mlflow.parentRunId"] == parent.info.run_id
    ]
    written = Path(client.download_artifacts(maker.info.run_id, NOTE)).read_text()
    assert written == (checkout.root / "data/models" / NOTE).read_text()


def test_the_same_model_is_registered_once_and_another_is_the_next_version(copy):
    models = copy.root / "data/models"
    again = register_model(models, "cxr", revision="def", root=copy.root)
    assert (again.uri, again.is_new) == ("models:/cxr/1", False)
    write_model(models, seed=1, members=("model",))
    other = register_model(models, "cxr", revision="def", root=copy.root)
    assert (other.uri, other.is_new) == ("models:/cxr/2", True)
    assert digest_of(model_folder("models:/cxr/2")) == digest_of(models)
    assert digest_of(model_folder("models:/cxr/1")) == version_of(copy).tags["digest"]


def test_without_a_name_it_has_the_experiment_s_and_the_environment_is_as_before(
    copy, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{copy.database}")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "other")
    before = dict(os.environ)
    made = register_model(copy.root / "data/models", "", revision=None, root=copy.root.parent)
    assert made.uri == "models:/other/1"
    assert dict(os.environ) == before
    client = copy.client()
    number = client.get_experiment_by_name("other").experiment_id
    (model,) = client.search_logged_models([number])
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": "other", "version": 1}]


def test_every_address_of_a_model_leads_to_its_folder_from_below_the_checkout(
    checkout, monkeypatch
):
    client, version = checkout.client(), version_of(checkout)
    client.set_registered_model_alias("cxr", "best", "1")
    (model,) = client.get_run(version.run_id).outputs.model_outputs
    addresses = ["models:/cxr/1", "models:/cxr@best", f"models:/{model.model_id}"]
    monkeypatch.delenv("DVC_ROOT")
    monkeypatch.chdir(checkout.root / "data/models")
    folders = {model_folder(one) for one in (*addresses, f"runs:/{version.run_id}/cxr")}
    (folder,) = folders
    assert checkout.root in folder.parents
    assert digest_of(folder) == version.tags["digest"]
    assert read_description(folder).revision == "abc+"


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("models:/cxr/7", "no such version; there are 1"),
        ("models:/cxr@worst", "no such alias; there are "),
        ("models:/nosuch/1", "no such model; there are cxr; `cxr model register` makes one"),
        ("models:/m-" + 32 * "0", "no such model"),
        ("runs:/0abc/cxr", "no such run"),
        ("models:/cxr", "no address of a model in MLflow; expected models:/name/version, "),
        ("data/models", "no address of a model in MLflow; expected models:/name/version, "),
    ],
)
def test_an_address_that_leads_nowhere_says_in_a_line_what_is_there(checkout, uri, why):
    with pytest.raises(ArtifactError) as caught:
        model_folder(uri)
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_command_shows_a_version_s_card_and_says_how_to_serve_it(copy, capsys, caplog):
    caplog.set_level("INFO")
    for mark in MARKS:
        (copy.root / mark).touch()
    main("register", Path("data/models"), name="cxr")
    assert capsys.readouterr().out == "models:/cxr/1\n"
    registered, serve = [one for one in caplog.messages if "serve" in one or "registered" in one]
    assert registered == "the same model is registered already"
    assert serve.startswith("to serve it: ")
    assert str(copy.database) in serve
    assert "models serve -m models:/cxr/1 " in serve
    main("show", Path("models:/cxr/1"))
    assert capsys.readouterr().out.startswith("# A model of chest radiographs\n")


def test_without_a_store_that_is_said_and_none_is_made(tmp_path, monkeypatch):
    checkout = use(monkeypatch, tmp_path / "new")
    with pytest.raises(ArtifactError, match=r"no store .*/new/mlflow\.db; `cxr model register`"):
        model_folder("models:/cxr/1")
    assert not checkout.database.exists()


def test_a_server_that_does_not_answer_is_said_in_a_line(checkout, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(PipelineError) as caught:
        model_folder("models:/cxr/1")
    assert str(caught.value).startswith("models:/cxr/1: MLflow says: http://127.0.0.1:9 does not")
    assert "\n" not in str(caught.value)


def test_a_name_that_no_address_could_have_is_refused(checkout):
    with pytest.raises(PipelineError, match="--name 'a/b': expected letters"):
        register_model(checkout.root / "data/models", "a/b", revision=None, root=checkout.root)


def test_files_that_are_gone_are_said_with_what_helps(copy):
    shutil.rmtree(model_folder("models:/cxr/1").parents[1])
    with pytest.raises(ArtifactError, match=r"holds no model\.json; delete that version"):
        model_folder("models:/cxr/1")


def test_a_model_follows_its_checkout_and_a_copy_reads_its_own(copy, made, monkeypatch):
    assert copy.root in model_folder("models:/cxr/1").parents
    before = digest_of(model_folder("models:/cxr/1"))
    new = copy.root.with_name("renamed")
    monkeypatch.chdir(new.parent)
    copy.root.rename(new)
    renamed = use(monkeypatch, new)
    assert new in model_folder("models:/cxr/1").parents
    assert digest_of(model_folder("models:/cxr/1")) == before
    with sqlite3.connect(renamed.database) as store:
        places = store.execute("select storage_location from model_versions").fetchall()
    assert [place.startswith(new.as_uri()) for (place,) in places] == [True]


def test_mlflow_loads_it_and_predicts_what_the_model_does(checkout, tmp_path):
    import mlflow.pyfunc  # noqa: PLC0415 (seconds, which other tests need not wait)

    folder = model_folder("models:/cxr/1")
    served = mlflow.pyfunc.load_model(folder.parents[1].as_uri())
    answers = served.predict(pd.DataFrame({"image": [png(), b"broken"], "age": [50.0, None]}))
    (tmp_path / "a.png").write_bytes(png())
    raw = load_model(checkout.root / "data/models")(tmp_path / "a.png", age=50.0).raw
    found = answers.loc[0, [f"raw_{name}" for name in raw]]
    assert found.tolist() == pytest.approx([*raw.values()], abs=1e-6)
    assert answers["error"].tolist()[1].startswith("image 1: neither PNG, JPEG nor DICOM")
    with pytest.raises(Exception, match="Model is missing inputs"):
        served.predict(pd.DataFrame({"picture": [png()]}))


def test_nothing_is_left_of_a_model_that_could_not_be_written(copy):
    """A file in the place of the folder of models: not even root can write there."""
    shutil.rmtree(copy.root / "mlartifacts/models")
    (copy.root / "mlartifacts/models").touch()
    write_model(copy.root / "data/models", seed=2, members=("model",))
    before = [one.info.run_id for one in copy.client().search_runs(["1"])]
    with pytest.raises((PipelineError, OSError)):
        register_model(copy.root / "data/models", "cxr", revision=None, root=copy.root)
    client = copy.client()
    assert [one.info.run_id for one in client.search_runs(["1"])] == before
    assert [one.version for one in client.search_model_versions("name = 'cxr'")] == [1]
    assert len(client.search_logged_models(["1"])) == 1


@pytest.mark.slow
def test_a_run_that_is_being_written_loses_nothing_to_a_model_that_is_registered(copy):
    """The stage and its writer are real processes; they and this one share the store."""
    root = copy.root
    stage = start("train_global", cwd=root, root=root, does="train")
    stage.process.stdout.readline()
    assert becomes_true(lambda: len(losses(copy)) == 3)
    write_model(root / "data/models", seed=3, members=("model",))
    made = register_model(root / "data/models", "cxr", revision=None, root=root)
    (root / "go").touch()
    code, _, said = stage.ended()
    assert (code, "warning" in said) == (0, False)
    assert made.uri == "models:/cxr/2"
    assert losses(copy) == [(n, pytest.approx(1 / n)) for n in range(1, 21)]
    assert copy.runs()["train_global model"].info.status == "FINISHED"
    assert digest_of(model_folder("models:/cxr/2")) == digest_of(root / "data/models")


def losses(checkout):
    client, run = checkout.client(), checkout.runs().get("train_global model")
    points = client.get_metric_history(run.info.run_id, "train_loss") if run else []
    return [(point.step, point.value) for point in points]
