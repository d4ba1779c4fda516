"""From what a patient has to what the film shows."""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float32, UInt8
from numpy.random import Generator

from pipeline.base.findings import FINDINGS
from pipeline.cohort.phantom import devices, focal, tissue
from pipeline.cohort.phantom.anatomy import build_chest, draw_person
from pipeline.cohort.phantom.canvas import Canvas, Layer, canvas
from pipeline.cohort.phantom.exam import CHEST, DARKROOM, MARK, PERSON, SIDES, Exam, part_rng
from pipeline.cohort.phantom.mark import Mark
from pipeline.cohort.phantom.signatures import SIGNATURES


@dataclass(frozen=True)
class Film:
    """An exposed film before it is developed: attenuation on the canvas."""

    attenuation: Layer
    regions: dict[str, Layer]
    """Where each finding is, in [0, 1]."""
    pose: Float32[np.ndarray, "2 3"]
    """Pixels of the canvas to pixels of the image."""
    size_px: int

    def region(self, finding: str) -> Float32[np.ndarray, "size size"]:
        """Where a finding is, in the image's frame, in [0, 1]."""
        return _into_frame(self.regions[finding], self, cv2.INTER_LINEAR)


def expose(exam: Exam, *, seed: int, size_px: int) -> Film:
    """Draw a chest with its findings.

    Every part draws from a generator of its own, so that one finding more or less leaves all the
    rest as it was.
    """
    rng = part_rng(exam, seed, CHEST)
    surface = canvas(size_px)
    person = draw_person(
        part_rng(exam, seed, PERSON), gender=exam.gender, age_years=exam.age_years
    )
    sides = dict(
        zip(FINDINGS, part_rng(exam, seed, SIDES).integers(2, size=14).tolist(), strict=True)
    )
    chest = build_chest(
        surface,
        person,
        rng,
        supine=exam.view_position == "AP",
        severities=dict(exam.severities),
        volume_loss_side=sides["Atelectasis"],
    )
    marks = {
        finding: SIGNATURES[finding](
            chest, severity, part_rng(exam, seed, MARK, k), sides[finding]
        )
        for k, finding in enumerate(FINDINGS)
        if (severity := exam.severities.get(finding, 0.0)) > 0
    }
    parenchyma = tissue.vessels(chest, rng)
    parenchyma += focal.soft_doubles(chest, rng)
    attenuation = _lungs(parenchyma, marks)
    for layer in (tissue.soft_tissue, tissue.mediastinum, tissue.breasts, tissue.bones):
        attenuation += layer(chest, rng)
    attenuation += devices.devices(chest, rng)
    pose = _pose(surface, rng, size_px, supine=chest.supine)
    regions = {finding: mark.region for finding, mark in marks.items()}
    return Film(attenuation, regions, pose, size_px)


def develop(film: Film, exam: Exam, *, seed: int) -> UInt8[np.ndarray, "size size"]:
    """The picture: blur, exposure, contrast, quantum noise, a side marker."""
    rng = part_rng(exam, seed, DARKROOM)
    supine = exam.view_position == "AP"
    image = _into_frame(film.attenuation, film, cv2.INTER_CUBIC)
    blur = film.size_px / 256 * rng.uniform(0.35, 0.6) * (1.35 if supine else 1)
    image = cv2.GaussianBlur(image, (0, 0), blur)
    image = _tone(_exposed(image), rng)
    # Few quanta arrive behind dense tissue: the noise is largest there.
    dose = rng.uniform(0.006, 0.014) * (1.4 if supine else 1)
    image += np.float32(dose) * rng.standard_normal(image.shape, dtype=np.float32) * (0.6 + image)
    low, high = rng.uniform(0, 0.06), rng.uniform(0.86, 1.0)
    image *= np.float32(255 * (high - low))
    image += np.float32(255 * low + 0.5)
    return devices.side_marker(np.clip(image, 0, 255, out=image).astype(np.uint8), rng)


def _exposed(image: np.ndarray) -> Layer:
    # Automatic exposure: fluid or air somewhere does not make the whole film bright or dark.
    return np.asarray((image - image.mean()) * np.float32(0.245 / image.std()) + np.float32(0.445))


def _tone(image: np.ndarray, rng: Generator) -> Layer:
    # Window, gamma, and the toe and shoulder of a film's curve in place of hard clipping.
    black, white = rng.normal(0.04, 0.06), rng.normal(0.99, 0.11)
    t = (image - np.float32(black)) * np.float32(1 / (white - black))
    t = 0.5 * (t + np.sqrt(np.square(t) + np.float32(0.01)))
    t = 1 - 0.5 * ((1 - t) + np.sqrt(np.square(1 - t) + np.float32(0.006)))
    np.clip(t, 0, 1, out=t)
    toned: Layer = np.power(t, np.float32(np.exp(rng.normal(-0.08, 0.22))))
    return toned


def _lungs(parenchyma: Layer, marks: dict[str, Mark]) -> Layer:
    # What fills the lung goes first, since air or fluid around it (`clears`) may erase it.
    for mark in marks.values():
        if mark.clears is None:
            parenchyma += mark.layer
    for mark in marks.values():
        if mark.clears is not None:
            parenchyma *= 1 - mark.clears
    for mark in marks.values():
        if mark.clears is not None:
            parenchyma += mark.layer
    return parenchyma


def _pose(
    surface: Canvas, rng: Generator, size_px: int, *, supine: bool
) -> Float32[np.ndarray, "2 3"]:
    angle = rng.normal(0, 3.5 if supine else 2.2)
    scale = np.clip(rng.normal(1.02 if supine else 1.0, 0.05), 0.9, 1.15)
    middle = (surface.shape[1] - 1) / 2
    pose: Float32[np.ndarray, "2 3"] = np.asarray(
        cv2.getRotationMatrix2D((middle, middle), angle, scale), np.float32
    )
    shift = rng.normal(0, 0.055, 2) * surface.px_per_unit
    pose[:, 2] += (size_px - 1) / 2 - middle + np.clip(shift, -0.07 * size_px, 0.07 * size_px)
    return pose


def _into_frame(layer: Layer, film: Film, interpolation: int) -> Float32[np.ndarray, "size size"]:
    size = (film.size_px, film.size_px)
    framed: Float32[np.ndarray, "size size"] = cv2.warpAffine(
        layer, film.pose, size, flags=interpolation, borderMode=cv2.BORDER_REPLICATE
    )
    return framed
