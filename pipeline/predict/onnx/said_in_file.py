"""What an ONNX file says of itself, for whoever has nothing but that file."""

import json
from collections.abc import Mapping
from typing import Any

from pipeline.predict.about.description import Description
from pipeline.predict.model import RULE
from pipeline.predict.onnx.graph import ModelGraph
from pipeline.predict.package import Package

OUTSIDE = (
    "decode the file to grey levels of 8 bits, air dark",
    "resize to image_side x image_side: cv2.INTER_AREA, or cv2.INTER_LINEAR if a side is shorter",
    "call a finding where raw >= its threshold, and none where distance > distance_limit",
    "no warning of an inverted, tiny or lateral picture is given",
    "draw heatmaps on the image: cell (row, column) is centred at first + step * (column, row)",
)
"""What has to be done before and behind the graph."""

CODES = {
    "age_years": "years; NaN: not known",
    "gender": "1: M; -1: F; 0 or NaN: not known",
    "view": "1: AP; -1: PA; 0 or NaN: not known",
}


def notes(graph: ModelGraph, package: Package) -> dict[str, str]:
    """The file's `metadata_props`: text, or JSON where the value is no plain text."""
    about = package.about
    values: Mapping[str, Any] = {
        "what": "14 findings of a frontal chest radiograph; for research, not a medical device",
        "image_side": about.image_side,
        "findings": about.findings,
        "members": list(about.members),
        "vote": about.vote,
        "thresholds": _thresholds(about),
        "distance_limit": package.familiar.limit,
        "codes": CODES,
        "heatmap_grids": graph.grids,
        "left_out": graph.left_out,
        "outside": OUTSIDE,
        "revision": about.revision,
        "cohort": about.cohort.digest,
        "trained_on_synthetic_images": about.cohort.is_synthetic,
    }
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }


def _thresholds(about: Description) -> dict[str, float | None]:
    return {name: about.calls[name].thresholds.get(RULE) for name in about.findings}
