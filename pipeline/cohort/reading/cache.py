"""From a cohort's files to the rows of its cache: what to read, what came of it, the report."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pipeline.base.cores import cores
from pipeline.base.shards import SHARD_ROWS
from pipeline.cohort.reading.cohort_source import CohortFiles
from pipeline.cohort.reading.decoding import Decoded
from pipeline.cohort.reading.image_files import ImageFile, archived_files, loose_files
from pipeline.cohort.reading.nih import Entries, check_found
from pipeline.cohort.reading.nih_boxes import BoxesUsed
from pipeline.cohort.reading.nih_lists import OfficialLists
from pipeline.errors import CohortError
from pipeline.params.sections import IngestParams

log = logging.getLogger(__name__)

NAMED = 20
"""How many names a message or a list of the report spells out before it only counts."""


@dataclass(frozen=True)
class ReadingPlan:
    """Which images to look for, and where."""

    rows: dict[str, int]
    """Name of each image that may be found to its provisional row, in order of name."""
    streams: list[Iterator[ImageFile]]
    """Sources of files; each is to be read once."""
    not_in_table: list[str]
    """Loose PNGs that the table does not know."""
    workers: int


def plan_reading(cohort: CohortFiles, entries: Entries, params: IngestParams) -> ReadingPlan:
    """Decide what to read. Loose files win over archives, which serve the images not loose.

    Raises:
        CohortError: there are no archives, images are missing, and the cohort is not partial.
    """
    names = list(entries.table["image_index"])
    loose = [name for name in names if name in cohort.images]
    sought = {name for name in names if name not in cohort.images}
    archives = cohort.archives if sought else []
    if not archives:
        check_found(entries, set(loose), folder=str(cohort.folder), partial=params.partial)
    candidates = names if archives else loose
    streams = [loose_files([cohort.images[name] for name in loose])]
    streams += [archived_files(path, sought) for path in archives]
    return ReadingPlan(
        rows={name: row for row, name in enumerate(candidates)},
        streams=streams,
        not_in_table=sorted(set(cohort.images) - set(names)),
        workers=params.workers or cores(),
    )


@dataclass(frozen=True)
class ImagesRead:
    """What became of the images; lists are in order of name."""

    used: list[Decoded]
    bad: list[Decoded]
    missing: list[str]
    not_in_table: list[str]

    @property
    def rows(self) -> list[int]:
        """Provisional rows of the images used, ascending."""
        return [image.row for image in self.used if image.row is not None]


def accept(
    decoded: Iterable[Decoded],
    plan: ReadingPlan,
    entries: Entries,
    params: IngestParams,
    *,
    folder: str,
) -> ImagesRead:
    """Take in all records, then accept the cohort or refuse it.

    Raises:
        CohortError: a name found twice; missing images in a cohort not said to be partial; bad
            images that are not to be skipped, all of them counted; or nothing left to use.
    """
    seen: dict[str, Decoded] = {}
    unknown = set(plan.not_in_table)
    for image in decoded:
        if image.row is None:
            unknown |= {image.name} - plan.rows.keys()
        elif (first := seen.setdefault(image.name, image)) is not image:
            raise CohortError(
                f"{image.name} lies at two places, {first.place} and {image.place}; remove "
                "the one not meant"
            )
    images = sorted(seen.values(), key=lambda image: image.name)
    bad = [image for image in images if image.fault is not None]
    if params.on_bad_image == "fail":
        _refuse(bad)
    missing = check_found(entries, set(seen), folder=folder, partial=params.partial)
    used = [image for image in images if image.fault is None]
    if not used:
        raise CohortError(f"{folder}: none of {len(bad):,} images can be decoded\n{_named(bad)}")
    log.info("using %s of %s images", f"{len(used):,}", f"{len(entries.table):,}")
    if bad:
        log.warning("skipped %s bad images\n%s", f"{len(bad):,}", _named(bad))
    return ImagesRead(used, bad, missing, sorted(unknown))


def _refuse(bad: list[Decoded]) -> None:
    if bad:
        raise CohortError(
            f"{len(bad):,} bad images (ingest.on_bad_image: skip leaves them out)\n{_named(bad)}"
        )


def _named(images: list[Decoded]) -> str:
    lines = [f"  {image.place}: {image.fault}" for image in images[:NAMED]]
    more = len(images) - NAMED
    return "\n".join(lines + ([f"  and {more:,} more"] if more > 0 else []))


def image_index(entries: Entries, images: ImagesRead) -> pd.DataFrame:
    """The index of the images used (schema INDEX): row i of it is row i of the shards."""
    size = pd.DataFrame(
        [(image.name, image.width, image.height) for image in images.used],
        columns=["image_index", "width", "height"],
    )
    index = entries.table.merge(size, on="image_index", validate="1:1")
    return index.assign(shard=index.index // SHARD_ROWS, row=index.index % SHARD_ROWS)


def ingest_report(
    cohort: CohortFiles,
    entries: Entries,
    images: ImagesRead,
    boxes: BoxesUsed,
    lists: OfficialLists,
    params: IngestParams,
) -> dict[str, Any]:
    """Everything that was counted, dropped or changed on the way, as JSON-able values."""
    used = images.used
    return {
        "csv": entries.source,
        "files": {
            "boxes": cohort.boxes and cohort.boxes.name,
            "train_val_list": cohort.train_val and cohort.train_val.name,
            "test_list": cohort.test and cohort.test.name,
            "not_read": cohort.not_read,
        },
        "images": {
            "in_table": len(entries.table),
            "found": len(used) + len(images.bad),
            "used": len(used),
            "missing": len(images.missing),
            "bad": len(images.bad),
            "not_in_table": len(images.not_in_table),
            "not_square": sum(image.width != image.height for image in used),
            "enlarged": sum(min(image.width, image.height) < params.size for image in used),
            "colour_types": Counter(image.colour_type for image in used),
        },
        "bad": [{"name": image.name, "reason": image.fault} for image in images.bad],
        "missing_first": images.missing[:NAMED],
        "not_in_table_first": images.not_in_table[:NAMED],
        "ages": {
            "made_null": len(entries.absurd_ages),
            "absurd": entries.absurd_ages,
            "missing": entries.missing_ages,
        },
        "boxes": {
            "in_file": boxes.in_file,
            "drawn_in": boxes.drawn_in,
            "used": len(boxes.table),
            "clipped": boxes.clipped,
            "dropped": boxes.dropped,
        },
        "lists": {
            **lists.table["official"].value_counts().to_dict(),
            "not_in_table": lists.not_in_table,
        },
    }
