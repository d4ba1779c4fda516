"""A prediction as values that travel: JSON of one radiograph, or a row of a table."""

from collections.abc import Sequence
from typing import Any

from pipeline.base.findings import FINDINGS
from pipeline.predict.prediction import Prediction

PREFIXES = ("raw", "probability", "threshold", "calibrated_threshold", "call", "above")


def as_json(found: Prediction) -> dict[str, Any]:
    """What is said of one radiograph, without its pictures.

    Boxes and crop are of the member `shown`, xyxy, as fractions of the image. A call is null where
    there is no threshold, and everywhere if there are warnings.
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
        "crop": [float(edge) for edge in found.crop_box()],
        "distance": found.distance,
        "limit": found.limit,
        "warnings": list(found.warnings),
        "notes": list(found.notes),
    }


def _numbers(found: Prediction, finding: str) -> list[float] | None:
    box = found.box(finding)
    return None if box is None else [float(edge) for edge in box]


def row_columns(members: Sequence[str]) -> list[str]:
    """The columns of `as_row`, in order."""
    of_findings = [*PREFIXES, *(f"share_{member}" for member in members)]
    return [
        *("age", "gender", "view", "warnings", "notes", "distance", "limit"),
        *(f"{prefix}_{name}" for prefix in of_findings for name in FINDINGS),
    ]


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
