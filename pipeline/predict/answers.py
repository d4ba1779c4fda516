"""A prediction as values that travel: JSON of one radiograph, or a row of a table."""

from collections.abc import Iterable
from typing import Any

from pipeline.base.findings import FINDINGS
from pipeline.predict.prediction import Prediction

PREFIXES = ("raw", "probability", "threshold", "call", "above")


def as_json(found: Prediction) -> dict[str, Any]:
    """What is said of one radiograph, without its pictures.

    Boxes are xyxy, as fractions of the image. A call is null where there is no threshold, and
    everywhere if there are warnings.
    """
    calls = found.calls
    return {
        "findings": {
            name: {
                "raw": one.raw,
                "probability": one.probability,
                "threshold": one.threshold,
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
        "crop": [float(edge) for edge in found.crop_box()],
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
    for name, one in found.findings.items():
        row |= {f"share_{member}_{name}": share for member, share in one.shares.items()}
    return row


_OF_PREFIX = {"raw": float, "probability": float, "threshold": float, "call": bool, "above": float}


def columns_of(members: Iterable[str]) -> dict[str, type]:
    """The columns of `as_row` in their order, with what they hold where they hold anything.

    Args:
        members: of the model.
    """
    whole = {"age": float, "gender": str, "view": str, "warnings": str, "notes": str}
    columns: dict[str, type] = whole | {"distance": float, "limit": float}
    for prefix in PREFIXES:
        columns |= {f"{prefix}_{name}": _OF_PREFIX[prefix] for name in FINDINGS}
    voters = [*members]
    for name in FINDINGS:
        columns |= {f"share_{member}_{name}": float for member in voters}
    return columns
