"""Every test image for the page's browser: its maps, its boxes, and the files that hold it."""

import base64
import json

import cv2
import numpy as np
import pandas as pd
import pytest
from made_results import made_radiographs

from pipeline.attention.crop import BoxRule
from pipeline.attention.drawing import draw_on_image
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import Grid, tiles
from pipeline.base.tables import positive
from pipeline.errors import ArtifactError
from pipeline.results.pictures import case_files
from pipeline.results.pictures.case_files import CaseFiles, read_cases, write_cases
from pipeline.results.pictures.cases import PER_MILLE, about_cases, coarse, draw_cases
from pipeline.results.report.views import case_browser as browsing
from pipeline.results.report.views.case_browser import beside_page, case_browser

RULE = BoxRule(0.5, "peak")


@pytest.fixture(scope="module")
def radiographs(tmp_path_factory):
    return made_radiographs(tmp_path_factory.mktemp("cohort"), rule=RULE)[0]


@pytest.fixture(scope="module")
def cases(radiographs):
    return list(draw_cases(radiographs, "cam"))


@pytest.fixture
def files(radiographs, cases, tmp_path, monkeypatch):
    monkeypatch.setattr(case_files, "PER_FILE", 15)
    about = about_cases(radiographs, member="model", method="cam")
    write_cases([dict(one) for one in cases], radiographs.test.index, tmp_path / "c", about=about)
    return read_cases(tmp_path / "c")


def test_each_test_image_is_a_case_with_its_own_boxes(radiographs, cases):
    names = list(radiographs.test.index)
    assert len(cases) == len(names) > 30
    boxes = radiographs.boxes.groupby("image_index")["finding"].apply(set)
    for name, case in zip(names, cases, strict=True):
        assert set(case["truths"]) == boxes.get(name, set()) == set(case["ious"])
        for finding, iou in case["ious"].items():
            seen = radiographs.seen(name, finding, "cam")
            assert iou == pytest.approx(seen.iou, abs=1e-3)
            drawn = case["predicted"][FINDINGS.index(finding)]
            assert drawn == pytest.approx(PER_MILLE * seen.predicted, abs=0.5)


def test_a_thumbnail_is_the_radiograph(radiographs, cases):
    encoded = base64.b64decode(cases[3]["image"])
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_GRAYSCALE)
    row = radiographs.rows[radiographs.test.index[3]]
    assert np.corrcoef(image.ravel(), radiographs.images[row].ravel())[0, 1] > 0.9


def test_maps_are_bytes_of_the_finding_s_own_maximum(radiographs, cases):
    about = about_cases(radiographs, member="model", method="cam")
    height, width = about["cells"]
    for name, case in zip(radiographs.test.index, cases, strict=True):
        maps = np.frombuffer(base64.b64decode(case["maps"]), np.uint8)
        stack = maps.reshape(len(FINDINGS), height, width)
        for place, finding in enumerate(FINDINGS):
            seen = radiographs.seen(name, finding, "cam")
            small, _ = coarse(seen.heatmap, seen.grid)
            peak = small.max()
            expected = 255 * small / peak if peak > 0 else np.zeros_like(small)
            np.testing.assert_allclose(stack[place], expected, atol=0.5)


def test_a_map_for_all_findings_is_kept_once(radiographs):
    about = about_cases(radiographs, member="model", method="attention")
    case = next(draw_cases(radiographs, "attention"))
    assert len(about["mapped"]) == len(case["predicted"]) == 1
    assert len(base64.b64decode(case["maps"])) == np.prod(about["cells"])


@pytest.mark.parametrize("cells", [7, 16, 17, 32, 40])
def test_a_map_of_fewer_cells_looks_at_the_same_places(cells):
    grid = Grid(first=0.3 / cells, step=0.97 / cells)
    rows, columns = np.mgrid[0:cells, 0:cells]
    # a plane: a mean over cells is its value where their mean lies
    plane = (3 * rows + columns + 1).astype(np.float32)
    small, where = coarse(plane, grid)
    assert max(small.shape) <= 16
    found, expected = (
        draw_on_image(one, at, height=64, width=64)[16:48, 16:48]
        for one, at in ((small, where), (plane, grid))
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_a_map_of_few_cells_stays_as_it_is():
    heatmap = np.arange(49, dtype=np.float32).reshape(7, 7)
    small, where = coarse(heatmap, tiles(7))
    assert small is heatmap
    assert where == tiles(7)


def test_the_files_hold_all_cases_in_order(radiographs, cases, files):
    read = [one for path in files.files for one in json.loads(path.read_text())]
    assert len(files.files) == -(-len(cases) // 15)
    assert [one["image"] for one in read] == [one["image"] for one in cases]
    assert files.about["images"] == list(radiographs.test.index)
    assert files.about["ious"] == [one["ious"] for one in cases]
    assert files.size == sum(path.stat().st_size for path in files.files)


def test_cases_of_other_images_are_refused(cases, tmp_path):
    with pytest.raises(ArtifactError, match="1 cases of 2 images"):
        write_cases([dict(cases[0])], ["a", "b"], tmp_path / "c", about={})
    assert not (tmp_path / "c").exists()


def thresholds(radiographs):
    rows = [("ensemble", one, "f1", 0.4) for one in FINDINGS if one != "Hernia"]
    rows += [("ensemble", "Mass", "youden", 0.9), ("model.fusion", "Mass", "f1", 0.9)]
    return pd.DataFrame(rows, columns=["system", "finding", "rule", "threshold"])


def browser_of(files, radiographs):
    return case_browser(
        files,
        predictions=radiographs.predictions,
        index=radiographs.index,
        thresholds=thresholds(radiographs),
        subject="ensemble",
    )


def test_the_browser_knows_what_is_labelled_and_called(files, radiographs):
    data = browser_of(files, radiographs).data
    labels = radiographs.index.set_index("image_index").loc[data["images"]]
    assert data["thresholds"][FINDINGS.index("Mass")] == 0.4
    assert data["thresholds"][FINDINGS.index("Hernia")] is None
    for place, finding in enumerate(FINDINGS):
        bits = [(one >> place) & 1 for one in data["labelled"]]
        assert bits == positive(labels, finding).astype(int).tolist()
        called = (radiographs.test[finding] >= 0.4).astype(int).tolist()
        assert [(one >> place) & 1 for one in data["called"]] == (
            called if finding != "Hernia" else [0] * len(called)
        )
    assert not any(data["unknown"])
    np.testing.assert_allclose(data["probs"], radiographs.test.to_numpy(), atol=1e-5)


def test_few_cases_are_packed_into_the_page_and_many_lie_beside_it(
    files, radiographs, monkeypatch
):
    packed = browser_of(files, radiographs)
    assert packed.data["folder"] is None
    assert packed.packed == [path.read_text() for path in files.files]
    assert [name for name, _ in beside_page(files)] == ["README.txt"]
    monkeypatch.setattr(browsing, "MOST_BYTES", files.size - 1)
    beside = browser_of(files, radiographs)
    assert (beside.data["folder"], beside.packed) == ("cases", [])
    scripts = dict(beside_page(files))
    assert list(scripts) == [f"{path.stem}.js" for path in files.files]
    assert scripts["cases-0001.js"] == f"cxrCases(1,{files.files[1].read_text()});\n"


def test_size_is_of_the_cases_alone(files):
    assert CaseFiles(files.about, files.files[:1]).size < files.size
