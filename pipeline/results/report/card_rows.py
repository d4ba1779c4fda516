"""What the page's model card warns of."""

from typing import Any

from pipeline.results.evaluation.reading import CALLING_RULE
from pipeline.results.report.evaluation_part import EvaluationPart

MOST = 3
"""Findings that are named."""


def card_rows(part: EvaluationPart) -> dict[str, Any]:
    """For `card.html.jinja`: `weak` groupings, the `weakest` findings, and `false_calls`.

    Args:
        part: of the evaluation.
    """
    weak = [one for one in part.groupings if one.gap.reason is None]
    aurocs = [(row.finding, row.auroc.value) for row in part.findings]
    known = [(name, value) for name, value in aurocs if value is not None]
    ppvs = [(row.finding, row.measures["ppv"].value) for row in part.thresholds[CALLING_RULE]]
    calls = [(name, value) for name, value in ppvs if value is not None]
    return {
        "weak": weak,
        "weakest": sorted(known, key=lambda one: one[1])[:MOST],
        "false_calls": sorted(calls, key=lambda one: one[1])[:MOST],
    }
