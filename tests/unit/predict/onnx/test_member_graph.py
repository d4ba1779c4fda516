"""What is traced of a member says what the member says, of every kind of member."""

import numpy as np
import pandas as pd
import pytest
import torch
from made_model import SIDE, Kind, made_networks, radiographs

from pipeline.cohort.reading.images import decode_grey, resize_square
from pipeline.errors import ArtifactError
from pipeline.params.sections import CropParams, HeatmapParams
from pipeline.predict.member import Member, Rules
from pipeline.predict.onnx.member_graph import MemberGraph

PATIENTS = pd.DataFrame(
    {
        "age_years": [58.0, np.nan, 0.5, 90.0, 41.0, 17.0],
        "gender": ["F", None, "M", None, "M", "F"],
        "view_position": ["PA", None, "AP", "AP", None, "PA"],
    }
)


def rules(methods=("attention", "cam"), *, layer="last", flip=False, **crop):
    values = {
        "method": "attention", "top": 1, "threshold": 0.95, "region": "peak", "margin": 0.1,
        "min_side": 0.2, "windows": 0, "side": 0.25, "input_size": 32,
    }  # fmt: skip
    heatmap = HeatmapParams(methods=[*methods], layer=layer)
    return Rules(heatmap, CropParams(**(values | crop)), flip)


CLOSED = ("attention", "cam", "gradcam", "gradcam_pp", "xgradcam", "layercam")
KINDS = {
    "as made": (Kind(), rules()),
    "a cascade": (Kind("resnet18", "mobilenet_v2_capsnet"), rules()),
    "a head that has branches of its own": (Kind(is_joint=True), rules(flip=True)),
    "a hidden layer": (Kind(head="mlp"), rules(flip=True, region="largest")),
    "crops by findings": (Kind(features=("view",)), rules(CLOSED, method="cam", top=3)),
    "crops of another layer and size": (
        Kind(features=()), rules(["attention"], layer=8, input_size=48),
    ),
    "CapsNets": (Kind("capsnet", "capsnet"), rules(["attention"])),
    "evidence on a pyramid": (
        Kind("resnet18", pooling="pcam", pyramid=8), rules(method="cam", top=3),
    ),
    "windows on a sheet": (
        Kind("resnet18", pooling="pcam"), rules(method="cam", windows=4, side=0.3, input_size=64),
    ),
    "of timm": (Kind("timm:convnext_atto", "timm:vit_tiny_patch16_224"), rules()),
}  # fmt: skip
SLOW = {"CapsNets", "of timm"}


@pytest.mark.parametrize(
    "name", [pytest.param(one, marks=[pytest.mark.slow] * (one in SLOW)) for one in KINDS]
)
def test_it_says_what_the_member_says(name):
    kind, how = KINDS[name]
    networks = made_networks(kind)
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    chests = [resize_square(decode_grey(one).pixels, SIDE) for one in radiographs()[:5]]
    images = np.stack([*chests, noise])
    expected = Member(*networks, how).see(images, PATIENTS)
    with torch.no_grad():
        found = MemberGraph("one", networks, how, side=SIDE)(
            torch.from_numpy(images).unsqueeze(1).float(), *codes()
        )
    np.testing.assert_array_equal(found.crop_boxes, expected.crop_boxes)
    assert len(np.unique(expected.crop_boxes.reshape(-1, 4), axis=0)) > 2
    assert found.share.numpy() == pytest.approx(expected.probabilities["fusion"], abs=2e-6)
    for method, maps in expected.heatmaps.items():
        np.testing.assert_array_equal(found.heatmaps[method], np.stack([*maps]))


def codes():
    """As `Known` wants them; what is not known is NaN of one and 0 of the other."""
    gender = PATIENTS["gender"].map({"M": 1, "F": -1}).fillna(0)
    view = PATIENTS["view_position"].map({"AP": 1, "PA": -1})
    return [
        torch.tensor(one.to_numpy(np.float32)) for one in (PATIENTS["age_years"], gender, view)
    ]


@pytest.mark.parametrize(
    ("kind", "how", "left_out"),
    [
        (Kind("capsnet"), rules(["attention", "cam", "scorecam"]), ["cam", "scorecam"]),
        (Kind(), rules(["attention", "cam", "scorecam"]), ["scorecam"]),
        (Kind(pooling="lse"), rules(["attention", "cam", "layercam"]), ["layercam"]),
        (Kind(), rules(["attention", "gradcam"], layer=8), ["gradcam"]),
    ],
)
def test_heatmaps_that_take_gradients_are_left_out(kind, how, left_out):
    assert MemberGraph("one", made_networks(kind), how, side=SIDE).left_out == left_out


@pytest.mark.parametrize(("method", "layer"), [("scorecam", "last"), ("gradcam", 8)])
def test_crops_that_take_gradients_are_refused_with_what_to_do(method, layer):
    how = rules(["attention", method], layer=layer, method=method)
    with pytest.raises(ArtifactError, match=f"one: {method} draws its crops.* crop.method: att"):
        MemberGraph("one", made_networks(Kind()), how, side=SIDE)
