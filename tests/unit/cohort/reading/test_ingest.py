import gzip
import json
import logging
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ran_ingest import run_ingest
from tiny_cohort import (
    FIRST,
    HEADER_FIRST,
    LAYOUTS,
    V2020,
    name,
    pixels,
    png,
    pngs,
    table,
    write_archives,
    write_flat,
    write_kaggle,
)

from pipeline.base.shards import Shards
from pipeline.base.tables import read_boxes, read_index, read_official_lists
from pipeline.cohort.reading.cohort_source import find_cohort
from pipeline.cohort.reading.images import resize_square
from pipeline.errors import CohortError

REPO = Path(__file__).parents[4]
IMAGES = pngs(18)
SIZE = 32
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
BAD = {name(2): b"", name(5): POINTER, name(11): IMAGES[name(11)][:-30], name(17): b"<html>404"}


ingest = partial(run_ingest, workers=3)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    return ingest(write_flat(folder / "cohort", IMAGES), folder / "out", workers=1)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_bytes(layout, reference, tmp_path):
    source = LAYOUTS[layout](tmp_path / "cohort", IMAGES)
    assert contents(ingest(source, tmp_path / "out")) == contents(reference)


def test_row_i_of_the_index_is_row_i_of_the_shards(reference):
    index, shards = read_index(reference / "index.parquet"), Shards(reference / "images")
    assert index["image_index"].tolist() == sorted(IMAGES)
    assert (index["shard"] * 2048 + index["row"]).tolist() == list(range(18))
    for number in range(18):
        grey = pixels(number, width=48 if number % 7 else 60)
        np.testing.assert_array_equal(shards[number], resize_square(grey, SIZE))
        assert index["width"][number] == grey.shape[1]


def test_tables_and_counts_are_written(reference):
    boxes = read_boxes(reference / "boxes.parquet")
    assert boxes.to_numpy().tolist() == [
        [name(1), "Infiltration", 0.25, 0.5, 0.75, 0.75],
        [name(2), "Mass", 40 / 48, 40 / 48, 1.0, 44 / 48],
    ]
    lists = read_official_lists(reference / "lists.parquet")
    assert lists["official"].value_counts().to_dict() == {"train_val": 12, "test": 6}
    assert json.loads((reference / "ceiling.json").read_text()) == {"auroc": {"Mass": 0.9}}
    report = json.loads((reference / "report.json").read_text())
    assert report["csv"] == V2020
    assert report["boxes"] == {
        "in_file": 2, "used": 2, "clipped": 1, "dropped": {},
        "drawn_in": "pixels of the image files",
    }  # fmt: skip
    assert report["files"] == {
        "boxes": "BBox_List_2017.csv", "train_val_list": "train_val_list.txt",
        "test_list": "test_list.txt", "not_read": [],
    }  # fmt: skip
    assert report["images"]["colour_types"] == {"grey": 14, "RGBA": 4}
    assert (report["images"]["used"], report["images"]["not_square"]) == (18, 3)


def bad_and_good() -> dict[str, bytes]:
    return {**IMAGES, **BAD}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_bad_images_are_named_with_their_reasons_before_failing(layout, tmp_path):
    source = LAYOUTS[layout](tmp_path / "cohort", bad_and_good())
    with pytest.raises(CohortError) as error:
        ingest(source, tmp_path / "out")
    message = str(error.value)
    assert "4 bad images" in message
    for image, reason in zip(BAD, ("empty", "Git-LFS", "truncated", "HTML"), strict=True):
        line = next(line for line in message.splitlines() if image in line)
        assert reason in line
    assert not (tmp_path / "out/images").exists()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_skipped_images_leave_no_gap_and_are_listed(layout, tmp_path):
    source = LAYOUTS[layout](tmp_path / "cohort", bad_and_good())
    cache = ingest(source, tmp_path / "out", on_bad_image="skip")
    index, shards = read_index(cache / "index.parquet"), Shards(cache / "images")
    good = [i for i, image in enumerate(sorted(IMAGES)) if image not in BAD]
    assert index["image_index"].tolist() == [name(i) for i in good]
    assert index["row"].tolist() == list(range(14))
    assert shards.shape == (14, SIZE, SIZE)
    for row, i in enumerate(good):
        expected = resize_square(pixels(i, width=48 if i % 7 else 60), SIZE)
        np.testing.assert_array_equal(shards[row], expected)
    report = json.loads((cache / "report.json").read_text())
    assert [bad["name"] for bad in report["bad"]] == sorted(BAD)
    assert report["boxes"]["dropped"] == {"image not used": 1}
    assert (report["images"]["found"], report["images"]["bad"]) == (18, 4)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_part_of_the_table_is_refused_unless_said_to_be_one(layout, tmp_path, caplog):
    source = LAYOUTS[layout](tmp_path / "cohort", pngs(12))
    (source / V2020).write_text(table(range(18)))
    everyone = "\n".join(name(number) for number in range(6, 18))
    (source / "train_val_list.txt").write_text(everyone)
    with pytest.raises(CohortError, match=rf"found 12; 6 missing, first: {name(12)}"):
        ingest(source, tmp_path / "refused")
    with caplog.at_level(logging.INFO):
        cache = ingest(source, tmp_path / "out", partial=True)
    assert "using 12 of 18 images" in caplog.text
    assert len(read_index(cache / "index.parquet")) == len(Shards(cache / "images")) == 12
    assert len(read_official_lists(cache / "lists.parquet")) == 12


@pytest.mark.parametrize("layout", LAYOUTS)
def test_files_that_the_table_does_not_know_are_counted(layout, tmp_path):
    source = LAYOUTS[layout](tmp_path / "cohort", {**IMAGES, "stray.png": png(pixels(99))})
    write_flat_tables = table(range(18))
    (source / V2020).write_text(write_flat_tables)
    (source / "train_val_list.txt").write_text("\n".join(name(i) for i in range(6, 18)))
    cache = ingest(source, tmp_path / "out")
    report = json.loads((cache / "report.json").read_text())
    assert report["images"]["not_in_table"] == 1
    assert report["not_in_table_first"] == ["stray.png"]


def test_v2020_is_preferred_and_the_first_release_read_without_it(reference, tmp_path):
    source = write_flat(tmp_path / "cohort", IMAGES)
    (source / FIRST).write_text(table(range(18), HEADER_FIRST))
    cache = ingest(source, tmp_path / "both")
    assert contents(cache) == contents(reference)
    (source / V2020).unlink()
    cache = ingest(source, tmp_path / "first")
    assert json.loads((cache / "report.json").read_text())["csv"] == FIRST


def test_without_boxes_lists_and_ceiling_their_outputs_are_empty(tmp_path):
    source = write_flat(tmp_path / "cohort", IMAGES)
    for optional in ("BBox_List_2017.csv", "test_list.txt", "train_val_list.txt", "ceiling.json"):
        (source / optional).unlink()
    cache = ingest(source, tmp_path / "out")
    assert len(read_boxes(cache / "boxes.parquet")) == 0
    assert len(read_official_lists(cache / "lists.parquet")) == 0
    assert json.loads((cache / "ceiling.json").read_text()) == {}
    files = json.loads((cache / "report.json").read_text())["files"]
    assert files == {"boxes": None, "train_val_list": None, "test_list": None, "not_read": []}


@pytest.mark.parametrize("place", ["", "meta/", "archive/meta/"])
@pytest.mark.parametrize(
    "names",
    [
        ("BBox_List_2017_Official_NIH.csv", "test_list_NIH.txt", "Train_Val_List.txt"),
        ("BBox_list_2017.csv", "Test_List.txt", "TRAIN-VAL-LIST.TXT"),
        ("bbox list 2017.CSV", "test list.txt", "train_val_list_Official.txt"),
    ],
)
def test_text_files_are_found_under_their_usual_names_and_places(
    names, place, reference, tmp_path, caplog
):
    source = write_flat(tmp_path / "cohort", IMAGES)
    (source / place).mkdir(parents=True, exist_ok=True)
    official = ("BBox_List_2017.csv", "test_list.txt", "train_val_list.txt")
    for old, new in zip((*official, V2020), (*names, V2020.upper()), strict=True):
        (source / old).rename(source / place / new)
    with caplog.at_level(logging.INFO):
        cohort = find_cohort(source)
    plain = find_cohort(reference.parent / "cohort")
    for mine, theirs in (
        (cohort.boxes, plain.boxes), (cohort.test, plain.test),
        (cohort.train_val, plain.train_val), (cohort.entries, plain.entries),
    ):  # fmt: skip
        assert mine.text == theirs.text
        assert mine.name in caplog.text
    assert cohort.boxes.name == place + names[0]
    assert "there is no" not in caplog.text


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_two_files_of_one_meaning_are_read_if_equal_and_refused_if_not(ending, tmp_path):
    source = write_flat(tmp_path / "cohort", IMAGES)
    content = (source / "test_list.txt").read_bytes()
    pack = gzip.compress if ending else bytes
    other = source / "meta" / f"Test_List_NIH.txt{ending}"
    other.parent.mkdir()
    other.write_bytes(pack(content.replace(b"\n", b"\r\n")))
    assert find_cohort(source).test.name == "test_list.txt"
    other.write_bytes(pack(content[:-17]))
    with pytest.raises(CohortError, match=r"test_list.txt and .*Test_List_NIH.* test list and d"):
        find_cohort(source)


def test_what_is_not_there_is_said_with_the_files_that_may_be_meant(tmp_path, caplog):
    source = write_flat(tmp_path / "cohort", IMAGES)
    (source / "a/b/c").mkdir(parents=True)
    (source / "BBox_List_2017.csv").rename(source / "BBox_List_2017 (1).csv")
    (source / "test_list.txt").rename(source / "a/b/c/test_list.txt")
    (source / "metadata.csv").write_text("the table is there, so nobody asks for it")
    cohort = find_cohort(source)
    assert cohort.not_read == ["BBox_List_2017 (1).csv", "a/b/c/test_list.txt"]
    assert "there is no box list (BBox_List_2017.csv), no test list (test_list.txt)" in caplog.text
    assert "similar: BBox_List_2017 (1).csv, a/b/c/test_list.txt" in caplog.text
    (source / V2020).rename(source / "Data_Entry.csv")
    with pytest.raises(CohortError, match=r"may be meant: .*Data_Entry\.csv, .*metadata\.csv"):
        find_cohort(source)


def test_a_name_at_two_places_is_refused_with_both(tmp_path):
    source = write_kaggle(tmp_path / "loose", IMAGES)
    (source / "images_003/images" / name(0)).write_bytes(IMAGES[name(1)])
    with pytest.raises(
        CohortError, match=rf"{name(0)} lies at two places.*images_001.*images_003"
    ):
        ingest(source, tmp_path / "out")
    archives = write_archives(tmp_path / "archives", IMAGES)
    (archives / "again.tar.gz").write_bytes((archives / "images_002.tar.gz").read_bytes())
    with pytest.raises(CohortError, match="lies at two places"):
        ingest(archives, tmp_path / "out2")


def test_unpacked_images_win_over_the_archives_they_came_from(reference, tmp_path):
    source = write_archives(tmp_path / "cohort", IMAGES)
    for file_name, content in list(IMAGES.items())[:10]:
        (source / file_name).write_bytes(content)
    assert contents(ingest(source, tmp_path / "out")) == contents(reference)


@pytest.mark.parametrize("workers", [1, 4])
def test_an_archive_that_is_cut_off_is_named_whatever_is_to_be_skipped(workers, tmp_path):
    source = write_archives(tmp_path / "cohort", IMAGES)
    archive = source / "images_002.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-9])
    with pytest.raises(CohortError, match=r"images_002.tar.gz: not a whole archive"):
        ingest(source, tmp_path / "out", on_bad_image="skip", partial=True, workers=workers)


def test_an_archive_or_table_that_is_a_git_lfs_pointer_is_named(tmp_path):
    source = write_archives(tmp_path / "cohort", IMAGES)
    (source / "images_003.tar.gz").write_bytes(POINTER)
    with pytest.raises(CohortError, match=r"images_003\.tar\.gz: a Git-LFS pointer"):
        ingest(source, tmp_path / "out")
    (source / V2020).write_bytes(POINTER)
    with pytest.raises(CohortError, match=r"v2020\.csv: a Git-LFS pointer"):
        find_cohort(source)


@pytest.mark.parametrize("content", ["[1, 2]", '{"mean": 0.9}', '{"auroc": {"Mass": "high"}}'])
def test_a_ceiling_that_is_none_is_refused_before_anything_is_trained(content, tmp_path):
    source = write_flat(tmp_path / "cohort", IMAGES)
    (source / "ceiling.json").write_text(content)
    with pytest.raises(CohortError, match=r"ceiling\.json: expected"):
        find_cohort(source)


def test_a_folder_that_is_no_cohort_is_refused(tmp_path):
    with pytest.raises(CohortError, match="no such folder"):
        find_cohort(tmp_path / "nowhere")
    with pytest.raises(CohortError, match=f"holds no {V2020} nor {FIRST}"):
        find_cohort(tmp_path)


def test_an_image_that_cannot_be_opened_is_bad_not_fatal(tmp_path):
    source = write_flat(tmp_path / "cohort", IMAGES)
    (source / "images" / name(3)).unlink()
    (source / "images" / name(3)).symlink_to("nowhere.png")
    cache = ingest(source, tmp_path / "out", on_bad_image="skip")
    report = json.loads((cache / "report.json").read_text())
    assert report["bad"] == [
        {"name": name(3), "reason": "cannot be read (No such file or directory)"}
    ]


PEAK = """
import re, sys
from pathlib import Path
from ran_ingest import run_ingest

run_ingest(Path(sys.argv[1]), Path(sys.argv[2]), image_size=128, workers=4)
status = Path("/proc/self/status").read_text()  # getrusage would count the parent's peak too
print(re.search(r"VmHWM:\\s+(\\d+) kB", status)[1])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_memory_stays_below_1_gib_whatever_the_number_of_images(tmp_path):
    large = [png(pixels(number, 1024, 1024)) for number in range(8)]
    peaks = {}
    for images in (400, 1_600, 20_000):
        small = png(pixels(0))  # most files are small, or making them would take minutes
        content = {name(n): large[n % 8] if n < 1_600 else small for n in range(images)}
        source = write_archives(tmp_path / f"{images}", content, ending="tar")
        command = [sys.executable, "-c", PEAK, str(source), str(tmp_path / f"{images}.out")]
        paths = {"PYTHONPATH": os.pathsep.join([str(REPO), str(REPO / "tests/unit")])}
        done = subprocess.run(
            command, env=os.environ | paths, capture_output=True, text=True, check=True
        )
        peaks[images] = int(done.stdout) / 1024  # MiB
    assert max(peaks.values()) < 1024, peaks
    assert peaks[1_600] - peaks[400] < 50, peaks  # 1,200 decoded images would be 1,200 MiB
    assert peaks[20_000] - peaks[1_600] < 150, peaks  # tables and records: 8 KiB per image


SAMPLE = REPO / "../shared/nih-sample"


@pytest.mark.slow
@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the real radiographs are not here")
def test_392_real_radiographs_of_112_120_are_read(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        cache = ingest(SAMPLE, tmp_path / "out", partial=True, workers=0, box_frame="auto")
    assert "using 392 of 112,120 images" in caplog.text
    index = read_index(cache / "index.parquet")
    assert (len(index), index["patient_id"].nunique()) == (392, 355)
    assert set(pd.concat([index["width"], index["height"]])) == {1024}
    lists = read_official_lists(cache / "lists.parquet")
    assert lists["official"].value_counts().to_dict() == {"train_val": 300, "test": 92}
    assert read_boxes(cache / "boxes.parquet")["image_index"].nunique() == 34
    report = json.loads((cache / "report.json").read_text())
    assert report["images"]["colour_types"] == {"grey": 382, "RGBA": 10}
    assert (report["boxes"]["used"], report["boxes"]["drawn_in"]) == (
        41,
        "pixels of the image files",
    )
    images = Shards(cache / "images")
    same = index["image_index"].isin(["00002658_001.png", "00002658_002.png"]).to_numpy()
    np.testing.assert_array_equal(*images.gather(np.flatnonzero(same)))
