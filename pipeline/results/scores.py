"""One system's probabilities against the labels of one split."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from pipeline.findings import FINDINGS
from pipeline.results.bootstrap import replicate_aurocs
from pipeline.results.metrics import auroc, average_precision, rank


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


def labelled(images: pd.DataFrame, index: pd.DataFrame, *, split: str) -> LabelledSet:
    """Labels and patients of the images of one split, in their order."""
    here = images.loc[images["split"] == split, "image_index"]
    rows = index.set_index("image_index").loc[here]
    targets = {finding: rows[finding].to_numpy(bool) for finding in FINDINGS}
    both = {name: value for name, value in targets.items() if value.any() and not value.all()}
    patient = pd.factorize(rows["patient_id"])[0]
    return LabelledSet(here.reset_index(drop=True), np.asarray(patient, np.int64), both)


class Scores(NamedTuple):
    """One system on one set."""

    auroc: dict[str, float]
    auprc: dict[str, float]
    replicates: Float[np.ndarray, " r"]
    """Mean AUROC of the findings in every bootstrap replicate."""

    @property
    def mean_auroc(self) -> float:
        """Unweighted over findings."""
        return float(np.mean(list(self.auroc.values())))


def score(
    frame: pd.DataFrame, images: LabelledSet, counts: Float[np.ndarray, "patients r"]
) -> Scores:
    """AUROC and average precision per finding, and the mean AUROC of every replicate.

    A replicate that holds one class only of a rare finding keeps that finding at the value of
    the whole sample: leaving it out would shift the mean by what the finding differs from it.
    """
    rows = frame.set_index("image_index").loc[images.image_index]
    once = np.ones((images.patients, 1))
    aurocs, auprcs, replicates = {}, {}, []
    for finding, targets in images.targets.items():
        ranking = rank(targets, rows[finding].to_numpy(), images.patient)
        aurocs[finding] = float(auroc(ranking, once)[0])
        auprcs[finding] = float(average_precision(ranking, once)[0])
        drawn = replicate_aurocs(ranking, counts)
        replicates.append(np.where(np.isnan(drawn), aurocs[finding], drawn))
    mean = np.mean(replicates, axis=0) if replicates else np.empty(0)
    return Scores(aurocs, auprcs, mean)
