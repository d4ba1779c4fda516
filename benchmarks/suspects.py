"""How many doubtful labels are wrong: `python -m benchmarks.suspects`, on a synthetic cohort.

The stage `phantom` draws who has what, and then makes labels of it as text mining does, errors
included. Both follow from its params alone, so that they are drawn here again, without an image
(`dvc repro evaluate` first, for the probabilities).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import typer
from jaxtyping import Bool, Int

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import read_index, read_splits
from pipeline.cohort.phantom.labels import mine_labels
from pipeline.cohort.phantom.population import draw_population
from pipeline.errors import ArtifactError
from pipeline.params.sections import PhantomParams
from pipeline.params.whole import load_params
from pipeline.results.statistics.bootstrap import patient_counts, percentile_interval
from pipeline.results.suspects.judged_images import of_system
from pipeline.results.suspects.label_scores import SCORES
from pipeline.results.suspects.ranking import rank_labels

FIRST = (20, 100, 300)
"""How many of the most doubtful labels are counted."""

REPLICATES = 500

KINDS: dict[str, tuple[bool, ...]] = {
    "all": (True, False),
    "given": (True,),
    "not given": (False,),
}
"""Labels that a ranking is cut down to, by whether they are given."""


class Truth(NamedTuple):
    """What the phantoms show, and what text mining made of it; both by image and finding."""

    present: pd.DataFrame
    labels: pd.DataFrame

    @property
    def wrong(self) -> pd.DataFrame:
        """Whether a label is noise."""
        return self.present != self.labels


class Precision(NamedTuple):
    """Of the first labels of a ranking, how many are noise."""

    score: str
    kind: str
    labels: int
    noise: float
    """Share of all labels of this kind that are noise."""
    found: dict[int, tuple[float, float, float]]
    """The same of the first so many, and its 95 % interval: bootstrap over patients, with the
    scores as they are."""


def truth_of(phantom: PhantomParams) -> Truth:
    """Who has what in the synthetic cohort, drawn as the stage `phantom` draws it."""
    drawn = draw_population(
        seed=phantom.seed, patients=phantom.patients, prevalence_scale=phantom.prevalence_scale
    )
    names, severities = drawn.images["image_index"], drawn.severities[list(FINDINGS)]
    mined = mine_labels(
        severities, drawn.images["test"].to_numpy(), seed=phantom.seed,
        label_noise=phantom.label_noise,
    )  # fmt: skip
    return Truth((severities > 0).set_index(names), mined.set_index(names))


def expect_same_labels(index: pd.DataFrame, truth: Truth) -> None:
    """Make sure that a cohort is the one whose truth this is.

    Raises:
        ArtifactError: it has other images or labels.
    """
    found = index.set_index("image_index")[list(FINDINGS)]
    drawn = truth.labels.sort_index()
    if not found.index.equals(drawn.index) or not found.equals(drawn):
        raise ArtifactError(
            f"the labels of {len(found):,} images are not those that params.yaml's section "
            "phantom makes; expected the synthetic cohort, and `dvc repro` since its last change"
        )


def is_wrong(ranked: pd.DataFrame, truth: Truth) -> Bool[np.ndarray, " n"]:
    """Whether each label of a ranking is noise."""
    wrong = truth.wrong
    rows = wrong.index.get_indexer(pd.Index(ranked["image_index"]))
    columns = wrong.columns.get_indexer(pd.Index(ranked["finding"]))
    return np.asarray(wrong.to_numpy()[rows, columns], bool)


def measure_suspects(
    predictions: pd.DataFrame, index: pd.DataFrame, truth: Truth
) -> Iterator[Precision]:
    """Precision of every score on every kind of labels."""
    for name, score in SCORES.items():
        ranked = rank_labels(predictions, index, score).labels
        wrong = is_wrong(ranked, truth)
        owners = index.set_index("image_index")["patient_id"].loc[ranked["image_index"]]
        for kind, sides in KINDS.items():
            rows = ranked["labelled"].isin(sides).to_numpy()
            patient = np.unique(owners[rows], return_inverse=True)[1]
            found = {many: share_of_first(wrong[rows], patient, many) for many in FIRST}
            yield Precision(name, kind, int(rows.sum()), float(wrong[rows].mean()), found)


def share_of_first(
    wrong: Bool[np.ndarray, " n"], patient: Int[np.ndarray, " n"], many: int
) -> tuple[float, float, float]:
    """The share of noise among the first labels, and its interval.

    Args:
        wrong: whether each label is noise, the most doubtful first.
        patient: 0, 1, ...: whose label it is.
        many: how many are the first.
    """
    counts = patient_counts(int(patient.max()) + 1, replicates=REPLICATES, seed=0)
    shares = []
    for drawn in counts.T:
        times = drawn[patient]
        taken = np.clip(many - (np.cumsum(times) - times), 0, times)
        shares.append(float(taken @ wrong) / many)
    return float(wrong[:many].mean()), *percentile_interval(np.array(shares))


def expected_and_found(
    predictions: pd.DataFrame, index: pd.DataFrame, truth: Truth
) -> list[tuple[float, float, int]]:
    """Mean estimated chance of being wrong, the share that is, and how many, by tenths of it."""
    ranked = rank_labels(predictions, index, SCORES["odds"]).labels
    wrong = is_wrong(ranked, truth)
    tenth = np.minimum(ranked["score"].to_numpy() * 10, 9).astype(int)
    return [
        (float(ranked["score"][at].mean()), float(wrong[at].mean()), int(at.sum()))
        for at in (tenth == step for step in range(10))
        if at.any()
    ]


def suspects_table(precisions: Mapping[str, list[Precision]]) -> str:
    """For people, in Markdown; by system."""
    lines = [
        "| system | score | labels | of them noise | "
        + " | ".join(f"noise in the first {many}" for many in FIRST)
        + " |",
        "|---|---|---|---|" + "---|" * len(FIRST),
    ]
    lines += [
        f"| {system} | {one.score} | {one.labels:,} {one.kind} | {one.noise:.1%} | "
        + " | ".join(
            f"{share:.0%} ({low:.0%} to {high:.0%}), {share / one.noise:.1f} x"
            for share, low, high in one.found.values()
        )
        + " |"
        for system, some in precisions.items()
        for one in some
    ]
    return "\n".join(lines)


def main(
    systems: Annotated[str, typer.Option(help="Separated by commas.")] = "ensemble,model.fusion",
    checkout: Annotated[Path, typer.Option(help="With the results of a run.")] = Path(),
    split: Annotated[str, typer.Option(help="val, test, or nothing for both.")] = "",
) -> None:
    """Print the share of noise in the first labels of each ranking."""
    truth = truth_of(load_params(checkout / "params.yaml").phantom)
    index = read_index(checkout / "data/cache/index.parquet")
    expect_same_labels(index, truth)
    splits = read_splits(checkout / "data/splits.parquet")["split"].value_counts()
    typer.echo(f"images: {', '.join(f'{splits[name]:,} {name}' for name in splits.index)}\n")
    found = {}
    for name in systems.split(","):
        frame = of_system(name, checkout / "data/calibrated").predictions
        frame = frame[frame["split"].eq(split) | (split == "")].reset_index(drop=True)
        found[name] = list(measure_suspects(frame, index, truth))
        rows = expected_and_found(frame, index, truth)
        typer.echo(f"{name}, chance that a label is wrong, by `odds`: estimated, found, labels")
        typer.echo("\n".join(f"  {mean:.2f}  {share:.2f}  {many:,}" for mean, share, many in rows))
    typer.echo(f"\n{suspects_table(found)}")


if __name__ == "__main__":
    typer.run(main)
