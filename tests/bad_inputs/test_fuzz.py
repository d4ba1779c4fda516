"""20,000 damaged inputs: each is refused by name or read as what it is; none hangs or crashes.

What carries a checksum, or says how it must look, is never read wrongly. JPEG, DICOM, npy, parquet
and safetensors have no checksum: of damage among their values only DVC's own can tell, so what
is read must be of the right kind and shape. Of all kinds the counts are printed (`pytest -rP`).
"""

import gzip
import io
import signal
import sys
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from inputs import IMAGES, REPO
from made_dicom import RAMP, dataset, file_of
from PIL import Image
from tiny_cohort import V2020, name, pixels, png, table

from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards, write_shards
from pipeline.base.tables import read_crop_boxes, write_crop_boxes
from pipeline.cohort.reading.cohort_source import TextFile
from pipeline.cohort.reading.image_files import archived_files, image_key
from pipeline.cohort.reading.images import decode_grey
from pipeline.cohort.reading.nih import parse_entries
from pipeline.errors import CohortError, PipelineError
from pipeline.networks.checkpoints import read_checkpoint, write_checkpoint
from pipeline.params.whole import load_params

pytestmark = pytest.mark.slow

SECONDS = 20
"""No case takes longer."""

Damage = list[tuple[str, int, bytes]]


def cases(number: int) -> Callable:
    """So many examples, whatever time a single one takes."""
    return settings(
        max_examples=number, deadline=None, derandomize=True,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


damages = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "repeat", "zero"]),
        st.integers(0, 2**20),
        st.binary(min_size=1, max_size=8),
    ),
    min_size=1,
    max_size=4,
)


def damaged(content: bytes, damage: Damage) -> bytes:
    """The content with bytes flipped, cut off at the end, put in, repeated or zeroed."""
    changed = bytearray(content)
    for kind, place, raw in damage:
        at = place % max(1, len(changed))
        if kind == "flip" and changed:
            changed[at] ^= raw[0] or 1
        elif kind == "cut":
            del changed[at:]
        elif kind == "insert":
            changed[at:at] = raw
        elif kind == "repeat":
            changed[at:at] = changed[at : at + 64]
        else:
            changed[at : at + len(raw)] = bytes(len(changed[at : at + len(raw)]))
    return bytes(changed)


@contextmanager
def in_time() -> Iterator[None]:
    """Fail where the block hangs."""

    def stop(*_: object) -> None:
        raise AssertionError(f"it takes longer than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def counts() -> Iterator[Counter]:
    counted: Counter = Counter()
    yield counted
    sys.stdout.write(f"{dict(sorted(counted.items()))} of {sum(counted.values()):,}\n")


def read_or_refused(call: Callable[[], object], kind: str, counts: Counter) -> object | None:
    """What is read, or None if that is refused in words."""
    with in_time():
        try:
            found = call()
        except PipelineError:
            counts[f"{kind} refused"] += 1
            return None
    counts[f"{kind} read"] += 1
    return found


TABLE = table(range(9))
CELLS = [line.split(",") for line in TABLE.splitlines()]
ENTRIES = parse_entries(TextFile(V2020, TABLE))
WORDS = st.one_of(
    st.sampled_from(
        [
            "",
            " ",
            "nan",
            "-1",
            "1e309",
            "0",
            "007",
            "M",
            "ap",
            "Mass|",
            "|Mass",
            "No Finding",
            '"',
            '""',
            "a,b",
            "a;b",
            "\t",
            "\n",
            "\r",
            "\0",
            "\u2028",
            "ÿ",
            "٣",
            "½",
            "9" * 25,
            "x.png",
            "../x.png",
            "mass",
            "58Y",
            "058M",
            "3056.0",
            "1.5",
            "True",
            "2024-01-01",
            "=1+1",
        ]
    ),
    st.text(max_size=6),
)


@given(row=st.integers(1, 9), column=st.integers(0, 10), word=WORDS)
@cases(3000)
def test_one_wrong_cell_changes_no_other_row(counts, row, column, word):
    cells = [list(line) for line in CELLS]
    cells[row][column] = word
    text = "\n".join(",".join(line) for line in cells) + "\n"
    found = read_or_refused(
        lambda: parse_entries(TextFile(V2020, text)), "cell of a table", counts
    )
    if found is None:
        return
    image = CELLS[row][0]
    kept = ENTRIES.table[ENTRIES.table["image_index"] != image].reset_index(drop=True)
    others = found.table[found.table["image_index"].isin(kept["image_index"])]
    assert others.reset_index(drop=True).equals(kept)
    (changed,) = found.table[~found.table["image_index"].isin(kept["image_index"])].to_dict(
        "records"
    )
    assert changed["gender"] in ("M", "F")
    assert changed["view_position"] in ("PA", "AP")
    assert not changed["age_years"] > 120


@given(damage=damages)
@cases(3000)
def test_a_damaged_table_is_refused_or_names_images_once(counts, damage):
    text = damaged(TABLE.encode(), damage).decode("latin-1")
    found = read_or_refused(lambda: parse_entries(TextFile(V2020, text)), "table", counts)
    if found is not None:
        assert found.table["image_index"].is_unique
        assert set(found.table["gender"]) <= {"M", "F"}


PARAMS = (REPO / "tests/tiny.yaml").read_text()
VALUES = yaml.safe_load(PARAMS)
LEAVES = [
    (section, key) for section, inner in VALUES.items() if isinstance(inner, dict) for key in inner
]
ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 300), st.floats(allow_nan=True), st.text(max_size=5),
    st.sampled_from(["auto", "none", "cam", "resnet18", "bce", "1e-3", "on", 1.0, 0.5]),
    st.lists(st.integers(0, 3), max_size=2), st.dictionaries(st.text(max_size=3), st.none()),
)  # fmt: skip


@given(place=st.sampled_from(LEAVES), value=ANYTHING)
@cases(1500)
def test_a_param_is_refused_or_is_what_was_written(counts, place, value, tmp_path_factory):
    section, key = place
    values = yaml.safe_load(PARAMS)
    values[section][key] = value
    path = tmp_path_factory.getbasetemp() / "params.yaml"
    path.write_text(yaml.safe_dump(values))
    found = read_or_refused(lambda: load_params(path), "param", counts)
    if found is not None:
        written = found.model_dump(by_alias=True)
        inner = (
            written[section]
            if section in written
            else found.members[section].model_dump(by_alias=True)
        )
        assert inner[key] == value or inner[key] == {True: "on", False: "off"}.get(value)


@given(damage=damages)
@cases(1500)
def test_a_damaged_params_file_is_refused_or_read(counts, damage, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    path.write_bytes(damaged(PARAMS.encode(), damage))
    read_or_refused(lambda: load_params(path), "params file", counts)


GREY = pixels(1, height=40, width=50)
PNG = png(GREY)


@given(damage=damages)
@cases(4000)
def test_a_damaged_png_is_refused_or_the_same_picture(counts, damage):
    found = read_or_refused(lambda: decode_grey(damaged(PNG, damage)), "PNG", counts)
    if found is not None:
        assert np.array_equal(found.pixels, GREY)


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(GREY).save(buffer, "JPEG")
    return buffer.getvalue()


JPEG = jpeg()


def is_picture(found: object) -> bool:
    pixels = found.pixels
    return pixels.dtype == np.uint8 and pixels.ndim == 2 and min(pixels.shape) >= 16


@given(damage=damages)
@cases(2500)
def test_a_damaged_jpeg_is_refused_or_a_picture(counts, damage):
    found = read_or_refused(lambda: decode_grey(damaged(JPEG, damage)), "JPEG", counts)
    assert found is None or is_picture(found)


DICOM = file_of(
    dataset(
        np.rint(4095 * RAMP), WindowCenter=2048, WindowWidth=4096, NumberOfFrames=1,
        PatientOrientation=["L", "F"], RescaleSlope=1, RescaleIntercept=0, PixelPaddingValue=0,
    )
)  # fmt: skip


@given(damage=damages)
@cases(2000)
@pytest.mark.filterwarnings("ignore::UserWarning:pydicom")
def test_a_damaged_dicom_file_is_refused_or_a_picture(counts, damage):
    found = read_or_refused(lambda: decode_grey(damaged(DICOM, damage)), "DICOM", counts)
    assert found is None or is_picture(found)


def archives() -> dict[str, bytes]:
    """Three small radiographs in each kind of archive."""
    tar, packed = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for number in range(3):
            info = tarfile.TarInfo(f"images/{name(number)}")
            info.size = len(PNG)
            archive.addfile(info, io.BytesIO(PNG))
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(3):
            archive.writestr(f"images/{name(number)}", PNG)
    return {"a.tar": tar.getvalue(), "a.tar.gz": gzip.compress(tar.getvalue(), mtime=0),
            "a.zip": packed.getvalue()}  # fmt: skip


ARCHIVES = archives()
WANTED = {image_key(name(number)) for number in range(3)}


@given(kind=st.sampled_from(sorted(ARCHIVES)), damage=damages)
@cases(2000)
def test_a_damaged_archive_is_refused_or_lacks_what_it_does_not_hold(
    counts, kind, damage, tmp_path_factory
):
    path = tmp_path_factory.getbasetemp() / kind
    path.write_bytes(damaged(ARCHIVES[kind], damage))
    found = read_or_refused(lambda: list(archived_files(path, WANTED)), kind, counts)
    for file in found or ():
        if image_key(file.name) in WANTED:
            read_or_refused(lambda file=file: decode_grey(file.read()), f"of {kind}", counts)


@pytest.mark.parametrize("at", range(0, len(ARCHIVES["a.tar"]), 256))
def test_a_plain_archive_is_not_taken_for_whole_wherever_it_was_cut(at, tmp_path):
    files = 3 * (512 + -(-len(PNG) // 512) * 512)
    path = tmp_path / "a.tar"
    path.write_bytes(ARCHIVES["a.tar"][:at])
    if at < files + 512:
        with pytest.raises(CohortError):
            list(archived_files(path, WANTED))
    else:  # one block of zeros is there: all files are
        assert len(list(archived_files(path, WANTED))) == 3


@given(damage=damages)
@cases(1000)
def test_a_damaged_shard_is_refused_or_of_its_size(counts, damage, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "shards"
    if not folder.exists():
        write_shards([{"image": GREY[:40, :40]}] * 3, folder)
        (folder / "whole").write_bytes(next(folder.glob("*.npy")).read_bytes())
    (path,) = folder.glob("*.npy")
    path.unlink()
    path.write_bytes(damaged((folder / "whole").read_bytes(), damage))
    read_or_refused(lambda: Shards(folder)[0], "npy", counts)


@given(damage=damages)
@cases(1000)
def test_a_damaged_parquet_file_is_refused_or_of_its_columns(counts, damage, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    whole = folder / "whole.parquet"
    if not whole.exists():
        write_crop_boxes(crops(), whole)
    path = folder / "damaged.parquet"
    path.write_bytes(damaged(whole.read_bytes(), damage))
    read_or_refused(lambda: read_crop_boxes(path), "parquet", counts)


def crops():
    import pandas as pd  # noqa: PLC0415

    corners = {name: [0.25 + n for n in (0, 0.1)] for name in ("x1", "y1", "x2", "y2")}
    return pd.DataFrame(
        {"image_index": list(IMAGES)[:2], **corners, "source": "cam", "finding": None}
    )


@given(damage=damages)
@cases(500)
def test_a_damaged_checkpoint_is_refused_or_of_its_tensors(counts, damage, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    whole = folder / "whole.safetensors"
    if not whole.exists():
        write_checkpoint({"a": torch.ones(3, 4)}, {"findings": list(FINDINGS)}, whole)
    path = folder / "damaged.safetensors"
    path.write_bytes(damaged(whole.read_bytes(), damage))
    read_or_refused(lambda: read_checkpoint(path), "safetensors", counts)
