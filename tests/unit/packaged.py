"""One packaged model for all tests of predicting, as fixtures."""

import pytest
from made_model import write_model

from pipeline.predict import load_model


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("packaged") / "model")


@pytest.fixture(scope="session")
def model(model_folder):
    return load_model(model_folder)
