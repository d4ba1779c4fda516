"""What the service answers is what the model says, and a page can draw it."""

import base64

import cv2
import numpy as np
import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from made_dicom import RAMP, dataset, file_of
from made_model import MEMBERS, UNCALLED
from openapi_spec_validator import validate

from pipeline.base.findings import FINDINGS
from pipeline.predict.about.description import Call
from pipeline.predict.answers import as_json
from pipeline.predict.model import _calibrated, calibrated_threshold
from pipeline.predict.radiograph import Radiograph, read_radiograph, stated

pytestmark = pytest.mark.xdist_group("service")


def predicted(model, png, **patient):
    return model.predict([Radiograph(read_radiograph(png).pixels, stated(**patient))])[0]


def test_an_answer_is_what_the_model_says_and_the_threshold_on_its_scale(model, examples, ask):
    png = examples["Effusion"].png
    answer = ask(png, age="58", gender="F", view="PA").json()
    thresholds = {name: one["calibrated_threshold"] for name, one in answer["findings"].items()}
    found = predicted(model, png, age=58.0, gender="F", view="PA")
    assert answer == as_json(found)
    assert answer["shown"] == MEMBERS[0]
    assert thresholds[UNCALLED] is None
    assert thresholds["Mass"] == pytest.approx(1 / (1 + np.exp(0.3)))


raws = st.floats(0, 1, width=32)


@given(raws, raws, st.floats(0.1, 5), st.floats(-5, 5))
def test_a_bar_reaches_its_mark_exactly_where_the_finding_is_called(
    raw, threshold, slope, intercept
):
    call = Call(slope=slope, intercept=intercept, thresholds={"youden": threshold})
    bar = _calibrated(np.array([raw], np.float32), call)
    calibrated_logit = slope * np.log(max(raw, 1e-45) / max(1 - raw, 1e-9)) + intercept
    if abs(calibrated_logit) < 30:  # further out float64 runs out
        assert (bar >= calibrated_threshold(call)) == (np.float32(raw) >= threshold)


def png_of(base64_text):
    return cv2.imdecode(
        np.frombuffer(base64.b64decode(base64_text), np.uint8), cv2.IMREAD_UNCHANGED
    )


def test_pictures_are_the_radiograph_and_each_members_heatmaps_boxes_and_crop(
    model, examples, ask
):
    png = examples["Cardiomegaly"].png
    pictures = ask(png, query="?heatmaps=true").json()["pictures"]
    found = predicted(model, png)
    assert (png_of(pictures["image"]) == found.image).all()
    assert [*pictures["members"]] == [*MEMBERS]
    for member, drawn in pictures["members"].items():
        assert drawn["crops"] == pytest.approx(found.crop_boxes(member=member))
        assert [*drawn["findings"]] == [*FINDINGS]
        for name, one in drawn["findings"].items():
            expected = np.rint(255 * found.heatmap(name, member=member))
            assert (png_of(one["heatmap"]) == expected).all()
            box = found.box(name, member=member)
            assert one["box"] == (None if box is None else pytest.approx(box))


def test_the_shape_of_a_radiograph_that_is_not_square_is_told(ask):
    dicom = file_of(dataset(np.rint(RAMP * 4095).astype(int)))
    pictures = ask(dicom, query="?heatmaps=true").json()["pictures"]
    assert (pictures["width"], pictures["height"]) == (RAMP.shape[1], RAMP.shape[0])
    assert png_of(pictures["image"]).shape == (64, 64)


def test_what_is_stated_goes_before_what_a_dicom_file_says(ask):
    one = dataset(np.rint(RAMP * 4095).astype(int), PatientAge="058Y", PatientSex="F")
    said = {"age": 58, "gender": "F", "view": "PA"}
    assert ask(file_of(one)).json()["patient"] == said
    assert ask(file_of(one), age="30", gender="").json()["patient"] == said | {"age": 30}


def test_of_a_doubtful_image_calls_are_withheld_and_the_warning_says_why(examples, ask):
    pixels = 255 - read_radiograph(examples["No finding"].png).pixels
    answer = ask(cv2.imencode(".png", pixels)[1].tobytes()).json()
    assert answer["warnings"] == ["looks inverted: air is bright"]
    assert {one["call"] for one in answer["findings"].values()} == {None}


def test_a_lateral_view_is_taken_where_it_is_said_that_it_may_be(ask):
    lateral = file_of(dataset(np.rint(RAMP * 4095).astype(int), ViewPosition="LL"))
    assert ask(lateral).status_code == 422
    assert "lateral view" in ask(lateral, lateral="true").json()["warnings"][0]


def test_the_openapi_document_is_valid_and_names_every_status(service):
    document = requests.get(f"{service}/openapi.json", timeout=5).json()
    validate(document)
    assert [*document["paths"]] == ["/predict", "/health", "/card"]
    statuses = {*document["paths"]["/predict"]["post"]["responses"]}
    assert statuses == {"200", "400", "408", "413", "415", "422", "500", "503", "504"}


def test_health_card_and_examples_say_what_is_served(service, model, examples):
    health = requests.get(f"{service}/health", timeout=5).json()
    assert health["status"] == "ok"
    assert health["members"] == [*MEMBERS]
    card = requests.get(f"{service}/card", timeout=5)
    assert card.text == model.card
    assert card.headers["content-type"].startswith("text/markdown")
    listed = requests.get(f"{service}/examples", timeout=5).json()
    assert [one["name"] for one in listed] == [*examples]
    picture = requests.get(f"{service}/{listed[1]['place']}", timeout=5)
    assert picture.content == examples["Effusion"].png
    assert requests.get(f"{service}/examples/9.png", timeout=5).status_code == 404


def test_every_page_is_answered_with_headers_that_let_nothing_in_from_elsewhere(service):
    for place in ("", "docs", "about", "page/page.js", "nosuch"):
        headers = requests.get(f"{service}/{place}", timeout=5).headers
        assert headers["content-security-policy"].startswith(
            "default-src 'none'; script-src 'self'"
        )
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers


def test_a_name_that_was_pointed_at_loopback_is_refused(service):
    for host, status in (("evil.example", 400), ("localhost:1", 200), ("[::1]:1", 200)):
        answer = requests.get(f"{service}/health", headers={"Host": host}, timeout=5)
        assert answer.status_code == status
