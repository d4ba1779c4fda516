"""`cxr serve` as a process: in a browser, under load, and what it leaves behind."""

import base64
import json
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import requests
from made_dicom import RAMP, dataset, file_of
from made_model import write_model
from playwright.sync_api import sync_playwright
from served import ask_at_once, expect_each_its_own
from tiny_cohort import png

from pipeline.predict import load_model
from pipeline.predict.radiograph import read_radiograph
from pipeline.predict.service.synthetic import draw_examples
from tests.stages.chromium import ALONE, CHROMIUM, in_a_browser, watch
from tests.stages.conftest import CXR, REPO

pytestmark = pytest.mark.xdist_group("serve")

NAME = "SECRET^PERSON"
IDENTIFIERS = {
    "PatientName": NAME,
    "PatientID": "SECRET-ID",
    "PatientBirthDate": "19331111",
    "AccessionNumber": "SECRET-ACC",
    "InstitutionName": "SECRET HOSPITAL",
    "StudyDescription": "SECRET STUDY",
    "ReferringPhysicianName": "SECRET^DOCTOR",
}


@dataclass
class Served:
    """A service that runs, and the model that it serves."""

    folder: Path
    process: subprocess.Popen
    address: str


WRITES_NO_FILE = ("sh", "-c", 'ulimit -f 0 && exec "$@"', "sh")
"""Whatever the process writes to a file fails; pipes and sockets are free."""


def start(folder, *words):
    cxr = (sys.executable, *CXR[1:])
    process = subprocess.Popen(
        [*WRITES_NO_FILE, *cxr, "serve", "--model", str(folder), "--port", "0", *words],
        cwd=REPO, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    said = process.stderr.readline()
    assert said.startswith("http://"), said + process.stderr.read()
    return Served(folder, process, said.split()[0])


SOON_S = 10.0
"""An idle machine takes less than two."""


def end(served, how):
    """How long it takes to end, what it returns and what it had said."""
    began = time.monotonic()
    served.process.send_signal(how)
    out, err = served.process.communicate(timeout=30)
    return time.monotonic() - began, served.process.returncode, out + err


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    one = start(write_model(tmp_path_factory.mktemp("packaged") / "model", picky=False))
    yield one
    one.process.kill()
    one.process.communicate()


@pytest.fixture(scope="module")
def chest():
    return draw_examples(64)["Effusion"].png


@pytest.fixture(scope="module")
def dicom(chest):
    pixels = read_radiograph(chest).pixels[::2]  # wider than high
    one = dataset(pixels, bits=8, PatientAge="058Y", PatientSex="F", **IDENTIFIERS)
    return file_of(one)


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=[*ALONE])


NARROW = pytest.mark.parametrize("page", [400], indirect=True)
WIDE = pytest.mark.parametrize("page", [1280], indirect=True)


@pytest.fixture(params=[400, 1280])
def page(request, browser, served):
    context = browser.new_context(viewport={"width": request.param, "height": 800})
    page = context.new_page()
    page.set_default_timeout(20_000)
    complaints, asked = watch(page)
    page.on("filechooser", lambda _: None)  # from now on, else the first is missed at times
    page.goto(served.address)
    page.get_by_role("button", name="Effusion").wait_for()
    yield page
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width == request.param, "it scrolls sideways"
    assert [one for one in complaints if "status of 4" not in one] == []
    elsewhere = [one for one in asked if not one.startswith((served.address, "data:"))]
    assert elsewhere == []
    context.close()


DROP = """([target, bytes]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0))], "dropped"));
  const about = { dataTransfer: carried, bubbles: true, cancelable: true };
  for (const kind of ["dragenter", "dragover", "drop"])
    target.dispatchEvent(new DragEvent(kind, about));
}"""


def drop(page, file):
    target = page.query_selector("#drop-what")
    page.evaluate(DROP, [target, base64.b64encode(file).decode()])


def wait_for_an_answer(page):
    page.locator("#status", has_text="Done").wait_for(state="attached")


def drawn(page):
    """What a person sees: the side of the heatmap, and where its box and the crop are."""
    stage = page.locator("#stage").bounding_box()
    return {
        "radiograph": page.evaluate("document.getElementById('radiograph').naturalWidth"),
        "heat": page.evaluate("document.getElementById('heat').width"),
        "ratio": stage["width"] / stage["height"],
        "rows": [" ".join(row.split()) for row in page.locator(".finding").all_inner_texts()],
    }


@in_a_browser
def test_a_dropped_png_and_then_a_dicom_file_are_seen_with_14_findings(page, chest, dicom):
    drop(page, chest)
    wait_for_an_answer(page)
    seen = drawn(page)
    assert (seen["radiograph"], seen["heat"]) == (64, 64)
    assert seen["ratio"] == pytest.approx(1, abs=0.02)
    assert len(seen["rows"]) == 14
    assert all(re.search(r"\d %.* (not called|called|no threshold)$", row) for row in seen["rows"])
    assert page.get_by_text("Age, gender, view position not known").is_visible()
    page.evaluate("document.getElementById('status').textContent = ''")
    drop(page, dicom)
    wait_for_an_answer(page)
    assert page.get_by_text("The model was told: 58 years, F, PA.").is_visible()
    assert drawn(page)["ratio"] == pytest.approx(2, abs=0.02)
    assert page.get_by_text("Research use only").is_visible()


def focus(page):
    return page.evaluate("document.activeElement.id || document.activeElement.value")


@in_a_browser
@WIDE
def test_the_keyboard_alone_chooses_a_file_a_finding_and_another(page, chest, tmp_path):
    (tmp_path / "chest.png").write_bytes(chest)
    while focus(page) != "file":
        page.keyboard.press("Tab")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Space")
    chooser.value.set_files(tmp_path / "chest.png")
    wait_for_an_answer(page)
    while not page.evaluate("document.activeElement.name === 'finding'"):
        page.keyboard.press("Tab")
    first = focus(page)
    page.keyboard.press("ArrowDown")
    second = focus(page)
    assert first != second
    name = second.replace("_", " ")
    page.get_by_role("heading", name=f"{name}:").wait_for()
    assert name in page.locator("#box-said").inner_text()
    outline = page.evaluate(
        "getComputedStyle(document.querySelector('.finding:has(:checked)')).outlineStyle"
    )
    assert outline == "solid"


@in_a_browser
@NARROW
def test_a_warning_is_seen_and_calls_are_withheld_and_a_refusal_says_why(page, chest):
    drop(page, png(255 - read_radiograph(chest).pixels))
    wait_for_an_answer(page)
    assert page.get_by_text("looks inverted: air is bright").is_visible()
    assert page.get_by_role("heading", name="Calls are withheld").is_visible()
    assert all(row.endswith("call withheld") for row in drawn(page)["rows"])
    drop(page, b"no radiograph")
    alert = page.get_by_role("alert")
    alert.get_by_text("neither PNG, JPEG nor DICOM").wait_for()
    assert not page.locator("#result").is_visible()


@in_a_browser
@WIDE
def test_an_example_fills_the_form_and_its_members_are_shown_each(page):
    page.get_by_role("button", name="Cardiomegaly").click()
    wait_for_an_answer(page)
    heat = "document.getElementById('heat').toDataURL()"
    first = page.evaluate(heat)
    page.get_by_label("Heatmap, box and crop of").select_option("two")
    page.wait_for_function(f"() => {heat} !== {json.dumps(first)}")
    page.get_by_label("The radiograph alone").check()
    assert not page.locator("#heat").is_visible()


@in_a_browser
@NARROW
def test_what_was_stated_of_one_radiograph_is_not_taken_for_the_next(page, dicom):
    page.get_by_role("button", name="Cardiomegaly").click()
    wait_for_an_answer(page)
    assert page.get_by_label("Age, years").input_value() not in ("", "58")
    page.evaluate("document.getElementById('status').textContent = ''")
    drop(page, dicom)
    wait_for_an_answer(page)
    assert page.get_by_text("The model was told: 58 years, F, PA.").is_visible()
    assert page.get_by_label("Age, years").input_value() == ""


@in_a_browser
def test_card_and_api_are_pages_of_their_own_and_load_nothing_from_elsewhere(browser, served):
    page = browser.new_page()
    complaints, asked = watch(page)
    page.goto(f"{served.address}/about")
    page.get_by_role("cell", name="Cardiomegaly").wait_for()
    page.goto(f"{served.address}/docs")
    page.get_by_role("heading", name="POST /predict").wait_for()
    assert page.get_by_text("curl -F file=@radiograph.png").is_visible()
    assert complaints == []
    assert [one for one in asked if not one.startswith(served.address)] == []
    page.close()


@pytest.mark.slow
def test_eight_clients_for_a_minute_are_each_answered_and_memory_does_not_grow(served):
    def memory_kb():
        status = Path(f"/proc/{served.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    ask_at_once(served.address, clients=8, seconds=5)
    before = memory_kb()
    images, answers = ask_at_once(served.address, clients=8, seconds=60)
    expect_each_its_own(load_model(served.folder), images, answers)
    assert memory_kb() < before + 100_000


def test_a_large_upload_is_answered_where_no_file_can_be_written(served, chest):
    large = png(np.random.default_rng(0).integers(0, 256, (2000, 2000), np.uint8))
    assert len(large) > 3_000_000
    answer = requests.post(f"{served.address}/predict", files={"file": ("f", large)}, timeout=30)
    assert answer.status_code == 200


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_another_host_says_that_there_is_no_login_and_it_ends_soon_while_it_predicts(served, how):
    one = start(served.folder, "--host", "0.0.0.0")
    assert "there is no login and no encryption" in one.process.stderr.readline()
    assert one.address.startswith("http://0.0.0.0:")
    port = one.address.rpartition(":")[2]
    here = f"http://127.0.0.1:{port}"
    assert requests.get(f"{here}/health", headers={"Host": "any.example"}, timeout=5).ok
    large = png(np.random.default_rng(0).integers(0, 256, (8000, 7000), np.uint8))
    with ThreadPoolExecutor(4) as clients:
        for _ in range(4):
            clients.submit(requests.post, f"{here}/predict", files={"file": ("f", large)})
        time.sleep(1)
        took, code, _ = end(one, how)
    assert took < SOON_S
    assert code in (0, -signal.SIGTERM)


def test_what_identifies_a_patient_is_in_no_answer_and_no_log_and_the_end_comes_soon(
    served, dicom, chest
):
    files = {
        "whole": dicom,
        "truncated": dicom[:-3000],
        "damaged": dicom.replace(b"MONOCHROME2", b"MONOCHROME7"),
        "odd": dicom.replace(b"19331111", b"SECRET11"),
        "CT": file_of(dataset(np.rint(RAMP * 99).astype(int), Modality="CT", **IDENTIFIERS)),
    }
    answers = {
        kind: requests.post(
            f"{served.address}/predict?heatmaps=true", files={"file": (NAME, one)}, timeout=30
        )
        for kind, one in files.items()
    }
    assert [one.status_code for one in answers.values()] == [200, 422, 422, 200, 422]
    requests.post(f"{served.address}/predict", files={"file": ("f", chest)}, timeout=30)
    took, code, said = end(served, signal.SIGINT)
    assert took < SOON_S
    assert code == 0
    told = said + "".join(one.text + str(one.headers) for one in answers.values())
    assert not re.search("SECRET|1933", told)
    assert said == ""
