"""The console script `cxr`.

Only the command that is called is imported: neither the list of them nor `cxr score` waits for
torch, MLflow, Ray or DVC.
"""

import sys
from collections.abc import Callable
from importlib import import_module

import typer

from pipeline.commands.checkout import run_its_code
from pipeline.errors import PipelineError, readable
from pipeline.guard.thread_waits import let_threads_sleep

COMMANDS = {
    "recipe": "Take the values of another run for params.yaml.",
    "summary": "What the last run reached, and where to look next.",
    "tables": "The last run's AUROCs as the paper's two tables.",
    "plots": "Plots of this run, or of experiments over each other.",
    "report": "The page and where it is from, or beside another run.",
    "compare": "Experiments beside what they started from.",
    "seeds": "The same params under several seeds: mean and spread.",
    "search": "Other params of one branch, tried with Ray Tune.",
    "zoo": "Each backbone trained for one epoch, and what it costs.",
    "score": "Evaluate anybody's predictions; needs no checkout.",
    "score-boxes": "Judge anybody's boxes or heatmaps; needs no checkout.",
    "suspects": "Labels that may be wrong, for a reader to judge.",
    "external": "A trained model on a cohort that it has nothing of.",
    "predict": "Findings of anybody's radiographs, with heatmaps.",
    "model": "A trained model: its card, a copy, a version in MLflow.",
    "serve": "A trained model in a browser, and as JSON over HTTP.",
    "graph": "Write the code deps of stages into dvc.yaml.",
}
"""Modules beside this one or in `judging`, and what `cxr --help` says of them: from a run to what
comes after."""


ANYWHERE = ("", "score", "score-boxes", "external", "predict", "model", "serve")
"""What needs no checkout; without a name, there is the list of commands."""


JUDGING = ("report", "score", "score-boxes", "suspects", "external")
"""Modules in the folder `judging`."""

INSTALLED_BY = {"serve": "pip install 'cxr-pipeline[serve]'"}
"""What brings the packages of a command that needs no checkout."""

IN_THE_CHECKOUT = "pip install '.[pipeline]' in the checkout"


def app() -> None:
    """Run the command that is named first: exit 0, or say what was wrong and exit 1."""
    let_threads_sleep()  # as in stages
    words = sys.argv[1:]
    called = next((word for word in words if not word.startswith("-")), "")
    with readable():
        if called not in ANYWHERE:
            run_its_code(words)
        command_line(called)(prog_name="cxr")


def command_line(called: str) -> typer.Typer:
    """All commands; the one that is called with its options, the others by name alone."""
    app = typer.Typer(
        help="What is typed beside `dvc`. `cxr COMMAND --help` says more.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name, line in COMMANDS.items():
        if name == called:
            app.command(name)(_main_of(name))
        else:
            app.command(name, help=line)(_not_called)
    return app


def _main_of(name: str) -> Callable[..., None]:
    try:
        main: Callable[..., None] = import_module(_module_of(name)).main
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "pipeline":
            raise
        raise PipelineError(
            f"`cxr {name}` needs {package}, which is not installed; `make setup` has it, "
            f"elsewhere: {INSTALLED_BY.get(name, IN_THE_CHECKOUT)}"
        ) from None
    return main


def _module_of(name: str) -> str:
    folder = "judging." if name in JUDGING else ""
    return f"pipeline.commands.{folder}{name.replace('-', '_')}"


def _not_called() -> None:
    """Stands for a command in the list of them."""


if __name__ == "__main__":
    app()
