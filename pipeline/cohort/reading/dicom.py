"""A DICOM file to the grey values that a workstation shows (DICOM PS3.3, C.11; PS3.4, N.2)."""

import io
import logging
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from pipeline.cohort.reading.grey import GreyImage, expect_size
from pipeline.errors import CohortError

if TYPE_CHECKING:
    from pydicom import Dataset

log = logging.getLogger(__name__)

MODALITIES = ("CR", "DX")
"""Of chest radiographs: computed and digital radiography."""

CONVERTED = ("SC", "OT", "")
"""What converted pictures say they are: nothing that tells a radiograph from a CT's slice."""

FRONTAL = ("PA", "AP")
CHEST = ("CHEST", "THORAX", "LUNG", "LUNGS", "CHEST PA", "CHEST AP", "PORT CHEST", "")


def is_dicom(file: bytes) -> bool:
    """Whether it has the preamble of a DICOM file (PS3.10, 7.1)."""
    return file[128:132] == b"DICM"


def decode_dicom(file: bytes, *, lateral: bool = False) -> GreyImage:
    """The one frame of a chest radiograph, dark where there is air, in eight bits.

    In DICOM's own order: stored bits, modality LUT or rescale, VOI LUT or window, inversion of
    MONOCHROME1. Of eight bits without a window the values stay as they are; of more without a
    window the range of the image's values is shown. Padding is black.

    Args:
        file: with its preamble.
        lateral: whether lateral views are taken as well.

    Raises:
        CohortError: pydicom or a decoder is not installed, the file is damaged, or it is no
            frontal radiograph of a chest with one frame of grey values.
    """
    dataset = _read(file)
    _expect_chest(dataset, lateral=lateral)
    try:
        shown = _shown(_stored(dataset), dataset)
    except (ValueError, TypeError, IndexError, AttributeError, KeyError) as error:
        raise CohortError(f"a damaged DICOM file ({error})") from None
    photometric, bits = str(dataset.PhotometricInterpretation), int(dataset.BitsStored)
    return GreyImage(_upright(shown, dataset), f"{photometric}, {bits} bits")


def _read(file: bytes) -> "Dataset":
    try:
        from pydicom import dcmread  # noqa: PLC0415 (an extra)
    except ModuleNotFoundError:
        raise CohortError(
            "a DICOM file, for which pydicom is needed: pip install 'cxr-pipeline[dicom]'"
        ) from None
    try:
        dataset = dcmread(io.BytesIO(file))
        missing = [name for name in _NEEDED if name not in dataset]
    except Exception as error:
        raise CohortError(f"a damaged DICOM file ({error})") from None
    if missing:
        raise CohortError(f"a DICOM file without an image: it lacks {', '.join(missing)}")
    return cast("Dataset", dataset)


_NEEDED = (
    "PixelData", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit",
    "PixelRepresentation", "SamplesPerPixel", "PhotometricInterpretation",
)  # fmt: skip


def _expect_chest(dataset: "Dataset", *, lateral: bool) -> None:
    """Refuse what says that it is something else; warn of what does not say what it is."""
    modality = _said(dataset, "Modality")
    if modality not in (*MODALITIES, *CONVERTED):
        raise CohortError(
            f"a DICOM file of modality {modality}; expected a radiograph, "
            + " or ".join(MODALITIES)
        )
    if modality in CONVERTED:
        log.warning(
            "DICOM files of modality %s, which are converted pictures: whether they show a chest "
            "cannot be told", modality or "unknown",
        )  # fmt: skip
    part = _said(dataset, "BodyPartExamined")
    if part not in CHEST:
        raise CohortError(f"a DICOM file of body part {part}; expected CHEST")
    view = _said(dataset, "ViewPosition")
    if view and view not in FRONTAL and not lateral:
        raise CohortError(f"a DICOM file of view {view}; expected a frontal one, PA or AP")
    across = str((dataset.get("PatientOrientation") or [""])[0])
    if across[:1] in ("A", "P") and not lateral:
        raise CohortError(
            "a DICOM file of a lateral view, by its PatientOrientation; expected PA or AP"
        )
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames != 1:
        raise CohortError(f"a DICOM file of {frames:,} frames; expected one radiograph")
    photometric = str(dataset.PhotometricInterpretation)
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise CohortError(f"a DICOM file of {photometric}; expected grey, MONOCHROME1 or 2")

    expect_size(int(dataset.Columns), int(dataset.Rows))


def _said(dataset: "Dataset", name: str) -> str:
    return str(dataset.get(name) or "").strip().upper()


def _stored(dataset: "Dataset") -> Int[np.ndarray, "h w"]:
    """The values as stored, without what else is in the bits that hold them."""
    try:
        pixels = np.asarray(dataset.pixel_array)
    except Exception as error:
        syntax = getattr(dataset.file_meta.TransferSyntaxUID, "name", "of unknown name")
        reason = " ".join(str(error).split())
        raise CohortError(
            f"the pixels of a DICOM file ({syntax}) cannot be decoded: {reason}"
        ) from None
    bits, high = int(dataset.BitsStored), int(dataset.HighBit)
    values = pixels.astype(np.int64) >> max(0, high + 1 - bits)
    values &= (1 << bits) - 1
    if dataset.PixelRepresentation == 1:
        values -= (values >> (bits - 1)) << bits
    return np.asarray(values)


def _shown(stored: Int[np.ndarray, "h w"], dataset: "Dataset") -> UInt8[np.ndarray, "h w"]:
    """As a workstation shows them, air dark."""
    padding = _padding(stored, dataset)
    shares = _shares(stored, padding, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shares = 1 - shares
    shares[padding] = 0
    return np.asarray(np.rint(255 * shares.clip(0, 1)), np.uint8)


def _padding(stored: Int[np.ndarray, "h w"], dataset: "Dataset") -> Bool[np.ndarray, "h w"]:
    """What is around the image, by its value (PS3.3, C.7.5.1.1.2)."""
    value = dataset.get("PixelPaddingValue")
    if value is None:
        return np.zeros(stored.shape, bool)
    limit = dataset.get("PixelPaddingRangeLimit")
    ends = sorted(_signed(end, dataset) for end in (value, value if limit is None else limit))
    return (ends[0] <= stored) & (stored <= ends[1])


def _signed(value: int, dataset: "Dataset") -> int:
    """A value of a file that gives it unsigned, though pixels are not; or as it is."""
    bits = int(dataset.BitsStored)
    wraps = dataset.PixelRepresentation == 1 and value >= 1 << (bits - 1)
    return int(value) - (1 << bits) if wraps else int(value)


def _shares(
    stored: Int[np.ndarray, "h w"], padding: Bool[np.ndarray, "h w"], dataset: "Dataset"
) -> Float[np.ndarray, "h w"]:
    """Of the way from the darkest value that is shown to the brightest, before any inversion."""
    from pydicom.pixels.processing import (  # noqa: PLC0415 (an extra)
        apply_modality_lut,
        apply_voi,
        apply_windowing,
    )

    values = np.asarray(apply_modality_lut(stored, dataset))
    if dataset.get("VOILUTSequence"):
        bits = int(dataset.VOILUTSequence[0].LUTDescriptor[2])
        return np.asarray(apply_voi(values.astype(np.int64), dataset) / ((1 << bits) - 1))
    if dataset.get("WindowCenter") is not None and dataset.get("WindowWidth") is not None:
        # What is far beyond a window is at its ends.
        seen = np.append(values.astype(np.float64).ravel(), (-_FAR, _FAR))
        with np.errstate(over="ignore"):
            shown = np.asarray(apply_windowing(seen, dataset))
        *_, lowest, highest = shown
        return np.asarray((shown[:-2].reshape(stored.shape) - lowest) / (highest - lowest))
    bits = int(dataset.BitsStored)
    lowest = -(1 << (bits - 1)) if dataset.PixelRepresentation == 1 else 0
    highest = lowest + (1 << bits) - 1
    if bits > 8 and not padding.all():
        lowest, highest = stored[~padding].min(), stored[~padding].max()
    return np.asarray((stored - lowest) / max(1, highest - lowest))


_FAR = 1e9


def _upright(shown: UInt8[np.ndarray, "h w"], dataset: "Dataset") -> UInt8[np.ndarray, "h w"]:
    """Head up and the patient's left to the right, where the file says that it is not so."""
    across, down = [*(dataset.get("PatientOrientation") or ()), "", ""][:2]
    if str(across).startswith("R"):
        shown = shown[:, ::-1]
    if str(down).startswith("H"):
        shown = shown[::-1]
    return np.ascontiguousarray(shown)
