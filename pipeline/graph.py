"""The code that a stage runs, found by following its imports, and dvc.yaml kept to it."""

import ast
import io
from pathlib import Path

from ruamel.yaml import YAML

from pipeline.guard.declared import is_code

INERT = frozenset({"pipeline/errors.py", "pipeline/listing.py", "stages/options.py"})
"""Files that cannot change an output, since they only speak to the user."""

INERT_PACKAGES = ("pipeline/params/", "pipeline/tracking/", "pipeline/guard/")
"""The first holds no defaults (the values are tracked as `params:`), the second no results, the
third lets a stage run or fail. Nor do `__init__.py` files, which hold nothing but a docstring."""

CHECK = "check"
"""The stage that all others come after. What values `pipeline/params/` admits is what it does."""


def code_deps(stage: str, root: Path) -> list[str]:
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
            tree = ast.parse(path.read_text(encoding="utf-8"))
            todo += _imported(tree, root) + _named_beside(tree, path)
    return sorted(found)


def rewrite_code_deps(dvc_yaml: str, root: Path) -> str:
    """`dvc_yaml` with every stage's code deps as they are; all else untouched."""
    yaml = YAML()
    yaml.width = 4096
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
    if stage == CHECK and name.startswith("pipeline/params/"):
        return name.endswith("__init__.py")
    return name in INERT or name.endswith("__init__.py") or name.startswith(INERT_PACKAGES)


def _imported(tree: ast.AST, root: Path) -> list[Path]:
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    files = [root / (name.replace(".", "/") + ".py") for name in names]
    return [file for file in files if file.is_file()]


def _named_beside(tree: ast.AST, module: Path) -> list[Path]:
    strings = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return [
        file
        for file in sorted(module.parent.iterdir())
        if file.is_file() and file.suffix != ".py" and file.name in strings
    ]
