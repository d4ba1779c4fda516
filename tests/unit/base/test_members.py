"""Files of members: those that are named, and no others."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from pipeline.attention.heatmaps import read_heatmaps
from pipeline.base.files import write_json
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import tiles
from pipeline.base.members import read_members, read_systems, voting_folders
from pipeline.base.tables import (
    read_crop_boxes,
    read_predictions,
    write_crop_boxes,
    write_predictions,
)
from pipeline.capsnet.reconstructions import (
    Pretraining,
    Reconstruction,
    read_reconstructions,
    write_reconstructions,
)
from pipeline.errors import ArtifactError
from pipeline.training.records.curves import COLUMNS, MARKS, read_curves

NAMES = ["model", "b", "a"]
BRANCHES = ["global", "local", "fusion"]

crops = partial(read_members, read=read_crop_boxes, stage="extract_crops", suffix=".parquet")
heatmaps = partial(read_members, read=read_heatmaps, stage="extract_crops")
pretraining = partial(read_members, read=read_reconstructions, stage="pretrain_capsnet")


def predictions(folder, names, finetuned=(), **branches):
    folders = voting_folders(names, finetuned)
    return read_systems(folder, folders, read_predictions, suffix=".parquet", **branches)


def curves(folder, names):
    return read_systems(folder, voting_folders(names, []), read_curves, suffix=".csv")


@pytest.fixture
def folder(tmp_path):
    """What members of three names have written, and a fourth that votes no more."""
    prediction = {"image_index": ["a.png"], "split": ["test"]}
    prediction |= {finding: np.array([0.5], np.float32) for finding in FINDINGS}
    crop = {"image_index": ["a.png"], "x1": [0.0], "y1": [0.0], "x2": [1.0], "y2": [1.0]}
    for name in [*NAMES, "left"]:
        for branch in BRANCHES:
            write_predictions(pd.DataFrame(prediction), tmp_path / name / f"{branch}.parquet")
            values = [*([1.0] * len(COLUMNS)), "loss", "loss auroc last"]
            curve = pd.DataFrame([values], columns=[*COLUMNS, *MARKS])
            curve.to_csv(tmp_path / name / f"{branch}.csv", index=False)
        write_crop_boxes(
            pd.DataFrame(crop | {"source": ["cam"], "finding": [None]}),
            tmp_path / f"{name}.parquet",
        )
        np.save(tmp_path / name / "cam-00000.npy", np.zeros((1, 14, 2, 2), np.float16))
        write_json(tiles(2).about(), tmp_path / name / "grid.json")
        write_reconstructions(None, tmp_path / "capsnets" / name)
    return tmp_path


@pytest.mark.parametrize("read", [predictions, curves])
def test_systems_are_the_named_members_branches_in_the_order_of_the_names(folder, read):
    expected = [f"{name}.{branch}" for name in NAMES for branch in BRANCHES]
    assert list(read(folder, NAMES)) == expected


@pytest.mark.parametrize("read", [crops, heatmaps])
def test_crops_and_heatmaps_are_those_of_the_named_members(folder, read):
    assert list(read(folder, NAMES)) == NAMES


def test_of_members_without_a_cascade_there_is_no_pretraining(folder):
    assert set(pretraining(folder / "capsnets", NAMES).values()) == {None}
    picture = np.arange(784, dtype=np.uint8).reshape(28, 28)
    drawn = Reconstruction("a.png", "Mass", picture, picture.T.copy())
    write_reconstructions(Pretraining(3, 2, "auroc", 0.7, [drawn, drawn]), folder / "capsnets/b")
    read = pretraining(folder / "capsnets", NAMES)
    found = read.pop("b")
    assert set(read.values()) == {None}
    assert (found.epochs, found.kept, found.keep) == (3, 2, "auroc")
    assert (found.val_auroc, len(found.examples)) == (0.7, 2)
    one = found.examples[1]
    assert (one.image_index, one.finding) == ("a.png", "Mass")
    np.testing.assert_array_equal(one.image, picture)
    np.testing.assert_array_equal(one.decoded, picture.T)


def test_what_was_finetuned_votes_in_place_of_the_head_alone(folder):
    (folder / "finetuned").mkdir()
    (folder / "left").rename(folder / "finetuned/b")
    table = read_predictions(folder / "b/fusion.parquet")
    write_predictions(table.assign(Mass=np.float32(0.9)), folder / "finetuned/b/fusion.parquet")
    found = predictions(folder, NAMES, finetuned=["b"], branches=["fusion"])
    assert {name: one["Mass"][0] for name, one in found.items()} == pytest.approx(
        {"model.fusion": 0.5, "b.fusion": 0.9, "a.fusion": 0.5}
    )


def test_one_branch_can_be_asked_for(folder):
    assert list(predictions(folder, ["b"], branches=["fusion"])) == ["b.fusion"]


@pytest.mark.parametrize(
    "read",
    [predictions, curves, crops, heatmaps],
)
def test_a_named_member_without_files_is_told_by_file_and_name(folder, read):
    with pytest.raises(ArtifactError, match=r"fourth\S*: not there, though .* names fourth"):
        read(folder, [*NAMES, "fourth"])


@pytest.mark.parametrize(
    ("finetuned", "stage"), [([], "train_fusion"), (["fourth"], "finetune_fusion")]
)
def test_what_to_pull_is_the_stage_whose_folder_it_is(folder, finetuned, stage):
    with pytest.raises(ArtifactError, match=f"`dvc pull {stage}` fetches it"):
        predictions(folder, ["fourth"], finetuned=finetuned)


def test_what_a_member_left_behind_is_not_even_opened(folder):
    for path in [*(folder / "left").iterdir(), folder / "left.parquet"]:
        path.write_bytes(b"no table")
    for read in (predictions, curves, crops):
        read(folder, NAMES)
