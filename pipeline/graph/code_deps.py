"""The rooms whose code a stage runs, found by following its imports, and dvc.yaml kept to them."""

import ast
import io
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from pipeline.guard.declared import is_code

ROOMS = (
    "pipeline/base",
    "pipeline/params",
    "pipeline/cohort/phantom",
    "pipeline/cohort/reading",
    "pipeline/cohort/splitting",
    "pipeline/networks",
    "pipeline/training",
    "pipeline/attention",
    "pipeline/capsnet",
    "pipeline/fusion",
    "pipeline/results/statistics",
    "pipeline/results/evaluation",
    "pipeline/results/localisation",
    "pipeline/results/pictures",
    "pipeline/results/report",
    "pipeline/predict/about",
)
"""Folders of which a stage depends on the whole, in the order in which data walks through them: a
room imports only rooms before it. They are cut along what runs again together."""

BESIDE = (
    "pipeline/predict",
    "pipeline/results/given_boxes",
    "pipeline/results/suspects",
    "pipeline/results/terminal",
    "pipeline/results/beside",
    "pipeline/external",
    "pipeline/zoo",
    "pipeline/graph",
    "pipeline/search",
    "pipeline/experiments",
    "pipeline/commands",
)
"""Folders that no stage may import: what people type beside `dvc`."""

INERT = ("pipeline/errors.py", "pipeline/tracking/", "pipeline/guard/")
"""What no stage declares, since it carries no value into an output: it speaks, or lets a stage run
or fail."""

PARAMS = "pipeline/params"
"""Declared by `check` alone: it holds no defaults, and values are tracked as `params:`."""

CHECK = "check"
"""The stage that all others come after. What values `PARAMS` admits is what it does."""


def code_files(stage: str, root: Path) -> list[str]:
    """Files whose change may change what `stages/<stage>.py` writes, sorted, relative to `root`.

    These are the modules that it imports, directly or not, and the files beside them that they
    name (a template).
    """
    found: set[str] = set()
    todo = [root / "stages" / f"{stage}.py"]
    while todo:
        path = todo.pop()
        name = path.relative_to(root).as_posix()
        if name in found or _inert(name, stage):
            continue
        found.add(name)
        if path.suffix == ".py":
            named = _named_in(path.read_text(encoding="utf-8"))
            todo += _imported(named, root) + _named_beside(named, path)
    return sorted(found)


def code_deps(stage: str, root: Path) -> list[str]:
    """The rooms that such files are in, in the order of `ROOMS`, and files that are in none."""
    deps = {room_of(name) or name for name in code_files(stage, root)}
    return sorted(deps, key=lambda dep: (ROOMS.index(dep) if dep in ROOMS else len(ROOMS), dep))


def room_of(name: str) -> str | None:
    """The one of `ROOMS` that a file is in, by its path relative to the checkout."""
    return next((room for room in ROOMS if name.startswith(f"{room}/")), None)


def rewrite_code_deps(dvc_yaml: str, root: Path) -> str:
    """`dvc_yaml` with every stage's code deps as they are; all else untouched."""
    yaml = YAML()
    yaml.width = 99
    yaml.preserve_quotes = True
    graph = yaml.load(dvc_yaml)
    for name, stage in graph["stages"].items():
        body = stage.get("do", stage)
        data = [dep for dep in body["deps"] if not is_code(dep)]
        body["deps"][:] = data + code_deps(name, root)
    out = io.StringIO()
    yaml.dump(graph, out)
    return out.getvalue()


def _inert(name: str, stage: str) -> bool:
    if stage != CHECK and name.startswith(f"{PARAMS}/"):
        return True
    return name.startswith(INERT) or name.endswith("__init__.py")


class _Named(NamedTuple):
    modules: tuple[str, ...]
    """That may be imported: `from a import b` names `a` and `a.b`."""
    strings: frozenset[str]


@lru_cache(maxsize=4096)
def _named_in(text: str) -> _Named:
    """What a module's source names; most modules are those of many stages, and parsed once."""
    modules: list[str] = []
    strings: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            strings.add(node.value)
    return _Named(tuple(modules), frozenset(strings))


def _imported(named: _Named, root: Path) -> list[Path]:
    files = [root / (name.replace(".", "/") + ".py") for name in named.modules]
    return [file for file in files if file.is_file()]


def _named_beside(named: _Named, module: Path) -> list[Path]:
    return [
        file
        for file in sorted(module.parent.iterdir())
        if file.suffix != ".py" and file.name in named.strings and file.is_file()
    ]
