"""A packaged model on one radiograph: the same answer by every way in, and what it doubts."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pydicom
import pytest
from made_dicom import REAL, dataset, file_of, needs_real
from made_model import SIDE, UNCALLED, radiographs

from pipeline.base.findings import FINDINGS
from pipeline.cohort.reading.images import decode_grey
from pipeline.errors import ArtifactError, CohortError
from pipeline.predict import Model, load_model, read_radiograph
from pipeline.predict.about.description import Score, read_backbones, write_description
from pipeline.predict.card import model_card
from pipeline.predict.model import SYNTHETIC
from pipeline.predict.package import export_package
from pipeline.predict.prepared import INVERTED
from pipeline.predict.radiograph import LATERAL
from pipeline.results.evaluation.vote import rank_vote

pytestmark = pytest.mark.xdist_group("predict")


@pytest.fixture(scope="module")
def chest():
    return decode_grey(radiographs()[0]).pixels


def test_a_file_an_array_and_a_batch_give_one_answer(model, chest, tmp_path):
    (tmp_path / "a.png").write_bytes(radiographs()[0])
    (tmp_path / "a.dcm").write_bytes(
        file_of(dataset(chest, bits=8, PatientAge="058Y", PatientSex="F", ViewPosition="AP"))
    )
    told = {"age": 58, "gender": "F", "view": "AP"}
    answers = [
        model(chest, **told),
        model(tmp_path / "a.png", **told),
        model(str(tmp_path / "a.dcm")),
    ]
    batch = [read_radiograph(one) for one in radiographs()[1:4]]
    patient = answers[0].patient
    answers.append(
        model.predict([*batch, replace(read_radiograph(radiographs()[0]), patient=patient)])[-1]
    )
    for one in answers:
        assert one.patient == patient
        assert one.raw == pytest.approx(answers[0].raw, abs=1e-6)
    assert model(chest, age=20, gender="M", view="PA").raw != answers[0].raw


def test_what_is_said_goes_before_what_the_file_says(model, chest, tmp_path):
    (tmp_path / "a.dcm").write_bytes(
        file_of(dataset(chest, bits=8, PatientAge="058Y", PatientSex="F"))
    )
    found = model(tmp_path / "a.dcm", age="040Y", view="ap")
    assert (found.patient.age, found.patient.gender, found.patient.view) == (40, "F", "AP")
    assert not found.notes


@pytest.mark.parametrize(
    ("told", "said"),
    [({"age": -1}, "age -1"), ({"age": "x"}, "age x"), ({"gender": "Z"}, "gender Z"),
     ({"view": "LL"}, "view LL"), ({"age": 300}, "age 300")],
)  # fmt: skip
def test_what_is_no_age_gender_or_view_is_refused(model, chest, told, said):
    with pytest.raises(ValueError, match=said):
        model(chest, **told)


def test_what_is_not_known_is_said_and_stands_between_what_may_be(model, chest):
    found = model(chest)
    assert found.notes == ("age, gender, view position not known",)
    raw = {
        (gender, view): model(chest, age=50, gender=gender, view=view).raw["Mass"]
        for gender in ("M", "F") for view in ("PA", "AP")
    }  # fmt: skip
    assert min(raw.values()) < found.raw["Mass"] < max(raw.values())


def test_a_finding_is_called_where_its_probability_reaches_the_threshold(model):
    found = model.predict([read_radiograph(one) for one in radiographs()[:20]])
    trusted = [one for one in found if not one.warnings]
    assert len(trusted) > 10
    for one in trusted:
        *ranked, last = one.ranked
        assert (last, one.calls[last]) == (UNCALLED, None)
        for name in ranked:
            is_above = one.raw[name] >= 0.5
            assert one.calls[name] is is_above
            finding = one.findings[name]
            assert (finding.probability >= finding.calibrated_threshold) is is_above
        calls = [one.calls[name] for name in ranked]
        assert calls == sorted(calls, reverse=True)
    assert {call for one in trusted for call in one.calls.values()} == {True, False, None}


def test_calibration_is_a_line_of_logits(model, chest):
    one = model(chest).findings["Edema"]
    logit = np.log(one.raw / (1 - one.raw))
    assert one.probability == pytest.approx(1 / (1 + np.exp(-(1.5 * logit - 0.3))), abs=1e-6)


def test_the_vote_is_the_mean_of_the_shares(model, chest):
    one = model(chest).findings["Edema"]
    assert one.raw == pytest.approx(np.mean([*one.shares.values()]), abs=1e-6)


def test_ranks_are_those_among_validation_images(model):
    """Of a validation image itself `rank_vote` gives the same."""
    model = Model(replace(model._package, about=model.about.model_copy(update={"vote": "rank"})))
    votes = model._package.validation.votes
    rows = {name: one[3] for name, one in votes.items()}
    rng = np.random.default_rng(1)
    columns = np.stack([rng.permutation(one) for one in rows.values()])
    given = {
        name: np.tile(columns[at][:, None], (1, len(FINDINGS))).astype(np.float32)
        for at, name in enumerate(rows)
    }
    found = model._voted(given)[:, 3]
    assert found == pytest.approx(rank_vote(columns.astype(np.float64)), abs=1e-6)


@pytest.mark.parametrize(
    ("what", "change", "warning"),
    [
        ("inverted", lambda one: 255 - one, INVERTED),
        ("upside down", lambda one: one[::-1].copy(), "unlike the training images"),
        ("on its side", lambda one: np.rot90(one).copy(), "unlike the training images"),
        ("tiny", lambda one: cv2.resize(one, (24, 24)), "24 x 24 pixels, too few"),
        ("noise", lambda one: np.random.default_rng(0).integers(0, 256, one.shape, np.uint8),
         "unlike the training images"),
    ],
)  # fmt: skip
def test_of_what_is_no_chest_nothing_is_called(model, chest, what, change, warning):
    found = model(change(chest), age=50, gender="F", view="PA")
    assert any(warning in one for one in found.warnings), what
    assert set(found.calls.values()) == {None}


@pytest.mark.parametrize("pixels", [np.zeros((90, 90), np.uint8), np.full((9, 90), 3, np.uint8)])
def test_a_picture_that_shows_nothing_is_refused(model, pixels):
    with pytest.raises(CohortError, match=r"one grey value|9 pixels"):
        model(pixels)


def test_a_lateral_view_is_taken_only_if_asked_for_and_nothing_is_called(model, chest, tmp_path):
    (tmp_path / "a.dcm").write_bytes(file_of(dataset(chest, bits=8, ViewPosition="LL")))
    with pytest.raises(CohortError, match="view LL"):
        model(tmp_path / "a.dcm")
    found = model(tmp_path / "a.dcm", lateral=True)
    assert LATERAL in found.warnings
    assert found.patient.view is None
    assert set(found.calls.values()) == {None}


def test_a_heatmap_is_of_the_image_and_its_box_is_where_it_is_high(model, chest):
    found = model(chest)
    said = 0
    for member in ("one", "two"):
        for name in FINDINGS:
            heat, box = found.heatmap(name, member=member), found.box(name, member=member)
            assert heat.shape == (SIDE, SIDE)
            assert 0 <= heat.min() <= heat.max() <= 1
            if box is None:
                continue
            said += 1
            y, x = (np.array(np.unravel_index(heat.argmax(), heat.shape)) + 0.5) / SIDE
            assert box[0] <= x <= box[2]
            assert box[1] <= y <= box[3]
    assert said > 5
    assert np.array_equal(found.heatmap("Mass"), found.heatmap("mass", member="one"))
    with pytest.raises(ValueError, match="Fracture"):
        found.heatmap("Fracture")


def test_an_overlay_is_a_picture_in_colour(model, chest):
    picture = model(chest).overlay("Mass")
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert (picture[..., 0] != picture[..., 2]).any()


@needs_real
def test_a_dicom_file_of_nih_is_its_png(model, tmp_path):
    path = REAL / "nih_00000001_000.dcm"
    png = cv2.imencode(".png", pydicom.dcmread(path).pixel_array)[1].tobytes()
    (tmp_path / "00000001_000.png").write_bytes(png)
    dicom = model(path)
    told = {"age": dicom.patient.age, "gender": dicom.patient.gender, "view": dicom.patient.view}
    assert dicom.raw == model(tmp_path / "00000001_000.png", **told).raw
    assert (dicom.patient.age, dicom.patient.gender) == (58, "M")


def test_a_folder_that_is_no_model_is_refused_by_name(tmp_path, model_folder):
    with pytest.raises(ArtifactError, match=r"holds no model\.json"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text('{"format": 2}')
    with pytest.raises(ArtifactError, match="of format 2; this version reads format 3"):
        load_model(tmp_path)
    (tmp_path / "model.json").write_text((model_folder / "model.json").read_text())
    with pytest.raises(ArtifactError, match=r"one/fusion\.safetensors: no such file"):
        load_model(tmp_path)


def test_votes_that_came_as_files_cannot_be_had_of_other_images(model, tmp_path):
    about = model.about.model_copy(update={"others": ("elsewhere",)})
    write_description(about, tmp_path / "model.json")
    with pytest.raises(ArtifactError, match=r"elsewhere voted by files .* ensemble\.extra: \[\]"):
        load_model(tmp_path)


def test_an_exported_folder_that_is_not_whole_is_refused(model_folder, tmp_path):
    export_package(model_folder, tmp_path / "whole", revision="abc+")
    assert load_model(tmp_path / "whole").about.revision == "abc+"
    first, second = (tmp_path / "whole" / name / "global.safetensors" for name in ("one", "two"))
    kept = first.read_bytes()
    first.write_bytes(second.read_bytes())
    with pytest.raises(ArtifactError, match=r"one/global\.safetensors: is not the file that was"):
        load_model(tmp_path / "whole")
    first.write_bytes(kept)
    second.unlink()
    with pytest.raises(ArtifactError, match=r"two/global\.safetensors: not there, though model"):
        load_model(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda one: one | {"shown": "three"}, "shows three, which is none of its members"),
        (lambda one: one | {"more": 1}, "more: Extra inputs are not permitted"),
        (lambda one: one | {"calls": {}}, "is of other findings"),
        (lambda one: [one], "of format None"),
    ],
)
def test_a_description_that_is_not_as_its_format_says_is_refused(
    model_folder, tmp_path, change, said
):
    about = json.loads((model_folder / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(change(about)))
    with pytest.raises(ArtifactError, match=said):
        load_model(tmp_path)


def test_a_model_of_a_synthetic_cohort_says_so_in_every_answer(model, chest):
    cohort = model.about.cohort.model_copy(update={"is_synthetic": True})
    made = Model(replace(model._package, about=model.about.model_copy(update={"cohort": cohort})))
    assert SYNTHETIC in made(chest).notes
    assert SYNTHETIC not in model(chest).notes
    assert "Trained on a synthetic cohort" in model_card(made.about, {})


def test_the_card_names_what_votes_how_well_and_when_it_calls(model_folder, model):
    score = Score(auroc=0.8123, low=0.79, high=0.83, positives=1234)
    about = model.about.model_copy(update={"scores": {"Mass": score}, "mean": score})
    card = model_card(about, read_backbones(model_folder, about))
    assert "one (mobilenet_v2 + mobilenet_v3)" in card
    assert "| Mass | 0.812 | 0.790 to 0.830 | 1,234 | 0.500 |" in card
    assert "| Edema | – | – | – | 0.500 |" in card
    assert "mined from reports" in card
