"""Radiographs to try: drawn by the synthetic cohort, of nobody."""

from dataclasses import dataclass

import pandas as pd

from pipeline.cohort.phantom.cohort import exams_of
from pipeline.cohort.phantom.exam import Exam
from pipeline.cohort.phantom.picture import take_picture
from pipeline.cohort.phantom.population import draw_population
from pipeline.cohort.reading.tags import Tags
from pipeline.predict.radiograph import stated

SEED = 90210
"""Another than that of the synthetic cohort in params.yaml: no model was trained on these."""

_PATIENTS = 50
_LEAST_PX, _MOST_PX = 256, 1024


@dataclass(frozen=True)
class Drawn:
    """A synthetic radiograph."""

    png: bytes
    patient: Tags


def draw_examples(side_px: int) -> dict[str, Drawn]:
    """By what they show: nothing, a large effusion, a large heart.

    Args:
        side_px: of the images that a model takes.
    """
    population = draw_population(seed=SEED, patients=_PATIENTS, prevalence_scale=2.0)
    exams = exams_of(population, population.severities > 0)
    side = min(max(side_px, _LEAST_PX), _MOST_PX)
    rows = _rows(population.severities)
    return {name: _drawn(exams[row], side) for name, row in rows.items()}


def _drawn(exam: Exam, side_px: int) -> Drawn:
    patient = stated(float(exam.age_years), exam.gender, exam.view_position)
    return Drawn(take_picture(exam, seed=SEED, size_px=side_px).png, patient)


def _rows(severities: pd.DataFrame) -> dict[str, int]:
    """Which images to draw: those that show one finding plainly and others little."""
    others = severities.sum(axis=1)
    plainly = {name: 2 * severities[name] - others for name in ("Effusion", "Cardiomegaly")}
    chosen = {"No finding": -others} | plainly
    return {name: int(plain.to_numpy().argmax()) for name, plain in chosen.items()}
