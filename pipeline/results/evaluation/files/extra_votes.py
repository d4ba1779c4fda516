"""Predictions that vote without being trained here: of files, or of other experiments."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import PREDICTIONS, read_predictions, read_table, write_table
from pipeline.errors import ArtifactError
from pipeline.results.evaluation.files.prediction_files import read_prediction_file

OF_AN_EXPERIMENT = "data/predictions/model/fusion.parquet"
"""What an experiment votes with: its member under study."""

EXTRA = pa.schema([("system", pa.string()), *PREDICTIONS])
"""PREDICTIONS of several systems."""

_FILES = (".parquet", ".csv", ".csv.gz")
_PIN = "@sha256:"


def write_extra(systems: dict[str, pd.DataFrame], path: Path) -> None:
    """Write predictions by system (schema EXTRA); there may be none."""
    none = pd.DataFrame(columns=EXTRA.names)
    tables = [frame.assign(system=name) for name, frame in systems.items()]
    write_table(pd.concat(tables) if tables else none, EXTRA, path)


def read_extra(path: Path) -> dict[str, pd.DataFrame]:
    """What `write_extra` wrote."""
    frame = read_table(path, EXTRA)
    return {
        str(name): one.drop(columns="system").reset_index(drop=True)
        for name, one in frame.groupby("system", sort=False)
    }


def collect_votes(
    sources: Sequence[str], taken: Sequence[str], repository: Path
) -> dict[str, pd.DataFrame]:
    """Predictions by a name made of their source.

    Args:
        sources: paths of csv or parquet files, which `@sha256:<digest>` may follow; or what DVC
            takes for a revision: the name of an experiment, a branch, a commit.
        taken: names that other systems have.
        repository: where DVC and git look for revisions.

    Raises:
        ArtifactError: there is no such source, it lacks a finding or a split, or two have one
            name.
    """
    votes: dict[str, pd.DataFrame] = {}
    for source in sources:
        name = _name(source)
        if name in votes or name in taken:
            raise ArtifactError(
                f"ensemble.extra: {source}: another system is called {name}; rename the file or "
                "the experiment"
            )
        votes[name] = _of_file(source) if _is_file(source) else _of_revision(source, repository)
    return votes


def _is_file(source: str) -> bool:
    return source.partition(_PIN)[0].endswith(_FILES)


def _name(source: str) -> str:
    """Without dots, which would make it a branch of a member."""
    path = source.partition(_PIN)[0]
    for ending in _FILES:
        path = path.removesuffix(ending)
    return (
        path.rpartition("/")[2].replace(".", "_") if _is_file(source) else source.replace(".", "_")
    )


def _of_file(source: str) -> pd.DataFrame:
    name, _, digest = source.partition(_PIN)
    path = Path(name).expanduser()
    frame = read_prediction_file(path)
    missing = [finding for finding in (*FINDINGS, "split") if finding not in frame]
    if missing:
        raise ArtifactError(
            f"ensemble.extra: {path}: lacks {', '.join(missing)}; who votes needs every finding, "
            "and the split (val or test) of each image"
        )
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if not found.startswith(digest.lower()):
        raise ArtifactError(
            f"ensemble.extra: {path}: is another file than params.yaml means: its SHA-256 is "
            f"{found}, expected {digest}"
        )
    votes: pd.DataFrame = frame[PREDICTIONS.names].astype(dict.fromkeys(FINDINGS, "float32"))
    return votes


def _of_revision(source: str, repository: Path) -> pd.DataFrame:
    import tempfile  # noqa: PLC0415

    from dvc.api import DVCFileSystem  # noqa: PLC0415 (half a second)
    from dvc.exceptions import DvcException  # noqa: PLC0415
    from scmrepo.exceptions import SCMError  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "fusion.parquet"
        try:
            files = DVCFileSystem(str(repository), rev=source)
            files.get_file(OF_AN_EXPERIMENT, str(copy))
        except (SCMError, DvcException, OSError) as error:
            raise ArtifactError(
                f"ensemble.extra: {source}: {error or type(error).__name__}; expected a file "
                f"ending in {', '.join(_FILES)}, or an experiment (`dvc exp list --all`) whose "
                f"{OF_AN_EXPERIMENT} is in DVC's cache or its remote"
            ) from None
        return read_predictions(copy)
