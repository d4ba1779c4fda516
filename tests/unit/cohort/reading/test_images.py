import io

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_cohort import pixels, png, rgba

from pipeline.cohort.reading.images import decode_grey, resize_square
from pipeline.errors import CohortError

GREY = pixels(1, height=20, width=30)


def pil_png(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


COPIES = {
    "grey": pil_png(Image.fromarray(GREY)),
    "RGBA": png(rgba(GREY)),
    "RGB": png(rgba(GREY)[..., :3]),
    "grey with alpha": pil_png(Image.fromarray(GREY).convert("LA")),
    "palette": pil_png(Image.fromarray(GREY).convert("P")),
}


@pytest.mark.parametrize("colour_type", COPIES)
def test_every_way_of_storing_grey_gives_the_same_pixels(colour_type):
    image = decode_grey(COPIES[colour_type])
    np.testing.assert_array_equal(image.pixels, GREY)
    assert image.colour_type == colour_type


def test_a_gamma_or_profile_or_transparency_changes_no_pixel():
    for options in ({"gamma": 0.5}, {"icc_profile": b"no profile"}, {"transparency": 7}):
        file = pil_png(Image.fromarray(GREY), **options)
        np.testing.assert_array_equal(decode_grey(file).pixels, GREY)


@given(cut=st.integers(0, len(COPIES["grey"]) - 1))
def test_a_png_that_ends_early_is_refused_wherever_it_ends(cut):
    with pytest.raises(CohortError, match=r"truncated|empty|neither PNG"):
        decode_grey(COPIES["grey"][:cut])


@given(at=st.integers(0, len(COPIES["grey"]) - 1), flip=st.integers(1, 255))
def test_a_png_with_one_wrong_byte_is_refused(at, flip):
    file = bytearray(COPIES["grey"])
    file[at] ^= flip
    with pytest.raises(CohortError):
        decode_grey(bytes(file))


def test_a_png_whose_pixels_end_early_behind_right_checksums_is_refused():
    whole = pil_png(Image.fromarray(np.tile(GREY, (20, 20))), compress_level=0)
    chunks = [c for c in _chunks(whole) if c[4:8] in (b"IHDR", b"IDAT", b"IEND")]
    assert sum(c[4:8] == b"IDAT" for c in chunks) > 1, "needs more than one IDAT chunk"
    with pytest.raises(CohortError, match="cannot be decoded"):
        decode_grey(whole[:8] + b"".join(chunks[:-2] + chunks[-1:]))


def _chunks(file: bytes) -> list[bytes]:
    chunks, at = [], 8
    while at < len(file):
        end = at + 12 + int.from_bytes(file[at : at + 4], "big")
        chunks.append(file[at:end])
        at = end
    return chunks


@given(factor=st.integers(1, 6), size=st.integers(1, 12), seed=st.integers(0, 99))
def test_shrinking_by_a_whole_factor_is_the_mean_of_the_pixels(factor, size, seed):
    image = pixels(seed, height=factor * size, width=factor * size)
    blocks = image.reshape(size, factor, size, factor).mean(axis=(1, 3))
    assert np.abs(resize_square(image, size) - blocks).max() <= 0.5 + 1e-6


def test_a_constant_image_stays_constant_at_any_size_and_shape():
    for height, width in ((10, 10), (100, 37), (37, 100), (20, 300)):
        image = np.full((height, width), 93, np.uint8)
        assert (resize_square(image, 40) == 93).all()


def test_an_image_smaller_than_the_cache_is_enlarged_bilinearly():
    expected = cv2.resize(GREY, (40, 40), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(resize_square(GREY, 40), expected)
