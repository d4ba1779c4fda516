"""Files that would run code where they are unpickled: every reader refuses them, nothing runs."""

import pickle
from contextlib import closing, suppress
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards
from pipeline.base.tables import read_index, read_predictions
from pipeline.errors import PipelineError
from pipeline.networks.branch import BranchSpec
from pipeline.networks.checkpoints import read_checkpoint
from pipeline.networks.pretrained import read_weights
from pipeline.predict import load_model
from pipeline.results.evaluation.files.prediction_files import read_prediction_file
from pipeline.results.given_boxes.map_places import MapPlace, read_maps
from pipeline.training.records.snapshots import Snapshots

SPEC = BranchSpec("resnet18", FINDINGS, 32, 64, standardise=False)


class Evil:
    """Its pickle leaves a file where it is loaded."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def plain(path, evil):
    path.write_bytes(pickle.dumps(evil))


def array(path, evil):
    np.save(path, np.array([[evil]], object), allow_pickle=True)


def arrays(path, evil):
    np.savez(path, Mass=np.array([[evil]], object))


READERS = {
    "weights": ("w.pth", lambda path, evil: torch.save({"a": evil}, path)),
    "weights that are a pickle": ("w.pt", plain),
    "predictions called csv": ("p.csv", plain),
    "predictions called parquet": ("p.parquet", plain),
    "heatmap": ("0_Mass.npy", array),
    "heatmaps": ("0.npz", arrays),
    "heatmaps that are a pickle": ("0.npz", plain),
    "shard": ("image-00000.npy", array),
    "shard that is a pickle": ("image-00000.npy", plain),
    "index": ("index.parquet", plain),
    "predictions of a stage": ("global.parquet", plain),
    "checkpoint": ("model.safetensors", plain),
    "packaged model": ("model.json", plain),
}

READ_BY = {
    "weights": lambda path: read_weights(str(path), SPEC),
    "predictions": read_prediction_file,
    "heatmap": lambda path: list(read_maps([MapPlace(path, None)])),
    "heatmaps": lambda path: list(read_maps([MapPlace(path, "Mass")])),
    "shard": lambda path: Shards(path.parent),
    "index": read_index,
    "predictions of a stage": read_predictions,
    "checkpoint": read_checkpoint,
    "packaged model": lambda path: load_model(path.parent),
}


@pytest.mark.parametrize("kind", READERS)
def test_a_pickle_in_place_of_data_is_refused_and_does_not_run(kind, tmp_path):
    name, write = READERS[kind]
    write(tmp_path / name, Evil(tmp_path / "ran"))
    read = READ_BY.get(kind) or READ_BY[kind.split()[0]]
    with pytest.raises(PipelineError, match=name.replace(".", r"\.")):
        read(tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_a_snapshot_that_holds_code_does_not_run_it(tmp_path):
    snapshots = Snapshots("a", root=tmp_path)
    snapshots.load()
    with closing(snapshots._lock):
        snapshots.save({"weights": torch.zeros(1)}, epoch=1)
    (kept,) = tmp_path.rglob("*.pt")
    torch.save({"state": Evil(tmp_path / "ran"), "epoch": 1, "run": ""}, tmp_path / "evil")
    content = (tmp_path / "evil").read_bytes()
    kept.write_bytes(blake2b(content, digest_size=32).digest() + content)
    again = Snapshots("a", root=tmp_path)
    with suppress(pickle.UnpicklingError):
        assert again.load() is None
    assert not (tmp_path / "ran").exists()


def test_these_files_do_run_code_where_they_are_unpickled(tmp_path):
    for name, (file, write) in READERS.items():
        mark = tmp_path / "ran"
        write(tmp_path / file, Evil(mark))
        content = (tmp_path / file).read_bytes()
        if content.startswith(b"PK"):
            torch_file = file.endswith(".pth")
            load = torch.load if torch_file else np.load
            loaded = load(
                tmp_path / file,
                **{"weights_only" if torch_file else "allow_pickle": not torch_file},
            )
            torch_file or loaded["Mass"]
        elif content.startswith(b"\x93NUMPY"):
            np.load(tmp_path / file, allow_pickle=True)
        else:
            pickle.loads(content)
        assert mark.exists(), name
        mark.unlink()
