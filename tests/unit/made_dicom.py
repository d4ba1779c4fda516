"""DICOM files of radiographs, made for tests."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

REAL = Path(__file__).parents[2] / "../shared/dicom"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the real files are not here")

RAMP = np.linspace(0, 1, 64 * 48).reshape(48, 64)
"""From dark to bright, not square."""


def dataset(
    values: np.ndarray, *, bits: int = 12, signed: bool = False, **elements: object
) -> Dataset:
    """A radiograph with these stored values."""
    one = Dataset()
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    one.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    one.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    one.SOPClassUID, one.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", "1.2.3"
    one.Modality, one.BodyPartExamined, one.ViewPosition = "DX", "CHEST", "PA"
    one.Rows, one.Columns = values.shape[:2]
    one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
    one.BitsAllocated = 8 if bits <= 8 else 16
    one.BitsStored, one.HighBit, one.PixelRepresentation = bits, bits - 1, int(signed)
    kind = ("i" if signed else "u") + str(one.BitsAllocated // 8)
    one.PixelData = np.ascontiguousarray(values, np.dtype(kind)).tobytes()
    for name, value in elements.items():
        setattr(one, name, value)
    return one


def file_of(one: Dataset, syntax: UID = ExplicitVRLittleEndian) -> bytes:
    """The file of a dataset."""
    one.file_meta.TransferSyntaxUID = syntax
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, one, enforce_file_format=True)
    return buffer.getvalue()
