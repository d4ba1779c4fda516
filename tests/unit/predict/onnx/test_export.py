"""Files that are written say in onnxruntime what the packaged model says in PyTorch."""

import json
import logging
import re
import subprocess
import sys
from importlib import util
from pathlib import Path

import numpy as np
import onnx_ir
import pytest
import torch
from branches import ALL, TWINS, make_branch, some_images
from made_model import SIDE, UNCALLED, Kind, radiographs, write_model
from onnxruntime import InferenceSession
from torch import nn

from pipeline.attention.boxes import grow_box
from pipeline.attention.crop import BoxRule, cut_sheet, region_box
from pipeline.attention.heatmaps import Maps
from pipeline.attention.place import place
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import Grid
from pipeline.errors import ArtifactError, PipelineError
from pipeline.params.sections import CropParams
from pipeline.predict import Model, load_model, read_radiograph
from pipeline.predict.onnx import check, export
from pipeline.predict.onnx.any_batch import take_any_batch
from pipeline.predict.onnx.check import as_arrays
from pipeline.predict.onnx.cutting import cut_sheets
from pipeline.predict.onnx.export import FILE, trace, write_onnx
from pipeline.predict.onnx.onnx_session import open_onnx, predict_with_onnx
from pipeline.predict.onnx.placing import Placing, grow_boxes, pixel_boxes
from pipeline.predict.onnx.regions import region_boxes

GRID = Grid(0.06, 0.11)
CROP = CropParams(
    method="cam", top=2, threshold=0.7, region="peak", margin=0.1, min_side=0.3, windows=0,
    side=0.25, input_size=32,
)  # fmt: skip


PRIOR = torch.linspace(-1, 1, len(FINDINGS))


class Boxes(nn.Module):
    """Drawn maps to boxes that are grown."""

    def forward(self, fine):
        boxes, _ = region_boxes(fine, threshold=0.5, region="largest")
        return grow_boxes(boxes[:, :2], boxes[:, 2:], margin=0.1, min_side=0.3)


def test_onnxruntime_finds_regions_and_boxes_to_the_last_bit(tmp_path):
    """Of masks of chance, some of whose regions wind through all of it."""
    shares = np.linspace(0.02, 0.6, 60)[:, None, None]
    masks = (np.random.default_rng(0).random((60, 40, 40)) < shares).astype(np.float32)
    masks[:, 20, 20] = 1
    program = trace(Boxes().eval(), (torch.from_numpy(masks[:2]),), ["fine"], ["boxes"])
    program.save(tmp_path / "boxes.onnx")
    (found,) = InferenceSession(tmp_path / "boxes.onnx").run(None, {"fine": masks})
    drawn = [region_box(one, BoxRule(0.5, "largest")) for one in masks]
    grown = [grow_box(one, margin=0.1, min_side=0.3) for one in drawn]
    np.testing.assert_array_equal(found, grown)


class Cropping(nn.Module):
    """A member without its networks."""

    def __init__(self, crop):
        super().__init__()
        self.placing = Placing(crop, 9, GRID)

    def forward(self, images, attention, cam, logits):
        boxes = self.placing({"attention": attention, "cam": cam}, logits, PRIOR)
        return boxes, cut_sheets(images, pixel_boxes(boxes, SIDE), size=CROP.input_size)


@pytest.mark.slow
@pytest.mark.parametrize("windows", [0, 4])
def test_onnxruntime_cuts_the_crops_of_the_stages_to_the_byte(tmp_path, windows):
    """By maps of findings; some are empty, and some are the same all over."""
    crop = CROP.model_copy(update={"windows": windows})
    rng = np.random.default_rng(0)
    maps = {
        "attention": rng.random((30, 1, 9, 9)),
        "cam": rng.normal(size=(30, 14, 9, 9)).clip(min=0),
    }
    maps["cam"][:9] = 0
    maps["attention"][:3] = 1
    given = {
        "images": rng.integers(0, 256, (30, SIDE, SIDE)).astype(np.float32),
        **{name: one.astype(np.float16).astype(np.float32) for name, one in maps.items()},
        "logits": rng.normal(size=(30, len(FINDINGS))).astype(np.float32),
    }
    example = tuple(torch.from_numpy(one[:2]) for one in given.values())
    program = trace(Cropping(crop).eval(), example, [*given], ["boxes", "crops"])
    program.save(tmp_path / "cropping.onnx")
    boxes, crops = InferenceSession(tmp_path / "cropping.onnx").run(None, given)
    seen = {name: Maps(given[name], GRID) for name in maps}
    placed = [
        place(seen, row, one, PRIOR.numpy(), crop) for row, one in enumerate(given["logits"])
    ]
    expected = np.array([[one.box for one in crops] for crops in placed])
    np.testing.assert_array_equal(boxes, expected)
    for image, own, cut in zip(given["images"].astype(np.uint8), expected, crops, strict=True):
        np.testing.assert_array_equal(cut, cut_sheet(image, own, size=CROP.input_size))


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_package_that_is_missing_is_named_with_its_extra(monkeypatch, tmp_path, package):
    find = util.find_spec
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == package else find(name))
    with pytest.raises(PipelineError, match=rf"needs {package}, .*\[onnx\]"):
        write_onnx(tmp_path, tmp_path / FILE)


def test_what_is_no_graph_of_ours_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="no ONNX file that onnxruntime reads"):
        open_onnx(tmp_path / "none.onnx")
    example = (torch.zeros(2, 3),)
    trace(nn.ReLU().eval(), example, ["a"], ["b"]).save(tmp_path / "other.onnx")
    with pytest.raises(ArtifactError, match="no graph that `cxr model export --onnx`"):
        open_onnx(tmp_path / "other.onnx")


def test_a_model_that_one_file_cannot_hold_is_refused(model_folder, monkeypatch, tmp_path):
    monkeypatch.setattr(export, "_MOST_BYTES", 10**6)
    with pytest.raises(ArtifactError, match="GB of weights, of which one ONNX file holds"):
        write_onnx(model_folder, tmp_path / FILE)


@pytest.fixture(scope="module")
def written(model_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / FILE
    return path, write_onnx(model_folder, path)


def expect_pytorchs(path, model: Model, number=60):
    """Of radiographs other than those of the check."""
    some = [read_radiograph(one) for one in radiographs()[:number]]
    found = predict_with_onnx(
        open_onnx(path), [one.pixels for one in some], [one.patient for one in some]
    )
    expected = as_arrays(model.predict(some))
    same = (found["crop_boxes"] == expected["crop_boxes"]).all(axis=(1, 2, 3))
    assert same.mean() > 0.98  # a heatmap's cell between two values of float16 goes either way
    for name in ("raw", "probabilities", "shares", "distance"):
        assert found[name][same] == pytest.approx(expected[name][same], abs=1e-4)
    return found


@pytest.mark.slow
def test_the_whole_graph_says_what_the_model_says(written, model):
    path, said = written
    found = expect_pytorchs(path, model)
    assert said.agreement.same_crops >= 11
    assert said.agreement.worst < 1e-4
    assert found["heatmaps.one.cam"].shape[:2] == (60, 14)


@pytest.mark.slow
def test_a_batch_says_what_its_images_say_one_by_one(written):
    session = open_onnx(written[0])
    some = [read_radiograph(one) for one in radiographs()[:3]]
    together = predict_with_onnx(session, [s.pixels for s in some], [s.patient for s in some])
    for row, one in enumerate(some):
        alone = predict_with_onnx(session, [one.pixels], [one.patient])
        assert alone["raw"][0] == pytest.approx(together["raw"][row], abs=1e-5)


@pytest.mark.slow
def test_the_file_says_what_it_is_and_nothing_of_where_it_was_made(written, model):
    path, _ = written
    known = open_onnx(path).get_modelmeta().custom_metadata_map
    assert json.loads(known["image_side"]) == SIDE
    assert json.loads(known["findings"]) == [*FINDINGS]
    assert json.loads(known["members"]) == ["one", "two"]
    assert json.loads(known["thresholds"]) == dict.fromkeys(FINDINGS, 0.5) | {UNCALLED: None}
    assert {*json.loads(known["codes"])} == {"age_years", "gender", "view"}
    assert len(json.loads(known["outside"])) == 5
    assert not re.search(rb"site-packages|/pipeline/|File \"", path.read_bytes())


@pytest.mark.slow
def test_it_is_read_without_pytorch(written, tmp_path):
    code = f"""
import sys
from pathlib import Path
import numpy as np
from pipeline.cohort.reading.tags import UNSAID
from pipeline.predict.onnx.onnx_session import open_onnx, predict_with_onnx
image = np.arange(128 * 128, dtype=np.uint8).reshape(128, 128)
found = predict_with_onnx(open_onnx(Path({str(written[0])!r})), [image], [UNSAID])
assert found["probabilities"].shape == (1, 14)
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=Path.cwd()
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""  # onnxruntime warns of what is odd in a graph


class Kept:
    """What is traced already."""

    def __init__(self, path):
        self.model = onnx_ir.load(path)

    def save(self, path, **_):
        onnx_ir.save(self.model, path)


@pytest.mark.slow
def test_a_graph_that_differs_is_not_left_behind(written, model_folder, monkeypatch, tmp_path):
    monkeypatch.setattr(export, "trace", lambda *_: Kept(written[0]))
    assert write_onnx(model_folder, tmp_path / FILE).agreement == written[1].agreement
    (tmp_path / FILE).unlink()
    monkeypatch.setattr(check, "TOLERANCE", 1e-12)
    with pytest.raises(ArtifactError, match="differs from PyTorch"):
        write_onnx(model_folder, tmp_path / FILE)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_exporters_say_nothing_and_their_loggers_are_as_before(tmp_path, caplog, model_folder):
    caplog.set_level(logging.INFO)
    before = logging.getLogger("onnxscript").level
    trace(nn.ReLU().eval(), (torch.zeros(2, 3),), ["a"], ["b"])
    assert caplog.records == []
    assert logging.getLogger("onnxscript").level == before


class Branching(nn.Module):
    def forward(self, images):
        return images if images.sum() > 0 else -images


@pytest.mark.slow
def test_what_the_exporter_cannot_trace_is_said_in_a_line():
    with pytest.raises(ArtifactError, match="exporter cannot write this as ONNX") as raised:
        trace(Branching().eval(), (torch.zeros(2, 3),), ["a"], ["b"])
    assert "\n" not in str(raised.value)


class ForOneBatch(nn.Module):
    def forward(self, images):
        return images.reshape(len(images), -1, 1)


@pytest.mark.slow
def test_a_network_for_one_number_of_images_is_refused():
    with pytest.raises(ArtifactError, match="takes the number of images for a constant"):
        trace(ForOneBatch().eval(), (torch.zeros(2, 3),), ["a"], ["b"])


class Seeing(nn.Module):
    """What a graph takes from a branch."""

    def __init__(self, branch):
        super().__init__()
        self.branch = branch

    def forward(self, images):
        maps = self.branch.feature_map(images)
        pooled = self.branch.readout(maps)
        return maps, pooled, self.branch.logits(pooled)


@pytest.mark.slow
@pytest.mark.parametrize("name", [one for one in ALL if one not in TWINS])
def test_every_backbone_is_traced(tmp_path, name):
    branch = make_branch(name, size=32, standardise=True).requires_grad_(requires_grad=False)
    images = some_images(5, size=32)
    with torch.no_grad():
        expected = Seeing(branch)(images)
    take_any_batch(seeing := Seeing(branch).eval())
    program = trace(seeing, (images[:2],), ["images"], ["maps", "pooled", "logits"])
    program.save(tmp_path / "branch.onnx")
    found = InferenceSession(tmp_path / "branch.onnx").run(None, {"images": images.numpy()})
    for one, other in zip(found, expected, strict=True):
        scale = max(1.0, float(other.abs().max()))
        assert one / scale == pytest.approx(other.numpy() / scale, abs=1e-4)


KINDS = [
    Kind("capsnet", "mobilenet_v2_capsnet"),
    Kind("timm:vit_tiny_patch16_224", "timm:regnety_002"),
    Kind("resnet18", "resnet18", pooling="pcam", pyramid=8),
]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_other_kinds_of_members_are_exported(tmp_path, kind):
    folder = write_model(tmp_path / "model", members=("one",), kind=kind)
    write_onnx(folder, tmp_path / FILE)
    expect_pytorchs(tmp_path / FILE, load_model(folder), 20)


@pytest.mark.slow
def test_branches_that_learnt_with_their_head_are_exported_with_mirror_images(tmp_path):
    folder = write_model(
        tmp_path / "model", members=("one",), kind=Kind(is_joint=True), flip_at_predict=True
    )
    write_onnx(folder, tmp_path / FILE)
    expect_pytorchs(tmp_path / FILE, load_model(folder), 20)
