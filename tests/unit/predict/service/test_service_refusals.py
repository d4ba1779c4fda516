"""Bad uploads: each is refused with a reason in a line."""

import http.client
import re
from contextlib import closing
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
import requests
from made_dicom import RAMP, dataset, file_of
from tiny_cohort import pixels, png

pytestmark = pytest.mark.xdist_group("service")

GREY = png(pixels(4))
CT = file_of(dataset(np.rint(RAMP * 4095).astype(int), Modality="CT"))
COLOUR = png(np.dstack([pixels(1), pixels(2), pixels(3)]))

BAD_FILES = {
    "empty": (b"", "an empty file"),
    "text": (b"findings: none\n", "neither PNG, JPEG nor DICOM"),
    "html": (b"<!doctype html>", "a page of HTML"),
    "CT": (CT, "a DICOM file of modality CT; expected a radiograph, CR or DX"),
    "truncated PNG": (GREY[:-20], "a truncated PNG"),
    "truncated DICOM": (CT[:400], "a damaged DICOM file|a DICOM file without an image"),
    "colour": (COLOUR, "a picture in colour; expected a radiograph"),
    "black": (png(np.zeros((48, 48), np.uint8)), "one grey value"),
    "16 bits": (cv2.imencode(".png", np.eye(48, dtype=np.uint16))[1].tobytes(), "16 bits"),
}


def expect_refusal(answer, status, reason):
    assert answer.status_code == status
    assert [*answer.json()] == ["detail"]
    assert re.search(reason, answer.json()["detail"])
    assert "\n" not in answer.json()["detail"]


@pytest.mark.parametrize("kind", BAD_FILES)
def test_a_file_that_is_no_radiograph_is_refused_with_the_reason(ask, kind):
    file, reason = BAD_FILES[kind]
    expect_refusal(ask(file), 422, reason)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"age": "old"}, "age old; expected years, 0 to 120"),
        ({"age": "-1"}, "age -1; expected years"),
        ({"age": "5\r\n8"}, "age 5 8; expected years"),
        ({"gender": "x"}, "gender x; expected M or F"),
        ({"view": "LL"}, "view LL; expected PA or AP"),
        ({"lateral": "perhaps"}, "lateral: Input should be a valid boolean"),
        ({"sex": "F"}, "sex: Extra inputs are not permitted"),
    ],
)
def test_a_field_that_means_nothing_is_refused_by_its_name(ask, fields, reason):
    expect_refusal(ask(GREY, **fields), 422, reason)


def test_what_a_file_is_called_and_said_to_be_makes_no_difference(ask):
    names = ("a\r\nb.png", "../../etc/passwd", "x" * 2000, "scan.exe", "π.dcm")
    answers = [ask(GREY, name=name, kind="text/html") for name in names]
    assert {one.status_code for one in answers} == {200}
    assert {one.text for one in answers} == {ask(GREY).text}
    expect_refusal(ask(GREY, name="x" * 9000), 400, "a form that cannot be read")


def test_a_name_that_breaks_out_of_its_line_is_refused(service):
    part = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a\r\nb"\r\n\r\n'
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    body = part + GREY + b"\r\n--x--\r\n"
    answer = requests.post(f"{service}/predict", data=body, headers=headers, timeout=5)
    expect_refusal(answer, 400, "a form that cannot be read")


def test_two_files_or_none_are_refused(service):
    two = [("file", ("a", GREY)), ("file", ("b", GREY))]
    answer = requests.post(f"{service}/predict", files=two, timeout=5)
    expect_refusal(answer, 400, "Too many files. Maximum number of files is 1")
    none = requests.post(f"{service}/predict", files={"age": (None, "5")}, timeout=5)
    expect_refusal(none, 422, "no file; expected one radiograph, PNG, JPEG or DICOM")
    text = requests.post(f"{service}/predict", files={"file": (None, "a path")}, timeout=5)
    expect_refusal(text, 422, "no file")


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("application/json", 415, "a body of type application/json; expected multipart/form-data"),
        ("image/png", 415, "expected multipart/form-data"),
        ("", 415, "a body of type unknown"),
        ("multipart/form-data", 400, "Missing boundary"),
        ("multipart/form-data; boundary=x", 400, "cannot be read"),
    ],
)
def test_a_body_that_is_no_form_is_refused(service, kind, status, reason):
    headers = {"Content-Type": kind}
    answer = requests.post(f"{service}/predict", data=GREY, headers=headers, timeout=5)
    expect_refusal(answer, status, reason)


def test_a_query_that_means_nothing_is_refused_in_a_line(ask):
    expect_refusal(ask(GREY, query="?heatmaps=perhaps"), 422, "heatmaps: Input should be a valid")


def test_another_method_and_another_place_are_refused(service):
    assert requests.get(f"{service}/predict", timeout=5).status_code == 405
    assert requests.put(f"{service}/predict", data=GREY, timeout=5).status_code == 405
    assert requests.post(f"{service}/nosuch", data=GREY, timeout=5).status_code == 404


def connected(service, **options):
    at = urlsplit(service)
    return closing(http.client.HTTPConnection(at.hostname, at.port, **options))


def test_who_has_sent_a_hundred_megabytes_hears_why_they_are_refused(service):
    with connected(service, timeout=10) as connection:
        connection.request("POST", "/predict", bytes(100_000_000))  # fails where nobody reads on
        answer = connection.getresponse()
        assert answer.status == 413
        assert b"larger than 1 MB; `cxr serve --max-mb` admits larger files" in answer.read()


def test_an_upload_without_a_length_is_refused_when_it_is_too_large(service):
    pieces = (bytes(100_000) for _ in range(30))
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    start = iter([b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'])
    body = (piece for pieces in (start, pieces) for piece in pieces)
    answer = requests.post(f"{service}/predict", data=body, headers=headers, timeout=10)
    expect_refusal(answer, 413, "larger than 1 MB")


def test_who_waits_for_leave_to_send_too_much_is_refused_before_sending(service):
    with connected(service, timeout=2) as connection:
        connection.putrequest("POST", "/predict")
        connection.putheader("Content-Length", "100000000")
        connection.putheader("Expect", "100-continue")
        connection.endheaders()
        assert connection.getresponse().status == 413
