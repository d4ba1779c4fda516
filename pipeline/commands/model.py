"""Command `model`: a trained model as a card, or as a folder that travels."""

import subprocess
from pathlib import Path
from typing import Annotated, Literal

import typer

from pipeline.errors import ArtifactError
from pipeline.predict.about.description import read_backbones, read_description
from pipeline.predict.card import model_card

Action = Annotated[
    Literal["show", "export"],
    typer.Argument(help="show: print its card; export: copy it to --to, with the git revision."),
]
Folder = Annotated[Path, typer.Argument(help="data/models of a checkout, or an exported model.")]
To = Annotated[Path | None, typer.Option(help="A new folder, for export.")]
Onnx = Annotated[
    bool, typer.Option("--onnx", help="With model.onnx: from pixels to probabilities, no PyTorch.")
]


def main(
    action: Action, folder: Folder = Path("data/models"), to: To = None, onnx: Onnx = False
) -> None:
    """Print a trained model's card, or copy it to where it can be taken from."""
    if action == "show":
        about = read_description(folder)
        typer.echo(model_card(about, read_backbones(folder, about)))
        return
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
    from pipeline.predict.onnx.notes import OUTSIDE  # noqa: PLC0415

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


def _revision(folder: Path) -> str | None:
    """The commit of the checkout that the folder is in, with a + where files differ from it."""
    command = ["git", "describe", "--always", "--abbrev=12", "--dirty=+"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
