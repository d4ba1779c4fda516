"""Which column of a stranger's table of boxes is what, and how four numbers are a box."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from pipeline.errors import ArtifactError
from pipeline.results.evaluation.files.prediction_columns import image_column, only_column

FINDING_COLUMNS = (
    "finding", "finding label", "finding labels", "label", "class", "class name", "category",
    "pathology", "disease",
)  # fmt: skip
SCORE_COLUMNS = ("score", "scores", "confidence", "conf", "probability", "prob")

Corners = Callable[[Float[np.ndarray, "n 4"]], Float[np.ndarray, "n 4"]]
"""Four numbers of each box, as a file has them, to x1, y1, x2, y2."""


def _from_corner(four: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    return np.hstack([four[:, :2], four[:, :2] + four[:, 2:]])


def _from_centre(four: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 4"]:
    return np.hstack([four[:, :2] - four[:, 2:] / 2, four[:, :2] + four[:, 2:] / 2])


class Form(NamedTuple):
    """A way to write a box in four columns, each under any of its names."""

    columns: tuple[tuple[str, ...], ...]
    corners: Corners


_SIZE = (("w", "width", "bbox w", "bbox width"), ("h", "h]", "height", "bbox h", "bbox height"))

FORMS: dict[str, Form] = {
    "x, y, w, h": Form(
        (("x", "bbox x", "bbox [x", "left"), ("y", "bbox y", "top"), *_SIZE), _from_corner
    ),
    "x1, y1, x2, y2": Form(
        (("x1", "xmin", "left"), ("y1", "ymin", "top"), ("x2", "xmax", "right"),
         ("y2", "ymax", "bottom")),
        np.copy,
    ),
    "x0, y0, x1, y1": Form((("x0",), ("y0",), ("x1",), ("y1",)), np.copy),
    "centre and size": Form(
        (("cx", "x center", "center x", "x centre", "centre x"),
         ("cy", "y center", "center y", "y centre", "centre y"), *_SIZE),
        _from_centre,
    ),
}  # fmt: skip
"""By what messages call it. NIH's header `Bbox [x,y,w,h]` is split by its own commas."""


class BoxColumns(NamedTuple):
    """The columns of a file that are read, as the file names them."""

    image: str
    finding: str
    score: str | None
    four: list[str]
    form: str
    """An entry of `FORMS`."""


def find_box_columns(columns: Sequence[str], path: object) -> BoxColumns:
    """What each column is.

    Args:
        columns: the header of a file.
        path: of the file, for messages.

    Raises:
        ArtifactError: no column names the image or the finding, the box is in no known form, or
            two columns mean the same.
    """
    finding = only_column(columns, FINDING_COLUMNS, path)
    image = image_column(columns, path)
    if finding is None:
        raise ArtifactError(
            f"{path}: no column names the finding of a box; expected finding or Finding Label, "
            f"found {', '.join(columns)}"
        )
    form, four = _form(columns, path)
    score = only_column(columns, SCORE_COLUMNS, path)
    return BoxColumns(image, finding, score, four, form)


def _form(columns: Sequence[str], path: object) -> tuple[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, form in FORMS.items():
        four = [only_column(columns, meaning, path) for meaning in form.columns]
        there = [column for column in four if column is not None]
        if len(there) == len(four):
            found[name] = there
    if not found:
        raise ArtifactError(
            f"{path}: no columns of a box; expected one of these four: {'; '.join(FORMS)}; found "
            f"{', '.join(columns)}"
        )
    if len(found) > 1:
        raise ArtifactError(
            f"{path}: holds boxes in {len(found)} forms: {'; '.join(found)}; keep the columns of "
            "one"
        )
    return next(iter(found.items()))
