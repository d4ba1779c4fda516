"""Every form of the cohort gives the same cache; what is foreign is left alone."""

import bz2
import gzip
import io
import json
import lzma
import os
import shutil
import tarfile
import zipfile

import cv2
import numpy as np
import pytest
from test_ingest import IMAGES, contents, ingest
from tiny_cohort import name, pixels, write_archives, write_flat, write_text_files

from pipeline.base.shards import Shards
from pipeline.base.tables import read_index
from pipeline.errors import CohortError


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    return contents(ingest(write_flat(folder / "cohort", IMAGES), folder / "out"))


def without_report(cache):
    return {path: content for path, content in cache.items() if path != "report.json"}


def tar(members: dict[str, bytes], **links: str) -> bytes:
    """A tar archive of files and hard links."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, content in members.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for path, target in links.items():
            info = tarfile.TarInfo(path)
            info.type, info.linkname = tarfile.LNKTYPE, target
            archive.addfile(info)
    return buffer.getvalue()


def zipped(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in members.items():
            archive.writestr(path, content)
    return buffer.getvalue()


def halves() -> tuple[dict[str, bytes], dict[str, bytes]]:
    items = [(f"images/{file_name}", content) for file_name, content in IMAGES.items()]
    return dict(items[:9]), dict(items[9:])


def joined_gzips() -> bytes:
    return b"".join(gzip.compress(tar(half)) for half in halves())


def with_hard_links() -> bytes:
    (first, content), *others = IMAGES.items()
    members = {"images/original.png": content, **{f"images/{file}": one for file, one in others}}
    return gzip.compress(tar(members, **{f"images/{first}": "images/original.png"}))


ARCHIVES = {
    "all.zip": lambda: zipped(IMAGES),
    "all.ZIP": lambda: zipped({f"NIH/images/{key}": value for key, value in IMAGES.items()}),
    "all.tar.xz": lambda: lzma.compress(tar(IMAGES)),
    "all.tar.bz2": lambda: bz2.compress(tar(IMAGES)),
    "joined.tar.gz": joined_gzips,
    "joined.tar": lambda: b"".join(map(tar, halves())),
    "linked.tgz": with_hard_links,
    "absolute.tar": lambda: tar({f"/etc/../{key}": value for key, value in IMAGES.items()}),
    "climbing.tar": lambda: tar({f"../../{key}": value for key, value in IMAGES.items()}),
    "climbing.zip": lambda: zipped({f"../../{key}": value for key, value in IMAGES.items()}),
    "linked_out.tar": lambda: tar(IMAGES, **{"images/x.png": "../../../../../../etc/passwd"}),
}


@pytest.mark.parametrize("archive", ARCHIVES)
def test_an_archive_of_any_kind_gives_the_same_bytes(archive, reference, tmp_path):
    source = tmp_path / "cohort"
    write_text_files(source, len(IMAGES))
    (source / archive).write_bytes(ARCHIVES[archive]())
    found = contents(ingest(source, tmp_path / "out"))
    assert without_report(found) == without_report(reference)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cohort", "out", "out.yaml"]


def test_endings_of_any_case_are_png(reference, tmp_path):
    source = write_flat(
        tmp_path / "cohort", {key.replace(".png", ".PNG"): value for key, value in IMAGES.items()}
    )
    write_text_files(source, len(IMAGES))
    assert contents(ingest(source, tmp_path / "out")) == reference


def test_jpegs_are_the_images_that_the_table_names(tmp_path):
    smooth = {n: cv2.GaussianBlur(pixels(n), (0, 0), 4) for n in range(18)}
    jpegs = {
        name(n).replace(".png", (".jpg", ".JPEG")[n % 2]): cv2.imencode(".jpg", grey)[1].tobytes()
        for n, grey in smooth.items()
    }
    source = write_flat(tmp_path / "cohort", jpegs)
    cache = ingest(source, tmp_path / "out", image_size=48)
    index = read_index(cache / "index.parquet")
    assert index["image_index"].tolist() == [name(n) for n in range(18)]
    shards = Shards(cache / "images")
    for n, grey in smooth.items():
        assert np.abs(shards[n].astype(int) - grey).mean() < 2
    report = json.loads((cache / "report.json").read_text())
    assert report["images"]["colour_types"] == {"JPEG, grey": 18}


FOREIGN = {
    "model.pth.tar": zipped({"archive/data.pkl": b"..."}),
    "checkpoint.tar": b"\x80\x02}q\x00" + b"x" * 2000,
    "._images_001.tar.gz": b"\x00\x05\x16\x07Mac OS X",
    "images/._00000001_000.png": b"\x00\x05\x16\x07",
    "code.tar.gz": gzip.compress(tar({"a.py": b"pass"})),
    "results/a/roc.png": b"one picture",
    "results/b/roc.png": b"another",
    "data.zip": b"PK\x03\x04 not whole",
}


@pytest.mark.parametrize("packed", [False, True])
def test_only_what_the_table_names_matters(packed, reference, tmp_path):
    write = write_archives if packed else write_flat
    source = write(tmp_path / "cohort", IMAGES)
    for path, content in FOREIGN.items():
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        (source / path).write_bytes(content)
    found = contents(ingest(source, tmp_path / "out"))
    assert without_report(found) == without_report(reference)
    report = json.loads(found["report.json"])
    assert report["not_in_table_first"] == ["roc.png"]


@pytest.mark.parametrize("make", [os.symlink, os.link, shutil.copy])
def test_links_to_a_file_and_copies_of_it_are_that_file(make, reference, tmp_path):
    source = write_flat(tmp_path / "cohort", IMAGES)
    (source / "some").mkdir()
    make(source / "images" / name(3), source / "some" / name(3))
    assert contents(ingest(source, tmp_path / "out")) == reference


def test_two_files_that_differ_are_refused_with_both(tmp_path):
    source = write_flat(tmp_path / "cohort", IMAGES)
    (source / "some").mkdir()
    (source / "some" / name(3)).write_bytes(IMAGES[name(4)])
    with pytest.raises(
        CohortError, match=rf"{name(3)} lies at two places, .*images/.* and .*some/"
    ):
        ingest(source, tmp_path / "out")


def test_what_lies_there_and_is_not_read_is_said_where_images_are_missing(tmp_path):
    source = write_flat(
        tmp_path / "cohort", {key.replace(".png", ".webp"): value for key, value in IMAGES.items()}
    )
    (source / "images_001.tar.gz").write_bytes(b"<html>404 not found")
    (source / "rest.rar").write_bytes(b"Rar!")
    write_text_files(source, len(IMAGES))
    with pytest.raises(CohortError) as error:
        ingest(source, tmp_path / "out")
    said = str(error.value)
    assert "found 0" in said
    assert "18 .webp files" in said
    assert "1 .rar files" in said
    assert "read are .png, .jpg, .jpeg, .dcm" in said
    assert "images_001.tar.gz: a page of HTML" in said


def test_a_damaged_header_in_the_middle_of_a_tar_archive_is_not_its_end(tmp_path):
    source = tmp_path / "cohort"
    write_text_files(source, len(IMAGES))
    archive = bytearray(tar(IMAGES))
    at = archive.index(b"ustar", len(archive) // 2)
    archive[at - 200 : at - 100] = b"\xff" * 100
    (source / "all.tar").write_bytes(archive)
    with pytest.raises(CohortError, match=r"all.tar: not a whole archive \(no header"):
        ingest(source, tmp_path / "out", partial=True)


def test_a_file_that_unpacks_to_more_than_a_radiograph_is_bad(tmp_path, monkeypatch):
    source = tmp_path / "cohort"
    write_text_files(source, len(IMAGES))
    bomb = {**IMAGES, name(3): bytes(300 * 2**20)}
    (source / "all.zip").write_bytes(zipped(bomb))
    with pytest.raises(
        CohortError, match=rf"1 bad images.*\n.*{name(3)}: a file of 314,572,800 bytes"
    ):
        ingest(source, tmp_path / "out")
