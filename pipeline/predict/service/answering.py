"""A prediction as the service's answer."""

import base64
from dataclasses import replace

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from pipeline.predict.answers import as_json
from pipeline.predict.model import Model
from pipeline.predict.prediction import Prediction
from pipeline.predict.radiograph import Radiograph, known, read_radiograph
from pipeline.predict.service.answer_schema import (
    Answer,
    Box,
    FindingPicture,
    MemberPictures,
    Pictures,
)
from pipeline.predict.service.upload import Upload

HEATMAP_PX = 256
"""Side of a heatmap at most: it is smooth, and a page enlarges it."""


def predict_upload(model: Model, upload: Upload, *, heatmaps: bool) -> Answer:
    """Predict.

    Raises:
        CohortError: the file is no whole grey picture, or no radiograph of a chest.
    """
    read = read_radiograph(upload.file, lateral=upload.lateral)
    radiograph = replace(read, patient=known(upload.patient, read.patient))
    (found,) = model.predict([radiograph])
    said = as_json(found)
    if heatmaps:
        said["pictures"] = _pictures(found, radiograph)
    return Answer.model_validate(said)


def _pictures(found: Prediction, radiograph: Radiograph) -> Pictures:
    height, width = radiograph.pixels.shape
    return Pictures(
        image=_png(found.image),
        width=width,
        height=height,
        members={member: _member(found, member) for member in found.seen},
    )


def _member(found: Prediction, member: str) -> MemberPictures:
    return MemberPictures(
        crops=[_box(one) for one in found.crop_boxes(member=member)],
        findings={
            name: FindingPicture(
                heatmap=_png(_eight_bits(found.heatmap(name, member=member))),
                box=None if (box := found.box(name, member=member)) is None else _box(box),
            )
            for name in found.findings
        },
    )


def _box(edges: Float[np.ndarray, "4"]) -> Box:
    x1, y1, x2, y2 = map(float, edges)
    return x1, y1, x2, y2


def _eight_bits(heatmap: Float[np.ndarray, "s s"]) -> UInt8[np.ndarray, "t t"]:
    side = min(HEATMAP_PX, len(heatmap))
    small = cv2.resize(heatmap, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(255 * small.clip(0, 1)), np.uint8)


def _png(pixels: UInt8[np.ndarray, "h w"]) -> str:
    return base64.b64encode(cv2.imencode(".png", pixels)[1].tobytes()).decode("ascii")
