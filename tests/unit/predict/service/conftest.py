"""One small model, and one service of it."""

import pytest
import requests
from made_model import write_model
from served import running

from pipeline.predict.model import load_model
from pipeline.predict.service.app import LOOPBACK, create_app
from pipeline.predict.service.limits import Limits
from pipeline.predict.service.synthetic import draw_examples


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    return load_model(write_model(tmp_path_factory.mktemp("packaged") / "model", picky=False))


@pytest.fixture(scope="session")
def examples():
    return draw_examples(64)


@pytest.fixture(scope="session")
def service(model, examples):
    """The address of a service that takes 1 MB."""
    app = create_app(model, Limits(megabytes=1, seconds=20.0), examples, hosts=LOOPBACK)
    with running(app) as address:
        yield address


@pytest.fixture
def ask(service):
    """Send a form; what is answered."""

    def send(file, *, name="radiograph", kind=None, query="", **fields):
        form = {"file": (name, file, kind)}
        return requests.post(f"{service}/predict{query}", files=form, data=fields, timeout=30)

    return send
