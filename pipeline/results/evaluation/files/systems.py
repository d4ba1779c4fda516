"""Systems: tables of probabilities by name, on the same images."""

from itertools import pairwise, permutations

import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.errors import ArtifactError

Systems = dict[str, pd.DataFrame]
"""Predictions (schema PREDICTIONS) by the name of the system that made them."""

FLOORS = ("metadata_only", "shuffled", "prevalence")
"""Baselines without an image, or with another one: rows of every table of systems, best first."""


def aligned(systems: Systems) -> Systems:
    """The same systems, each sorted by image, once it is sure that images and splits agree.

    Raises:
        ArtifactError: no system, a repeated image, or two systems that differ in their findings,
            their images or an image's split; says which, how many, and names the first such image.
    """
    if not systems:
        raise ArtifactError("no predictions given; expected at least one table")
    frames = {
        name: frame.sort_values("image_index", ignore_index=True)
        for name, frame in systems.items()
    }
    for name, frame in frames.items():
        _refuse_repeats(name, frame)
    for (name, frame), (other_name, other) in pairwise(frames.items()):
        _refuse_difference(name, frame, other_name, other)
    return frames


def _refuse_repeats(name: str, frame: pd.DataFrame) -> None:
    repeated = frame["image_index"][frame["image_index"].duplicated()]
    if len(repeated):
        raise ArtifactError(
            f"{name} predicts {len(repeated)} images more than once; first: {repeated.iloc[0]}"
        )


def _refuse_difference(
    name: str, frame: pd.DataFrame, other_name: str, other: pd.DataFrame
) -> None:
    for (one, has), (two, knows) in permutations([(name, frame), (other_name, other)]):
        missing = [finding for finding in FINDINGS if finding in knows and finding not in has]
        if missing:
            raise ArtifactError(f"{one} lacks {', '.join(missing)}, which {two} predicts")
    mine, theirs = set(frame["image_index"]), set(other["image_index"])
    if mine != theirs:
        first = min(mine ^ theirs)
        raise ArtifactError(
            f"{name} predicts {len(mine)} images and {other_name} {len(theirs)}, "
            f"{len(mine & theirs)} of them the same; first difference: {first} is only in "
            f"{name if first in mine else other_name}. Both need the same images and splits"
        )
    differs = frame["split"].to_numpy() != other["split"].to_numpy()
    if differs.any():
        row = int(differs.argmax())
        raise ArtifactError(
            f"{name} and {other_name} put {differs.sum()} of {len(frame)} images into different "
            f"splits; first: {frame['image_index'][row]} is {frame['split'][row]!r} in {name} and "
            f"{other['split'][row]!r} in {other_name}. Both need the same images and splits"
        )
