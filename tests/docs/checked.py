"""What is wrong with a command, by the program that it calls; nothing of it is run.

A check is a function from the words behind the program's name to a list of faults. The programs
themselves read their options, and `params.yaml` with a value of the command is read as a run
reads it.
"""

import io
import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import typer
import yaml
from dvc.cli import DvcParserError
from dvc.cli.parser import get_main_parser
from dvc.exceptions import DvcException
from dvc.utils.hydra import apply_overrides, get_hydra_sweeps
from packaging.requirements import Requirement
from typed import Typed, split

from pipeline.commands.cli import COMMANDS, command_line
from pipeline.errors import PipelineError
from pipeline.experiments.comparison import SORTS
from pipeline.params.whole import load_params
from pipeline.tracking.address import DATABASE, SQLITE, shown

REPO = Path(__file__).parents[2]
Faults = list[str]

USAGE_ERROR: Any = typer.BadParameter.__base__

_LACKS = re.compile(r"Missing (argument|option)|the following arguments are required")
"""Said of a command that prose names, without all that one would type."""

ELSEWHERE = {"OMP_NUM_THREADS", "PYTHONPATH"}
"""Variables that other programs read."""


def faults(command: Typed) -> Faults:
    """What is wrong with it; nothing, if it may be typed as it stands."""
    program, *words = command.words
    check = PROGRAMS.get(program.rpartition("/")[2])
    if check is None:
        return [f"nobody checks {program!r}; expected one of {', '.join(PROGRAMS)}"]
    found = [fault for name in command.env for fault in variable(name)] + check(words)
    return [one for one in found if not (command.in_prose and _LACKS.search(one))]


def variable(name: str) -> Faults:
    """Of a variable of the environment."""
    if name in ELSEWHERE:
        return []
    files = (REPO / "pipeline").rglob("*.py")
    named = any(name in file.read_text(encoding="utf-8") for file in files)
    return [] if named else [f"nothing reads the variable {name}"]


def cxr(words: Sequence[str]) -> Faults:
    """By the options of the command itself."""
    called = next((word for word in words if not word.startswith("-")), "")
    if called and called not in COMMANDS:
        return [f"no command of cxr: {called}"]
    asks = "--help" in words  # whatever it lacks
    command = typer.main.get_command(command_line(called))
    return [] if asks else _of_cxr(command, [*words], "cxr")


def mlflow(words: Sequence[str]) -> Faults:
    """By what the project itself says of it, whose tests run MLflow."""
    said = shown(f"{SQLITE}{DATABASE}")
    return [] if shlex.join(["mlflow", *words]) == said else [f"`cxr summary` says: {said}"]


def dvc(words: Sequence[str]) -> Faults:
    """By DVC's own parser; stages are those of dvc.yaml, and params may have the values given."""
    with patch("dvc.cli.parser.logger.error") as said, redirect_stdout(io.StringIO()):
        try:
            args = get_main_parser().parse_args([*words])
        except DvcParserError:
            return [str(said.call_args.args[0])]
        except SystemExit:  # it printed a help or a version
            return []
    given = vars(args)
    stages = given.get("targets") or []
    found = [f"no stage or file: {one}" for one in stages if not _is_target(one)]
    return found + overrides(given.get("set_param") or [])


def overrides(given: Sequence[str]) -> Faults:
    """Of `key=value` behind `-S`, where several values are as many runs."""
    if not given:
        return []
    found = []
    for sweep in get_hydra_sweeps({"params.yaml": [*given]}):
        with TemporaryDirectory() as folder:
            path = Path(folder) / "params.yaml"
            path.write_bytes((REPO / "params.yaml").read_bytes())
            try:
                apply_overrides(path, sweep["params.yaml"])
                load_params(path)
            except (DvcException, PipelineError) as error:
                found.append(_whole(error))
    return found


def make(words: Sequence[str]) -> Faults:
    """By what make would run, which is checked in turn."""
    text = (REPO / "Makefile").read_text()
    names = [word.partition("=")[0] for word in words if "=" in word]
    found = [f"the Makefile knows no {name}" for name in names if not _in_makefile(name, text)]
    command = ["make", "-n", *words]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    if done.returncode:
        return [*found, done.stderr.strip()]
    lines = [line for line in done.stdout.splitlines() if re.match(r"\.venv/bin/(cxr|dvc) ", line)]
    return found + [fault for line in lines for one in split(line, "") for fault in faults(one)]


def pip(words: Sequence[str]) -> Faults:
    """Of `pip install`: extras of the project, and packages of one."""
    verb, *wanted = words
    extras = _project()["project"]["optional-dependencies"]
    packages = {Requirement(one).name for group in extras.values() for one in group}
    found = [] if verb == "install" else [f"not checked: pip {verb}"]
    for one in wanted:
        name, _, inside = one.partition("[")
        named = inside.rstrip("]").split(",") if inside else []
        found += [f"no extra: {extra}" for extra in named if extra not in extras]
        found += [f"no package of an extra: {name}"] if name not in {".", *packages} else []
    return found


def python(words: Sequence[str]) -> Faults:
    """Of a script or module of this project, or pytest."""
    if words[:2] == ["-m", "pytest"]:
        return pytest(words[2:])
    modules = [word for flag, word in pairwise(words) if flag == "-m"]
    scripts = [word for word in words if word.endswith(".py")]
    found = [f"no module: {one}" for one in modules if not _is_module(one)]
    found += [f"no script: {one}" for one in scripts if not (REPO / one).is_file()]
    return found if modules or scripts else ["expected a script, or -m and a module"]


def pytest(words: Sequence[str]) -> Faults:
    """Of tests: their folders, files, markers and plugins."""
    marks = _project()["tool"]["pytest"]["ini_options"]["markers"]
    there = {mark.partition(":")[0] for mark in marks}
    chosen = [word for flag, word in pairwise(words) if flag == "-m"]
    found = [
        f"no marker: {name}"
        for one in chosen
        for name in set(re.findall(r"\w+", one)) - {"not", "and", "or"} - there
    ]
    plugins = [word for flag, word in pairwise(words) if flag == "-p"]
    found += [f"no plugin: {one}" for one in plugins if not _is_module(one)]
    tests = [word for word in words if word.startswith("tests") and word not in plugins]
    paths = [word.partition("::")[0] for word in tests]
    return found + [f"no such test: {path}" for path in paths if not (REPO / path).exists()]


def pytest_alone(words: Sequence[str]) -> Faults:
    """The same, where the current folder is none in which Python looks for modules."""
    plugins = [word for flag, word in pairwise(words) if flag == "-p" and _is_module(word)]
    return pytest(words) + [f"python -m pytest finds {one}, pytest does not" for one in plugins]


def git(words: Sequence[str]) -> Faults:
    """Of git: its command, and files that it knows."""
    verb, *rest = words
    there = _run("git", "--list-cmds=main,others").split()
    found = [] if verb in {*there, "lfs"} else [f"no command of git: {verb}"]
    files = [
        word for word in rest if re.fullmatch(r"[\w./-]*\w\.\w+|\.[\w/]+|[\w-]+/[\w./-]+", word)
    ]
    return found + [f"git has no {one}" for one in files if not _run("git", "ls-files", one)]


def rm(words: Sequence[str]) -> Faults:
    """Of what may be removed: what git ignores."""
    paths = [word for word in words if not word.startswith("-")]
    return [f"git does not ignore {one}" for one in paths if not _ignored(f"{one}/")]


def sed(words: Sequence[str]) -> Faults:
    """Of an edit of params.yaml: it changes the file, and the values may be so."""
    *options, file = words
    before = (REPO / file).read_text()
    with TemporaryDirectory() as folder:
        (Path(folder) / file).write_text(before)
        subprocess.run(["sed", *options, file], cwd=folder, check=True)
        load_params(Path(folder) / file)
        changed = (Path(folder) / file).read_text() != before
    return [] if changed else [f"it changes nothing in {file}"]


def export(words: Sequence[str]) -> Faults:
    """Of a variable."""
    return [fault for word in words for fault in variable(word.partition("=")[0])]


def source(words: Sequence[str]) -> Faults:
    """Of the environment, which `make setup` makes."""
    return [] if [*words] == [".venv/bin/activate"] else [f"no such script: {words}"]


def torchrun(words: Sequence[str]) -> Faults:
    """Of a stage in several processes."""
    return python(words)


def anything(words: Sequence[str]) -> Faults:
    """Of what depends on nothing here."""
    return []


PROGRAMS: dict[str, Callable[[Sequence[str]], Faults]] = {
    "cd": anything,
    "cxr": cxr,
    "dvc": dvc,
    "export": export,
    "git": git,
    "make": make,
    "mlflow": mlflow,
    "pip": pip,
    "pytest": pytest_alone,
    "python": python,
    "rm": rm,
    "ruff": anything,
    "sed": sed,
    "source": source,
    "torchrun": torchrun,
}
"""The check of each program."""


def _of_cxr(command: Any, words: list[str], name: str) -> Faults:
    """What the command line finds wrong with the words; `command` may be a group of commands."""
    parent = None
    try:
        while words and hasattr(command, "resolve_command"):
            context = command.make_context(name, words, parent=parent)
            rest = [*context._protected_args, *context.args]
            name, command, words = command.resolve_command(context, rest)
            parent = context
        if parent and not hasattr(command, "resolve_command"):
            return _values(name, command.make_context(name, words, parent=parent).params)
    except typer.Exit:
        return []
    except USAGE_ERROR as error:
        return [error.format_message()]
    return []


def _values(name: str, values: dict[str, Any]) -> Faults:
    """Of what `cxr` itself looks up later."""
    sort, recipe = values.get("sort"), values.get("name")
    found = [f"compare does not sort by {sort}"] if sort and sort not in SORTS else []
    if recipe and name == "recipe" and not (REPO / f"recipes/{recipe}.yaml").is_file():
        found.append(f"no recipe: {recipe}")
    return found


def _whole(error: BaseException) -> str:
    """What it says, with what lies behind it."""
    behind = error.__cause__
    return f"{error}: {behind}" if behind else str(error)


def _is_target(name: str) -> bool:
    stages = yaml.safe_load((REPO / "dvc.yaml").read_text())
    plots = {next(iter(one)) if isinstance(one, dict) else one for one in stages["plots"]}
    return name.partition("@")[0] in {*stages["stages"], *plots} or (REPO / name).exists()


def _is_module(name: str) -> bool:
    path = REPO / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


def _in_makefile(name: str, text: str) -> bool:
    return f"$({name})" in text or f"{name} ?=" in text


def _ignored(path: str) -> bool:
    command = ["git", "check-ignore", "-q", path]
    return subprocess.run(command, cwd=REPO, check=False).returncode == 0


def _run(*command: str) -> str:
    return subprocess.run(command, cwd=REPO, check=True, capture_output=True, text=True).stdout


@cache
def _project() -> dict[str, Any]:
    return tomllib.loads((REPO / "pyproject.toml").read_text())
