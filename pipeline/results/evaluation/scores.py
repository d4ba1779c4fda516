"""One system's probabilities against the labels of one split."""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Shaped

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import known, positive
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
    """The images of one split, and the findings that both occur and are absent there.

    What is said of a finding is said of the images whose label is known.
    """

    image_index: pd.Series
    patient: Int[np.ndarray, " n"]
    """0, 1, ...: the patient's row among this set's patients."""
    targets: dict[str, Bool[np.ndarray, " k"]]
    """By finding, of the images whose label is known, in their order."""
    masks: Mapping[str, Bool[np.ndarray, " n"]] = {}
    """By finding, which those are; of a finding that is not there, all of them."""

    def knows(self, finding: str) -> Bool[np.ndarray, " n"]:
        """Which images' label is known."""
        mask = self.masks.get(finding)
        return np.ones(len(self.image_index), bool) if mask is None else mask

    def of(self, finding: str, values: Shaped[np.ndarray, " n"]) -> Shaped[np.ndarray, " k"]:
        """Those of the images whose label is known."""
        mask = self.masks.get(finding)
        return values if mask is None else values[mask]

    def positive(self, finding: str) -> Bool[np.ndarray, " n"]:
        """Which of all images are known to have the finding."""
        found = self.knows(finding).copy()
        found[found] = self.targets[finding]
        return found

    @property
    def patients(self) -> int:
        """Number of patients."""
        return int(self.patient.max(initial=-1)) + 1

    @property
    def excluded(self) -> list[str]:
        """The findings that are not predicted, or whose known labels are of one class here."""
        return [finding for finding in FINDINGS if finding not in self.targets]

    def fewer_patients(self, finding: str) -> int:
        """Patients with an image that has the finding, or with one that has not: the fewer."""
        targets, owner = self.targets[finding], self.of(finding, self.patient)
        return min(len(np.unique(owner[side])) for side in (targets, ~targets))

    def probs(self, frame: pd.DataFrame) -> dict[str, Float[np.ndarray, " k"]]:
        """What a system (schema PREDICTIONS) says of images whose label is known."""
        return {finding: self.of(finding, said) for finding, said in self.said(frame).items()}

    def said(self, frame: pd.DataFrame) -> dict[str, Float[np.ndarray, " n"]]:
        """What it says of all images, in their order."""
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
    masks = {finding: known(rows, finding) for finding in FINDINGS if finding in images}
    targets = {finding: positive(rows, finding)[mask] for finding, mask in masks.items()}
    both_classes = {name: one for name, one in targets.items() if one.any() and not one.all()}
    partly = {name: masks[name] for name in both_classes if not masks[name].all()}
    patient = np.asarray(pd.factorize(rows["patient_id"])[0], np.int64)
    return LabelledSet(here.reset_index(drop=True), patient, both_classes, partly)


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
        owner = images.of(finding, images.patient)
        ranking = rank(targets, probs, owner, units=images.patients)
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
