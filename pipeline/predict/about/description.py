"""What a packaged model is, as `model.json` says it."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline.base.files import read_json, write_json
from pipeline.base.findings import FINDINGS
from pipeline.base.tables import read_splits
from pipeline.errors import ArtifactError
from pipeline.networks.checkpoint_headers import read_about
from pipeline.params.names import RegionRule, Threshold, VoteRule
from pipeline.params.sections import CropParams, EnsembleParams, HeatmapParams

FORMAT = 3
"""Raised with every field that comes, goes or changes: a reader knows all of them, or refuses."""

NOTE = "model.json"

ENSEMBLE = "ensemble"
"""The system of `evaluate` that the model is."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Call(_Part):
    """When a finding is called, and what its probability means."""

    slope: float
    intercept: float
    """Of the calibration on the logit scale, fitted on validation images; 1 and 0 of a finding
    without known labels of both classes."""
    thresholds: dict[str, float]
    """By rule, of the raw probability, chosen on validation images; none where a class lacked."""


class Score(_Part):
    """How well a finding is told apart, on test images."""

    auroc: float
    low: float | None
    high: float | None
    """95 % interval over patients."""
    positives: int | None


class Cohort(_Part):
    """What it was trained and judged on."""

    images: dict[str, int]
    """By split."""
    digest: str
    """SHA-256 of the tables of images, labels and splits."""
    is_synthetic: bool
    """Whether its images were made, so that the best AUROC is known."""


class Boxes(_Part):
    """How a heatmap becomes a finding's box, as in the stage `iou`."""

    threshold: Threshold
    region: RegionRule


class Description(_Part):
    """`model.json`."""

    format: int
    findings: tuple[str, ...]
    image_side: int
    """Of the cached images that crops are cut from, in pixels."""
    members: dict[str, str]
    """By name, where its fusion head lies below the folder of networks."""
    shown: str
    """The member whose heatmaps are shown: the one whose global branch is best on validation
    images."""
    vote: VoteRule
    others: tuple[str, ...]
    """Who votes with them by files of predictions: they cannot travel, so that such a model does
    not predict."""
    heatmap: HeatmapParams
    crop: CropParams
    boxes: Boxes
    flip_at_predict: bool
    calls: dict[str, Call]
    """By finding."""
    mean: Score | None
    scores: dict[str, Score]
    """By finding that has both classes."""
    cohort: Cohort
    params: dict[str, Any]
    """What the networks were trained with: sections of params.yaml."""
    revision: str | None = None
    """The git revision of the checkout that it was exported from."""
    files: dict[str, str] | None = None
    """Of an export, the SHA-256 of each file beside this one."""


def describe(
    folders: Mapping[str, str],
    evaluation: Mapping[str, pd.DataFrame],
    cohort: Cohort,
    *,
    image_side: int,
    ensemble: EnsembleParams,
    heatmap: HeatmapParams,
    crop: CropParams,
    boxes: Boxes,
    flip_at_predict: bool,
    params: Mapping[str, int | BaseModel],
) -> Description:
    """The model that the members' vote is.

    Args:
        folders: of `voting_folders`.
        evaluation: tables of `evaluate`.
        cohort: of `cohort_of`.
        image_side: of the cached images, in pixels.
        ensemble: how the members vote.
        heatmap: of the members' crops.
        crop: of the members.
        boxes: of the findings.
        flip_at_predict: whether the mirror image is seen as well.
        params: what the networks were trained with: sections of params.yaml, by name.
    """
    own = {name: table[table["system"] == ENSEMBLE] for name, table in _by_system(evaluation)}
    test = own["scores"].query("split == 'test' and measure == 'auroc'").set_index("finding")
    scores = {finding: _score(row) for finding, row in test.iterrows()}
    return Description(
        format=FORMAT,
        findings=FINDINGS,
        image_side=image_side,
        members=dict(folders),
        shown=_best(evaluation["scores"], list(folders)),
        vote=ensemble.vote,
        others=tuple(ensemble.extra),
        heatmap=heatmap,
        crop=crop,
        boxes=boxes,
        flip_at_predict=flip_at_predict,
        calls={finding: _call(finding, own) for finding in FINDINGS},
        mean=scores.pop("mean", None),
        scores={str(name): score for name, score in scores.items() if score is not None},
        cohort=cohort,
        params={name: _plain(value) for name, value in params.items()},
    )


def _best(scores: pd.DataFrame, members: Sequence[str]) -> str:
    """By mean AUROC of the global branch on validation images; the first where there is none."""
    on_validation = scores.query(
        "split == 'val' and measure == 'auroc' and finding == 'mean'"
    ).set_index("system")["value"]
    reached = [on_validation.get(f"{member}.global", -1.0) for member in members]
    return members[int(np.nan_to_num(reached, nan=-1.0).argmax())]


def _plain(value: int | BaseModel) -> Any:
    return value.model_dump(by_alias=True, mode="json") if isinstance(value, BaseModel) else value


def cohort_of(index: Path, splits: Path, ceiling: Mapping[str, Any]) -> Cohort:
    """How many images of each split there are, and the digest of their tables.

    Args:
        index: table of images and labels.
        splits: table of splits.
        ceiling: what labels of a synthetic cohort allow; of real ones nothing is known.
    """
    counts = read_splits(splits)["split"].value_counts().sort_index()
    digest = hashlib.sha256(index.read_bytes())
    digest.update(splits.read_bytes())
    images = {str(name): int(count) for name, count in counts.items()}
    return Cohort(images=images, digest=digest.hexdigest(), is_synthetic=bool(ceiling))


def _by_system(evaluation: Mapping[str, pd.DataFrame]) -> list[tuple[str, pd.DataFrame]]:
    return [(name, evaluation[name]) for name in ("scores", "calibration", "thresholds")]


def _score(row: pd.Series) -> Score | None:
    if pd.isna(row["value"]):
        return None
    numbers = {name: None if pd.isna(row[name]) else float(row[name]) for name in ("low", "high")}
    positives = None if pd.isna(row["positives"]) else int(row["positives"])
    return Score(auroc=float(row["value"]), positives=positives, **numbers)


def _call(finding: str, own: Mapping[str, pd.DataFrame]) -> Call:
    tables = {name: table[table["finding"] == finding] for name, table in own.items()}
    lines = tables["calibration"].to_dict("records")
    line = lines[0] if lines else {"slope": 1.0, "intercept": 0.0}
    chosen = tables["thresholds"].drop_duplicates("rule")
    at = dict(zip(chosen["rule"], chosen["threshold"].astype(float), strict=True))
    known = {rule: value for rule, value in at.items() if not pd.isna(value)}
    return Call(slope=line["slope"], intercept=line["intercept"], thresholds=known)


def write_description(about: Description, path: Path) -> None:
    """Write `model.json`."""
    write_json(about.model_dump(mode="json"), path)


def read_description(folder: Path) -> Description:
    """Read `model.json`.

    Raises:
        ArtifactError: no such file, of another format, or not as this format is.
    """
    path = folder / NOTE
    if not path.is_file():
        raise ArtifactError(f"{folder}: holds no {NOTE}; expected the folder of a packaged model")
    values = read_json(path)
    found = values.get("format") if isinstance(values, dict) else None
    if found != FORMAT:
        later = isinstance(found, int) and found > FORMAT
        raise ArtifactError(
            f"{path}: of format {found}; this version reads format {FORMAT}; "
            + ("install a newer one" if later else "package the model again")
        )
    try:
        about = Description.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ArtifactError(f"{path}: {place}: {first['msg']}; package the model again") from None
    if about.findings != FINDINGS or about.calls.keys() != {*FINDINGS}:
        raise ArtifactError(f"{path}: is of other findings: {', '.join(about.calls)}")
    if about.shown not in about.members:
        raise ArtifactError(f"{path}: shows {about.shown}, which is none of its members")
    return about


def read_backbones(folder: Path, about: Description) -> dict[str, str]:
    """By member, the backbones of both branches, `resnet18 + resnet18`, where its files are."""
    files = {
        name: [folder / name / f"{branch}.safetensors" for branch in ("global", "local")]
        for name in about.members
    }
    return {
        name: " + ".join(read_about(path)["backbone"] for path in both)
        for name, both in files.items()
        if all(path.is_file() for path in both)
    }
