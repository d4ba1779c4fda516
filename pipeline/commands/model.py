"""Command `model`: a trained model as a card, a folder that travels, or a version in MLflow."""

import logging
import os
import subprocess
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.commands.checkout import checkout_around
from pipeline.errors import ArtifactError, PipelineError
from pipeline.predict.about.description import read_backbones, read_description
from pipeline.predict.card import model_card

log = logging.getLogger(__name__)

Action = Annotated[
    Literal["show", "export", "register"],
    typer.Argument(
        help="show: print its card; export: copy it to --to, with the git revision; register: "
        "make it a version in MLflow's registry, and print its address."
    ),
]
Folder = Annotated[
    Path,
    typer.Argument(
        help="data/models of a checkout, an exported model, or models:/name/version of MLflow."
    ),
]
To = Annotated[Path | None, typer.Option(help="A new folder, for export.")]
Name = Annotated[
    str, typer.Option(help="Of the model in MLflow, for register; without, its experiment's.")
]
Onnx = Annotated[
    bool, typer.Option("--onnx", help="With model.onnx: from pixels to probabilities, no PyTorch.")
]


def main(
    action: Action,
    folder: Folder = Path("data/models"),
    to: To = None,
    name: Name = "",
    onnx: Onnx = False,
) -> None:
    """Print a trained model's card, copy it to where it can be taken from, or register it."""
    folder = local_model(folder)
    if action == "show":
        about = read_description(folder)
        typer.echo(model_card(about, read_backbones(folder, about)))
    elif action == "export":
        _export(folder, to, onnx=onnx)
    else:
        _register(folder, name)


def local_model(folder: Path) -> Path:
    """The folder of a model, which MLflow knows if its address was given."""
    if ":/" not in str(folder) or folder.exists():
        return folder
    from pipeline.tracking.registry import model_folder  # noqa: PLC0415 (a fraction of a second)

    return model_folder(str(folder))


def _export(folder: Path, to: Path | None, *, onnx: bool) -> None:
    if to is None:
        raise ArtifactError("export needs --to, a new folder")
    from pipeline.predict.package import export_package  # noqa: PLC0415 (imports torch)

    said: list[str] = []
    finish = (lambda fresh: said.extend(_write_onnx(fresh))) if onnx else None
    export_package(folder, to, revision=_revision(folder), finish=finish)
    typer.echo(f"{to}: the model of {folder}")
    for line in said:
        typer.echo(line)


def _write_onnx(folder: Path) -> list[str]:
    """Write it, and say what came of it."""
    from pipeline.predict.onnx.export import FILE, write_onnx  # noqa: PLC0415 (imports torch)
    from pipeline.predict.onnx.said_in_file import OUTSIDE  # noqa: PLC0415

    written = write_onnx(folder, folder / FILE)
    checked = written.agreement
    return [
        f"{FILE}: probabilities within {checked.worst:.0e} of PyTorch's on {checked.same_crops} "
        f"of {checked.pictures} synthetic radiographs, with the same crops",
        *(f"  not in it: {one}" for one in OUTSIDE),
        *(
            f"  not in it: heatmaps of {one}, by gradients or many passes"
            for one in written.left_out
        ),
    ]


def _register(folder: Path, name: str) -> None:
    root = checkout_around(Path.cwd())
    if root is None and "MLFLOW_TRACKING_URI" not in os.environ:
        raise PipelineError(
            f"{Path.cwd()}: no checkout, so no registry; go to your clone (cd), or set "
            "MLFLOW_TRACKING_URI"
        )
    from pipeline.tracking.registry import register_model, serve_command  # noqa: PLC0415

    root = root or Path.cwd()
    made = register_model(folder, name, revision=_revision(folder), root=root)
    if not made.is_new:
        log.info("the same model is registered already")
    log.info("to serve it: %s", serve_command(made.uri, root))
    typer.echo(made.uri)


def _revision(folder: Path) -> str | None:
    """The one that an exported model names; else the commit of the checkout that it is in.

    A + is behind that of a checkout where files differ from the commit.
    """
    named = read_description(folder).revision
    if named:
        return named
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
