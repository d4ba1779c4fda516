"""Bad radiographs: PNG and JPEG files, and folders and archives of them."""

import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from inputs import (
    BAD,
    IMAGES,
    BadInput,
    as_usual,
    ingested,
    refused,
    report_of,
    with_image,
)
from PIL import Image
from ran_ingest import params_of, run_ingest
from tiny_cohort import name, pixels, png, rgba, write_flat, write_text_files

from pipeline.base.shards import Shards

GREY = pixels(4)
WANTED = "…/cohort: expected the 9 images of Data_Entry_2017_v2020.csv, found "
READ = "; read are .png, .jpg, .jpeg, .dcm, .dicom, .tar, .tar.gz, .tgz, …, .zip)"


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def header_only(width: int, height: int) -> bytes:
    """A PNG whose header promises a picture of this size, of which there is nothing."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"")),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def with_gamma(file: bytes) -> bytes:
    """The PNG with a chunk that says to show it at a gamma of 2."""
    chunk = b"gAMA" + struct.pack(">I", 50_000)
    after_header = 8 + 25
    whole = struct.pack(">I", 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return file[:after_header] + whole + file[after_header:]


def flipped(file: bytes, at: int) -> bytes:
    return file[:at] + bytes([file[at] ^ 0x55]) + file[at + 1 :]


def read_as_pixels(content: bytes, expected: np.ndarray, tolerance: float = 0) -> Callable:
    """A call of `ingest` in which one radiograph, so stored, has these pixels in the cache."""

    def call(folder: Path) -> None:
        cache = ingested(folder, images={name(4): content}, image_size=48)
        found = Shards(cache / "images")[4].astype(int)
        assert np.abs(found - expected).mean() <= tolerance

    return call


SMOOTH = cv2.GaussianBlur(pixels(4), (0, 0), 4)
RAMP = np.tile(np.linspace(30, 220, 48).astype(np.uint8), (48, 1))
TURNED = Image.Exif()
TURNED[0x0112] = 6  # "rotate 90 degrees clockwise to show"


def skipping(folder: Path) -> None:
    """One bad radiograph is left out when that is wanted."""
    cache = ingested(folder, images={name(4): b""}, on_bad_image="skip")
    assert len(Shards(cache / "images")) == len(IMAGES) - 1
    assert report_of(cache)["bad"] == [{"name": name(4), "reason": "an empty file (0 bytes)"}]


def large(folder: Path) -> None:
    enlarged = png(np.kron(RAMP[:, ::-1], np.ones((208, 208), np.uint8)))
    read_as_pixels(enlarged, RAMP[:, ::-1], 0.5)(folder)


def with_folder(folder: Path) -> None:
    source = write_flat(folder / "cohort", IMAGES)
    (source / "images" / name(4)).unlink()
    (source / "images" / name(4)).mkdir()
    run_ingest(source, folder / "cache")


PICTURES = {
    "image_empty": BadInput("an empty file", with_image(b""), BAD + "an empty file (0 bytes)"),
    "image_lfs": BadInput(
        "a Git-LFS pointer",
        with_image(b"version https://git-lfs.github.com/spec/v1\n"),
        BAD + "a Git-LFS pointer, not the file it stands for: run `git lfs pull`",
    ),
    "image_html": BadInput(
        "a page of HTML",
        with_image(b"<html>404"),
        BAD + "a page of HTML, probably a download's error message",
    ),
    "image_skipped": BadInput(
        "a bad radiograph, with `ingest.on_bad_image: skip`",
        skipping,
        read_as="the others; it is named in the report",
    ),
    "png_truncated": BadInput(
        "a PNG that was cut off",
        with_image(png(GREY)[:-30]),
        BAD + "a truncated PNG: …bytes missing at its end or more",
    ),
    "png_flipped": BadInput(
        "a PNG with a wrong byte",
        with_image(flipped(png(GREY), 200)),
        BAD + "a damaged PNG: wrong checksum of chunk b'IDAT' at byte …",
    ),
    "png_signature": BadInput(
        "a PNG that went through a conversion of line ends",
        with_image(png(GREY).replace(b"\r\n", b"\n", 1)),
        BAD + r"neither PNG, JPEG nor DICOM: it starts with b'\x89PNG\n\x1a\n\x00'",
    ),
    "png_16_bits": BadInput(
        "a PNG of 16 bits",
        with_image(png(GREY.astype(np.uint16) * 256)),
        BAD + "16 bits per sample; expected 8, since a window would be a guess",
    ),
    "png_colour": BadInput(
        "a picture in colour",
        with_image(png(np.dstack([GREY, GREY, GREY ^ 1]))),
        BAD + "a picture in colour; expected a radiograph, red = green = blue",
    ),
    "png_rgba": BadInput(
        "RGBA, as a few of NIH's are",
        read_as_pixels(png(rgba(GREY)), GREY),
        read_as="its grey values",
    ),
    "png_palette": BadInput(
        "a palette of greys",
        read_as_pixels(saved(Image.fromarray(GREY).convert("P"), "PNG"), GREY),
        read_as="its grey values",
    ),
    "png_gamma": BadInput(
        "a gamma in the file",
        read_as_pixels(with_gamma(png(GREY)), GREY),
        read_as="the stored values",
    ),
    "png_huge_header": BadInput(
        "a header that promises 60,000 x 60,000 pixels",
        with_image(header_only(60_000, 60_000)),
        BAD + "a picture of 60,000 x 60,000 pixels; of a radiograph at most 134,217,728 are "
        "expected",
    ),
    "png_no_pixels": BadInput(
        "a PNG without pixels behind its header",
        with_image(header_only(48, 48)),
        BAD + "cannot be decoded: …",
    ),
    "png_flat": BadInput(
        "a picture that is black all over",
        with_image(png(np.zeros((48, 48), np.uint8))),
        BAD + "a picture of one grey value, 0, in all its pixels",
    ),
    "png_one_pixel": BadInput(
        "a picture of 1 x 1 pixels",
        with_image(png(GREY[:1, :1])),
        BAD + "a picture of 1 x 1 pixels; expected a radiograph, 16 or more a side",
    ),
    "png_large": BadInput(
        "a radiograph of 10,000 x 10,000 pixels",
        large,
        read_as="a radiograph",
    ),
    "png_not_square": BadInput(
        "a radiograph that is not square",
        read_as_pixels(png(np.repeat(RAMP, 2, axis=0)), RAMP),
        read_as="a square one, without keeping its proportions",
    ),
    "jpeg_as_png": BadInput(
        "a JPEG whose name ends in .png",
        read_as_pixels(saved(Image.fromarray(SMOOTH), "JPEG"), SMOOTH, 2),
        read_as="a JPEG",
    ),
    "jpeg_turned": BadInput(
        "a JPEG that EXIF says to turn",
        read_as_pixels(saved(Image.fromarray(RAMP), "JPEG", exif=TURNED), np.rot90(RAMP, -1), 2),
        read_as="turned upright",
    ),
    "jpeg_cmyk": BadInput(
        "a JPEG of four inks",
        with_image(saved(Image.fromarray(SMOOTH).convert("CMYK"), "JPEG")),
        BAD + "a JPEG of 8 bits and 4 components; expected 8 bits, grey or RGB",
    ),
    "jpeg_truncated": BadInput(
        "a JPEG that was cut off",
        with_image(saved(Image.fromarray(GREY), "JPEG")[:-40]),
        BAD + "a truncated JPEG: its … bytes do not end with an end mark",
    ),
    "jpeg_more_behind": BadInput(
        "bytes behind the end of a JPEG",
        read_as_pixels(saved(Image.fromarray(SMOOTH), "JPEG") + b"\n more", SMOOTH, 2),
        read_as="the picture",
    ),
    "webp": BadInput(
        "a WebP whose name ends in .png",
        with_image(saved(Image.fromarray(GREY), "WEBP")),
        BAD + "neither PNG, JPEG nor DICOM: it starts with b'RIFF…",
    ),
    "unreadable": BadInput(
        "a folder under an image's name",
        with_folder,
        WANTED + "8; 1 missing, first: 00000002_001.png; complete the folder, or set "
        "ingest.partial: true to use what is there",
    ),
}


def cohort_in(prepare: Callable[[Path], None], **options: object) -> Callable[[Path], Path]:
    """A call with the tables, and radiographs as `prepare` writes them into the folder."""

    def call(folder: Path) -> Path:
        source = folder / "cohort"
        write_text_files(source, len(IMAGES))
        prepare(source)
        return run_ingest(source, folder / "cache", **options)

    return call


def changed_names(change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda source: (
        [(source / change(file)).write_bytes(content) for file, content in IMAGES.items()] and None
    )


def beside(**foreign: bytes) -> Callable[[Path], None]:
    """A call with foreign files beside an archive, which is read as if they were not."""

    def prepare(source: Path) -> None:
        (source / "all.zip").write_bytes(zip_of([*IMAGES.items()]))
        for path, content in foreign.items():
            (source / path).write_bytes(content)

    return nothing_else(cohort_in(prepare))


def tar_of(members: dict[str, bytes], *infos: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for info in infos:
            archive.addfile(info)
        for path, content in members.items():
            info = tarfile.TarInfo(path)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(members: list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in members:
            archive.writestr(path, content)
    return buffer.getvalue()


def special(path: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.linkname = kind, target
    return info


def archive(content: bytes, file: str = "images.tar.gz", **options: object) -> Callable:
    return cohort_in(lambda source: (source / file).write_bytes(content) and None, **options)


def nothing_else(call: Callable[[Path], Path]) -> Callable[[Path], None]:
    """The call reads the cohort as usual, and writes nothing outside its outputs."""

    def check(folder: Path) -> None:
        inner = folder / "a" / "b"
        inner.mkdir(parents=True)
        cache = call(inner)
        assert len(Shards(cache / "images")) == len(IMAGES)
        assert set(inner.iterdir()) == {inner / "cohort", cache, params_of(cache)}
        assert [path.name for path in folder.iterdir()] == ["a"]

    return check


def encrypted() -> bytes:
    """A zip archive whose members say that they have a password."""
    content = bytearray(zip_of(list(IMAGES.items())))
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(start)
        while at >= 0:
            content[at + flags] |= 1
            at = content.find(start, at + 1)
    return bytes(content)


def bomb(source: Path) -> None:
    zeros = (name(4), bytes(300 * 2**20))
    (source / "all.zip").write_bytes(zip_of([*[*IMAGES.items()][:4], zeros]))


def circle(folder: Path) -> None:
    source = write_flat(folder / "cohort", IMAGES)
    (source / "a").symlink_to(source)
    (source / "b").symlink_to(source)
    assert len(Shards(run_ingest(source, folder / "cache") / "images")) == len(IMAGES)


FOLDERS = {
    "endings": BadInput(
        "names ending in .PNG, where the table says .png",
        nothing_else(cohort_in(changed_names(lambda file: file.replace(".png", ".PNG")))),
        read_as="the images of the table",
    ),
    "no_images": BadInput(
        "no radiographs",
        cohort_in(lambda source: None),
        WANTED + "0; 9 missing, first: 00000001_000.png, …; check ingest.source, or the archives' "
        "names",
    ),
    "other_kind": BadInput(
        "radiographs in a format that is not read",
        cohort_in(changed_names(lambda file: file.replace(".png", ".bmp"))),
        WANTED + "0; 9 missing, …\n  there are 9 .bmp files (not read" + READ,
    ),
    "images_missing": BadInput(
        "a folder that lacks some",
        cohort_in(
            lambda source: (
                [(source / file).write_bytes(IMAGES[file]) for file in list(IMAGES)[:7]] and None
            )
        ),
        WANTED + "7; 2 missing, first: 00000003_001.png, 00000003_002.png; complete the folder, "
        "or set ingest.partial: true to use what is there",
    ),
    "no_folder": BadInput(
        "a folder that is not there",
        lambda folder: run_ingest(folder / "nowhere", folder / "cache"),
        "…/nowhere: no such folder; expected one in NIH ChestX-ray14's layout",
    ),
    "two_of_one_name": BadInput(
        "two different files of one name",
        refused(texts={f"more/{name(4)}": IMAGES[name(5)]}),
        "00000002_001.png lies at two places, …/images/00000002_001.png and "
        "…/more/00000002_001.png; remove the one not meant",
    ),
    "links": BadInput(
        "a copy of an image, or a link to it",
        as_usual(texts={f"more/{name(4)}": IMAGES[name(4)]}),
        read_as="that image",
    ),
    "two_forms": BadInput(
        "two different files of one image, such as a .png and a .jpg",
        refused(texts={"00000002_001.jpg": saved(Image.fromarray(SMOOTH), "JPEG")}),
        "00000002_001.png lies at two places, …/images/00000002_001.png and "
        "…/00000002_001.jpg; remove the one not meant",
    ),
    "no_ending": BadInput(
        "files without an ending, as DICOM archives have them",
        nothing_else(cohort_in(changed_names(lambda file: file.removesuffix(".png")))),
        read_as="the images of the table",
    ),
    "circle": BadInput(
        "links that lead in a circle",
        circle,
        read_as="each folder once",
    ),
    "foreign_pictures": BadInput(
        "two different `roc.png` in subfolders",
        as_usual(texts={"a/roc.png": b"one", "b/roc.png": b"another"}),
        read_as="no radiographs, as the table does not name them",
    ),
    "foreign_archive": BadInput(
        "`model.pth.tar` beside the images",
        beside(**{"model.pth.tar": b"\x80\x02}q\x00" + bytes(2000)}),
        read_as="no archive of radiographs",
    ),
    "hidden_files": BadInput(
        "`._images_001.tar.gz` and `._00000001_000.png`, as macOS leaves them",
        beside(
            **{
                "._images_001.tar.gz": b"\x00\x05\x16\x07Mac OS X",
                "._00000001_000.png": b"\x00\x05\x16\x07Mac OS X",
            }
        ),
        read_as="no files of the cohort",
    ),
    "archive_cut": BadInput(
        "an archive that was cut off",
        archive(tar_of(IMAGES)[:-300]),
        "…/cohort/images.tar.gz: not a whole archive (…); download it again",
    ),
    "archive_cut_between": BadInput(
        "a plain tar archive that was cut off between two files",
        archive(gzip.decompress(tar_of(IMAGES))[: -(2 * 512 + 9_216)], "images.tar"),
        "…/cohort/images.tar: not a whole archive (…); download it again",
    ),
    "archive_html": BadInput(
        "a page of HTML under an archive's name",
        archive(b"<html>sign in"),
        WANTED + "0; …images.tar.gz: a page of HTML, probably a download's error message",
    ),
    "archive_repeats": BadInput(
        "an archive with two files of one name",
        archive(tar_of({**IMAGES, f"more/{name(4)}": IMAGES[name(5)]})),
        "00000002_001.png lies at two places, …; remove the one not meant",
    ),
    "archive_climbs": BadInput(
        "members called `../../x.png` or `/x.png`",
        nothing_else(
            archive(
                tar_of(
                    {
                        "../../x.png": b"x",
                        "/x.png": b"x",
                        **{f"../../{file}": content for file, content in IMAGES.items()},
                    }
                )
            )
        ),
        read_as="the images that the table names; nothing is unpacked",
    ),
    "archive_devices": BadInput(
        "links, devices and pipes in an archive",
        nothing_else(
            archive(
                tar_of(
                    IMAGES,
                    special("images/a.png", tarfile.SYMTYPE, "/etc/passwd"),
                    special("images/b.png", tarfile.CHRTYPE),
                    special("images/c.png", tarfile.FIFOTYPE),
                )
            )
        ),
        read_as="the images that the table names",
    ),
    "archive_bomb": BadInput(
        "a member that unpacks to 300 MB",
        cohort_in(bomb, partial=True),
        "1 bad images (…)\n  …all.zip:00000002_001.png: a file of 314,572,800 bytes; of a "
        "radiograph at most 268,435,456 are expected",
    ),
    "archive_backslashes": BadInput(
        "members called `images\\x.png`, as Windows packs them",
        nothing_else(
            archive(zip_of([(f"images\\{file}", one) for file, one in IMAGES.items()]), "a.zip")
        ),
        read_as="the images that the table names",
    ),
    "archive_password": BadInput(
        "a zip archive with a password",
        archive(encrypted(), "all.zip"),
        WANTED + "0; …; mend or remove what is damaged\n  …/cohort/all.zip: it has a password; "
        "unpack it into this folder",
    ),
    "archive_rar": BadInput(
        "archives of another kind",
        archive(b"Rar!\x1a\x07\x01\x00", "images.rar"),
        WANTED + "0; …\n  there are 1 .rar files (not read" + READ,
    ),
    "tilde": BadInput(
        "`~` in `ingest.source`",
        lambda folder: run_ingest(Path("~/nowhere"), folder / "cache"),
        "~/nowhere: no such folder; expected one in NIH ChestX-ray14's layout",
    ),
}
