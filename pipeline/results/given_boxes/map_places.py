"""Which of anybody's numpy files holds the heatmap of which image and finding."""

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float32

from pipeline.base.findings import SPELLINGS, plain
from pipeline.cohort.reading.image_files import image_key
from pipeline.errors import ArtifactError
from pipeline.results.given_boxes.box_files import expect_finding
from pipeline.results.given_boxes.given_cases import as_labelled, expect_labelled

MAP_ENDINGS = (".npy", ".npz")

EXPECTED = (
    "expected <image>_<finding>.npy, <image>.npz with the findings' names as keys, or a .npz file "
    "of any name with keys <image>_<finding>"
)


class MapPlace(NamedTuple):
    """Where one heatmap is."""

    path: Path
    key: str | None
    """In an .npz file."""

    def __str__(self) -> str:
        return f"{self.path}" if self.key is None else f"{self.path}, {self.key}"


class FoundMaps(NamedTuple):
    """What a path holds."""

    files: int
    images: int
    boxed: int
    """Images of which maps are wanted."""
    places: dict[str, dict[str, MapPlace]]
    """By wanted image, then by finding."""


class _Named(NamedTuple):
    """A file or a key, and the image that it is of."""

    image: str
    finding: str | None
    """None of a file whose keys are findings."""
    place: MapPlace


def find_maps(path: Path, images: pd.DataFrame, wanted: set[str]) -> FoundMaps:
    """The heatmaps in a folder, or in one file.

    A file that is of one image is opened only if its maps are wanted.

    Args:
        path: of the folder or file.
        images: all that there are: image_index.
        wanted: images whose maps are asked for.

    Raises:
        ArtifactError: there is none, a name is of no image or finding, a file is damaged, or a
            finding of an image has two maps.
    """
    files = _files_of(path)
    known = {image_key(name) for name in images["image_index"]}
    named = [one for file in files for one in _names_in(file, known)]
    names = pd.Series(
        as_labelled([one.image for one in named], images),
        index=[f"{one.place.path.name}{_behind(one)}" for one in named],
    )
    expect_labelled(names, images, path, of="file")
    by_image: dict[str, list[_Named]] = {}
    for name, one in zip(names, named, strict=True):
        by_image.setdefault(name, []).append(one)
    boxed = by_image.keys() & wanted
    places = {name: _places(by_image[name]) for name in boxed}
    return FoundMaps(len(files), len(by_image), len(boxed), places)


def read_maps(places: Sequence[MapPlace | None]) -> Iterator[Float32[np.ndarray, "h w"] | None]:
    """Each heatmap, in order; a file that several in a row are in is opened once.

    Raises:
        ArtifactError: one is no array of numbers of two axes, or not finite.
    """
    for path, some in groupby(places, key=_path_of):
        if path is None:
            yield from (None for _ in some)
            continue
        with _opened(path) as loaded:
            for place in filter(None, some):
                heatmap = np.asarray(loaded if place.key is None else loaded[place.key])
                yield _checked(heatmap, place)


def _path_of(place: MapPlace | None) -> Path | None:
    return None if place is None else place.path


def _checked(heatmap: np.ndarray, place: MapPlace) -> Float32[np.ndarray, "h w"]:
    if heatmap.ndim != 2 or not heatmap.size or heatmap.dtype.kind not in "fiub":
        raise ArtifactError(
            f"{place}: {heatmap.dtype} of shape {heatmap.shape}; expected numbers of shape "
            "(height, width), one map in each array"
        )
    if not np.isfinite(heatmap).all():
        raise ArtifactError(
            f"{place}: {(~np.isfinite(heatmap)).sum():,} of {heatmap.size:,} values are not finite"
        )
    return heatmap.astype(np.float32)


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.iterdir() if file.suffix in MAP_ENDINGS)
    if not files:
        raise ArtifactError(f"{path}: holds no .npy or .npz file; {EXPECTED}")
    return files


def _names_in(path: Path, known: set[str]) -> list[_Named]:
    """What a file holds, as far as names tell; `known` are the keys of all images."""
    if path.suffix == ".npy":
        return [_Named(*_split(path.stem, path), MapPlace(path, None))]
    if image_key(path.stem) in known:
        return [_Named(path.stem, None, MapPlace(path, None))]
    keys = _keys(path)
    if all(plain(key) in SPELLINGS for key in keys):
        return [_Named(path.stem, None, MapPlace(path, None))]
    return [_Named(*_split(key, f"{path}, key {key}"), MapPlace(path, key)) for key in keys]


def _split(name: str, place: object) -> tuple[str, str]:
    """The image's name and the finding: what is behind the first `_` that a finding follows."""
    parts = name.split("_")
    for at in range(1, len(parts)):
        finding = SPELLINGS.get(plain("_".join(parts[at:])))
        if finding is not None:
            return "_".join(parts[:at]), finding
    image, _, finding = name.rpartition("_")
    return image, expect_finding(finding, f"{place}; {EXPECTED}")


def _behind(one: _Named) -> str:
    return "" if one.place.key is None else f", key {one.place.key}"


def _places(named: Sequence[_Named]) -> dict[str, MapPlace]:
    """Where the maps of one image are, by finding."""
    found: dict[str, MapPlace] = {}
    for one in named:
        path = one.place.path
        inside = {} if one.finding else {key: MapPlace(path, key) for key in _keys(path)}
        for key, place in inside.items() or [(one.finding, one.place)]:
            finding = one.finding or expect_finding(key, f"{path}, key")
            if finding in found:
                raise ArtifactError(
                    f"{place}: a second map of {finding}; the other is in {found[finding].path}"
                )
            found[finding] = place
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
