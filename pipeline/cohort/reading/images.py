"""A radiograph's file to grey pixels of a given side; what is wrong with it, if it is."""

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from pipeline.base.broken_files import impostor
from pipeline.cohort.reading.dicom import decode_dicom, is_dicom
from pipeline.cohort.reading.grey import GreyImage, expect_size
from pipeline.errors import CohortError

COLOUR_TYPES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}
"""PNG's colour types (PNG specification, 11.2.2)."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_TAIL = 2**16
"""Bytes that may stand behind a picture, or in it behind its end mark."""
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")


def decode_grey(file: bytes, *, lateral: bool = False) -> GreyImage:
    """Decode a radiograph to its grey values, whatever its file is called.

    PNG: exactly as stored, no gamma, no profile, no alpha. JPEG: turned as its EXIF says. DICOM:
    see `decode_dicom`. A file in colour is accepted when its channels agree, as in the RGBA files
    among NIH's.

    Args:
        file: its bytes.
        lateral: whether a lateral view is taken; only DICOM files say which view they are.

    Raises:
        CohortError: the reason why the file is not a whole grey image of 8 bits, or no radiograph
            of a chest.
    """
    image = decode_dicom(file, lateral=lateral) if is_dicom(file) else _decode(file)
    expect_varied(image.pixels)
    return image


def _decode(file: bytes) -> GreyImage:
    for start, decode in _DECODERS.items():
        if file.startswith(start):
            return decode(file)
    raise CohortError(
        impostor(file) or f"neither PNG, JPEG nor DICOM: it starts with {file[:8]!r}"
    )


def expect_varied(pixels: UInt8[np.ndarray, "h w"]) -> None:
    """Refuse pixels that show nothing.

    Raises:
        CohortError: they are all of one grey value, or of a size that no radiograph has.
    """
    height, width = pixels.shape
    expect_size(width, height)
    lowest, highest, *_ = cv2.minMaxLoc(pixels)
    if lowest == highest:
        raise CohortError(f"a picture of one grey value, {lowest:.0f}, in all its pixels")


def _decode_png(file: bytes) -> GreyImage:
    png, header = _pixels_only(file)
    width, height, bits, colour_type = struct.unpack_from(">IIBB", header)
    expect_size(width, height)
    if bits > 8:
        raise CohortError(f"{bits} bits per sample; expected 8, since a window would be a guess")
    pixels = _imdecode(png, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise CohortError(_why_damaged(png))
    return GreyImage(_grey(pixels), COLOUR_TYPES.get(colour_type, f"colour type {colour_type}"))


def _decode_jpeg(file: bytes) -> GreyImage:
    """Of a JPEG there is no checksum: only that all of it is there can be seen."""
    bits, height, width, components = _jpeg_frame(file)
    expect_size(width, height)
    if bits != 8 or components not in (1, 3):
        raise CohortError(
            f"a JPEG of {bits} bits and {components} components; expected 8 bits, grey or RGB"
        )
    if b"\xff\xd9" not in file[-_JPEG_TAIL:]:
        raise CohortError(f"a truncated JPEG: its {len(file):,} bytes do not end with an end mark")
    pixels = _imdecode(file, cv2.IMREAD_COLOR_BGR)
    if pixels is None:
        raise CohortError("cannot be decoded: its compressed pixels are damaged or incomplete")
    return GreyImage(
        _grey(pixels),
        "JPEG, grey" if components == 1 else "JPEG, RGB",
    )


def _jpeg_frame(file: bytes) -> tuple[int, int, int, int]:
    """Bits per sample, lines, samples per line, components (JPEG, ITU-T T.81, B.2.2)."""
    at = 2
    while at + 10 <= len(file):
        if file[at] != 0xFF:
            break
        marker, length = file[at + 1], int.from_bytes(file[at + 2 : at + 4], "big")
        if marker == 0xFF:  # fill bytes
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            bits, height, width, components = struct.unpack_from(">BHHB", file, at + 4)
            return bits, height, width, components
        else:
            at += 2 + length
    raise CohortError("a damaged JPEG: it has no frame")


def _grey(pixels: UInt8[np.ndarray, "..."]) -> UInt8[np.ndarray, "h w"]:
    return _common_channel(pixels) if pixels.ndim == 3 else pixels


_DECODERS: dict[bytes, Callable[[bytes], GreyImage]] = {
    _SIGNATURE: _decode_png,
    b"\xff\xd8\xff": _decode_jpeg,
}
"""By the first bytes of a file."""


def resize_square(
    image: UInt8[np.ndarray, "h w"], size: int
) -> UInt8[np.ndarray, "{size} {size}"]:
    """Resize to a square by area averaging, without keeping the aspect ratio.

    An image with a side shorter than `size` is enlarged bilinearly instead: averaging over
    less than one pixel would repeat pixels. Fractional box coordinates stay true either way.
    """
    if image.shape == (size, size):
        return image
    enlarges = min(image.shape) < size
    filter_ = cv2.INTER_LINEAR if enlarges else cv2.INTER_AREA
    resized: np.ndarray = cv2.resize(image, (size, size), interpolation=filter_)
    return resized


THUMBNAIL_PX = 16


def thumbnail(image: UInt8[np.ndarray, "s s"]) -> UInt8[np.ndarray, "16 16"]:
    """What a radiograph looks like from afar, by which an image of another kind is told apart."""
    side = (THUMBNAIL_PX, THUMBNAIL_PX)
    return np.asarray(cv2.resize(image, side, interpolation=cv2.INTER_AREA))


def thumbnails(images: Path) -> Iterator[dict[str, UInt8[np.ndarray, "16 16"]]]:
    """Those of all images of a folder of shards, in their order, as rows for `write_shards`.

    One shard after another is mapped: of all at once, every page that was read would stay.
    """
    for shard in sorted(images.glob("image-*.npy")):
        for image in np.load(shard, mmap_mode="r"):
            yield {"image": thumbnail(image)}


def _pixels_only(file: bytes) -> tuple[bytes, bytes]:
    """The PNG without ancillary chunks, all of it there; and its header's content.

    Decoders differ in what they make of a file that ends early (some return grey rows) and
    in whether a gamma or colour profile changes grey values; so neither reaches them.
    """
    chunks = list(_chunks(file))
    if chunks[0].kind != b"IHDR" or chunks[0].end - chunks[0].begin != 25:
        raise CohortError("a damaged PNG: it does not begin with an IHDR chunk")
    header = file[chunks[0].begin + 8 : chunks[0].end - 4]
    if len(file) == chunks[-1].end and all(chunk.kind in _PIXEL_CHUNKS for chunk in chunks):
        return file, header
    kept = (file[one.begin : one.end] for one in chunks if one.kind in _PIXEL_CHUNKS)
    return b"".join([_SIGNATURE, *kept]), header


class _Chunk(NamedTuple):
    """A chunk of a PNG: length (4 bytes), kind (4), content (length), checksum (4)."""

    kind: bytes
    begin: int
    end: int


def _chunks(file: bytes) -> Iterator[_Chunk]:
    """The chunks to the last one, IEND; what stands in them is not looked at."""
    at, kind = len(_SIGNATURE), b""
    while kind != b"IEND":
        if at + 12 > len(file):
            raise CohortError(
                f"a truncated PNG: its {len(file):,} bytes end without an IEND chunk"
            )
        length, kind = struct.unpack_from(">I4s", file, at)
        end = at + 12 + length
        if end > len(file):
            missing = end - len(file)
            raise CohortError(f"a truncated PNG: {missing:,} bytes missing at its end or more")
        yield _Chunk(kind, at, end)
        at = end


def _why_damaged(png: bytes) -> str:
    """What is wrong with a PNG that its decoder refuses, which sees all checksums."""
    for kind, begin, end in _chunks(png):
        (checksum,) = struct.unpack_from(">I", png, end - 4)
        if zlib.crc32(memoryview(png)[begin + 4 : end - 4]) != checksum:
            return f"a damaged PNG: wrong checksum of chunk {kind!r} at byte {begin:,}"
    return "cannot be decoded: its compressed pixels are damaged or incomplete"


def _imdecode(file: bytes, flags: int) -> UInt8[np.ndarray, "..."] | None:
    try:
        pixels: np.ndarray | None = cv2.imdecode(np.frombuffer(file, np.uint8), flags)
    except cv2.error:
        return None
    return pixels


def _common_channel(pixels: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w"]:
    grey = np.ascontiguousarray(pixels[..., 0])
    if any((pixels[..., i] != grey).any() for i in range(1, min(pixels.shape[2], 3))):
        raise CohortError("a picture in colour; expected a radiograph, red = green = blue")
    return grey
