"""The most doubtful labels as text that fits a terminal."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from pipeline.results.suspects.ranking import spelt
from pipeline.results.terminal.aligned import aligned

_HEAD = ("rank", "score", "finding", "label", "P", "usual with it", "usual without", "image")


def suspect_lines(shown: pd.DataFrame) -> str:
    """A line for each row of a ranking (columns `RANKED`)."""
    rows = [
        (
            str(row["rank"]),
            f"{row['score']:.2f}",
            str(row["finding"]).replace("_", " "),
            "given" if row["labelled"] else "not given",
            spelt(row["prob"]),
            *_usual(row),
            f"{row['image_index']} ({row['split']})",
        )
        for row in shown.to_dict("records")
    ]
    return aligned([_HEAD, *rows])


def _usual(row: Mapping[Any, Any]) -> tuple[str, str]:
    """The middle half of the probabilities with the label, and without."""
    sides = [
        f"{spelt(row[f'{side}_low'])} to {spelt(row[f'{side}_high'])}"
        for side in ("usual", "other")
    ]
    return (sides[0], sides[1]) if row["labelled"] else (sides[1], sides[0])
