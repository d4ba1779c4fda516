"""What a run left, from the workspace or, by DVC, from a commit or an experiment."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from pipeline.base.files import read_json, read_yaml
from pipeline.base.tables import read_index, read_predictions
from pipeline.errors import ExperimentError
from pipeline.results.pictures.gallery import Gallery, read_gallery
from pipeline.results.statistics.metric_files import read_metrics
from pipeline.tracking.origin import flatten


class RunFiles(NamedTuple):
    """What a page beside another needs of a run."""

    systems: dict[str, Any]
    methods: dict[str, Any]
    settings: dict[str, Any]
    params: dict[str, Any]
    """Of params.yaml, under dotted names."""
    ensemble: pd.DataFrame
    images: pd.DataFrame
    gallery: Gallery


_FILES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "systems": ("metrics/systems.json", read_metrics),
    "methods": ("metrics/methods.json", read_metrics),
    "settings": ("data/settings.json", read_json),
    "params": ("params.yaml", lambda path: flatten(read_yaml(path))),
    "ensemble": ("data/ensemble.parquet", read_predictions),
    "images": ("data/cache/index.parquet", read_index),
    "gallery": ("data/pictures/gallery.json", read_gallery),
}


def of_workspace(root: Path) -> RunFiles:
    """The run whose results are in the checkout."""
    return RunFiles(**{name: read(root / path) for name, (path, read) in _FILES.items()})


def of_revision(revision: str, root: Path) -> RunFiles:
    """The run of a commit or an experiment; nothing of the workspace is touched.

    Raises:
        ExperimentError: there is no such revision, or it lacks a file, here and in the remote.
    """
    from dvc.api import DVCFileSystem  # noqa: PLC0415 (half a second)
    from dvc.exceptions import DvcException  # noqa: PLC0415
    from dvc.scm import RevError  # noqa: PLC0415

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        files = DVCFileSystem(str(root), rev=revision)
        for name, (path, read) in _FILES.items():
            copy = Path(folder) / Path(path).name
            try:
                files.get_file(path, str(copy))
            except RevError as error:  # once the first file is asked for
                raise ExperimentError(
                    f"{revision}: {error}; expected a commit, or an experiment of "
                    "`dvc exp list --all`"
                ) from None
            except (DvcException, OSError) as error:
                raise ExperimentError(
                    f"{revision}: {path}: {error or type(error).__name__}; it is neither in "
                    "DVC's cache nor in its remote: run the experiment here, or `dvc exp pull` "
                    "it from who did"
                ) from None
            found[name] = read(copy)
    return RunFiles(**found)
