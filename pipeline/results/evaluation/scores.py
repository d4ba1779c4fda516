"""One system's probabilities against the labels of one split."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from pipeline.base.findings import FINDINGS
from pipeline.results.evaluation.files.systems import Systems
from pipeline.results.statistics.bootstrap import patient_counts, replicate_both
from pipeline.results.statistics.delong import Placements, placements
from pipeline.results.statistics.estimate import Estimate, average
from pipeline.results.statistics.metrics import (
    Ranking,
    auroc_influence,
    average_precision_influence,
    both,
    rank,
)

MEAN = "mean"
"""In the place of a finding: the unweighted mean over the findings that have both classes."""

MEASURES = ("auroc", "auprc")


class LabelledSet(NamedTuple):
    """The images of one split, and the findings that both occur and are absent there."""

    image_index: pd.Series
    patient: Int[np.ndarray, " n"]
    """0, 1, ...: the patient's row among this set's patients."""
    targets: dict[str, Bool[np.ndarray, " n"]]

    @property
    def patients(self) -> int:
        """Number of patients."""
        return int(self.patient.max(initial=-1)) + 1

    @property
    def excluded(self) -> list[str]:
        """The findings that are not predicted, or have only one class here."""
        return [finding for finding in FINDINGS if finding not in self.targets]

    def fewer_patients(self, finding: str) -> int:
        """Patients with an image that has the finding, or with one that has not: the fewer."""
        targets = self.targets[finding]
        return min(len(np.unique(self.patient[side])) for side in (targets, ~targets))

    def probs(self, frame: pd.DataFrame) -> dict[str, Float[np.ndarray, " n"]]:
        """What a system (schema PREDICTIONS) says of these images, in their order."""
        rows = frame.set_index("image_index").loc[self.image_index]
        return {finding: rows[finding].to_numpy() for finding in self.targets}


def labelled(images: pd.DataFrame, index: pd.DataFrame, *, split: str) -> LabelledSet:
    """Labels and patients of the images of one split, in their order.

    Args:
        images: image_index, split, and a column for each finding that is predicted.
        index: labels and patients (schema INDEX).
        split: of the images that are taken.
    """
    here = images.loc[images["split"] == split, "image_index"]
    rows = index.set_index("image_index").loc[here]
    targets = {finding: rows[finding].to_numpy(bool) for finding in FINDINGS if finding in images}
    both_classes = {name: one for name, one in targets.items() if one.any() and not one.all()}
    patient = pd.factorize(rows["patient_id"])[0]
    return LabelledSet(here.reset_index(drop=True), np.asarray(patient, np.int64), both_classes)


class Scores(NamedTuple):
    """One system on one set; of no finding if the set has none with both classes."""

    of: dict[str, dict[str, Estimate]]
    """By measure, then by finding; `MEAN` comes last."""
    placements: dict[str, Placements]
    """Of DeLong's test, by finding."""

    def values(self, measure: str) -> dict[str, float]:
        """By finding, without the mean."""
        return {name: one.value for name, one in self.of[measure].items() if name != MEAN}

    def mean(self, measure: str) -> Estimate | None:
        """Over the findings."""
        return self.of[measure].get(MEAN)


def score(
    frame: pd.DataFrame,
    images: LabelledSet,
    counts: Float[np.ndarray, "patients r"],
    *,
    min_patients: int,
) -> Scores:
    """AUROC and average precision per finding and their means, in the sample and in replicates.

    A replicate that holds one class only of a rare finding keeps that finding at the value of
    the whole sample: leaving it out would shift the mean by what the finding differs from it.

    Args:
        frame: predictions (schema PREDICTIONS) that hold these images.
        images: with their labels.
        counts: of `patient_counts`.
        min_patients: fewest with and without a finding that an interval is given for.
    """
    of: dict[str, dict[str, Estimate]] = {measure: {} for measure in MEASURES}
    placed = {}
    for finding, probs in images.probs(frame).items():
        targets = images.targets[finding]
        ranking = rank(targets, probs, images.patient, units=images.patients)
        sure = images.fewer_patients(finding) >= min_patients
        for measure, one in zip(MEASURES, _estimates(ranking, counts), strict=True):
            of[measure][finding] = replace(one, sure=sure)
        placed[finding] = placements(targets, probs)
    means = {
        measure: {MEAN: average(list(found.values()))} for measure, found in of.items() if found
    }
    return Scores({name: found | means.get(name, {}) for name, found in of.items()}, placed)


def _estimates(
    ranking: Ranking, counts: Float[np.ndarray, "patients r"]
) -> tuple[Estimate, Estimate]:
    values = both(ranking, np.ones((counts.shape[0], 1)))
    influences = auroc_influence(ranking), average_precision_influence(ranking)
    auroc, auprc = (
        Estimate(float(value[0]), np.where(np.isnan(drawn), value[0], drawn), influence)
        for value, drawn, influence in zip(
            values, replicate_both(ranking, counts), influences, strict=True
        )
    )
    return auroc, auprc


class HeldOut(NamedTuple):
    """The images of one split, and the scores of every system on them."""

    images: LabelledSet
    counts: Float[np.ndarray, "patients r"]
    """How often each patient is in each replicate, of all systems."""
    scores: dict[str, Scores]


def hold_out(
    systems: Systems, images: LabelledSet, *, replicates: int, min_patients: int, seed: int
) -> HeldOut:
    """Score all systems in the same replicates of the patients, so that differences are paired."""
    counts = patient_counts(images.patients, replicates=replicates, seed=seed)
    scores = {
        name: score(frame, images, counts, min_patients=min_patients)
        for name, frame in systems.items()
    }
    return HeldOut(images, counts, scores)
