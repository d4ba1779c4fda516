"""DICOM files as a workstation shows them, and what is no frontal radiograph of a chest."""

import io
import tracemalloc

import cv2
import numpy as np
import pydicom
import pytest
from made_dicom import RAMP, REAL, dataset, file_of, needs_real
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from pipeline.cohort.phantom.cohort import make_cohort
from pipeline.cohort.reading.dicom import MISCALLED, decode_dicom
from pipeline.cohort.reading.grey import looks_inverted
from pipeline.cohort.reading.images import decode_grey
from pipeline.errors import CohortError
from pipeline.params.sections import PhantomParams

RADIOGRAPHS = REAL.parent / "nih-sample/images"


def shown(values, **elements):
    return decode_dicom(file_of(dataset(values, **elements))).pixels


def test_eight_bits_without_a_window_stay_as_they_are():
    values = np.rint(255 * RAMP)
    assert np.array_equal(shown(values, bits=8), values)


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("signed", [False, True])
def test_more_bits_without_a_window_are_shown_over_their_range(bits, signed):
    highest = (1 << bits) - 1
    values = np.rint(highest * (0.1 + 0.6 * RAMP)) - (1 << (bits - 1) if signed else 0)
    found = shown(values, bits=bits, signed=signed)
    assert np.abs(found - 255 * RAMP).max() <= 255 / (0.6 * highest) + 0.5


def test_monochrome1_is_bright_where_values_are_low():
    values = np.rint(4095 * RAMP[::-1])  # as a chest is: dark above once it is shown
    found = shown(values, PhotometricInterpretation="MONOCHROME1")
    assert np.array_equal(found, 255 - shown(values))


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_a_window_is_that_of_the_standard(function):
    """PS3.3, C.11.2.1.2 and C.11.2.1.3, written out."""
    values, centre, width = np.rint(4095 * RAMP), 1500.0, 1000.0
    found = shown(values, WindowCenter=centre, WindowWidth=width, VOILUTFunction=function)
    share = {
        "LINEAR": (values - (centre - 0.5)) / (width - 1) + 0.5,
        "LINEAR_EXACT": (values - centre) / width + 0.5,
        "SIGMOID": 1 / (1 + np.exp(-4 * (values - centre) / width)),
    }[function]
    assert np.abs(found - 255 * share.clip(0, 1)).max() <= 0.5 + 1e-6


def test_a_window_is_of_rescaled_values_and_the_first_of_several():
    values = np.rint(4095 * RAMP)
    plain = shown(values, WindowCenter=1500, WindowWidth=1000)
    rescaled = shown(
        values,
        RescaleSlope=2,
        RescaleIntercept=-1000,
        WindowCenter=[2000, 5],
        WindowWidth=[2000, 9],
    )
    assert np.abs(rescaled.astype(int) - plain).max() <= 1


def lut(entries, *, first=0, bits=12):
    one = Dataset()
    one.add_new("LUTDescriptor", "US", [len(entries), first, bits])
    one.add_new("LUTData", "US", list(entries))
    return one


def test_a_voi_lut_is_taken_before_a_window():
    values = np.rint(255 * RAMP)
    entries = [4095 * (step / 255) ** 2 for step in range(256)]
    table = lut([round(entry) for entry in entries])
    found = shown(values, bits=12, VOILUTSequence=[table], WindowCenter=10, WindowWidth=10)
    assert np.abs(found - 255 * (values / 255) ** 2).max() <= 1


def test_a_modality_lut_comes_before_the_window():
    values = np.rint(255 * RAMP)
    found = shown(
        values, bits=8, ModalityLUTSequence=[lut(range(255, -1, -1), bits=8)],
        WindowCenter=128, WindowWidth=256,
    )  # fmt: skip
    assert np.abs(found.astype(int) - (255 - values)).max() <= 1


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_moves_nothing_else(photometric):
    values = np.rint(1000 + 2000 * (RAMP[::-1] if photometric == "MONOCHROME1" else RAMP))
    padded = values.copy()
    padded[:, :9] = 4095
    plain = shown(values[:, 9:], PhotometricInterpretation=photometric)
    found = shown(padded, PhotometricInterpretation=photometric, PixelPaddingValue=4095)
    assert (found[:, :9] == 0).all()
    assert np.array_equal(found[:, 9:], plain)
    around = shown(
        padded, PhotometricInterpretation=photometric, PixelPaddingValue=4090,
        PixelPaddingRangeLimit=4095,
    )  # fmt: skip
    assert np.array_equal(around, found)


def test_what_else_is_in_the_bits_is_not_of_the_image():
    values = np.rint(4095 * RAMP).astype(int)
    with_overlay = values | (np.indices(values.shape).sum(axis=0) % 2) << 14
    assert np.array_equal(shown(with_overlay), shown(values))


def test_an_image_is_turned_upright_as_the_file_says():
    values = np.rint(4095 * RAMP)
    assert np.array_equal(shown(values, PatientOrientation=["L", "F"]), shown(values))
    assert np.array_equal(shown(values, PatientOrientation=["R", "F"]), shown(values)[:, ::-1])
    assert np.array_equal(shown(values, PatientOrientation=["L", "H"]), shown(values)[::-1])


UNCOMPRESSED = (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)


@pytest.mark.parametrize("syntax", UNCOMPRESSED, ids=lambda uid: uid.name)
def test_every_uncompressed_syntax_gives_the_same(syntax):
    values = np.rint(4095 * RAMP)
    one = dataset(values)
    if syntax == ExplicitVRBigEndian:
        one.PixelData = np.ascontiguousarray(values, ">u2").tobytes()
    assert np.array_equal(decode_dicom(file_of(one, syntax)).pixels, shown(values))


def test_rle_is_decoded():
    values = np.rint(4095 * RAMP)
    one = dataset(values)
    one.compress(RLELossless)
    assert np.array_equal(decode_dicom(file_of(one, RLELossless)).pixels, shown(values))


COMPRESSED = (
    "JPEGBaseline8Bit",
    "JPEGLossless",
    "JPEGLosslessSV1",
    "JPEGLSLossless",
    "JPEG2000Lossless",
)


def compressed(file, syntax, folder):
    """The file in another transfer syntax, by GDCM."""
    gdcm = pytest.importorskip("gdcm")
    (folder / "plain.dcm").write_bytes(file)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(folder / "plain.dcm"))
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    kind = gdcm.TransferSyntax.GetTSType(getattr(pydicom.uid, syntax))
    change.SetTransferSyntax(gdcm.TransferSyntax(kind))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(folder / "compressed.dcm"))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    return (folder / "compressed.dcm").read_bytes()


@pytest.mark.parametrize("syntax", COMPRESSED)
def test_every_compressed_syntax_is_decoded(syntax, tmp_path):
    bits = 8 if syntax == "JPEGBaseline8Bit" else 16
    values = np.rint(((1 << bits) - 1) * RAMP)
    plain = file_of(dataset(values, bits=bits))
    file = compressed(plain, syntax, tmp_path)
    found = decode_dicom(file)
    assert pydicom.dcmread(io.BytesIO(file)).file_meta.TransferSyntaxUID == getattr(
        pydicom.uid, syntax
    )
    lossy = 3 if syntax == "JPEGBaseline8Bit" else 0
    assert np.abs(found.pixels.astype(int) - decode_dicom(plain).pixels).max() <= lossy


def test_a_lateral_view_is_taken_where_that_is_wanted():
    file = file_of(dataset(np.rint(4095 * RAMP), ViewPosition="LL"))
    assert np.array_equal(decode_dicom(file, lateral=True).pixels, shown(np.rint(4095 * RAMP)))


@pytest.mark.parametrize("modality", ["SC", "OT", ""])
def test_of_a_converted_picture_is_said_what_cannot_be_told(modality):
    doubt = decode_dicom(file_of(dataset(np.rint(4095 * RAMP), Modality=modality))).doubt
    assert doubt.startswith(f"DICOM files of modality {modality or 'unknown'}, converted")
    assert decode_dicom(file_of(dataset(np.rint(4095 * RAMP)))).doubt is None


def test_memory_is_a_few_bytes_a_pixel():
    """A value's grey is found once, not for each pixel."""
    side = 2000
    values = np.random.default_rng(0).integers(0, 4096, (side, side))
    file = file_of(dataset(values, WindowCenter=2048, WindowWidth=4096))
    tracemalloc.start()
    decode_dicom(file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24 * side**2


@pytest.mark.parametrize("bytes_left", [140, 600, 2000])
def test_a_file_that_is_cut_off_is_refused(bytes_left):
    file = file_of(dataset(np.rint(4095 * RAMP)))
    with pytest.raises(CohortError, match=r"DICOM file"):
        decode_dicom(file[:bytes_left])


@needs_real
def test_nihs_radiograph_keeps_its_very_values():
    """Eight bits, no window; NIH made its PNGs of such values."""
    path = REAL / "nih_00000001_000.dcm"
    stored = np.frombuffer(pydicom.dcmread(path).PixelData, np.uint8).reshape(1024, 1024)
    assert np.array_equal(decode_grey(path.read_bytes()).pixels, stored)


@needs_real
def test_a_real_monochrome1_whose_values_were_inverted_already_comes_out_right():
    path = REAL / "monochrome1.dcm"
    frame = next(
        pydicom.encaps.generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1)
    )
    stored = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_UNCHANGED)
    image = decode_grey(path.read_bytes())
    assert np.array_equal(image.pixels, stored)
    assert image.doubt == MISCALLED
    assert not looks_inverted(image.pixels)


@pytest.fixture(scope="module")
def chest():
    """A synthetic radiograph."""
    params = PhantomParams(seed=5, patients=50, size_px=128, label_noise=0.1, prevalence_scale=2.0)
    return decode_grey(next(iter(make_cohort(params).images)).png).pixels


def test_a_chest_called_monochrome1_comes_out_right_whatever_its_values_are(chest):
    """Air is low in the values of MONOCHROME2, and high in those of MONOCHROME1."""
    for values, doubt in ((255 - chest, None), (chest, MISCALLED)):
        one = dataset(values, bits=8, PhotometricInterpretation="MONOCHROME1")
        found = decode_dicom(file_of(one))
        assert np.array_equal(found.pixels, chest)
        assert found.doubt == doubt


@pytest.mark.skipif(not RADIOGRAPHS.is_dir(), reason="the real radiographs are not here")
def test_of_392_real_radiographs_the_inverted_one_looks_inverted():
    looks = {
        path.name: looks_inverted(decode_grey(path.read_bytes()).pixels)
        for path in [*sorted(RADIOGRAPHS.glob("*.png"))[::4], RADIOGRAPHS / "00017999_000.png"]
    }
    assert [name for name, inverted in looks.items() if inverted] == ["00017999_000.png"]


@needs_real
def test_a_real_ct_is_refused_with_its_modality():
    with pytest.raises(CohortError, match="modality CT"):
        decode_grey((REAL / "reject_modality_ct.dcm").read_bytes())
