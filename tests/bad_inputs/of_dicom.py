"""DICOM files: what they are read as, and what is no frontal radiograph of a chest."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pydicom
from inputs import BAD, BadInput, ingested, report_of, with_image
from made_dicom import dataset, file_of
from of_images import read_as_pixels
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ImplicitVRLittleEndian, RLELossless
from tiny_cohort import name

from pipeline.base.shards import Shards

RAMP = np.tile(np.linspace(0, 255, 48).round(), (48, 1))
"""What a workstation shows."""

VALUES = RAMP * 16
"""Of 12 bits."""

WINDOW = {"WindowCenter": 2040.5, "WindowWidth": 4081}


def shown(values: np.ndarray, **elements: object) -> Callable[[Path], None]:
    """A call in which a file of these values, with these elements, comes out as `RAMP`."""
    return read_as_pixels(file_of(dataset(values, **elements)), RAMP, 0.6)


def refused(**elements: object) -> Callable[[Path], Path]:
    return with_image(file_of(dataset(VALUES, **elements)))


def compressed() -> bytes:
    one = dataset(VALUES, **WINDOW)
    one.compress(RLELossless)
    return file_of(one, RLELossless)


def broken_compression() -> bytes:
    one = pydicom.dcmread(io.BytesIO(compressed()))
    one.PixelData = one.PixelData[:20] + bytes(len(one.PixelData) - 20)
    return file_of(one, RLELossless)


def lateral(folder: Path) -> None:
    view = file_of(dataset(VALUES, ViewPosition="LL", **WINDOW))
    cache = ingested(folder, images={name(4): view}, lateral=True, image_size=48)
    assert np.abs(Shards(cache / "images")[4] - RAMP).mean() < 0.6


def converted(folder: Path) -> None:
    one = file_of(dataset(VALUES, Modality="SC", **WINDOW))
    (doubt,) = report_of(ingested(folder, images={name(4): one}))["images"]["doubts"].items()
    assert doubt == (
        "DICOM files of modality SC, converted pictures of which nothing tells whether they show "
        "a chest",
        1,
    )


def without_pixels() -> bytes:
    one = dataset(VALUES)
    del one.PixelData
    return file_of(one)


def coded(meaning: str) -> Sequence:
    one = Dataset()
    one.CodeMeaning = meaning
    return Sequence([one])


def padded() -> bytes:
    values = VALUES.copy()
    values[:, :4] = 4095
    return file_of(dataset(values, PixelPaddingValue=4095, **WINDOW))


BLACK_EDGE = np.where(np.arange(48) < 4, 0, RAMP)

DICOM = {
    "dicom_monochrome2": BadInput(
        "MONOCHROME2 of 12 bits, with a window",
        shown(VALUES, **WINDOW),
        read_as="what a workstation shows",
    ),
    "dicom_monochrome1": BadInput(
        "MONOCHROME1, in which low values are bright",
        shown(4080 - VALUES, PhotometricInterpretation="MONOCHROME1", **WINDOW),
        read_as="its inverse: air is dark",
    ),
    "dicom_window": BadInput(
        "a narrow window",
        read_as_pixels(
            file_of(dataset(VALUES, WindowCenter=2040.5, WindowWidth=2041)),
            ((RAMP - 127.5) * 2 + 127.5).clip(0, 255),
            0.6,
        ),
        read_as="what the window shows; the rest is black or white",
    ),
    "dicom_windows": BadInput(
        "several windows",
        shown(VALUES, WindowCenter=[2040.5, 100], WindowWidth=[4081, 50]),
        read_as="what the first one shows",
    ),
    "dicom_no_window": BadInput(
        "more than 8 bits without a window",
        shown(VALUES + 5),
        read_as="the range of its values",
    ),
    "dicom_8_bits": BadInput(
        "8 bits without a window",
        shown(RAMP, bits=8),
        read_as="the stored values",
    ),
    "dicom_16_bits": BadInput(
        "16 bits, and a slope and an intercept",
        shown(RAMP * 256, bits=16, RescaleSlope=1 / 16, RescaleIntercept=0, **WINDOW),
        read_as="what the window shows of the rescaled values",
    ),
    "dicom_signed": BadInput(
        "signed pixels",
        shown(VALUES - 2048, signed=True, WindowCenter=-7.5, WindowWidth=4081),
        read_as="what the window shows",
    ),
    "dicom_slope": BadInput(
        "a slope below 0, without a window",
        shown(4080 - VALUES, RescaleSlope=-1, RescaleIntercept=4080),
        read_as="the range of the rescaled values",
    ),
    "dicom_high_bit": BadInput(
        "12 bits that lie in the upper part of 16",
        shown(VALUES * 16, HighBit=15, **WINDOW),
        read_as="those bits",
    ),
    "dicom_blank_elements": BadInput(
        "a slope without a value, and a window of no width",
        shown(VALUES, RescaleSlope=None, WindowCenter=[0, 2040.5], WindowWidth=[0, 4081]),
        read_as="as if they were not there",
    ),
    "dicom_black": BadInput(
        "a window beyond all values",
        refused(WindowCenter=40000, WindowWidth=100),
        BAD + "a picture of one grey value, 0, in all its pixels",
    ),
    "dicom_coded_view": BadInput(
        "a lateral view that only a code tells",
        refused(ViewPosition="", ViewCodeSequence=coded("left lateral")),
        BAD + "a DICOM file of view LEFT LATERAL; expected a frontal one, PA or AP",
    ),
    "dicom_view_words": BadInput(
        "views such as `AP SUPINE`, body parts such as `PORTABLE CHEST`",
        shown(VALUES, ViewPosition="AP SUPINE", BodyPartExamined="PORTABLE CHEST", **WINDOW),
        read_as="a frontal radiograph of a chest",
    ),
    "dicom_lying": BadInput(
        "a picture that lies on its side, by its orientation",
        read_as_pixels(
            file_of(dataset(VALUES.T, PatientOrientation=["F", "L"], **WINDOW)), RAMP, 0.6
        ),
        read_as="turned upright",
    ),
    "dicom_odd_elements": BadInput(
        "elements that make no sense, such as `NumberOfFrames` of two values",
        refused(NumberOfFrames=[1, 1]),
        BAD + "a damaged DICOM file (…)",
    ),
    "dicom_padding": BadInput(
        "padding burnt in around the image",
        read_as_pixels(padded(), BLACK_EDGE, 0.6),
        read_as="black",
    ),
    "dicom_implicit": BadInput(
        "implicit types of elements",
        read_as_pixels(file_of(dataset(VALUES, **WINDOW), ImplicitVRLittleEndian), RAMP, 0.6),
        read_as="the same picture",
    ),
    "dicom_compressed": BadInput(
        "compressed pixels (RLE here; JPEG, JPEG-LS and JPEG 2000 have tests of their own)",
        read_as_pixels(compressed(), RAMP, 0.6),
        read_as="the same picture",
    ),
    "dicom_turned": BadInput(
        "an orientation of which the patient's left is to the left",
        read_as_pixels(
            file_of(dataset(VALUES[:, ::-1], PatientOrientation=["R", "F"], **WINDOW)), RAMP, 0.6
        ),
        read_as="turned to the usual one",
    ),
    "dicom_ct": BadInput(
        "a CT",
        refused(Modality="CT"),
        BAD + "a DICOM file of modality CT; expected a radiograph, CR or DX",
    ),
    "dicom_converted": BadInput(
        "a converted picture (SC)",
        converted,
        read_as="a radiograph; the report counts of how many nothing says that they are",
    ),
    "dicom_hand": BadInput(
        "a hand",
        refused(BodyPartExamined="HAND"),
        BAD + "a DICOM file of body part HAND; expected CHEST",
    ),
    "dicom_lateral": BadInput(
        "a lateral view",
        refused(ViewPosition="LL"),
        BAD + "a DICOM file of view LL; expected a frontal one, PA or AP",
    ),
    "dicom_lateral_wanted": BadInput(
        "a lateral view, with `ingest.lateral: true`",
        lateral,
        read_as="a radiograph",
    ),
    "dicom_lateral_orientation": BadInput(
        "a lateral view that only the orientation tells",
        refused(ViewPosition="", PatientOrientation=["A", "F"]),
        BAD + "a DICOM file of a lateral view, by its PatientOrientation; expected PA or AP",
    ),
    "dicom_frames": BadInput(
        "several frames",
        refused(NumberOfFrames=3),
        BAD + "a DICOM file of 3 frames; expected one radiograph",
    ),
    "dicom_colour": BadInput(
        "colours",
        refused(PhotometricInterpretation="RGB"),
        BAD + "a DICOM file of RGB and 1 samples per pixel; expected grey, MONOCHROME1 or 2",
    ),
    "dicom_truncated": BadInput(
        "a file that was cut off",
        with_image(file_of(dataset(VALUES))[:-900]),
        BAD + "the pixels of a DICOM file (Explicit VR Little Endian) cannot be decoded: The "
        "number of bytes of pixel data is less than expected (3708 vs 4608 bytes) - …",
    ),
    "dicom_broken_pixels": BadInput(
        "damaged compressed pixels",
        with_image(broken_compression()),
        BAD + "the pixels of a DICOM file (RLE Lossless) cannot be decoded: …",
    ),
    "dicom_report": BadInput(
        "a file without an image, such as a report",
        with_image(without_pixels()),
        BAD + "a DICOM file without an image: it lacks PixelData",
    ),
}
