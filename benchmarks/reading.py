"""`ingest` beside the least that it costs and the usual ways to read the same radiographs."""

import csv
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import yaml
from jaxtyping import Bool, UInt8
from PIL import Image

from benchmarks.measure import write_files
from pipeline.base.cores import cores
from pipeline.base.findings import FINDINGS, NO_FINDING
from pipeline.cohort.reading.cohort_source import find_cohort
from pipeline.cohort.reading.nih import parse_entries

Figures = dict[str, Any]

SIDE = 256
"""Of the cached images, in pixels: the default of params.yaml."""

TABLE = "Data_Entry_2017_v2020.csv"
HEADER = (
    "Image Index", "Finding Labels", "Follow-up #", "Patient ID", "Patient Age", "Patient Sex",
    "View Position",
)  # fmt: skip


def measure_reading(radiographs: Path | None, *, rounds: int = 7) -> Figures:
    """Images per second of each way, with as many threads as there are cores, in turns.

    Args:
        radiographs: a folder in NIH's layout, of which the images that are there are read; None
            for made radiographs of 1024 x 1024 pixels.
        rounds: counted; one more warms up and fills the page cache.
    """
    with tempfile.TemporaryDirectory() as kept:
        folder = Path(kept) / "cohort"
        folder.mkdir()
        paths = make_cohort(radiographs, folder)
        ways = _ways(folder, paths)
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(rounds + 1):
            for name, way in ways.items():
                started = time.perf_counter()
                way()
                seconds[name].append(time.perf_counter() - started)
    taken = {name: times[1:] for name, times in seconds.items()}
    mine = taken["ingest"]
    ratios = {
        name: sorted(its / one for its, one in zip(times, mine, strict=True))
        for name, times in taken.items()
    }
    return {
        "reading": {
            "images": len(paths),
            "real": radiographs is not None,
            "threads": cores(),
            "rates": {name: len(paths) / median(times) for name, times in taken.items()},
            "ratios": {name: ratios.get(name) for name in ("bare", "PIL", "torchxrayvision")},
        }
    }


def make_cohort(radiographs: Path | None, folder: Path) -> list[Path]:
    """A cohort of the radiographs that there are, with a table of these alone, and its params."""
    if radiographs is None:
        (folder / "images").mkdir()
        write_files(folder / "images")
        named = {path.name: ("No Finding", "58", "F", "PA") for path in _pngs(folder / "images")}
    else:
        (folder / "images").symlink_to((radiographs / "images").absolute())
        entries = parse_entries(find_cohort(radiographs).entries).table
        named = {
            name: (_labels(found), "" if np.isnan(years) else str(int(years)), gender, view)
            for name, found, years, gender, view in zip(
                entries["image_index"], entries[list(FINDINGS)].to_numpy(bool),
                entries["age_years"], entries["gender"], entries["view_position"], strict=True,
            )
        }  # fmt: skip
    paths = [path for path in _pngs(folder / "images") if path.name in named]
    params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
    params["ingest"] |= {"image_size": SIDE, "workers": 0, "partial": True}
    (folder.parent / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    os.environ.setdefault("CXR_TRACKING", "off")
    with (folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(HEADER)
        for path in paths:
            labels, age, gender, view = named[path.name]
            rows.writerow([path.name, labels, 0, int(path.name[:8]), age, gender, view])
    return paths


def _labels(found: Bool[np.ndarray, " f"]) -> str:
    return "|".join(np.array(FINDINGS)[found]) or NO_FINDING


def _pngs(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.png"))


def _ways(folder: Path, paths: Sequence[Path]) -> dict[str, Callable[[], object]]:
    ways: dict[str, Callable[[], object]] = {
        "ingest": partial(ingest, folder),
        "bare": partial(_with_threads, bare, paths),
        "PIL": partial(_with_threads, pil, paths),
    }
    dataset = _torchxrayvision(folder)
    if dataset is not None:
        ways["torchxrayvision"] = partial(_with_threads, dataset.__getitem__, range(len(paths)))
    return ways


def ingest(folder: Path) -> Path:
    """The stage, from the folder to its tables and shards; the folder of these."""
    from stages.ingest import main  # noqa: PLC0415 (only where it is measured)

    out = Path(tempfile.mkdtemp(dir=folder.parent))
    main(
        source=folder,
        images=out / "images",
        index=out / "index.parquet",
        boxes=out / "boxes.parquet",
        lists=out / "lists.parquet",
        ceiling=out / "ceiling.json",
        report=out / "report.json",
        thumbnails=out / "thumbnails",
        params=folder.parent / "params.yaml",
    )
    return out


def _with_threads(read: Callable[[Any], object], items: Sequence[Any]) -> list[object]:
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # as in `ingest`
    try:
        with ThreadPoolExecutor(cores()) as pool:
            return list(pool.map(read, items))
    finally:
        cv2.setNumThreads(threads)


def bare(path: Path) -> UInt8[np.ndarray, "256 256"]:
    """OpenCV alone: decoded and averaged over areas, nothing checked and nothing written."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError(f"{path}: OpenCV cannot decode it")
    return np.asarray(cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA))


def pil(path: Path) -> object:
    """As most reproductions do: PIL, and torchvision's resizing with its antialiasing."""
    from torchvision.transforms import functional  # noqa: PLC0415 (seconds)

    with Image.open(path) as image:
        return functional.pil_to_tensor(functional.resize(image.convert("L"), [SIDE, SIDE]))


def _torchxrayvision(folder: Path) -> Any:
    """Its dataset of ChestX-ray14 with its own resizing, where the package is installed."""
    try:
        from torchxrayvision import datasets  # noqa: PLC0415 (no dependency of ours)
    except ModuleNotFoundError:
        return None
    return datasets.NIH_Dataset(
        str(folder / "images"),
        csvpath=str(folder / TABLE),
        views=["PA", "AP"],
        transform=datasets.XRayResizer(SIDE),
        unique_patients=False,
    )
