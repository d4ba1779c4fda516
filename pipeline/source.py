"""Whether the radiographs that params.yaml names can be had, before any stage wants them."""

from pathlib import Path

from pipeline.artifacts.files import read_yaml
from pipeline.errors import ParamsError


def expect_source(source: str, root: Path) -> None:
    """Make sure that `ingest.source` is a folder that is there, or need not be.

    It need not be there if the graph makes it, nor if `ingest` has read it before: who goes on
    from what others have made has no radiographs.

    Raises:
        ParamsError: `ingest` would find nothing.
    """
    if (root / source).is_dir() or source in _made(root) | _read_before(root):
        return
    raise ParamsError(
        f"ingest.source: {source} is not there, and no stage makes it; put the radiographs there, "
        "in any layout that ChestX-ray14 comes in, or name the folder in which they are"
    )


def _made(root: Path) -> set[str]:
    stages = read_yaml(root / "dvc.yaml")["stages"]
    return {str(out) for stage in stages.values() for out in stage.get("outs", [])}


def _read_before(root: Path) -> set[str]:
    lock = root / "dvc.lock"
    stages = read_yaml(lock)["stages"] if lock.exists() else {}
    return {str(dep["path"]) for dep in stages.get("ingest", {"deps": []})["deps"]}
