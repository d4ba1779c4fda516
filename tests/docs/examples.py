"""Example output in README.md and docs/, written from results; as a script, it writes the pages.

Each example stands between two comments. What the project prints of the committed metrics/ is
computed from them. What an experiment reached is in docs/recorded.yaml: nobody trains it to write
a page, so the page says how far the demo has moved since.
"""

import contextlib
import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml
from dvc.compare import show_diff

from pipeline.errors import ParamsError
from pipeline.experiments.comparison import compare
from pipeline.experiments.exp_show import FINISHED, Experiment
from pipeline.params.whole import parse_params
from pipeline.results.evaluation.headline import HEADLINE
from pipeline.results.localisation.key_figures import IN_TABLES
from pipeline.results.terminal.last_screen import last_screen
from pipeline.results.terminal.summary import summarise
from pipeline.tracking.address import DATABASE, SQLITE, shown
from pipeline.tracking.origin import flatten

REPO = Path(__file__).parents[2]

FIRST, LAST = "<!-- Written by `make examples`: {} -->", "<!-- End of {}. -->"
"""The lines that an example stands between."""

RECORDED = REPO / "docs/recorded.yaml"


def metrics(name: str) -> Any:
    """A committed file of metrics/."""
    return json.loads((REPO / f"metrics/{name}.json").read_text())


def summary() -> str:
    """What `make demo` and `cxr summary` end with."""
    return fenced(last_screen(metrics("systems"), metrics("methods"), []))


def summary_in_short() -> str:
    """The same without its table."""
    said, _, what_next, *_ = last_screen(metrics("systems"), metrics("methods"), []).split("\n\n")
    return fenced(f"{said}\n...\n{what_next}")


def summary_of_all() -> str:
    """What `cxr summary --all` prints."""
    runs = shown(f"{SQLITE}{DATABASE}")
    return fenced(summarise(metrics("systems"), metrics("methods"), runs=runs))


def mlp() -> str:
    """Another fusion head, compared with the run that it started from."""
    name, recorded = "mlp", yaml.safe_load(RECORDED.read_text())["mlp"]
    start, end = recorded["main"], recorded[name]
    lines = [
        f"$ {recorded['command']}",
        "...",
        "Stage 'train_local@second' didn't change, skipping",
        "Running stage 'train_fusion@model':",
        "...",
        "Running stage 'train_fusion@second':",
        "...",
        f"$ dvc params diff main {name}",
        _params_diff(name, start["params"], end["params"]),
        f"$ dvc metrics diff main {name} --no-path --precision 3",
        _metrics_diff(name, *map(_in_dvc_s_tables, (start["figures"], end["figures"]))),
        "$ make compare",
        _compared(recorded, name),
    ]
    return fenced("\n".join(lines), "console") + _moved(start["figures"])


def _in_dvc_s_tables(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: figures[name] for name in (*HEADLINE, *IN_TABLES)}


def bad_value() -> str:
    """What an unknown backbone comes to, and how to go on."""
    values = yaml.safe_load((REPO / "params.yaml").read_text())
    values["model"]["global"] = "resnet51"
    try:
        parse_params(values)
    except ParamsError as error:
        said = str(error)
    graph = yaml.safe_load((REPO / "dvc.yaml").read_text())
    command = graph["stages"]["check"]["cmd"]
    return fenced(
        "$ dvc exp run -n wrong -S model.global=resnet51\n"
        "Reproducing experiment 'wrong'\n"
        "Running stage 'check':\n"
        f"> {command}\n"
        f"error: {said}\n"
        f"ERROR: failed to reproduce 'check': failed to run: {command}, exited with 1\n"
        "$ git checkout params.yaml && dvc --wait-for-lock repro\n"
        "...\n"
        "Data and pipelines are up to date.",
        "console",
    )


EXAMPLES: dict[str, tuple[str, Callable[[], str]]] = {
    "the last lines of the demo": ("README.md", summary_in_short),
    "cxr summary": ("docs/demo.md", summary),
    "cxr summary --all": ("docs/demo.md", summary_of_all),
    "an experiment": ("docs/experiments.md", mlp),
    "a bad value": ("docs/pipeline.md", bad_value),
}
"""Each example by its name: the page that it stands on, and how it is written."""


def fenced(text: str, language: str = "text") -> str:
    """A block of code in Markdown, without blanks at the ends of lines."""
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"```{language}\n{lines}\n```"


def rewritten(page: str, name: str, example: str) -> str:
    """The text of a page with the example between its comments; all else untouched.

    Raises:
        ValueError: the comments are not there, once each and in order.
    """
    first, last = FIRST.format(name), LAST.format(name)
    parts = re.split(f"^({re.escape(first)}|{re.escape(last)})$", page, flags=re.M)
    if parts[1::2] != [first, last]:
        raise ValueError(f"expected a line {first} and, below it, a line {last}, once each")
    return f"{parts[0]}{first}\n\n{example}\n\n{last}{parts[4]}"


def write_examples(root: Path) -> None:
    """Write all of them into the pages below `root`."""
    for name, (file, example) in EXAMPLES.items():
        text = (root / file).read_text(encoding="utf-8")
        (root / file).write_text(rewritten(text, name, example()), encoding="utf-8")


def _printed(diff: Mapping[str, Any], **options: Any) -> str:
    """What DVC prints of a difference, by file."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        show_diff(diff, a_rev="main", **options)
    return out.getvalue().rstrip()


def _params_diff(name: str, start: Mapping[str, Any], end: Mapping[str, Any]) -> str:
    changed = {key: {"old": start[key], "new": end[key]} for key in end}
    return _printed({"params.yaml": changed}, title="Param", b_rev=name, show_changes=False)


def _metrics_diff(name: str, start: Mapping[str, float], end: Mapping[str, float]) -> str:
    changed = {
        file: {
            key: {"old": start[key], "new": end[key], "diff": end[key] - start[key]}
            for key in metrics(file)
            if key in end and end[key] != start[key]
        }
        for file in ("evaluate", "iou")
    }
    options = {"precision": 3, "round_digits": True, "no_path": True}
    return _printed(changed, title="Metric", b_rev=name, **options)


def _compared(recorded: Mapping[str, Any], name: str) -> str:
    params = flatten(yaml.safe_load((REPO / "params.yaml").read_text()))
    rows = [
        Experiment(
            name=one,
            revision=one,
            baseline="main",
            state=FINISHED,
            params=params | recorded[one]["params"],
            figures=recorded[one]["figures"],
        )
        for one in ("main", name)
    ]
    return compare(rows, {(name, "main"): recorded[name]["minutes"]})


def _moved(start: Mapping[str, float]) -> str:
    """How far the demo has moved since an experiment was recorded."""
    then, now = start["auroc"], metrics("evaluate")["auroc"]
    if round(then, 3) == round(now, 3):
        return ""
    return (
        "\n\nThis was printed at an earlier state of the demo, "
        f"whose `auroc` was {then:.3f}. Now it is {now:.3f}."
    )


if __name__ == "__main__":
    write_examples(REPO)
