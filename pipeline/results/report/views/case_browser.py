"""What the page's browser of test images shows beside their pictures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd

from pipeline.base.findings import FINDINGS
from pipeline.base.tables import known, positive
from pipeline.results.evaluation.reading import CALLING_RULE
from pipeline.results.pictures.case_files import CaseFiles
from pipeline.results.pictures.overlays import COLOUR_MAP, OPACITY, age_gender_view

MOST_BYTES = 20_000_000
"""Of cases that are packed into the page; more lie beside it."""

FOLDER = "cases"
"""Beside the page."""


class CaseBrowser(NamedTuple):
    """What `cases.html.jinja` shows."""

    data: dict[str, Any]
    """JSON-able; columns of all cases, in their order."""
    packed: list[str]
    """The files of cases as JSON texts; none where they lie beside the page."""


def case_browser(
    files: CaseFiles,
    *,
    predictions: pd.DataFrame,
    index: pd.DataFrame,
    thresholds: pd.DataFrame,
    subject: str,
) -> CaseBrowser:
    """The browser's data.

    Args:
        files: of the stage `pictures`.
        predictions: of `subject` (schema PREDICTIONS).
        index: labels, and what is known of who was imaged.
        thresholds: table `thresholds` of `evaluate`.
        subject: the system whose calls are shown.
    """
    names = files.about["images"]
    about = index.set_index("image_index").loc[names]
    probs = predictions.set_index("image_index").loc[names, list(FINDINGS)]
    packed, chosen = is_packed(files), _thresholds(thresholds, subject)
    called = [probs[one].to_numpy() >= chosen.get(one, np.inf) for one in FINDINGS]
    data = {
        **files.about,
        "findings": list(FINDINGS),
        "folder": None if packed else FOLDER,
        "thresholds": [chosen.get(one) for one in FINDINGS],
        "opacity": OPACITY,
        "colours": _colours(),
        "about": [age_gender_view(image) for _, image in about.iterrows()],
        "patients": [int(patient) for patient in about["patient_id"]],
        "labelled": _bits([positive(about, one) for one in FINDINGS]),
        "unknown": _bits([~known(about, one) for one in FINDINGS]),
        "called": _bits(called),
        "probs": probs.to_numpy(float).round(5).tolist(),
    }
    texts = [path.read_text(encoding="utf-8") for path in files.files] if packed else []
    return CaseBrowser(data, texts)


def is_packed(files: CaseFiles) -> bool:
    """Whether the cases are few enough to lie in the page itself."""
    return files.size <= MOST_BYTES


def beside_page(files: CaseFiles) -> Iterator[tuple[str, str]]:
    """Names and texts of what lies in `FOLDER`: scripts, which a page on disk may load."""
    if is_packed(files):
        yield (
            "README.txt",
            "All cases are packed into the page. Of a larger cohort they lie here.\n",
        )
        return
    for place, path in enumerate(files.files):
        yield f"{path.stem}.js", f"cxrCases({place},{path.read_text(encoding='utf-8')});\n"


def write_beside_page(files: CaseFiles, folder: Path) -> None:
    """Write them into a new folder."""
    for name, text in beside_page(files):
        (folder / name).write_text(text, encoding="utf-8")


def _thresholds(table: pd.DataFrame, subject: str) -> dict[str, float]:
    own = table[table["system"].eq(subject) & table["rule"].eq(CALLING_RULE)]
    return {str(one): float(at) for one, at in zip(own["finding"], own["threshold"], strict=True)}


def _bits(columns: list[np.ndarray]) -> list[int]:
    """Of each image a number, whose lowest bit is the first finding's."""
    powers = 2 ** np.arange(len(columns))
    return [int(value) for value in np.stack(columns, axis=1) @ powers]


def _colours() -> str:
    """The colour map as 256 colours of six hexadecimal digits."""
    table = mpl.colormaps[COLOUR_MAP](np.arange(256))[:, :3]
    return (table * 255).round().astype(np.uint8).tobytes().hex()
