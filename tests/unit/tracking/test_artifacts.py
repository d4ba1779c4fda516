"""Artefacts: schemas held, round trips exact, nothing half-written."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from pipeline.base.files import read_json, replacing, write_json
from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards, write_shards
from pipeline.base.tables import read_splits, write_predictions, write_splits
from pipeline.errors import ArtifactError
from pipeline.training.records.curves import read_curves


def rows(count, side=4):
    return [{"image": np.full((side, side), i, np.uint8)} for i in range(count)]


def test_what_fails_half_way_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path):
        (tmp_path / "no/such/folder").touch()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_the_whole_folder(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/stale.npy").touch()
    write_shards(rows(3), tmp_path / "out", shard_rows=2)
    assert [p.name for p in sorted(tmp_path.glob("out/*"))] == [
        "image-00000.npy",
        "image-00001.npy",
    ]


def test_shards_give_back_their_rows_in_any_order(tmp_path):
    assert write_shards(rows(11), tmp_path / "out", shard_rows=4) == 11
    shards = Shards(tmp_path / "out")
    assert shards.shape == (11, 4, 4)
    assert [int(shards[i][0, 0]) for i in range(11)] == list(range(11))
    order = np.array([10, 0, 3, 4, 3])
    assert shards.gather(order)[:, 0, 0].tolist() == order.tolist()


def test_a_key_that_is_set_apart_goes_to_its_own_folder(tmp_path):
    both = ({**row, "pooled": row["image"][0]} for row in rows(3))
    assert write_shards(both, tmp_path / "maps", apart={"pooled": tmp_path / "features"}) == 3
    assert Shards(tmp_path / "features", "pooled").shape == (3, 4)
    assert [path.name for path in (tmp_path / "maps").iterdir()] == ["image-00000.npy"]


def test_a_failure_leaves_neither_folder(tmp_path):
    def broken():
        yield {"image": np.zeros(2), "pooled": np.zeros(1)}
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        write_shards(broken(), tmp_path / "maps", apart={"pooled": tmp_path / "features"})
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_shards_is_named(tmp_path):
    with pytest.raises(ArtifactError, match=r"holds no cam-\*\.npy"):
        Shards(tmp_path, "cam")


def test_tables_come_back_sorted_and_typed(tmp_path):
    splits = pd.DataFrame({"image_index": ["b.png", "a.png"], "split": ["val", "train"]})
    write_splits(splits, tmp_path / "s.parquet")
    assert read_splits(tmp_path / "s.parquet").to_numpy().tolist() == [
        ["a.png", "train"],
        ["b.png", "val"],
    ]


def test_the_order_of_columns_and_rows_does_not_change_the_bytes(tmp_path):
    splits = pd.DataFrame({"image_index": ["b.png", "a.png"], "split": ["val", "train"]})
    write_splits(splits, tmp_path / "1")
    write_splits(splits.iloc[::-1, ::-1], tmp_path / "2")
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_a_table_with_other_columns_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"missing \['split'\], unexpected \['fold'\]"):
        write_splits(pd.DataFrame({"image_index": [], "fold": []}), tmp_path / "s.parquet")
    with pytest.raises(ArtifactError, match="no such file"):
        read_splits(tmp_path / "s.parquet")


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.5])
def test_what_is_no_probability_is_refused_by_the_image_s_name(tmp_path, value):
    names = {"image_index": ["a.png", "b.png"], "split": ["test", "test"]}
    frame = pd.DataFrame(names | dict.fromkeys(FINDINGS, np.float32(0.5)))
    frame.loc[1, "Mass"] = value
    with pytest.raises(ArtifactError, match=r"1 of 2 images .* first: b\.png"):
        write_predictions(frame, tmp_path / "p.parquet")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_half_written_is_removed_by_the_next(tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = tmp_path / f".a.json.{dead.pid}.partial"
    left.mkdir()
    (left / "shard.npy").write_bytes(b"half")
    others = [tmp_path / f".a.json.{os.getppid()}.partial", tmp_path / ".a.json.x.partial"]
    for other in others:  # a living process's, and none of ours
        other.write_bytes(b"")
    write_json({}, tmp_path / "a.json")
    assert sorted(tmp_path.iterdir()) == sorted([*others, tmp_path / "a.json"])


@pytest.mark.parametrize("content", [b"", b"text", "cut"])
def test_a_shard_that_is_not_whole_is_named(tmp_path, content):
    write_shards(rows(4), tmp_path / "s")
    (path,) = (tmp_path / "s").iterdir()
    path.write_bytes(path.read_bytes()[:-20] if content == "cut" else content)
    with pytest.raises(ArtifactError, match=r"image-00000\.npy: not a whole \.npy file"):
        Shards(tmp_path / "s")


@pytest.mark.parametrize("content", ["", "epoch,val_loss\n1,2\n", None])
def test_a_file_without_a_learning_curve_is_named(tmp_path, content):
    if content is not None:
        (tmp_path / "c.csv").write_text(content)
    with pytest.raises(ArtifactError, match=r"c\.csv: (no learning curve|lacks the columns)"):
        read_curves(tmp_path / "c.csv")


def test_json_refuses_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": float("nan")}, tmp_path / "a.json")
    write_json({"a": 1}, tmp_path / "a.json")
    assert read_json(tmp_path / "a.json") == {"a": 1}
