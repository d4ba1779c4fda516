"""Command `report`: the page with where it comes from, or two runs beside each other."""

import shutil
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from pipeline.base.files import replacing, write_text
from pipeline.commands.checkout import enter_checkout
from pipeline.errors import ArtifactError
from pipeline.params.whole import load_params
from pipeline.results.beside.origin_strip import with_origin
from pipeline.results.beside.revision_files import of_revision, of_workspace
from pipeline.results.beside.two_pages import render_two_runs
from pipeline.results.beside.two_runs import compare_runs
from pipeline.results.report.views.case_browser import FOLDER
from pipeline.tracking.durations import last_runs
from pipeline.tracking.machine import processor
from pipeline.tracking.origin import CODE, git_says

PAGE = Path("report/index.html")

RESULTS = (*CODE, "params.yaml", "dvc.lock")
"""What a commit says of a run."""

Against = Annotated[
    str, typer.Option(help="An experiment or a commit, to stand beside the workspace's run.")
]
To = Annotated[
    Path | None,
    typer.Option("--out", help="The page to write.", show_default="report/<commit>.html"),
]


def main(against: Against = "", out: To = None) -> None:
    """Copy the page with commit, date, machine and minutes, or set another run beside this one."""
    out = out.absolute() if out else None
    root = enter_checkout()
    commit = git_says("rev-parse", "--short", "HEAD").strip() or "no commit"
    if against:
        place = out or Path(f"report/against-{against.replace('/', '-')}.html")
        write_text(_two_runs(against, root), place)
    else:
        place = out or Path(f"report/{commit.replace(' ', '-')}.html")
        write_text(_with_origin(commit, root), place)
        _bring_along(PAGE.parent / FOLDER, place.parent / FOLDER)
    typer.echo(place if out else f"{place}: open it in a browser")


def _bring_along(cases: Path, to: Path) -> None:
    """What a large cohort's page keeps beside it, for a copy in another folder."""
    if list(cases.glob("*.js")) and to.resolve() != cases.resolve():
        with replacing(to) as fresh:
            shutil.copytree(cases, fresh)


def _two_runs(against: str, root: Path) -> str:
    cfg = load_params(Path("params.yaml"))
    this, other = of_workspace(root), of_revision(against, root)
    found = compare_runs(
        this,
        other,
        replicates=cfg.evaluate.bootstrap,
        min_patients=cfg.evaluate.min_patients,
        seed=cfg.seed,
    )
    return render_two_runs(this, other, found, names=("workspace", against))


def _with_origin(commit: str, root: Path) -> str:
    if not PAGE.exists():
        raise ArtifactError(f"{PAGE}: not there; `dvc repro report` writes it")
    changed = git_says("status", "--porcelain", "--untracked-files=no", "--", *RESULTS)
    made = datetime.fromtimestamp(PAGE.stat().st_mtime).astimezone()
    rows = [
        ("commit", f"{commit}, with changes" if changed else commit),
        ("made", f"{made:%Y-%m-%d %H:%M}"),
    ]
    runs = last_runs(root)
    if runs is not None:
        minutes = f"{runs.minutes:.1f}, of {runs.stages} stages that ran here"
        rows += [("machine", processor()), ("minutes", minutes)]
    return with_origin(PAGE.read_text(encoding="utf-8"), rows)
