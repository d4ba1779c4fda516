"""A cohort that a model is to be tried on: read as `ingest` reads it, into a cache for a while."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.base.shards import Shards
from pipeline.base.watching import Look
from pipeline.cohort.reading.cache import ImagesRead, image_index, plan_reading, read_images
from pipeline.cohort.reading.columns.any_table import cohort_of, read_entries
from pipeline.cohort.reading.nih import Entries
from pipeline.cohort.reading.row_places import placing
from pipeline.params.sections import IngestParams


@dataclass(frozen=True)
class ExternalCohort:
    """Radiographs and their labels; row i of one is row i of the other."""

    source: str
    """The tables' names."""
    index: pd.DataFrame
    """Schema INDEX."""
    images: Shards
    """As many pixels as the model learnt from."""
    left_out: list[str]
    """What is not judged, a line each."""


@contextmanager
def reading_cohort(params: IngestParams, look: Callable[[int], Look]) -> Iterator[ExternalCohort]:
    """Read a cohort; its pixels are there until the block ends.

    Args:
        params: section `ingest`, with the model's size of images.
        look: of so many images, who looks on as they are decoded.

    Raises:
        CohortError: as the stage `ingest`.
    """
    files = cohort_of(Path(params.source), params)
    entries = read_entries(files, params)
    plan = plan_reading(files, entries, params)
    with tempfile.TemporaryDirectory(prefix="cxr-") as kept:
        images, shape = Path(kept) / "images", (params.image_size, params.image_size)
        with placing(images, rows=len(plan.rows), shape=shape) as places:
            read = read_images(plan, places, entries, params, files, look(len(plan.rows)))
            table = image_index(entries, read)
            places.keep(read.rows)
        yield ExternalCohort(entries.source, table, Shards(images), _left_out(entries, read))


def _left_out(entries: Entries, read: ImagesRead) -> list[str]:
    counts = {
        "images of the table that were not found": len(read.missing),
        "images that cannot be decoded": len(read.bad),
        "files that the table does not name": len(read.not_in_table),
    }
    lines = [f"{count:,} {what}" for what, count in counts.items() if count]
    return [*lines, *(f"{what}: {said}" for what, said in _rows_left_out(entries.taken or {}))]


def _rows_left_out(taken: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, what in (
        ("rows_left_out", "rows left out"),
        ("names_dropped", "rows whose name is none of the 14 findings"),
        ("labels_uncertain", "uncertain labels"),
    ):
        if counts := taken.get(key):
            yield what, ", ".join(f"{name} {count:,}" for name, count in counts.items())
