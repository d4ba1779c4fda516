"""Crops lie in a graph where the stage `extract_crops` puts them."""

import numpy as np
import pytest
import torch

from pipeline.attention.heatmaps import Maps
from pipeline.attention.place import place
from pipeline.base.findings import FINDINGS
from pipeline.base.grid import Grid
from pipeline.params.sections import CropParams
from pipeline.predict.onnx.placing import Placing

GRID = Grid(0.06, 0.11)
CELLS = 9


def rules(**changes):
    values = {
        "method": "attention", "top": 1, "threshold": 0.7, "region": "peak", "margin": 0.1,
        "min_side": 0.3, "windows": 0, "side": 0.25, "input_size": 32,
    }  # fmt: skip
    return CropParams(**(values | changes))


def seen(rows, seed):
    """Heatmaps and logits: of chance, with empty, flat and negative maps among them."""
    rng = np.random.default_rng(seed)
    heatmaps = {
        "attention": rng.random((rows, 1, CELLS, CELLS)),
        "cam": rng.normal(size=(rows, len(FINDINGS), CELLS, CELLS)).clip(min=0),
    }
    heatmaps["attention"][:2] = 1
    heatmaps["attention"][2] = 0
    heatmaps["cam"][2:5] = 0
    heatmaps["cam"][1, ::2] = 1
    return (
        {name: one.astype(np.float16) for name, one in heatmaps.items()},
        rng.normal(size=(rows, len(FINDINGS))).astype(np.float32),
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"region": "largest", "threshold": 0.5},
        {"method": "cam"},
        {"method": "cam", "top": 3, "margin": 0.0, "min_side": 0.0},
        {"method": "cam", "top": 14, "threshold": 0.95, "min_side": 0.9},
        {"min_side": 1.0},
        {"windows": 1},
        {"windows": 9, "side": 0.4, "method": "cam"},
        {"windows": 1, "side": 0.5, "method": "cam"},
        {"windows": 1, "side": 1.0, "method": "cam"},
    ],
)
@pytest.mark.parametrize("never_known", [[], [2, 7]])
def test_every_box_is_the_stages_to_the_last_bit(changes, never_known):
    crop, (heatmaps, logits) = rules(**changes), seen(9, len(changes))
    maps = {name: Maps(one, GRID) for name, one in heatmaps.items()}
    prior = np.linspace(-1, 1, len(FINDINGS), dtype=np.float32)
    prior[never_known] = np.inf
    expected = [place(maps, row, one, prior, crop) for row, one in enumerate(logits)]
    found = Placing(crop, CELLS, GRID)(
        {name: torch.from_numpy(one).float() for name, one in heatmaps.items()},
        torch.from_numpy(logits),
        torch.from_numpy(prior),
    )
    np.testing.assert_array_equal(found, [[one.box for one in crops] for crops in expected])
    if (
        crop.method == "cam" and crop.top == 1 and crop.side < 1 and not never_known
    ):  # what is claimed was there to be seen
        assert {one.source for crops in expected for one in crops} == {
            "cam",
            "attention",
            "whole image",
        }
