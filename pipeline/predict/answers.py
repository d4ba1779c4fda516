"""A prediction as values that travel: JSON of one radiograph, or a row of a table."""

from collections.abc import Iterable
from typing import Any

from pipeline.base.findings import FINDINGS
from pipeline.predict.prediction import Prediction

PREFIXES = {
    "raw": float,
    "probability": float,
    "threshold": float,
    "calibrated_threshold": float,
    "call": bool,
    "above": float,
}
"""What a row says of each finding, and what holds it where it is there."""


def as_json(found: Prediction) -> dict[str, Any]:
    """What is said of one radiograph, without its pictures.

    Boxes and crops are of the member `shown`, xyxy, as fractions of the image. A call is null
    where there is no threshold, and everywhere if there are warnings.
    """
    calls = found.calls
    return {
        "findings": {
            name: {
                "raw": one.raw,
                "probability": one.probability,
                "threshold": one.threshold,
                "calibrated_threshold": one.calibrated_threshold,
                "call": calls[name],
                "above": one.above,
                "shares": one.shares,
                "box": _numbers(found, name),
            }
            for name, one in found.findings.items()
        },
        "patient": {
            "age": found.patient.age,
            "gender": found.patient.gender,
            "view": found.patient.view,
        },
        "shown": found.shown,
        "crops": [[float(edge) for edge in box] for box in found.crop_boxes()],
        "distance": found.distance,
        "limit": found.limit,
        "warnings": list(found.warnings),
        "notes": list(found.notes),
    }


def _numbers(found: Prediction, finding: str) -> list[float] | None:
    box = found.box(finding)
    return None if box is None else [float(edge) for edge in box]


def as_row(found: Prediction) -> dict[str, Any]:
    """The same as one flat row: `probability_Mass`, `share_model_Mass`, ...; no boxes."""
    calls = found.calls
    row: dict[str, Any] = {
        "age": found.patient.age,
        "gender": found.patient.gender,
        "view": found.patient.view,
        "warnings": "; ".join(found.warnings),
        "notes": "; ".join(found.notes),
        "distance": found.distance,
        "limit": found.limit,
    }
    for prefix in PREFIXES:
        row |= {
            f"{prefix}_{name}": calls[name] if prefix == "call" else getattr(one, prefix)
            for name, one in found.findings.items()
        }
    for member in found.seen:
        row |= {
            f"share_{member}_{name}": one.shares[member] for name, one in found.findings.items()
        }
    return row


def columns_of(members: Iterable[str]) -> dict[str, type]:
    """The columns of `as_row` in their order, with what they hold where they hold anything.

    Args:
        members: of the model.
    """
    whole = {"age": float, "gender": str, "view": str, "warnings": str, "notes": str}
    columns: dict[str, type] = whole | {"distance": float, "limit": float}
    for prefix, kind in PREFIXES.items():
        columns |= {f"{prefix}_{name}": kind for name in FINDINGS}
    for member in members:
        columns |= {f"share_{member}_{name}": float for name in FINDINGS}
    return columns
