"""A radiograph's file to grey pixels of a given side; what is wrong with it, if it is."""

import struct
import zlib
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import UInt8

from pipeline.cohort.reading.broken_files import impostor
from pipeline.errors import CohortError

COLOUR_TYPES = {0: "grey", 2: "RGB", 3: "palette", 4: "grey with alpha", 6: "RGBA"}
"""PNG's colour types (PNG specification, 11.2.2)."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")


@dataclass(frozen=True)
class GreyImage:
    """The pixels of a file as stored, and how they were stored."""

    pixels: UInt8[np.ndarray, "h w"]
    colour_type: str
    """A value of `COLOUR_TYPES`."""


def decode_grey(file: bytes) -> GreyImage:
    """Decode a PNG to its grey values, exactly as stored: no gamma, no profile, no alpha.

    A file in colour is accepted when its channels agree, as in the RGBA files among NIH's.

    Raises:
        CohortError: the reason why the file is not a whole 8-bit grey PNG.
    """
    png, header = _pixels_only(file)
    bits, colour_type = header[8], header[9]
    if bits > 8:
        raise CohortError(f"{bits} bits per sample; expected 8, since a window would be a guess")
    pixels = _imdecode(png)
    if pixels.ndim == 3:
        pixels = _common_channel(pixels)
    return GreyImage(pixels, COLOUR_TYPES.get(colour_type, f"colour type {colour_type}"))


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


def _pixels_only(file: bytes) -> tuple[bytes, bytes]:
    """The PNG without ancillary chunks, every checksum verified; and its header's content.

    Decoders differ in what they make of a file that ends early (some return grey rows) and
    in whether a gamma or colour profile changes grey values; so neither reaches them.
    """
    if not file.startswith(_SIGNATURE):
        raise CohortError(impostor(file) or f"not a PNG: starts with {file[:8]!r}")
    chunks, at, kind = [_SIGNATURE], len(_SIGNATURE), b""
    while kind != b"IEND":
        chunk, kind = _chunk(file, at)
        at += len(chunk)
        if kind in _PIXEL_CHUNKS:
            chunks.append(chunk)
    if len(chunks[1]) != 25 or chunks[1][4:8] != b"IHDR":
        raise CohortError("a damaged PNG: it does not begin with an IHDR chunk")
    return b"".join(chunks), chunks[1][8:-4]


def _chunk(file: bytes, at: int) -> tuple[bytes, bytes]:
    """The chunk at a byte: length (4 bytes), kind (4), content (length), checksum (4)."""
    if at + 12 > len(file):
        raise CohortError(f"a truncated PNG: its {len(file):,} bytes end without an IEND chunk")
    length, kind = struct.unpack_from(">I4s", file, at)
    end = at + 12 + length
    if end > len(file):
        raise CohortError(f"a truncated PNG: {end - len(file):,} bytes missing at its end or more")
    chunk = file[at:end]
    if zlib.crc32(memoryview(chunk)[4:-4]) != struct.unpack_from(">I", chunk, length + 8)[0]:
        raise CohortError(f"a damaged PNG: wrong checksum of chunk {kind!r} at byte {at:,}")
    return chunk, kind


def _imdecode(png: bytes) -> UInt8[np.ndarray, "..."]:
    try:
        pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise CohortError(f"cannot be decoded ({error.err})") from None
    if pixels is None:
        raise CohortError("cannot be decoded: its compressed pixels are damaged or incomplete")
    decoded: np.ndarray = pixels
    return decoded


def _common_channel(pixels: UInt8[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w"]:
    grey = np.ascontiguousarray(pixels[..., 0])
    if any((pixels[..., i] != grey).any() for i in range(1, min(pixels.shape[2], 3))):
        raise CohortError("a picture in colour; expected a radiograph, red = green = blue")
    return grey
