"""A packaged model as a model of MLflow's `python_function`: files that any MLflow can serve.

What MLflow loads is our code, which travels with the model, and safetensors: nothing is pickled.
"""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import mlflow.pyfunc
from mlflow.models import Model, ModelSignature
from mlflow.types import ColSpec, DataType, Schema

import pipeline
from pipeline.predict.table_model import COLUMNS, answer_columns, example

NEEDED = (
    "jaxtyping", "numpy", "opencv-python-headless", "pandas", "psutil", "pyarrow", "pydantic",
    "pyyaml", "safetensors", "scikit-learn", "scipy", "torch", "torchvision",
)  # fmt: skip
"""Packages that predict imports."""

WANTED = ("pydicom", "python-gdcm", "timm")
"""Those that some files or some networks need; where they are not installed, they are not used."""

_TYPES = {str: DataType.string, float: DataType.double, bool: DataType.boolean}


def save_as_pyfunc(package: Path, to: Path, *, members: Mapping[str, str], model: Model) -> None:
    """Write a packaged model, its code and what it needs as a model of MLflow.

    Args:
        package: its folder, named as in `PACKAGE`, which is copied.
        to: a new folder.
        members: of the model.
        model: what MLflow knows of it already.
    """
    mlflow.pyfunc.save_model(
        to,
        loader_module="pipeline.predict.table_model",
        data_path=str(package),
        code_paths=[next(iter(pipeline.__path__))],
        pip_requirements=requirements(),
        input_example=example(),
        signature=signature_of(members),
        mlflow_model=model,
    )


def signature_of(members: Mapping[str, str]) -> ModelSignature:
    """What goes in, which MLflow checks, and what comes out."""
    asked = [
        ColSpec(_TYPES[kind], name, required=name == "image") for name, kind in COLUMNS.items()
    ]
    said = [
        ColSpec(_TYPES[kind], name, required=False)
        for name, kind in answer_columns(members).items()
    ]
    return ModelSignature(Schema(asked), Schema(said))


def requirements() -> list[str]:
    """What is installed here, in the versions of the package index: a `+cpu` is a build's."""
    found = {name: _version_of(name) for name in (*NEEDED, *WANTED)}
    return [f"{name}=={number}" for name, number in found.items() if number]


def _version_of(name: str) -> str:
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return ""
