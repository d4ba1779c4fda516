"""The whole cohort: its tables at once, its images one by one."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool
from numpy.random import default_rng

from pipeline.base.findings import BOXED_FINDINGS
from pipeline.base.pool import map_ordered
from pipeline.cohort.phantom.exam import Exam
from pipeline.cohort.phantom.labels import ceiling, mine_labels
from pipeline.cohort.phantom.layout import CohortImage
from pipeline.cohort.phantom.picture import take_picture
from pipeline.cohort.phantom.population import Population, draw_population
from pipeline.params.sections import PhantomParams

BOXED_SHARE = 0.5
"""Share of the labelled and truly positive test images of a finding that have a box."""


@dataclass(frozen=True)
class Cohort:
    """What `pipeline.cohort.phantom.layout.write_cohort` writes, and the known answer."""

    images: Iterable[CohortImage]
    """Drawn while they are read, once, in the order of `severities`."""
    entries: pd.DataFrame
    train_val: list[str]
    test: list[str]
    ceiling: dict[str, Any]
    severities: pd.DataFrame
    """By image_index, one column per finding, in [0, 1]; 0 is absence."""


def make_cohort(params: PhantomParams, *, workers: int = 0) -> Cohort:
    """Make the cohort.

    Args:
        params: Size, seed, noise.
        workers: Processes; 0 means one per core. Not one byte depends on it.
    """
    population = draw_population(
        seed=params.seed, patients=params.patients, prevalence_scale=params.prevalence_scale
    )
    images, severities = population.images, population.severities
    test = images["test"].to_numpy()
    labels = mine_labels(severities, test, seed=params.seed, label_noise=params.label_noise)
    boxed = _boxed(labels & (severities > 0), test, seed=params.seed)
    take = partial(take_picture, seed=params.seed, size_px=params.size_px)
    return Cohort(
        images=map_ordered(take, exams_of(population, boxed), workers=workers),
        entries=_in_file_order(pd.concat([images, labels], axis=1), seed=params.seed),
        train_val=images["image_index"][~test].tolist(),
        test=images["image_index"][test].tolist(),
        ceiling=ceiling(severities, labels, test),
        severities=severities.set_index(images["image_index"]),
    )


def exams_of(population: Population, boxed: pd.DataFrame) -> list[Exam]:
    """One exam per image, in the order of the population.

    Args:
        population: Images and severities.
        boxed: Which findings get a box, bool, rows and columns as the severities.
    """
    return [
        Exam(
            **{str(name): record[name] for name in _METADATA},
            severities={str(f): s for f, s in severities.items() if s > 0},
            boxed=tuple(str(f) for f, has_box in boxes.items() if has_box),
        )
        for record, severities, boxes in zip(
            population.images.to_dict("records"),
            population.severities.to_dict("records"),
            boxed.to_dict("records"),
            strict=True,
        )
    ]


_METADATA = ("image_index", "patient_id", "number", "gender", "age_years", "view_position")


def _boxed(candidates: pd.DataFrame, test: Bool[np.ndarray, "n"], *, seed: int) -> pd.DataFrame:
    # The real boxes, too, are all on test images, and on few of them.
    chosen = candidates & (default_rng([seed, 2]).uniform(size=candidates.shape) < BOXED_SHARE)
    chosen.loc[~test] = False
    return chosen[list(BOXED_FINDINGS)]


def _in_file_order(entries: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    # In the real table, too, the images of some patients are out of order.
    rng = default_rng([seed, 3])
    jitter = np.where(rng.uniform(size=len(entries)) < 0.05, rng.integers(0, 4, len(entries)), 0)
    return entries.iloc[np.argsort(np.arange(len(entries)) + jitter, kind="stable")]
