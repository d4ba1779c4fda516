"""Bad params, weights and files between stages."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from inputs import REPO, BadInput
from safetensors.torch import save

from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards
from pipeline.base.tables import read_index
from pipeline.networks.branch import BranchSpec
from pipeline.networks.checkpoints import read_checkpoint
from pipeline.networks.pretrained import read_weights
from pipeline.params.whole import load_params

SPEC = BranchSpec("resnet18", FINDINGS, 32, 64, standardise=False)
TEXT = (REPO / "params.yaml").read_text()


def params(old: str, new: str) -> Callable[[Path], object]:
    """A call with a params.yaml in which something is replaced."""
    assert old in TEXT

    def call(folder: Path) -> object:
        (folder / "params.yaml").write_text(TEXT.replace(old, new, 1))
        return load_params(folder / "params.yaml")

    return call


def with_value(value: object, *keys: str) -> Callable[[Path], object]:
    """A call with another value of a key."""
    values = yaml.safe_load(TEXT)
    inner = values
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value

    def call(folder: Path) -> object:
        (folder / "params.yaml").write_text(yaml.safe_dump(values))
        return load_params(folder / "params.yaml")

    return call


def weights(write: Callable[[Path], object], source: str = "w.pth") -> Callable[[Path], object]:
    """A call of what reads the weights that a branch starts from."""

    def call(folder: Path) -> object:
        write(folder / source.partition("@")[0])
        return read_weights(str(folder / source), SPEC)

    return call


def saved(value: object) -> Callable[[Path], object]:
    return lambda path: torch.save(value, path)


class Code:
    """An object whose pickle runs code where it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("print('run')",)


def artefact(
    read: Callable[[Path], object], file: str, content: bytes
) -> Callable[[Path], object]:
    """A call of what reads a file that a stage has written."""

    def call(folder: Path) -> object:
        (folder / file).write_bytes(content)
        return read(folder / file)

    return call


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def params_of(text: str, folder: Path) -> object:
    (folder / "params.yaml").write_text(text)
    return load_params(folder / "params.yaml")


def in_latin1(folder: Path) -> object:
    (folder / "params.yaml").write_bytes("# é\n".encode("latin-1"))
    return load_params(folder / "params.yaml")


PARAMS = {
    "params_key": BadInput(
        "a key with a typing error",
        params("  on_bad_image:", "  on_bad_imge:"),
        "…/params.yaml: ingest.on_bad_imge: unknown key; did you mean on_bad_image?…",
    ),
    "params_missing": BadInput(
        "a key that is missing",
        params("  partial: false", "  # partial: false"),
        "…/params.yaml: ingest.partial: missing",
    ),
    "params_range": BadInput(
        "a value out of its range",
        params("  threshold: ", "  threshold: 1.5 # "),
        "…/params.yaml: crop.threshold: input should be less than 1 (found 1.5)",
    ),
    "params_exponent": BadInput(
        "`1e-3`, which YAML takes for text",
        with_value("1e-3", "global", "learning_rate"),
        "…/params.yaml: global.learning_rate: input should be a valid number (found '1e-3'; write "
        "0.001 or 1.0e-3)",
    ),
    "params_choice": BadInput(
        "an unknown choice",
        with_value("best", "train", "keep"),
        "…/params.yaml: train.keep: input should be 'loss', 'auroc' or 'last' (found 'best')",
    ),
    "params_backbone": BadInput(
        "an unknown network",
        with_value("resnet81", "model", "global"),
        "…/params.yaml: model.global: unknown backbone; did you mean resnet18? There are … (found "
        "'resnet81')",
    ),
    "params_member": BadInput(
        "a member that has no section",
        with_value(["model", "another"], "ensemble", "members"),
        "…/params.yaml: another: missing; ensemble.members names it",
    ),
    "params_not_yaml": BadInput(
        "a file that is not YAML",
        params("ingest: ", "ingest: [ "),
        "…/params.yaml, line 16, column 3: not YAML: did not find expected ',' or ']'",
    ),
    "params_repeated": BadInput(
        "a key that is there twice",
        params("  partial: false", "  partial: true\n  partial: false"),
        "…/params.yaml, line 22, column 3: not YAML: the key partial is there twice",
    ),
    "params_odd_key": BadInput(
        "a date that there is not",
        lambda folder: params_of("seed: 2024-13-45\n", folder),
        "…/params.yaml: not YAML: …",
    ),
    "params_latin1": BadInput(
        "text in latin-1",
        in_latin1,
        "…/params.yaml, row 1: not UTF-8 text (byte 0xe9); save it so",
    ),
    "params_list": BadInput(
        "a list in place of sections",
        lambda folder: params_of("- 1\n", folder),
        "…/params.yaml: the file: input should be a valid dictionary or instance of Params (found "
        "[1])",
    ),
    "params_tab": BadInput(
        "a tabulator at the beginning of a line",
        params("  partial: false", "\tpartial: false"),
        "…/params.yaml, line 21, column 1: not YAML: found character that cannot start any token",
    ),
    "params_no_file": BadInput(
        "no such file",
        lambda folder: load_params(folder / "params.yaml"),
        "…/params.yaml: no such file",
    ),
}

WEIGHTS = {
    "weights_no_file": BadInput(
        "a file that is not there",
        weights(lambda path: None),
        "…/w.pth: no such file; params.yaml names it as weights. It may also say none, "
        "imagenet or xrv:<name>",
    ),
    "weights_empty": BadInput(
        "an empty file",
        weights(lambda path: path.write_bytes(b"")),
        "…/w.pth: an empty file (0 bytes)",
    ),
    "weights_code": BadInput(
        "a pickle that would run code",
        weights(saved({"a": Code()})),
        "…/w.pth: not a readable state dict: it is none of PyTorch's files, or holds code (eval), "
        "as a whole model does, which is not run; save `model.state_dict()`",
    ),
    "weights_html": BadInput(
        "a page of HTML",
        weights(lambda path: path.write_text("<html>")),
        "…/w.pth: a page of HTML, probably a download's error message",
    ),
    "weights_lfs": BadInput(
        "a Git-LFS pointer",
        weights(
            lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"),
            "w.safetensors",
        ),
        "…/w.safetensors: a Git-LFS pointer, not the file it stands for: run `git lfs pull`",
    ),
    "weights_truncated": BadInput(
        "a safetensors file that was cut off",
        weights(lambda path: path.write_bytes(save({"a": torch.zeros(99)})[:-9]), "w.safetensors"),
        "…/w.safetensors: not a readable state dict (Error while deserializing header: incomplete "
        "metadata, file not fully covered)",
    ),
    "weights_list": BadInput(
        "a list of tensors",
        weights(saved([torch.zeros(2)])),
        "…/w.pth: holds a list, expected a state dict of tensors, or a dict with one; save "
        "`model.state_dict()`",
    ),
    "weights_digest": BadInput(
        "another file than the digest behind `@sha256:` says",
        weights(saved({"a": torch.zeros(2)}), "w.pth@sha256:0123456789"),
        "…/w.pth: is another file than params.yaml means: its SHA-256 is …, expected 0123456789",
    ),
}

ARTEFACTS = {
    "parquet_cut": BadInput(
        "a table that was cut off",
        artefact(read_index, "index.parquet", b"PAR1" + bytes(90)),
        "…/index.parquet: not a whole parquet file (…)",
    ),
    "parquet_columns": BadInput(
        "another stage's table",
        artefact(read_index, "index.parquet", pd.DataFrame({"a": [1]}).to_parquet()),
        "…/index.parquet: columns missing ['image_index', …], unexpected ['a']",
    ),
    "shard_cut": BadInput(
        "a shard of images that was cut off",
        artefact(
            lambda path: Shards(path.parent), "image-00000.npy", npy(np.zeros((4, 8, 8)))[:-99]
        ),
        "…/image-00000.npy: not a whole .npy file (mmap length is greater than file size)",
    ),
    "shard_pickled": BadInput(
        "an array of objects, which would be a pickle",
        artefact(lambda path: Shards(path.parent), "image-00000.npy", npy(np.array([{}], object))),
        "…/image-00000.npy: not a whole .npy file (Array can't be memory-mapped: Python objects "
        "in dtype.)",
    ),
    "no_shards": BadInput(
        "a folder without shards",
        Shards,
        "…: holds no image-*.npy",
    ),
    "checkpoint_foreign": BadInput(
        "a safetensors file of another project, as a checkpoint",
        artefact(read_checkpoint, "a.safetensors", save({"a": torch.zeros(2)})),
        "…/a.safetensors: has no 'checkpoint' entry in its header; not made by this project",
    ),
}
