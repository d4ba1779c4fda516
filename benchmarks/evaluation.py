"""What the patient bootstrap costs on a test set of the official one's size, on one core."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from benchmarks.machine import most_resident
from pipeline.base.findings import FINDINGS
from pipeline.results.evaluation.scores import LabelledSet, score
from pipeline.results.report.views.literature import OFFICIAL_TEST_IMAGES, OFFICIAL_TEST_PATIENTS
from pipeline.results.statistics.bootstrap import patient_counts

Figures = dict[str, Any]

POSITIVES = (3279, 1069, 4658, 6112, 1748, 1623, 555, 2665, 1815, 925, 1093, 435, 1143, 86)
"""Of the official test list, in the order of FINDINGS."""


def measure_evaluation(
    *, images: int = OFFICIAL_TEST_IMAGES, replicates: int = 1000, rounds: int = 3
) -> Figures:
    """Seconds and memory of a process with one thread, and what scikit-learn takes there."""
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [
        sys.executable,
        "-m",
        "benchmarks.evaluation",
        *map(str, (images, replicates, rounds)),
    ]
    done = subprocess.run(
        command, env=os.environ | threads, check=True, capture_output=True, text=True
    )
    figures: Figures = json.loads(done.stdout)
    return {"evaluation": figures}


def _measure(images: int, replicates: int, rounds: int) -> Figures:
    """AUROC and AP of one system, and as many single replicates of the other way."""
    held, frame = _made(images)
    counts = patient_counts(held.patients, replicates=replicates, seed=0)
    mine = [_seconds(lambda: score(frame, held, counts, min_patients=10)) for _ in range(rounds)]
    peak_mb = most_resident() / 1e6
    by_hand = [
        _seconds(partial(_by_sklearn, frame, held, counts[:, [at]])) for at in range(rounds)
    ]
    ratios = sorted(replicates * other / one for one, other in zip(mine, by_hand, strict=True))
    return {
        "images": images,
        "replicates": replicates,
        "seconds": median(mine),
        "peak MB": peak_mb,
        "scikit-learn seconds": replicates * median(by_hand),
        "ratios": ratios,
        "ratio": median(ratios),
    }


def _made(images: int) -> tuple[LabelledSet, pd.DataFrame]:
    rng = np.random.default_rng(0)
    patients = OFFICIAL_TEST_PATIENTS * images // OFFICIAL_TEST_IMAGES
    patient = _owners(rng, images, patients)
    names = pd.Series([f"{row:08d}_000.png" for row in range(images)], name="image_index")
    targets, columns = {}, {}
    for finding, positives in zip(FINDINGS, POSITIVES, strict=True):
        chosen = rng.permutation(images)[: max(positives * images // OFFICIAL_TEST_IMAGES, 2)]
        targets[finding] = np.isin(np.arange(images), chosen)
        logits = rng.normal(size=images) + 1.3 * targets[finding] - 2
        columns[finding] = (1 / (1 + np.exp(-logits))).astype(np.float32)
    return LabelledSet(names, patient, targets), pd.DataFrame({"image_index": names, **columns})


def _owners(rng: np.random.Generator, images: int, patients: int) -> Int[np.ndarray, " n"]:
    """Each patient has an image; the others are theirs who have many already."""
    weights = rng.pareto(1.5, patients)
    more = rng.choice(patients, size=images - patients, p=weights / weights.sum())
    return np.sort(np.concatenate([np.arange(patients), more]))


def _by_sklearn(
    frame: pd.DataFrame, held: LabelledSet, counts: Float[np.ndarray, "patients 1"]
) -> list[tuple[float, float]]:
    """One replicate, as it is usually written: the drawn patients' images, scored again."""
    from sklearn.metrics import average_precision_score, roc_auc_score  # noqa: PLC0415

    rows = np.repeat(np.arange(len(frame)), counts[held.patient, 0].astype(int))
    return [
        (roc_auc_score(labels, probs), average_precision_score(labels, probs))
        for finding, targets in held.targets.items()
        for labels, probs in [(targets[rows], frame[finding].to_numpy()[rows])]
    ]


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_measure(*map(int, sys.argv[1:]))))
