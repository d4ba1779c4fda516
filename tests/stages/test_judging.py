"""`cxr score-boxes` and `cxr suspects` on what a finished run has written."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.attention.heatmaps import read_heatmaps
from pipeline.base.findings import FINDINGS
from pipeline.base.tables import (
    read_boxes,
    read_crop_boxes,
    read_index,
    read_localisation,
    read_splits,
)
from tests.stages.conftest import CXR, REPO, run

pytestmark = pytest.mark.xdist_group("pipeline")  # the pipeline is run once, on one worker

MEMBER = "model"


def write_crops(run_: Path, folder: Path) -> Path:
    """The first crop of each boxed image, once for each of its boxed findings."""
    boxes = read_boxes(run_ / "data/cache/boxes.parquet")
    crops = read_crop_boxes(run_ / f"data/crop_boxes/{MEMBER}.parquet")
    first = crops.drop_duplicates("image_index").drop(columns=["source", "finding"])
    cases = boxes[["image_index", "finding"]].drop_duplicates()
    cases.merge(first).to_csv(folder / "crops.csv", index=False)
    return folder / "crops.csv"


def write_maps(run_: Path, folder: Path) -> Path:
    """The heatmaps of boxed images by finding, as raw as the run has them, with their grid."""
    index = read_index(run_ / "data/cache/index.parquet")
    boxed = set(read_boxes(run_ / "data/cache/boxes.parquet")["image_index"])
    maps = read_heatmaps(run_ / f"data/heatmaps/{MEMBER}")["cam"]
    out = folder / "maps"
    out.mkdir()
    shutil.copy(run_ / f"data/heatmaps/{MEMBER}/grid.json", out)
    for row, name in enumerate(index["image_index"]):
        if name in boxed:
            stem = name.removesuffix(".png")
            np.savez(out / f"{stem}.npz", **dict(zip(FINDINGS, maps[row], strict=True)))
    return out


def judged(run_: Path, given: Path, out: Path, *options: str) -> pd.DataFrame:
    """What `cxr score-boxes` says of a file or folder, against the lists of the run's cohort."""
    params = yaml.safe_load((run_ / "params.yaml").read_text())
    cohort, cut = run_ / "data/phantom", params["iou"]
    rule = ["--threshold", str(cut["threshold"]), "--region", cut["region"]]
    run(
        *CXR, "score-boxes", str(given), "--boxes", str(cohort / "BBox_List_2017.csv"),
        "--boxes-size", str(params["phantom"]["size_px"]),
        "--labels", str(cohort / "Data_Entry_2017_v2020.csv"), "--seed", str(params["seed"]),
        "--bootstrap", str(cut["bootstrap"]), "--out", str(out),
        *(rule if given.is_dir() else []), *options,
        cwd=out.parent, PYTHONPATH=str(REPO),
    )  # fmt: skip
    table = pd.read_csv(out / "localisation.csv")
    return table[table["member"] == given.name]


def expect_figures_of_stage(found: pd.DataFrame, run_: Path, method: str) -> None:
    stage = read_localisation(run_ / "data/localisation.parquet")
    stage = stage[stage["member"].eq(MEMBER) & stage["method"].eq(method)]
    keys, figures = ["finding", "measure"], ["value", "low", "high", "n"]
    assert len(found) == len(stage) > 10
    pd.testing.assert_frame_equal(
        found.set_index(keys)[figures].astype(float),
        stage.set_index(keys)[figures].astype(float),
        rtol=1e-4, atol=1e-5, check_like=True,
    )  # fmt: skip


def test_a_runs_crops_and_heatmaps_get_the_figures_of_its_stage_iou(finished, tmp_path):
    crops = judged(
        finished, write_crops(finished, tmp_path), tmp_path / "a", "--size", "fractions"
    )
    expect_figures_of_stage(crops, finished, "crop")
    maps = judged(finished, write_maps(finished, tmp_path), tmp_path / "b")
    expect_figures_of_stage(maps, finished, "cam")


@pytest.mark.parametrize("system", ["ensemble", f"{MEMBER}.global"])
def test_the_labels_of_a_run_are_ranked_and_shown(finished, tmp_path, system):
    done = run(*CXR, "suspects", system, "--top", "20", "--out", str(tmp_path), cwd=finished)
    splits = read_splits(finished / "data/splits.parquet")
    held_out = set(splits.loc[splits["split"] != "train", "image_index"])
    ranked = pd.read_parquet(tmp_path / "ranking.parquet")
    assert set(ranked["image_index"]) == held_out
    assert done.stdout.startswith(f"{system}: {len(held_out)} images (")
    page = (tmp_path / "index.html").read_text()
    assert page.count("<figure") == 20
    assert page.count("data:image/jpeg;base64,") == 40
    assert "not at hand" not in page
