"""Pictures of the synthetic cohort: repeatable, and each finding shows in its own place."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.base.findings import FINDINGS
from pipeline.cohort.phantom.exam import Exam
from pipeline.cohort.phantom.focal import sharp_disc, soft_disc, soft_patch, spiculated_patch
from pipeline.cohort.phantom.render import develop, expose
from pipeline.cohort.phantom.signatures import SIGNATURES

SIZE_PX = 128


def exam(patient_id: int = 1, *, view_position: str = "PA", **severities: float) -> Exam:
    return Exam(
        image_index=f"{patient_id:08d}_000.png",
        patient_id=patient_id,
        number=0,
        gender="M" if patient_id % 2 else "F",
        age_years=50,
        view_position=view_position,
        severities=severities,
    )


def picture(of: Exam, *, size_px: int = SIZE_PX, seed: int = 7) -> np.ndarray:
    return develop(expose(of, seed=seed, size_px=size_px), of, seed=seed)


@given(
    patient_id=st.integers(1, 10**6),
    seed=st.integers(0, 2**32),
    size_px=st.sampled_from([128, 200]),
    severities=st.dictionaries(st.sampled_from(FINDINGS), st.floats(0.5, 1)),
    view_position=st.sampled_from(["PA", "AP"]),
)
@settings(max_examples=25)
def test_any_exam_gives_one_grey_picture_and_the_same_one_again(
    patient_id, seed, size_px, severities, view_position
):
    of = exam(patient_id, view_position=view_position, **severities)
    first = picture(of, size_px=size_px, seed=seed)
    assert first.shape == (size_px, size_px)
    assert first.std() > 15
    assert np.array_equal(first, picture(of, size_px=size_px, seed=seed))


def test_patients_and_visits_differ():
    one = picture(exam(1)).astype(int)
    other = picture(exam(2)).astype(int)
    again = picture(dataclasses.replace(exam(1), number=1)).astype(int)
    assert np.abs(one - other).mean() > 5
    assert np.abs(one - again).mean() > 5


def test_every_finding_has_a_signature():
    assert tuple(SIGNATURES) == FINDINGS


@pytest.mark.parametrize("finding", SIGNATURES)
def test_a_finding_shows_more_where_it_is_than_elsewhere(finding):
    for patient_id in range(1, 7):
        with_it = exam(patient_id, **{finding: 0.5})
        region = expose(with_it, seed=7, size_px=SIZE_PX).region(finding) > 0.5
        change = picture(with_it).astype(float) - picture(exam(patient_id))
        change = np.abs(cv2.GaussianBlur(change, (0, 0), 1))
        assert change[region].mean() > 1.5 * change[~region].mean()
        assert change[region].mean() > 4  # grey levels, at the mildest


@pytest.mark.parametrize("finding", SIGNATURES)
def test_a_severer_finding_changes_more_of_the_picture(finding):
    changes = np.zeros((6, 2))
    for row, patient_id in enumerate(range(1, 7)):
        healthy = expose(exam(patient_id), seed=7, size_px=SIZE_PX).attenuation
        for column, severity in enumerate((0.5, 1.0)):
            sick = expose(exam(patient_id, **{finding: severity}), seed=7, size_px=SIZE_PX)
            changes[row, column] = np.abs(sick.attenuation - healthy).sum()
    assert changes[:, 1].mean() > 1.2 * changes[:, 0].mean()


def _centre(finding: str) -> np.ndarray:
    """Mean place (x, y) of a finding in shares of the image, over patients."""
    places = []
    for patient_id in range(1, 13):
        region = expose(exam(patient_id, **{finding: 0.7}), seed=7, size_px=SIZE_PX).region(
            finding
        )
        ys, xs = np.nonzero(region > 0.5)
        places.append((abs(xs.mean() / SIZE_PX - 0.5), ys.mean() / SIZE_PX))
    return np.mean(places, axis=0)


def test_findings_lie_in_their_own_places():
    fluid, air = _centre("Effusion"), _centre("Pneumothorax")
    heart, hernia = _centre("Cardiomegaly"), _centre("Hernia")
    wall = _centre("Pleural_Thickening")
    assert fluid[1] > 0.6 > air[1]
    assert max(heart[0], hernia[0]) < 0.15 < wall[0]
    assert hernia[1] > heart[1]


def _spectrum(shape, radius_px: float, rng) -> tuple[float, float]:
    """Energy of a shadow of 256 px images that 96 px can show, and that they cannot."""
    axis = (np.arange(96, dtype=np.float32) - 47.7) / np.float32(radius_px)
    energy = np.abs(np.fft.fft2(shape(axis[None], axis[:, None], rng))) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(96), np.fft.fftfreq(96)))
    fine = frequency > 0.5 * 96 / 256
    return float(energy[~fine].sum()), float(energy[fine].sum())


@pytest.mark.parametrize(
    ("finding", "double", "radius_px"),
    [(sharp_disc, soft_disc, 4.2), (spiculated_patch, soft_patch, 14.0)],
)
def test_a_focal_finding_differs_from_its_double_in_detail_only(finding, double, radius_px):
    """Beyond what 96 px can show; below that they are as good as the same."""
    rng = np.random.default_rng(0)
    coarse, fine = np.mean([_spectrum(finding, radius_px, rng) for _ in range(100)], axis=0)
    same, less = np.mean([_spectrum(double, radius_px, rng) for _ in range(100)], axis=0)
    assert same == pytest.approx(coarse, rel=0.2)
    assert fine > 3 * less
