"""The page of doubtful labels, for a reader to judge: one self-contained HTML file."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import logit

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import findings_of
from pipeline.results.pictures.overlays import age_gender_view
from pipeline.results.report.pages import environment
from pipeline.results.suspects.ranking import Ranking, spelt
from pipeline.results.suspects.suspect_pictures import SuspectPicture

TEMPLATE = "suspects.html.jinja"

MEANINGS: dict[str, tuple[str, str]] = {
    "odds": ("the estimated chance that the label is wrong", "chance wrong"),
    "margin": ("confident learning's margin of the other class", "margin"),
    "confidence": ("the probability that is not given to the label", "1 − confidence"),
}
"""Of each entry of `SCORES`: what it is, and what stands before the number."""

_FURTHEST = 1e-3
"""Probabilities nearer to 0 or 1 lie at the ends of the scale."""

Span = tuple[float, float]


class Suspect(NamedTuple):
    """A doubtful label, ready for the page."""

    rank: int
    image_index: str
    split: str
    finding: str
    labelled: bool
    prob: float
    score: float
    beyond: float
    with_label: Span
    """The middle half of the probabilities where the label is given."""
    without_label: Span
    labels: list[str]
    """All that the image has."""
    likely: list[tuple[str, float]]
    """The three most probable findings."""
    about: str
    """Age, gender, view, as far as known."""
    picture: SuspectPicture | None


class _Side(NamedTuple):
    images: int
    low: float
    median: float
    high: float
    shown: int


class _UsualRow(NamedTuple):
    finding: str
    split: str
    sides: list[_Side]
    """Where the label is given, and where not."""


def suspects_of(
    shown: pd.DataFrame,
    predictions: pd.DataFrame,
    images: pd.DataFrame,
    pictures: Sequence[SuspectPicture | None],
) -> list[Suspect]:
    """Rows of a ranking with all that the page says of them.

    Args:
        shown: columns `RANKED`.
        predictions: of these images.
        images: labels and metadata of these images.
        pictures: one for each row, in their order.
    """
    probs = predictions.set_index("image_index")
    known = images.set_index("image_index")
    return [
        _suspect(row, probs.loc[row["image_index"]], known.loc[row["image_index"]], picture)
        for row, picture in zip(shown.to_dict("records"), pictures, strict=True)
    ]


def render_suspects(
    suspects: Sequence[Suspect],
    ranking: Ranking,
    *,
    score: str,
    read: str,
    only: Sequence[str],
    heatmap: str | None,
) -> str:
    """The whole page as HTML.

    Args:
        suspects: that are shown, the most doubtful first.
        ranking: that they are of.
        score: the entry of `SCORES` that ranked them.
        read: what was taken for predictions, in words.
        only: what the ranking was cut down to, in words; nothing of the whole one.
        heatmap: whose heatmaps are shown; None without any.
    """
    meaning, quantity = MEANINGS[score]
    templates = environment(__package__)
    templates.filters["spelt"] = spelt
    return templates.get_template(TEMPLATE).render(
        suspects=suspects,
        labels=len(ranking.labels),
        given=int(ranking.labels["labelled"].sum()),
        left_out=ranking.left_out,
        usual=_usual_rows(ranking.usual, suspects),
        meaning=meaning,
        quantity=quantity,
        read=read,
        only=only,
        heatmap=heatmap,
        place=place,
    )


def place(prob: float) -> float:
    """Where a probability stands on a scale of log odds, in percent of its length."""
    end = float(logit(_FURTHEST))
    return round(50 + 50 * float(logit(np.clip(prob, _FURTHEST, 1 - _FURTHEST))) / -end, 2)


def _suspect(
    row: dict[Any, Any], probs: pd.Series, image: pd.Series, picture: SuspectPicture | None
) -> Suspect:
    usual = (row["usual_low"], row["usual_high"])
    other = (row["other_low"], row["other_high"])
    predicted = [(name, float(probs[name])) for name in FINDINGS if name in probs.index]
    return Suspect(
        **{name: row[name] for name in _AS_RANKED},
        with_label=usual if row["labelled"] else other,
        without_label=other if row["labelled"] else usual,
        labels=findings_of(image),
        likely=sorted(predicted, key=lambda one: -one[1])[:3],
        about=age_gender_view(image),
        picture=picture,
    )


_AS_RANKED = (
    "rank", "image_index", "split", "finding", "labelled", "prob", "score", "beyond",
)  # fmt: skip


def _usual_rows(usual: pd.DataFrame, suspects: Sequence[Suspect]) -> list[_UsualRow]:
    shown = [(one.split, one.finding, one.labelled) for one in suspects]
    found: dict[tuple[str, str], list[_Side]] = {}
    for row in usual.to_dict("records"):
        key = (row["split"], row["finding"], row["labelled"])
        side = _Side(row["images"], row["low"], row["median"], row["high"], shown.count(key))
        found.setdefault((row["finding"], row["split"]), []).append(side)
    order = sorted(found, key=lambda key: (FINDINGS.index(key[0]), key[1]))
    return [_UsualRow(finding, split, found[finding, split]) for finding, split in order]
