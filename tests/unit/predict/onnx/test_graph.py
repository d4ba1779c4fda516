"""What is traced of an ensemble says what the packaged model says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from made_model import SIDE, radiographs

from pipeline.cohort.reading.images import resize_square
from pipeline.predict import Model, read_radiograph
from pipeline.predict.onnx.check import as_arrays
from pipeline.predict.onnx.export import build_graph
from pipeline.predict.package import read_package

pytestmark = pytest.mark.xdist_group("predict")


@pytest.fixture(scope="module")
def packaged(model_folder):
    return read_package(model_folder)


@pytest.mark.parametrize("vote", ["mean", "rank"])
def test_it_says_what_the_packaged_model_says(model_folder, packaged, vote):
    package = replace(packaged, about=packaged.about.model_copy(update={"vote": vote}))
    some = [read_radiograph(one) for one in radiographs()[:6]]
    images = np.stack([resize_square(one.pixels, SIDE) for one in some])
    unknown = torch.full((6,), torch.nan)
    graph = build_graph(model_folder, package)
    with torch.no_grad():
        given = graph(torch.from_numpy(images).unsqueeze(1), unknown, unknown, unknown)
    found = dict(zip(graph.outputs, given, strict=True))
    expected = as_arrays(Model(package).predict(some))
    for name, value in expected.items():
        # of 40 validation images, one lies between the vote and what rounding makes of it
        assert found[name].numpy() == pytest.approx(value, abs=1 / 40 if name == "above" else 2e-6)
    grids = found["heatmaps.two.cam"].shape
    assert grids[:2] == (6, 14)
    assert graph.left_out == []
