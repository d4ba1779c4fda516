"""Who is in the cohort, and which findings each image truly shows.

A patient's images share age, habitus and half of the variance of every finding's liability. The
liabilities of one image are correlated as the real labels are (tetrachoric correlations of
ChestX-ray14's table, rounded), shifted by age, gender and view, and the largest of them are the
images that have the finding: a Gaussian copula with fixed margins.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.random import Generator, default_rng

from pipeline.base.findings import FINDINGS

TEST_PATIENTS = 0.2
"""Share of the patients on the official test list."""

LARGEST_PREVALENCE = 0.45
SMALLEST_PREVALENCE = 0.06
FEWEST_POSITIVES = 4
"""Per official list: a small cohort still shows every finding."""

REAL_COUNTS: dict[str, tuple[int, int]] = {
    "Atelectasis": (8_280, 3_279),
    "Cardiomegaly": (1_707, 1_069),
    "Effusion": (8_659, 4_658),
    "Infiltration": (13_782, 6_112),
    "Mass": (4_034, 1_748),
    "Nodule": (4_708, 1_623),
    "Pneumonia": (876, 555),
    "Pneumothorax": (2_637, 2_665),
    "Consolidation": (2_852, 1_815),
    "Edema": (1_378, 925),
    "Emphysema": (1_423, 1_093),
    "Fibrosis": (1_251, 435),
    "Pleural_Thickening": (2_242, 1_143),
    "Hernia": (141, 86),
}
"""Positives on the real train_val list (86,524 images) and test list (25,596 images)."""

_LIST_SIZES = (86_524, 25_596)

_CORRELATIONS: dict[tuple[str, str], float] = {
    ("Atelectasis", "Effusion"): 0.4,
    ("Atelectasis", "Infiltration"): 0.2,
    ("Atelectasis", "Consolidation"): 0.3,
    ("Cardiomegaly", "Effusion"): 0.4,
    ("Cardiomegaly", "Edema"): 0.2,
    ("Cardiomegaly", "Pneumothorax"): -0.2,
    ("Effusion", "Infiltration"): 0.25,
    ("Effusion", "Consolidation"): 0.3,
    ("Effusion", "Edema"): 0.2,
    ("Effusion", "Mass"): 0.2,
    ("Effusion", "Pleural_Thickening"): 0.2,
    ("Infiltration", "Pneumonia"): 0.3,
    ("Infiltration", "Edema"): 0.3,
    ("Infiltration", "Nodule"): 0.1,
    ("Infiltration", "Consolidation"): 0.15,
    ("Mass", "Nodule"): 0.3,
    ("Mass", "Consolidation"): 0.25,
    ("Mass", "Pleural_Thickening"): 0.25,
    ("Nodule", "Pleural_Thickening"): 0.2,
    ("Pneumonia", "Edema"): 0.5,
    ("Pneumothorax", "Emphysema"): 0.5,
    ("Pneumothorax", "Edema"): -0.2,
    ("Fibrosis", "Pleural_Thickening"): 0.25,
    ("Fibrosis", "Edema"): -0.2,
}

_AGE: dict[str, float] = {"Hernia": 0.3, "Fibrosis": 0.15, "Atelectasis": 0.15, "Nodule": 0.1}
"""Shift of the liability per standard deviation of age."""

_SUPINE: dict[str, float] = {
    "Edema": 0.5,
    "Consolidation": 0.35,
    "Pneumonia": 0.35,
    "Infiltration": 0.3,
    "Atelectasis": 0.25,
    "Effusion": 0.25,
    "Cardiomegaly": 0.1,
    "Nodule": -0.15,
    "Pleural_Thickening": -0.25,
    "Fibrosis": -0.25,
    "Hernia": -0.2,
}
"""Shift of the liability in AP images, which are taken of patients too sick to stand."""

_FEMALE: dict[str, float] = {"Hernia": 0.2, "Cardiomegaly": 0.1, "Emphysema": -0.1}
"""Shift of the liability in women."""

_MILDEST = 0.5  # a milder one would not show, and nothing could learn it

_MATRICES = ((2500, 2048, 0.168), (2992, 2991, 0.14300000000000002), (3056, 2544, 0.139))
# Detectors: width and height in pixels, pixel spacing in mm. AP plates are turned as they fit.


@dataclass(frozen=True)
class Population:
    """The images of a cohort, in the order of their names.

    `images` has image_index, patient_id, follow_up, number, age_years, gender, view_position,
    width, height, spacing_mm and test (bool); `severities` one column per finding in [0, 1],
    where 0 is absence.
    """

    images: pd.DataFrame
    severities: pd.DataFrame


def draw_population(*, seed: int, patients: int, prevalence_scale: float) -> Population:
    """Draw patients, their images and what each image truly shows."""
    rng = default_rng([seed, 0])
    images = _draw_images(_draw_patients(rng, patients), rng)
    severities = _draw_severities(images, rng, prevalence_scale)
    return Population(images, severities)


def target_prevalences(prevalence_scale: float) -> pd.DataFrame:
    """Prevalence per finding on the train_val and on the test list.

    The real ones times `prevalence_scale`, at most 45 % and at least 6 %: at real ratios a
    cohort of a few thousand images would hold no more than a handful of hernias.
    """
    rows = {
        finding: [
            np.clip(prevalence_scale * count / size, SMALLEST_PREVALENCE, LARGEST_PREVALENCE)
            for count, size in zip(counts, _LIST_SIZES, strict=True)
        ]
        for finding, counts in REAL_COUNTS.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["train_val", "test"])


def _draw_patients(rng: Generator, patients: int) -> pd.DataFrame:
    test = np.zeros(patients, bool)
    test[rng.permutation(patients)[: round(TEST_PATIENTS * patients)]] = True
    # Most patients come once and a few often, those of the test list more often.
    images = np.minimum(rng.geometric(np.where(test, 0.41, 0.62)), 14)
    return pd.DataFrame(
        {
            "patient_id": np.arange(1, patients + 1),
            "test": test,
            "images": images,
            "gender": np.where(rng.uniform(size=patients) < 0.54, "M", "F"),
            "age_years": np.clip(rng.normal(47, 16.6, patients), 2, 94).round(),
            # Some are always imaged in bed, some never.
            "supine": rng.beta(np.where(test, 0.85, 0.55), np.where(test, 0.65, 1.02)),
        }
    )


def _draw_images(patients: pd.DataFrame, rng: Generator) -> pd.DataFrame:
    images = patients.loc[patients.index.repeat(patients["images"])].reset_index(drop=True)
    count = len(images)
    images["number"] = images.groupby("patient_id").cumcount()
    later = np.where(images["number"] == 0, 0, rng.geometric(0.85, count))
    images["follow_up"] = pd.Series(later).groupby(images["patient_id"]).cumsum()
    images["age_years"] += np.floor(images["follow_up"] * rng.uniform(0, 0.4, count))
    images["age_years"] = images.groupby("patient_id")["age_years"].cummax().astype(int)
    supine = rng.uniform(size=count) < images["supine"]
    images["view_position"] = np.where(supine, "AP", "PA")
    names = images["patient_id"].map("{:08d}".format) + images["number"].map("_{:03d}.png".format)
    images.insert(0, "image_index", names)
    matrices = np.array(_MATRICES)[np.where(supine, 0, rng.integers(1, 3, count))]
    turned = supine & (rng.uniform(size=count) < 0.25)
    images["width"] = np.where(turned, matrices[:, 1], matrices[:, 0]).astype(int)
    images["height"] = np.where(turned, matrices[:, 0], matrices[:, 1]).astype(int)
    images["spacing_mm"] = matrices[:, 2]
    return images.drop(columns=["images", "supine"])


def _draw_severities(
    images: pd.DataFrame, rng: Generator, prevalence_scale: float
) -> pd.DataFrame:
    liability = _draw_liabilities(images, rng)
    targets = target_prevalences(prevalence_scale)
    severities = np.zeros(liability.shape)
    for name, rows in (("train_val", ~images["test"]), ("test", images["test"])):
        here = np.flatnonzero(rows)
        counts = np.maximum(np.round(targets[name] * len(here)), FEWEST_POSITIVES).astype(int)
        for column, count in enumerate(counts):
            first = here[np.argsort(-liability[here, column], kind="stable")[:count]]
            severities[first, column] = np.linspace(1, _MILDEST, len(first))
    return pd.DataFrame(severities, index=images.index, columns=list(FINDINGS))


def _draw_liabilities(images: pd.DataFrame, rng: Generator) -> Float[np.ndarray, "n 14"]:
    factor = np.linalg.cholesky(correlations())
    patients, owner = np.unique(images["patient_id"], return_inverse=True)
    shared = rng.standard_normal((len(patients), len(FINDINGS))) @ factor.T
    own = rng.standard_normal((len(images), len(FINDINGS))) @ factor.T
    age = (images["age_years"].to_numpy(float) - 47) / 16.6
    supine = (images["view_position"] == "AP").to_numpy(float)
    female = (images["gender"] == "F").to_numpy(float)
    shift = np.outer(age, _by_finding(_AGE)) + np.outer(supine, _by_finding(_SUPINE))
    shift += np.outer(female, _by_finding(_FEMALE))
    liability: Float[np.ndarray, "n 14"] = np.sqrt(0.5) * (shared[owner] + own) + shift
    return liability


def correlations() -> Float[np.ndarray, "14 14"]:
    """Correlation of the findings' liabilities, in the order of `FINDINGS`."""
    matrix = np.eye(len(FINDINGS))
    for (one, other), value in _CORRELATIONS.items():
        i, j = FINDINGS.index(one), FINDINGS.index(other)
        matrix[i, j] = matrix[j, i] = value
    return matrix


def _by_finding(shifts: Mapping[str, float]) -> Float[np.ndarray, "14"]:
    return np.array([shifts.get(finding, 0.0) for finding in FINDINGS])
