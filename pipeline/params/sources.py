"""What params.yaml names outside the graph, sought before any stage wants it.

What a stage has used before need not be there: who goes on from what others have made has neither
radiographs nor weights.
"""

import difflib
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from pipeline.base.files import read_yaml
from pipeline.base.lock_file import read_locked
from pipeline.errors import ParamsError
from pipeline.params.names import TIMM, XRV
from pipeline.params.sections import Member

_NO_FILES = ("none", "imagenet")
_DIGEST = "@sha256:"  # may follow the path of a file of weights


def expect_source(source: str, root: Path) -> None:
    """Make sure that `ingest.source`, below `root`, is a folder, made by the graph or read before.

    Raises:
        ParamsError: `ingest` would find nothing.
    """
    path = str(PurePosixPath(source))  # of data/phantom/, too
    if (root / source).is_dir() or {path, source} & (_made(root) | _read_before(root)):
        return
    if source.startswith("~"):
        raise ParamsError(
            f"ingest.source: {source}: DVC takes a path as it stands; write "
            f"{Path(source).expanduser()}"
        )
    raise ParamsError(
        f"ingest.source: {source} is not there, and no stage makes it; put the radiographs there, "
        "in any layout that ChestX-ray14 comes in, or name the folder in which they are (from an "
        "experiment in a folder of its own, by an absolute path)"
    )


def expect_weights(members: Mapping[str, Member], voting: Iterable[str], root: Path) -> None:
    """Make sure that weights can be had, or were used before: files below `root`, and packages.

    Args:
        members: by their names.
        voting: those that are trained.
        root: of the repository.

    Raises:
        ParamsError: branches could not start; all of them are named.
    """
    faults = []
    for name in voting:
        for branch, (_, source) in members[name].starts.items():
            key, reason = f"{name}.weights.{branch}", _reason_against(source, root)
            if reason and source != _started_from(key, f"train_{branch}@{name}", root):
                faults.append(f"{key}: {reason}")
    if faults:
        raise ParamsError("\n".join(faults))


def expect_backbones(members: Mapping[str, Member], voting: Iterable[str]) -> None:
    """Make sure that timm is there and has the networks that are named of it.

    This takes seconds, as timm has to be imported; so it is asked once, before anything runs.

    Raises:
        ParamsError: backbones could not be built; all of them are named.
    """
    faults = []
    for name in voting:
        for branch, (backbone, _) in members[name].starts.items():
            if backbone.startswith(TIMM):
                reason = _reason_against_timm(backbone.removesuffix("_capsnet").removeprefix(TIMM))
                faults += [f"{name}.{branch}: {reason} (found '{backbone}')"] if reason else []
    if faults:
        raise ParamsError("\n".join(faults))


def _reason_against_timm(model: str) -> str | None:
    """Why timm cannot build a network; None if it can."""
    if find_spec("timm") is None:
        return "needs timm, which is not installed: pip install timm"
    import timm  # noqa: PLC0415

    if timm.is_model(model):
        return None
    near = difflib.get_close_matches(model, timm.list_models(), n=3)
    return "timm has no such model" + (f"; did you mean {' or '.join(near)}?" if near else "")


def _reason_against(source: str, root: Path) -> str | None:
    """Why a branch cannot start from these weights; None if it can."""
    if source.startswith(XRV):
        if find_spec("torchxrayvision") is not None:
            return None
        return (
            f"{source} needs torchxrayvision, which is not installed: pip install '.[xrv]' in the "
            "checkout"
        )
    path = source.partition(_DIGEST)[0]
    if source in _NO_FILES or (root / Path(path).expanduser()).is_file():
        return None
    return f"{path} is not there; expected none, imagenet, xrv:<name> or a file"


def _made(root: Path) -> set[str]:
    stages = read_yaml(root / "dvc.yaml")["stages"]
    return {str(out) for stage in stages.values() for out in stage.get("outs", [])}


def _read_before(root: Path) -> set[str]:
    return {dep["path"] for dep in _locked("ingest", root).get("deps", [])}


def _started_from(key: str, stage: str, root: Path) -> Any:
    return _locked(stage, root).get("params", {}).get("params.yaml", {}).get(key)


def _locked(stage: str, root: Path) -> dict[str, Any]:
    """What dvc.lock has of the last run of a stage."""
    return dict(read_locked(root / "dvc.lock").get(stage, {}))
