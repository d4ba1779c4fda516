"""Every kind of file, written where there is no room for it: its place is named, nothing lost."""

import re
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
import torch

from pipeline.base.files import write_json, write_text
from pipeline.base.findings import FINDINGS
from pipeline.base.shards import write_shards
from pipeline.base.tables import write_predictions
from pipeline.cohort.reading.row_places import placing
from pipeline.errors import readable
from pipeline.networks.checkpoints import write_checkpoint
from pipeline.training.records.snapshots import Snapshots
from tests.stages.mounts import grow, small_disk

KIB = 64
NOISE = np.random.default_rng(0)


def images(side):
    return ({"image": NOISE.integers(0, 255, (side, side), np.uint8)} for _ in range(4))


def predictions(rows):
    table = pd.DataFrame(NOISE.random((rows, 14), np.float32), columns=list(FINDINGS))
    names = [f"{row:08d}_000.png" for row in range(rows)]
    return table.assign(image_index=names, split="test")[["image_index", "split", *FINDINGS]]


def place_rows(path, side):
    with placing(path, rows=4, shape=(side, side)) as places:
        for row, one in enumerate(images(side)):
            places.write(row, one["image"])
        places.keep(range(4))


def save_snapshot(path, size):
    snapshots = Snapshots("a", root=path)
    snapshots.load()
    with closing(snapshots._lock):  # as where the process ends
        snapshots.save({"weights": torch.zeros(size)}, epoch=1)


WRITERS = {
    "text": lambda path, much: write_text("x" * (200_000 if much else 9), path),
    "json": lambda path, much: write_json([0] * (60_000 if much else 9), path),
    "parquet": lambda path, much: write_predictions(predictions(2000 if much else 9), path),
    "shards": lambda path, much: write_shards(images(256 if much else 8), path),
    "rows": lambda path, much: place_rows(path, 256 if much else 8),
    "checkpoint": lambda path, much: write_checkpoint(
        {"a": torch.zeros(50_000 if much else 9)}, {}, path
    ),
    "snapshot": lambda path, much: save_snapshot(path, 50_000 if much else 9),
}


def contents(folder):
    return {
        file.relative_to(folder): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.suffix != ".lock"
    }


@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_is_named_and_what_stood_there_is_untouched(kind, tmp_path):
    with small_disk(tmp_path / "disk", KIB) as disk:
        WRITERS[kind](disk / "out", False)
        before = contents(disk)
        with pytest.raises(SystemExit) as end, readable():
            WRITERS[kind](disk / "out", True)
        said = str(end.value)
        assert re.fullmatch(
            rf"error: {disk}/out\S*: No space left on device; make room there, then repeat the "
            "command",
            said,
        ), said
        assert contents(disk) == before
        grow(disk, 1024)
        WRITERS[kind](disk / "out", True)
        assert contents(disk).keys() == before.keys()
        assert contents(disk) != before


def test_another_fault_of_the_system_keeps_its_own_words(tmp_path):
    with pytest.raises(SystemExit) as end, readable():
        (tmp_path / "no").read_text()
    assert str(end.value) == f"error: [Errno 2] No such file or directory: '{tmp_path}/no'"
