"""Whether a graph says what PyTorch says, on a few synthetic radiographs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from pipeline.cohort.phantom.cohort import make_cohort
from pipeline.cohort.reading.images import decode_grey
from pipeline.cohort.reading.tags import UNSAID, Tags
from pipeline.errors import ArtifactError
from pipeline.params.sections import PhantomParams
from pipeline.predict.model import Model
from pipeline.predict.onnx.onnx_session import open_onnx, predict_with_onnx
from pipeline.predict.package import Package
from pipeline.predict.prediction import Prediction
from pipeline.predict.radiograph import Radiograph

TOLERANCE = 1e-4
"""Of probabilities and distances."""

_PICTURES = 12
_MOST_MOVED = 1
"""Pictures whose crop may lie elsewhere. Heatmaps are kept as float16, so that a cell between two
of its values goes either way, and the edge of a crop may move by one cell with it."""

_PATIENTS = (Tags(58.0, "F", "PA"), UNSAID, Tags(4.5, "M", "AP"), Tags(71.0, None, "PA"))


@dataclass(frozen=True)
class Agreement:
    """How near the graph is to PyTorch."""

    pictures: int
    same_crops: int
    """Pictures of which every member's crops are the same, to the last bit."""
    worst: float
    """The largest difference of a probability on those."""


def check_onnx(path: Path, package: Package) -> Agreement:
    """Run both.

    Raises:
        ArtifactError: they differ by more than `TOLERANCE`.
    """
    side = max(package.about.image_side, 128)
    shown = [
        Radiograph(one, patient)
        for one, patient in zip(made_pictures(side), _PATIENTS * _PICTURES, strict=False)
    ]
    found = predict_with_onnx(
        open_onnx(path), [one.pixels for one in shown], [one.patient for one in shown]
    )
    expected = as_arrays(Model(package).predict(shown))
    same = np.asarray((found["crop_boxes"] == expected["crop_boxes"]).all(axis=(1, 2, 3)))
    agreement = Agreement(len(same), int(same.sum()), _worst(found, expected, same))
    if agreement.same_crops < len(same) - _MOST_MOVED or not agreement.worst <= TOLERANCE:
        raise ArtifactError(
            f"the graph differs from PyTorch: {agreement.same_crops} of {len(same)} crops are the "
            f"same, probabilities differ by {agreement.worst:.2g}; expected all and at most "
            f"{TOLERANCE:g}; nothing is written; use versions as in requirements.lock"
        )
    return agreement


def made_pictures(side: int) -> list[np.ndarray]:
    """Radiographs of synthetic chests, and one of noise."""
    params = PhantomParams(
        seed=11, patients=50, size_px=side, label_noise=0.0, prevalence_scale=3.0
    )
    chests = islice(make_cohort(params, workers=1).images, _PICTURES - 1)
    noise = np.random.default_rng(11).integers(0, 256, (side, side)).astype(np.uint8)
    return [*(decode_grey(one.png).pixels for one in chests), noise]


def as_arrays(predictions: Sequence[Prediction]) -> dict[str, np.ndarray]:
    """Predictions by the names of the graph's outputs, without heatmaps."""
    findings = [list(one.findings.values()) for one in predictions]
    members = list(predictions[0].seen)
    return {
        "raw": np.array([[one.raw for one in row] for row in findings]),
        "probabilities": np.array([[one.probability for one in row] for row in findings]),
        "above": np.array([[one.above for one in row] for row in findings]),
        "shares": np.array(
            [[[one.shares[name] for one in row] for name in members] for row in findings]
        ),
        "crop_boxes": np.array(
            [[one.crop_boxes(member=name) for name in members] for one in predictions]
        ),
        "distance": np.array([one.distance for one in predictions]),
    }


def _worst(
    found: dict[str, np.ndarray], expected: dict[str, np.ndarray], same: Bool[np.ndarray, " n"]
) -> float:
    names = ("raw", "probabilities", "shares", "distance")
    return max(float(np.abs(found[one] - expected[one])[same].max(initial=0)) for one in names)
