"""From a cohort's files to the rows of its cache: what to read, what came of it, the report."""

import filecmp
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from pipeline.base.cores import cores
from pipeline.base.shards import SHARD_ROWS
from pipeline.base.watching import Look, watched
from pipeline.cohort.reading.cohort_source import CohortFiles
from pipeline.cohort.reading.decoding import Decoded, decode_images
from pipeline.cohort.reading.image_files import (
    ARCHIVE_ENDINGS,
    IMAGE_ENDINGS,
    ForeignFileError,
    ImageFile,
    archived_files,
    image_key,
    is_image,
    loose_files,
    name_of,
)
from pipeline.cohort.reading.nih import Entries
from pipeline.cohort.reading.nih_boxes import BoxesUsed
from pipeline.cohort.reading.nih_lists import OfficialLists
from pipeline.cohort.reading.row_places import RowPlaces
from pipeline.errors import CohortError
from pipeline.params.sections import IngestParams

log = logging.getLogger(__name__)

NAMED = 20
"""How many names a message or a list of the report spells out before it only counts."""


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other) or filecmp.cmp(one, other, shallow=False)
    except OSError:  # a link to nowhere
        return False


@dataclass(frozen=True)
class ReadingPlan:
    """Which images to look for, and where."""

    names: list[str]
    """The table's name of each image that may be found, in order: its provisional row's."""
    streams: list[Iterator[ImageFile]]
    """Sources of files; each is to be read once."""
    not_in_table: list[str]
    """Loose files of radiographs that the table does not know."""
    not_read: list[CohortError]
    """Fills while the streams are read: what archives without any image of the table are."""
    workers: int

    @cached_property
    def rows(self) -> dict[str, int]:
        """By `image_key`, the provisional row."""
        return {image_key(name): row for row, name in enumerate(self.names)}


def plan_reading(cohort: CohortFiles, entries: Entries, params: IngestParams) -> ReadingPlan:
    """Decide what to read. Loose files win over archives, which serve the images not loose.

    Raises:
        CohortError: an image lies at two places; or there are no archives, images are missing,
            and the cohort is not partial.
    """
    names = list(entries.table["image_index"])
    there = {name: cohort.images.get(image_key(name), []) for name in names}
    loose = {name: _the_one(paths, name) for name, paths in there.items() if paths}
    sought = {image_key(name) for name in names if name not in loose}
    archives = cohort.archives if sought else []
    not_read: list[CohortError] = []
    if not archives:
        check_found(entries, set(loose), cohort, partial=params.partial)
    known = set(map(image_key, names))
    return ReadingPlan(
        names=names if archives else list(loose),
        streams=[
            loose_files(list(loose.values()), parts=cohort.parts),
            *(_wanted_of(path, sought, not_read, cohort.parts) for path in archives),
        ],
        not_in_table=sorted(
            name_of(path.as_posix(), cohort.parts)
            for key, paths in cohort.images.items()
            if key not in known
            for path in paths
            if is_image(path.name)
        ),
        not_read=not_read,
        workers=params.workers or cores(),
    )


def _wanted_of(
    archive: Path, sought: set[str], not_read: list[CohortError], parts: int
) -> Iterator[ImageFile]:
    """The files of an archive, which may turn out to have nothing to do with the cohort."""
    found = False
    try:
        for file in archived_files(archive, sought, parts=parts):
            found |= file.content is not None
            yield file
    except CohortError as error:
        if found:
            raise
        not_read.append(error)


def _the_one(paths: list[Path], name: str) -> Path:
    """Of files that may be one image's the one that is; links to one file, and copies, are one."""
    first, *others = sorted(paths, key=lambda path: not name.endswith(path.name))
    for other in others:
        if not _same(first, other):
            raise CohortError(
                f"{name} lies at two places, {first} and {other}; remove the one not meant"
            )
    return first


def check_found(
    entries: Entries,
    found: set[str],
    cohort: CohortFiles,
    *,
    partial: bool,
    not_read: Sequence[CohortError] = (),
) -> list[str]:
    """The images of the table that were not found, sorted.

    Raises:
        CohortError: there are some, and the cohort is not said to be partial, or none was found,
            or they may be in an archive that is damaged.
    """
    names = entries.table["image_index"]
    missing = list(names[~names.isin(found)])
    damaged = any(not isinstance(error, ForeignFileError) for error in not_read)
    if not missing or (partial and not damaged and len(missing) < len(names)):
        return missing
    mend = (
        "mend or remove what is damaged"
        if damaged
        else "check ingest.source, or the archives' names"
        if len(missing) == len(names)
        else "complete the folder, or set ingest.partial: true to use what is there"
    )
    raise CohortError(
        f"{cohort.folder}: expected the {len(names):,} images of {entries.source}, found "
        f"{len(names) - len(missing):,}; {len(missing):,} missing, first: "
        f"{', '.join(missing[:5])}; {mend}" + _what_there_is(cohort, not_read)
    )


def _what_there_is(cohort: CohortFiles, not_read: Sequence[CohortError]) -> str:
    """What lies there and was not read, as the cause may be among it."""
    strange = [key for key, count in sorted(cohort.others.items(), key=lambda one: -one[1])]
    there = [f"{cohort.others[ending]:,} {ending} files" for ending in strange[:5]]
    read = "read are " + ", ".join((*IMAGE_ENDINGS, *ARCHIVE_ENDINGS))
    of_files = [f"there are {', '.join(there)} (not read; {read})"] if there else []
    return "".join(f"\n  {line}" for line in (*of_files, *not_read))


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


def _by_name(decoded: Iterable[Decoded], plan: ReadingPlan) -> tuple[dict[str, Decoded], set[str]]:
    """Images by the table's names for them, and names of files that it does not know."""
    seen: dict[str, Decoded] = {}
    unknown = set(plan.not_in_table)
    known = plan.rows.keys()
    for image in decoded:
        if image.row is None:
            if image_key(image.name) not in known and is_image(image.name):
                unknown.add(image.name)
            continue
        name = plan.names[image.row]
        if name in seen:
            raise CohortError(
                f"{name} lies at two places, {seen[name].place} and {image.place}; remove the one "
                "not meant"
            )
        seen[name] = replace(image, name=name)
    return seen, unknown


def accept(
    decoded: Iterable[Decoded],
    plan: ReadingPlan,
    entries: Entries,
    params: IngestParams,
    *,
    cohort: CohortFiles,
) -> ImagesRead:
    """Take in all records, then accept the cohort or refuse it.

    Raises:
        CohortError: a name found twice; missing images in a cohort not said to be partial; bad
            images that are not to be skipped, all of them counted; or nothing left to use.
    """
    seen, unknown = _by_name(decoded, plan)
    if plan.not_read:
        log.warning("no image of the table is in\n  %s", "\n  ".join(map(str, plan.not_read)))
    images = sorted(seen.values(), key=lambda image: image.name)
    bad = [image for image in images if image.fault is not None]
    if params.on_bad_image == "fail":
        _refuse(bad)
    missing = check_found(
        entries, set(seen), cohort, partial=params.partial, not_read=plan.not_read
    )
    used = [image for image in images if image.fault is None]
    if not used:
        raise CohortError(
            f"{cohort.folder}: none of {len(bad):,} images can be decoded\n{_named(bad)}"
        )
    log.info("using %s of %s images", f"{len(used):,}", f"{len(entries.table):,}")
    for doubt, count in sorted(Counter(image.doubt for image in used if image.doubt).items()):
        first = next(image.name for image in used if image.doubt == doubt)
        log.warning("%s images are %s; first: %s", f"{count:,}", doubt, first)
    if bad:
        log.warning("skipped %s bad images\n%s", f"{len(bad):,}", _named(bad))
    return ImagesRead(used, bad, missing, sorted(unknown))


def read_images(
    plan: ReadingPlan,
    places: RowPlaces,
    entries: Entries,
    params: IngestParams,
    cohort: CohortFiles,
    look: Look,
) -> ImagesRead:
    """Decode what is planned into `places`, then `accept` it or not."""
    decoded = decode_images(
        plan.streams, plan.rows, places.write,
        size=params.image_size, workers=plan.workers, lateral=params.lateral,
    )  # fmt: skip
    return accept(watched(decoded, look), plan, entries, params, cohort=cohort)


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
            "enlarged": sum(min(image.width, image.height) < params.image_size for image in used),
            "colour_types": Counter(image.colour_type for image in used),
            "doubts": Counter(image.doubt for image in used if image.doubt),
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
    } | ({"table": entries.taken} if entries.taken else {})
