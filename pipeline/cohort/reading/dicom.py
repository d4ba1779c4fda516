"""A DICOM file to the grey values that a workstation shows (DICOM PS3.3, C.11; PS3.4, N.2)."""

import io
import re
import struct
import zlib
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from pipeline.cohort.reading.grey import MOST_PIXELS, GreyImage, expect_size, looks_inverted
from pipeline.cohort.reading.tags import (
    OLDEST_YEARS,
    Tags,
    age_in_years,
    frontal_view,
    gender_of,
)
from pipeline.errors import CohortError

if TYPE_CHECKING:
    from pydicom import Dataset

MODALITIES = ("CR", "DX", "RG")
"""Of chest radiographs: computed, digital and, as it was called once, any radiography."""

CONVERTED = ("SC", "OT", "")
"""What converted pictures say they are: nothing that tells a radiograph from a CT's slice."""

MISCALLED = (
    "DICOM files that call themselves MONOCHROME1, though their values are those of MONOCHROME2; "
    "they are taken for what they look like"
)
"""As converted pictures do whose values were inverted already, and whose tag was kept."""

_FRONTAL = re.compile(r"PA|AP|P(OSTERO)?A(NT|$)|A(NTERO)?P(OST|$)")
"""How a frontal view begins, without what is no letter: PA ERECT, AP_PORTABLE."""
_CHEST = re.compile(r"CHEST|THORAX|TORAX|THORACIC|LUNG|PULMO")


def is_dicom(file: bytes) -> bool:
    """Whether it has the preamble of a DICOM file (PS3.10, 7.1)."""
    return file[128:132] == b"DICM"


def decode_dicom(file: bytes, *, lateral: bool = False) -> GreyImage:
    """The one frame of a chest radiograph, dark where there is air, in eight bits.

    In DICOM's own order: stored bits, modality LUT or rescale, VOI LUT or window, inversion of
    MONOCHROME1. Without a window, eight bits are shown as they are, of more the range of the
    image's values. Padding is black. A chest that MONOCHROME1 would show with bright lungs was
    inverted before, and is left as it is.

    Args:
        file: with its preamble.
        lateral: whether lateral views are taken as well.

    Raises:
        CohortError: pydicom or a decoder is not installed, the file is damaged, or it is no
            frontal radiograph of a chest with one frame of grey values.
    """
    dataset = _read(file)
    try:
        _forget_blanks(dataset)
        doubt = _expect_chest(dataset, lateral=lateral)
        shown = _upright(_shown(dataset), dataset)
        kind = f"{dataset.PhotometricInterpretation}, {int(dataset.BitsStored)} bits"
        if dataset.PhotometricInterpretation == "MONOCHROME1" and looks_inverted(shown):
            shown, doubt = 255 - shown, MISCALLED
    except CohortError:
        raise
    except Exception as error:  # an element may be anything
        raise CohortError(f"a damaged DICOM file ({_in_a_line(error)})") from None
    lateral_view = _why_lateral(dataset) is not None
    return GreyImage(shown, kind, doubt, _tags(dataset), is_lateral=lateral_view)


def _tags(dataset: "Dataset") -> Tags:
    """Of the patient, and of nobody in particular."""
    age = age_in_years(_said(dataset, "PatientAge"))
    believed = age if age is not None and age <= OLDEST_YEARS else None
    return Tags(believed, gender_of(_said(dataset, "PatientSex")), frontal_view(_view(dataset)))


def _forget_blanks(dataset: "Dataset") -> None:
    """Elements without a value, and windows without a width, are as good as not there."""
    for name in ("RescaleSlope", "RescaleIntercept", "VOILUTFunction", "PixelPaddingValue"):
        if name in dataset and dataset.get(name) in (None, ""):
            delattr(dataset, name)
    names = ("WindowCenter", "WindowWidth")
    given = [dataset.get(name) for name in names]
    centres, widths = (
        np.atleast_1d(np.asarray([] if value in (None, "") else value, float)) for value in given
    )
    windows = [window for window in zip(centres, widths, strict=False) if window[1] > 0]
    for name, value in zip(names, windows[0] if windows else (None, None), strict=True):
        setattr(dataset, name, value)


def _in_a_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _read(file: bytes) -> "Dataset":
    try:
        from pydicom import dcmread  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError:
        raise CohortError(
            "a DICOM file, for which pydicom is needed: pip install 'cxr-pipeline[dicom]'"
        ) from None
    try:
        _expect_inflatable(file)
        dataset = dcmread(io.BytesIO(file))
        missing = [name for name in _NEEDED if dataset.get(name) in (None, "")]
    except CohortError:
        raise
    except Exception as error:
        raise CohortError(f"a damaged DICOM file ({_in_a_line(error)})") from None
    if missing:
        raise CohortError(f"a DICOM file without an image: it lacks {', '.join(missing)}")
    return cast("Dataset", dataset)


def _expect_inflatable(file: bytes) -> None:
    """Refuse what a deflated file would unpack to, before it takes the memory."""
    if _DEFLATED not in file[:1024]:
        return
    (length,) = struct.unpack_from("<I", file, 140)  # of the file's own elements (PS3.10, 7.1)
    unpacked = zlib.decompressobj(-zlib.MAX_WBITS).decompress(file[144 + length :], _INFLATED)
    if len(unpacked) == _INFLATED:
        raise CohortError("a deflated DICOM file that unpacks to more than any radiograph is")


_DEFLATED = b"1.2.840.10008.1.2.1.99"
_INFLATED = 4 * MOST_PIXELS

_NEEDED = (
    "PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation",
)  # fmt: skip


def _expect_chest(dataset: "Dataset", *, lateral: bool) -> str | None:
    """Refuse what says that it is something else; the doubt about what does not say what it is."""
    modality = _said(dataset, "Modality")
    if modality not in (*MODALITIES, *CONVERTED):
        raise CohortError(
            f"a DICOM file of modality {modality}; expected a radiograph, "
            + " or ".join(MODALITIES[:2])
        )
    part = _said(dataset, "BodyPartExamined") or _coded(dataset, "AnatomicRegionSequence")
    if part and not _CHEST.search(part):
        raise CohortError(f"a DICOM file of body part {part}; expected CHEST")
    reason = None if lateral else _why_lateral(dataset)
    if reason is not None:
        raise CohortError(reason)
    _expect_picture(dataset)
    if modality not in CONVERTED:
        return None
    return (
        f"DICOM files of modality {modality or 'unknown'}, converted pictures of which nothing "
        "tells whether they show a chest"
    )


def _why_lateral(dataset: "Dataset") -> str | None:
    """By what a file says that its view is no frontal one; None of one that does not."""
    view = _view(dataset)
    if view and frontal_view(view) is None:
        return f"a DICOM file of view {view}; expected a frontal one, PA or AP"
    across = str((dataset.get("PatientOrientation") or [""])[0])
    if across[:1] in ("A", "P"):
        return "a DICOM file of a lateral view, by its PatientOrientation; expected PA or AP"
    return None


def _view(dataset: "Dataset") -> str:
    return _said(dataset, "ViewPosition") or _coded(dataset, "ViewCodeSequence")


def _expect_picture(dataset: "Dataset") -> None:
    """One frame of grey values, of a size and depth that a radiograph has."""
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise CohortError(f"a DICOM file of {frames:,} frames; expected one radiograph")
    photometric = str(dataset.PhotometricInterpretation)
    if photometric not in ("MONOCHROME1", "MONOCHROME2") or dataset.SamplesPerPixel != 1:
        raise CohortError(
            f"a DICOM file of {photometric} and {dataset.SamplesPerPixel} samples per pixel; "
            "expected grey, MONOCHROME1 or 2"
        )
    expect_size(int(dataset.Columns), int(dataset.Rows))
    bits, high = int(dataset.BitsStored), int(dataset.HighBit)
    if not (1 <= bits <= 16 and bits <= high + 1 <= dataset.BitsAllocated):
        raise CohortError(f"a DICOM file of {bits} bits up to bit {high}; expected at most 16")


def _coded(dataset: "Dataset", name: str) -> str:
    """What a sequence of codes means, in words."""
    codes = dataset.get(name) or [{}]
    return str(codes[0].get("CodeMeaning") or "").strip().upper()


def _said(dataset: "Dataset", name: str) -> str:
    return str(dataset.get(name) or "").strip().upper()


def _stored(dataset: "Dataset") -> Int[np.ndarray, "h w"]:
    """The values as stored, without what else is in the bits that hold them.

    Of bits that do not begin with the lowest pydicom would take the wrong ones: it is told of all.
    """
    bits, high, signed = dataset.BitsStored, int(dataset.HighBit), dataset.PixelRepresentation
    dataset.BitsStored, dataset.PixelRepresentation = high + 1, 0
    try:
        pixels = np.asarray(dataset.pixel_array)
    except Exception as error:
        syntax = getattr(dataset.file_meta.TransferSyntaxUID, "name", "of unknown name")
        raise CohortError(
            f"the pixels of a DICOM file ({syntax}) cannot be decoded: {_in_a_line(error)}"
        ) from None
    finally:
        dataset.BitsStored, dataset.PixelRepresentation = bits, signed
    values = pixels.astype(np.int32)
    values >>= high + 1 - bits
    values &= (1 << bits) - 1
    if signed == 1:
        values -= (values >> (bits - 1)) << bits
    return np.asarray(values)


def _shown(dataset: "Dataset") -> UInt8[np.ndarray, "h w"]:
    """As a workstation shows them, air dark.

    What becomes of a value is found once for each value that there may be.
    """
    stored, bits = _stored(dataset), int(dataset.BitsStored)
    lowest = -(1 << (bits - 1)) if dataset.PixelRepresentation == 1 else 0
    values = np.arange(lowest, lowest + (1 << bits))
    padding = _padding(values, dataset)
    seen = np.bincount((stored - lowest).ravel(), minlength=len(values)) > 0
    with np.errstate(all="ignore"):  # what is no number then is refused
        shares = _shares(values, seen & ~padding, dataset)
    if not np.isfinite(shares[seen & ~padding]).all():
        raise CohortError("a DICOM file whose window or rescaling makes no numbers of its values")
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shares = 1 - shares
    shares[padding | ~seen] = 0
    grey = np.asarray(np.rint(255 * shares.clip(0, 1)), np.uint8)
    return np.asarray(grey[stored - lowest])


def _padding(values: Int[np.ndarray, " n"], dataset: "Dataset") -> Bool[np.ndarray, " n"]:
    """What is around the image, by its value (PS3.3, C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(values.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = sorted(_signed(end, dataset) for end in (value, value if limit is None else limit))
    return (ends[0] <= values) & (values <= ends[1])


def _signed(value: int, dataset: "Dataset") -> int:
    """A value of a file that gives it unsigned, though pixels are not; or as it is."""
    bits = int(dataset.BitsStored)
    wraps = dataset.PixelRepresentation == 1 and value >= 1 << (bits - 1)
    return int(value) - (1 << bits) if wraps else int(value)


def _shares(
    stored: Int[np.ndarray, " n"], seen: Bool[np.ndarray, " n"], dataset: "Dataset"
) -> Float[np.ndarray, " n"]:
    """Of the way from the darkest value that is shown to the brightest, before any inversion.

    Args:
        stored: all values that there may be.
        seen: those that there are, without padding.
        dataset: of the file.
    """
    from pydicom.pixels.processing import (  # noqa: PLC0415 (an extra)
        apply_modality_lut,
        apply_voi,
        apply_windowing,
    )

    values = np.asarray(apply_modality_lut(stored, dataset))
    if dataset.get("VOILUTSequence"):
        looked_up = np.asarray(apply_voi(values.astype(np.int64), dataset), np.float64)
        return np.asarray(looked_up / looked_up.max())  # what a descriptor says is often wrong
    if dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
        # What is far beyond a window is at its ends.
        shown = np.asarray(apply_windowing(np.append(values, (-_FAR, _FAR)), dataset))
        *_, lowest, highest = shown
        return np.asarray((shown[:-2] - lowest) / (highest - lowest))
    shows_all = int(dataset.BitsStored) <= 8 or not seen.any()
    ends = values if shows_all else values[seen]
    return np.asarray((values - ends.min()) / max(1, ends.max() - ends.min()))


_FAR = 1e9


def _upright(shown: UInt8[np.ndarray, "h w"], dataset: "Dataset") -> UInt8[np.ndarray, "h w"]:
    """Head up and the patient's left to the right, where the file says that it is not so."""
    across, down = map(str, [*(dataset.get("PatientOrientation") or ()), "", ""][:2])
    if across.startswith(("H", "F")) and down.startswith(("L", "R")):
        shown, across, down = shown.T, down, across
    if across.startswith("R"):
        shown = shown[:, ::-1]
    if down.startswith("H"):
        shown = shown[::-1]
    return np.ascontiguousarray(shown)
