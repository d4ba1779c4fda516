"""Checkpoints: weights as safetensors, what they are as JSON in the header."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pipeline.base.files import replacing
from pipeline.errors import ArtifactError
from pipeline.networks.checkpoint_headers import KEY, described


def write_checkpoint(weights: dict[str, Tensor], about: dict[str, Any], path: Path) -> None:
    """Write weights and a JSON-able description (backbone, findings, params, ...)."""
    weights = {name: value.detach().cpu().contiguous() for name, value in weights.items()}
    header = {KEY: json.dumps(about, sort_keys=True)}
    with replacing(path) as fresh:  # not `save_file`, of whose files only their owner may read
        fresh.write_bytes(save(weights, metadata=header))


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights on the CPU and their description.

    Raises:
        ArtifactError: no such file, not safetensors, or not one of this project's.
    """
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise ArtifactError(f"{path}: no such file") from None
    except SafetensorError as error:
        raise ArtifactError(f"{path}: not a safetensors file ({error})") from None
    return weights, described(header, path)
