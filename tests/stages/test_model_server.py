"""A packaged model that the real `mlflow models serve` serves, where our code is not installed."""

import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.request
from urllib.error import HTTPError

import psutil
import pytest
from made_model import png, write_model
from stated_packages import brought, hidden
from waiting import becomes_true

from pipeline.predict.model import load_model
from pipeline.predict.package import digest_of
from pipeline.tracking.registry import model_folder, register_model
from tests.stages.checkouts import use
from tests.stages.conftest import CXR, REPO, commit, run
from tests.stages.test_installed import make_environment
from tests.stages.test_mlflow_server import Server

pytestmark = [
    pytest.mark.slow,  # of MLflow's own code:
    pytest.mark.filterwarnings("ignore:.*Any type hint is inferred:UserWarning"),
    pytest.mark.filterwarnings("ignore:Operation with range is deprecated"),
]

QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}

UVICORN = """#!{python}
from uvicorn.main import main
main()
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A checkout with a model that `cxr model register` has registered."""
    root = tmp_path_factory.mktemp("checkout")
    write_model(root / "data/models", members=("model",))
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(REPO / name, root / name)
    (root / ".gitignore").write_text("/data/\n/mlflow.db*\n/mlartifacts/\n")
    run("git", "init", "-q", cwd=root)
    commit(root)
    words = ("model", "register", "--name", "cxr")
    first, second = (run(*CXR, *words, cwd=root, PYTHONPATH=str(REPO)) for _ in range(2))
    assert first.stdout == second.stdout == "models:/cxr/1\n"
    uri = f"sqlite:///{root}/mlflow.db"
    told = f"MLFLOW_TRACKING_URI={uri} mlflow models serve -m models:/cxr/1 --env-manager local"
    assert first.stderr == f"to serve it: {told} --port 5001\n"
    assert second.stderr == f"the same model is registered already\n{first.stderr}"
    return root


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Executables of an environment with all packages but this project."""
    binaries = make_environment(tmp_path_factory.mktemp("environment") / "new")
    uvicorn = binaries / "uvicorn"
    uvicorn.write_text(UVICORN.format(python=binaries / "python"))
    uvicorn.chmod(0o755)
    return binaries


def started(checkout, environment, folder):
    """`mlflow models serve`, once it answers, and where."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    plain = {k: v for k, v in os.environ.items() if not re.match("MLFLOW_|PYTHONPATH", k)}
    command = [
        *(str(environment / "python"), "-m", "mlflow", "models", "serve"),
        *("-m", "models:/cxr/1", "--env-manager", "local"),
        *("-h", "127.0.0.1", "-p", str(port)),
    ]
    own = {
        "MLFLOW_TRACKING_URI": f"sqlite:///{checkout / 'mlflow.db'}",
        "PATH": f"{environment}{os.pathsep}{os.environ['PATH']}",
    }
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=plain | QUIET | own,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    address = f"http://127.0.0.1:{port}"
    assert becomes_true(lambda: server.poll() is not None or answers(address), within_s=300)
    assert server.poll() is None, (folder / "log").read_text()
    return server, address


def answers(address):
    try:
        with urllib.request.urlopen(f"{address}/ping", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def server(checkout, environment, tmp_path_factory):
    server, address = started(checkout, environment, tmp_path_factory.mktemp("elsewhere"))
    yield server, address
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def post(address, rows):
    body = json.dumps({"dataframe_records": rows}).encode()
    request = urllib.request.Request(
        f"{address}/invocations", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["predictions"]


def test_the_server_says_what_the_model_says_and_names_an_image_that_is_broken(
    server, checkout, tmp_path
):
    image = base64.b64encode(png()).decode()
    first, second, third = post(
        server[1],
        [
            {"image": image, "age": 50, "gender": "F", "view": "PA"},
            {"image": image[:4000]},
            {"image": image},
        ],
    )
    (tmp_path / "a.png").write_bytes(png())
    model = load_model(checkout / "data/models")
    for row, patient in ((first, {"age": 50.0, "gender": "F", "view": "PA"}), (third, {})):
        found = model(tmp_path / "a.png", **patient)
        assert row["error"] is None
        for kind, expected in (("raw", found.raw), ("probability", found.probabilities)):
            said = {name: row[f"{kind}_{name}"] for name in expected}
            assert said == pytest.approx(expected, abs=1e-6)
    assert second.pop("error").startswith("image 1: a truncated PNG")
    assert set(second.values()) == {None}
    assert first["raw_Mass"] != third["raw_Mass"]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"picture": "AAAA"}, "Model is missing inputs ['image']"),
        ({"image": "AAAA", "age": "old"}, "Failed to convert column age"),
    ],
)
def test_the_server_refuses_a_table_that_is_not_as_declared(server, row, why):
    with pytest.raises(HTTPError) as refused:
        post(server[1], [row])
    assert refused.value.code == 400
    assert why in json.load(refused.value)["message"]


def test_the_example_that_lies_with_the_model_can_be_sent_as_it_is(server, checkout):
    (file,) = checkout.rglob("serving_input_example.json")
    table = json.loads(file.read_text())["dataframe_split"]
    (row,) = post(server[1], [dict(zip(table["columns"], *table["data"], strict=True))])
    assert row["error"] is None


def test_what_the_model_says_that_it_needs_is_enough_to_load_and_predict(
    checkout, environment, tmp_path
):
    (file,) = checkout.rglob("requirements.txt")
    stated = [line.partition("==")[0] for line in file.read_text().splitlines()]
    (tmp_path / "a.png").write_bytes(png())
    code = hidden(brought(stated) | {"cxr-pipeline"}) + (
        "import mlflow.pyfunc, pandas, pathlib\n"
        f"model = mlflow.pyfunc.load_model({str(file.parent)!r})\n"
        "table = pandas.DataFrame({'image': [pathlib.Path('a.png').read_bytes()]})\n"
        "print(model.predict(table)['error'].tolist())\n"
        "import pipeline; print(*pipeline.__path__)\n"
    )
    plain = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(environment / "python"), "-c", code],
        cwd=tmp_path,
        env=plain | QUIET,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.splitlines() == ["[None]", str(file.parent / "code/pipeline")], done.stderr
    assert not [one for one in brought(stated) if one.startswith(("dvc", "ray", "cxr"))]


def test_the_environment_of_these_tests_has_this_project_not_installed(environment, tmp_path):
    plain = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [str(environment / "python"), "-c", "import pipeline"],
        cwd=tmp_path, env=plain, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "No module named 'pipeline'" in done.stderr


def test_a_model_on_a_server_is_fetched_once_and_is_the_one_that_was_registered(
    tmp_path, monkeypatch
):
    """As many machines share one: its files come over HTTP, into the user's cache."""
    root = tmp_path / "checkout"
    use(monkeypatch, root)
    models = write_model(root / "data/models", members=("model",))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        shared = Server(tmp_path / "server", free.getsockname()[1])
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shared.uri)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with shared.running():
        first = register_model(models, "cxr", revision=None, root=root)
        again = register_model(models, "cxr", revision=None, root=root)
        assert (first.uri, again.uri, again.is_new) == ("models:/cxr/1", "models:/cxr/1", False)
        folder = model_folder("models:/cxr/1")
        before = (folder / "model.json").stat()
        assert model_folder("models:/cxr/1") == folder
        assert (folder / "model.json").stat() == before
    assert tmp_path / "cache" in folder.parents
    assert digest_of(folder) == digest_of(models)
    assert not (root / "mlflow.db").exists()


def test_no_process_remains_of_a_server_that_was_told_to_end(server):
    """The last test here: the server is gone behind it."""
    process = psutil.Process(server[0].pid)
    all_of_it = [process, *process.children(recursive=True)]
    assert any("uvicorn" in " ".join(one.cmdline()) for one in all_of_it)
    process.terminate()
    server[0].wait(timeout=60)
    _, alive = psutil.wait_procs(all_of_it, timeout=60)
    assert alive == []
    assert not answers(server[1])
