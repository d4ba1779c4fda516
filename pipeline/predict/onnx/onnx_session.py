"""An ONNX file in use: by onnxruntime and NumPy, without PyTorch."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from pipeline.cohort.reading.images import resize_square
from pipeline.cohort.reading.tags import Tags
from pipeline.errors import ArtifactError, PipelineError

_GENDER = {"M": 1.0, "F": -1.0}
_VIEW = {"AP": 1.0, "PA": -1.0}


def open_onnx(path: Path) -> Any:
    """A session of onnxruntime on the CPU.

    Raises:
        PipelineError: onnxruntime is not installed.
        ArtifactError: no such file, or no graph of a packaged model.
    """
    try:
        import onnxruntime  # noqa: PLC0415 (an extra)
    except ImportError:
        raise PipelineError(missing("onnxruntime")) from None
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a class for each of its faults
        raise ArtifactError(f"{path}: no ONNX file that onnxruntime reads ({error})") from None
    if "image_side" not in session.get_modelmeta().custom_metadata_map:
        raise ArtifactError(f"{path}: is no graph that `cxr model export --onnx` has written")
    return session


def missing(package: str) -> str:
    """What to do where a package of the extra is not installed."""
    return (
        f"ONNX needs {package}, which is not installed: pip install '.[onnx]' in the checkout "
        "(the extra `onnx`)"
    )


def predict_with_onnx(
    session: Any, images: Sequence[UInt8[np.ndarray, "_h _w"]], patients: Sequence[Tags]
) -> dict[str, np.ndarray]:
    """What the graph says of radiographs, by the names of its outputs.

    Args:
        session: of `open_onnx`.
        images: grey levels, air dark, of any size.
        patients: of each image.
    """
    side = json.loads(session.get_modelmeta().custom_metadata_map["image_side"])
    ages = [np.nan if one.age is None else one.age for one in patients]
    feed = {
        "images": np.stack([resize_square(one, side) for one in images])[:, None],
        "age_years": np.array(ages, np.float32),
        "gender": np.array([_GENDER.get(one.gender or "", 0) for one in patients], np.float32),
        "view": np.array([_VIEW.get(one.view or "", 0) for one in patients], np.float32),
    }
    names = [one.name for one in session.get_outputs()]
    return dict(zip(names, session.run(names, feed), strict=True))
