"""Anybody's heatmaps: a folder of numpy's files, each map over the whole image."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from jaxtyping import Float32

from pipeline.attention.crop import FINE_GRID, BoxRule
from pipeline.base.findings import SPELLINGS, plain
from pipeline.base.grid import tiles
from pipeline.errors import ArtifactError
from pipeline.results.given_boxes.box_files import MISS, Detected, expect_finding, misses
from pipeline.results.given_boxes.given_cases import as_labelled, expect_labelled
from pipeline.results.localisation.boxed_findings import Case
from pipeline.results.localisation.detections import detect
from pipeline.results.localisation.overlap import Detection

_ENDINGS = (".npy", ".npz")

EXPECTED = "expected <image>_<finding>.npy, or <image>.npz with the findings' names as keys"

NO_MAP = MISS._replace(energy=0.0)
"""Of a case of which the folder has no map: as `detect` of an empty one."""


class _Place(NamedTuple):
    path: Path
    key: str | None
    """In an .npz file."""


def detect_in_map_folder(
    folder: Path, cases: Sequence[Case], images: pd.DataFrame, rule: BoxRule
) -> Detected:
    """What each case's heatmap says, from a folder of .npy and .npz files.

    A heatmap of any shape covers the whole image in equal tiles. Values below 0 count as none.

    Args:
        folder: `<image>_<finding>.npy`, or `<image>.npz` with the findings' names as keys.
        cases: that are judged; of other images no map is read.
        images: all that there are: image_index.
        rule: how a map becomes a box.

    Raises:
        ArtifactError: a name is of no image or finding, a file is no such map, or no map is of a
            case.
    """
    files = _by_image(folder, images)
    boxed = files.keys() & {case.image_index for case in cases}
    places = {name: _places(files[name]) for name in boxed}
    wanted = [places.get(case.image_index, {}).get(case.finding) for case in cases]
    found = [_detected(place, case, rule) for place, case in zip(wanted, cases, strict=True)]
    sides = [side for side, _ in found if side]
    if not sides:
        raise ArtifactError(
            f"{folder}: holds no map of a finding that radiologists boxed on that image; cases "
            f"are such as {cases[0].finding} on {cases[0].image_index}; {EXPECTED}"
        )
    detections = [one for _, one in found]
    missed = [case for place, case in zip(wanted, cases, strict=True) if place is None]
    empty = sum(one.box is None for one in detections) - len(missed)
    others = sum(path.suffix not in _ENDINGS for path in folder.iterdir())
    of = "each map's own histogram" if rule.threshold == "otsu" else "its maximum"
    read = [
        f"{folder.name}: {sum(map(len, files.values())):,} files of {len(files):,} images, "
        f"{len(boxed):,} of which have cases; box above {rule.threshold} of {of}, region "
        f"{rule.region}" + (f"; not read: {others:,} others" if others else ""),
        f"  {len(sides):,} of its maps are of cases"
        + (f", {empty:,} of them say nothing: no value is above 0" if empty else ""),
        misses(missed, total=len(cases), what="map"),
    ]
    return Detected(detections, read, "heatmaps", (sides[0], sides[0]))


def _detected(place: _Place | None, case: Case, rule: BoxRule) -> tuple[int, Detection]:
    """Cells a side of the case's map, and what it says; 0 of a case without one."""
    if place is None:
        return 0, NO_MAP
    heatmap = as_square(_read_map(place))
    return len(heatmap), detect(heatmap, tiles(len(heatmap)), case, rule)


def as_square(heatmap: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "n n"]:
    """The map in square tiles: as it is, or drawn between the cells of one that is not square."""
    height, width = heatmap.shape
    if height == width:
        return heatmap
    side = max(FINE_GRID, height, width)
    drawn = cv2.resize(np.maximum(heatmap, 0), (side, side), interpolation=cv2.INTER_LINEAR)
    return np.asarray(drawn, np.float32)


def _by_image(folder: Path, images: pd.DataFrame) -> dict[str, list[tuple[str | None, Path]]]:
    """The files of each image with the finding that their names say; None for an .npz."""
    paths = sorted(path for path in folder.iterdir() if path.suffix in _ENDINGS)
    if not paths:
        raise ArtifactError(f"{folder}: holds no .npy or .npz file; {EXPECTED}")
    said = [_split_name(path) for path in paths]
    names = as_labelled([name for name, _ in said], images)
    by_file = pd.Series(names, index=[path.name for path in paths])
    expect_labelled(by_file, images, folder, of="file")
    files: dict[str, list[tuple[str | None, Path]]] = {}
    for name, path, (_, finding) in zip(names, paths, said, strict=True):
        files.setdefault(name, []).append((finding, path))
    return files


def _split_name(path: Path) -> tuple[str, str | None]:
    """The image's name and the finding: what is behind the first `_` that a finding follows."""
    if path.suffix == ".npz":
        return path.stem, None
    parts = path.stem.split("_")
    for at in range(1, len(parts)):
        finding = SPELLINGS.get(plain("_".join(parts[at:])))
        if finding is not None:
            return "_".join(parts[:at]), finding
    name, _, finding = path.stem.rpartition("_")
    expect_finding(finding, f"{path}; {EXPECTED}")
    return name, finding


def _places(files: Sequence[tuple[str | None, Path]]) -> dict[str, _Place]:
    """Where the maps of one image are, by finding."""
    found: dict[str, _Place] = {}
    for said, path in files:
        for key in [None] if said else _keys(path):
            finding = said or expect_finding(key, f"{path}, key")
            if finding in found:
                raise ArtifactError(
                    f"{path}: a second map of {finding}; the other is in {found[finding].path}"
                )
            found[finding] = _Place(path, key)
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """What numpy finds in a file, nothing of which is run."""
    try:
        with path.open("rb") as file:
            yield np.load(file, allow_pickle=False)
    except (ValueError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
        raise ArtifactError(f"{path}: not a whole file of numpy's ({error}); {EXPECTED}") from None


def _keys(path: Path) -> list[str]:
    with _opened(path) as arrays:
        if isinstance(arrays, np.ndarray):
            raise ArtifactError(f"{path}: one array without a name, as .npy files are; {EXPECTED}")
        return list(arrays.files)


def _read_map(place: _Place) -> Float32[np.ndarray, "h w"]:
    with _opened(place.path) as loaded:
        heatmap = np.asarray(loaded if place.key is None else loaded[place.key])
    where = f"{place.path}{'' if place.key is None else f', {place.key}'}"
    if heatmap.ndim != 2 or not heatmap.size or heatmap.dtype.kind not in "fiub":
        raise ArtifactError(
            f"{where}: {heatmap.dtype} of shape {heatmap.shape}; expected numbers of shape "
            "(height, width), one map in each array"
        )
    if not np.isfinite(heatmap).all():
        raise ArtifactError(
            f"{where}: {(~np.isfinite(heatmap)).sum():,} of {heatmap.size:,} values are not finite"
        )
    return heatmap.astype(np.float32)
