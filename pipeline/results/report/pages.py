"""What pages share: their style, how radiographs stand on them, and how numbers are spelt."""

from typing import Protocol, runtime_checkable

import matplotlib as mpl
import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipeline.results.pictures.gallery import Box, Panel
from pipeline.results.pictures.overlays import COLOUR_MAP, OPACITY
from pipeline.results.report import numerals
from pipeline.results.report.charts import label

_HERE = "pipeline.results.report"


def environment(*packages: str) -> Environment:
    """Templates of the report and of other packages; every string is escaped.

    `style.html.jinja` is the style of all pages, `radiograph.html.jinja` a picture with its boxes.

    Args:
        packages: that hold templates, beside the report's own.
    """
    found = Environment(
        loader=ChoiceLoader([PackageLoader(package, "") for package in (_HERE, *packages)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters |= {
        "label": label,
        "number": numerals.number,
        "percent": numerals.percent,
        "signed": numerals.signed,
        "threshold": numerals.threshold,
        "p": numerals.p_value,
        "json_text": json_text,
    }
    found.globals |= {"box_lines": box_lines, "gradient": gradient()}
    return found


def json_text(text: str) -> Markup:
    """JSON as it may stand in a script: no tag ends within it."""
    return Markup(text.replace("<", "\\u003c"))


@runtime_checkable
class Boxed(Protocol):
    """A picture, as far as its boxes go."""

    @property
    def truths(self) -> list[Box]:
        """Radiologists'."""

    @property
    def crops(self) -> list[Box]:
        """That the local branch sees."""


def box_lines(picture: Boxed, panel: Panel) -> list[tuple[str, list[float]]]:
    """Boxes to draw: a kind (a class of the style sheet), and x, y, width, height in percent."""
    boxes = [("truth", box) for box in picture.truths]
    boxes += [("crop", box) for box in picture.crops]
    if panel.predicted is not None:
        boxes.append(("predicted", panel.predicted))
    return [
        (kind, [round(100 * float(v), 2) for v in (*box[:2], *(box[2:] - box[:2]))])
        for kind, box in boxes
    ]


def gradient() -> str:
    """The legend of the overlay as CSS colour stops, on the mid grey of a radiograph."""
    steps = np.linspace(0, 1, 9)
    alpha = OPACITY * steps[:, None]
    colours = (1 - alpha) * 0.5 + alpha * mpl.colormaps[COLOUR_MAP](steps)[:, :3]
    return ", ".join(mpl.colors.to_hex(colour) for colour in colours)
