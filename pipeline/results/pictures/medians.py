"""The large radiographs of the page, and one of each finding under every heatmap."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import findings_of, positive
from pipeline.results.pictures.gallery import Gallery, Panel, Picture
from pipeline.results.pictures.overlays import SIDE_PX, age_gender_view, fit, jpeg_uri, overlay
from pipeline.results.pictures.radiographs import Radiographs

LARGE_PX = 512
"""Of a large radiograph, at most."""


class Ranked(NamedTuple):
    """Test images that have a finding, from best to worst."""

    names: list[str]
    by: str
    """"IoU" where they have true boxes, else "probability"."""


def draw_gallery(radiographs: Radiographs, *, member: str, method: str, examples: int) -> Gallery:
    """The median test image of each finding: of some of them large, of all by every method.

    Median is in the IoU of the box that `method` draws, where a finding has true boxes; else in
    the ensemble's probability. Half of the test images of that finding come out better.

    Args:
        radiographs: of one member.
        member: its name.
        method: whose heatmap ranks the images, and is shown large.
        examples: how many large ones, each of another finding: those of most test images.
    """
    ranked = {finding: rank(radiographs, finding, method) for finding in FINDINGS}
    large = sorted(ranked, key=lambda name: (ranked[name].by != "IoU", -len(ranked[name].names)))
    return Gallery(
        member,
        method,
        _medians(radiographs, ranked, large[:examples], [method], LARGE_PX),
        _medians(radiographs, ranked, FINDINGS, sorted(radiographs.heatmaps), SIDE_PX),
    )


def rank(radiographs: Radiographs, finding: str, method: str) -> Ranked:
    """The test images of a finding from best to worst.

    Args:
        radiographs: of one member.
        finding: that they have: as a box where test images have any, else as a label.
        method: whose boxes are compared with the true ones.
    """
    boxed = radiographs.boxed(finding)
    if boxed:
        ious = {name: radiographs.seen(name, finding, method).iou or 0.0 for name in boxed}
        return Ranked(sorted(boxed, key=lambda name: -ious[name]), "IoU")
    test = radiographs.test
    labels = radiographs.index.set_index("image_index").loc[test.index]
    own = test.loc[positive(labels, finding), finding]
    return Ranked(sorted(own.index, key=lambda name: (-own[name], name)), "probability")


def _medians(
    radiographs: Radiographs,
    ranked: Mapping[str, Ranked],
    findings: Sequence[str],
    methods: Sequence[str],
    side_px: int,
) -> list[Picture]:
    return [
        draw_picture(radiographs, finding, ranked[finding], methods, side_px)
        for finding in findings
        if ranked[finding].names
    ]


def draw_picture(
    radiographs: Radiographs,
    finding: str,
    ranked: Ranked,
    methods: Sequence[str],
    side_px: int,
) -> Picture:
    """The median of `ranked`, under the heatmap of each method."""
    name = ranked.names[(len(ranked.names) - 1) // 2]
    image = fit(radiographs.images[radiographs.rows[name]], side_px)
    about = radiographs.index.iloc[radiographs.rows[name]]
    probs = dict(zip(FINDINGS, map(float, radiographs.test.loc[name].to_numpy()), strict=True))
    return Picture(
        image_index=name,
        finding=finding,
        of=len(ranked.names),
        by=ranked.by,
        prob=probs[finding],
        likely=sorted(probs.items(), key=lambda one: -one[1])[:3],
        labels=findings_of(about),
        about=age_gender_view(about),
        plain=jpeg_uri(image),
        panels=[_panel(radiographs, image, finding, name, one) for one in methods],
        truths=radiographs.truths(name, finding),
        crops=radiographs.crops_of(name),
    )


def _panel(
    radiographs: Radiographs, image: np.ndarray, finding: str, name: str, method: str
) -> Panel:
    seen = radiographs.seen(name, finding, method)
    under = jpeg_uri(overlay(image, seen.heatmap, seen.grid)[:, :, ::-1])
    return Panel(method, under, seen.predicted, seen.iou)
