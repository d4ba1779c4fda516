"""params.yaml: every fault at once, by its dotted name."""

from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel

from pipeline import params
from pipeline.attention.heatmap import HEATMAPS
from pipeline.errors import ParamsError
from pipeline.networks.backbone import BACKBONES
from pipeline.params import Params, load_params, parse_params
from pipeline.training.losses import LOSSES
from pipeline.training.schedule import SCHEDULES

REPO = Path(__file__).parents[2]
VALUES = (REPO / "tests/tiny.yaml").read_text()


def changed(**keys):
    values = yaml.safe_load(VALUES)
    for name, value in keys.items():
        *parents, last = name.split("__")
        section = values
        for parent in parents:
            section = section[parent]
        section[last] = value
    return values


@pytest.mark.parametrize(
    "path", [REPO / "params.yaml", REPO / "tests/tiny.yaml", *sorted(REPO.glob("recipes/*.yaml"))]
)
def test_every_params_file_is_valid(path):
    load_params(path)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"crop__sise": 3}, r"params.yaml: crop.sise: unknown key; did you mean size\?"),
        ({"crop__threshold": 1.5}, "params.yaml: crop.threshold: input should be less than 1"),
        (
            {"train__batch_size": "32"},
            "params.yaml: train.batch_size: input should be a valid int",
        ),
        (
            {"train__input_size": 100},
            r"train.input_size: 100 is no multiple of global.output_stride \(16\); heatmap",
        ),
        (
            {"ensemble__members__second": {"global": "resnet18"}},
            "ensemble.members.second.local: missing",
        ),
        (
            {"ensemble__members__fourth": {"global": "resnet18", "local": "resnet18"}},
            "ensemble.members.fourth: unknown key; expected one of second, third",
        ),
        ({"model__global": "resnet81"}, "model.global: .* 'resnet18' .*found 'resnet81'"),
        ({"local__schedule": "onecycle"}, "local.schedule: .* 'one_cycle'"),
        ({"train__loss": "focal"}, "train.loss: .* 'bce'"),
        ({"heatmap__methods": ["attention", "gradcam"]}, r"heatmap.methods.1: .* 'cam'"),
        (
            {"heatmap__methods": ["cam"]},
            r"crop.method: attention is not among heatmap.methods \(cam\)",
        ),
        ({"weights": {"resnet18": "none"}}, "weights.mobilenet_v2: missing; say none"),
        ({"train__batch_size": 1}, "train.batch_size: input should be greater than or equal to 2"),
        ({"global__learning_rate": float("inf")}, "global.learning_rate: input should be a fini"),
        ({"global__learning_rate": "1e-3"}, "global.learning_rate: .*write 0.001 or 1.0e-3"),
        ({"fusion__features": ["age", "age"]}, "fusion.features: names one thing twice"),
    ],
)
def test_a_fault_is_named_by_its_dotted_key(keys, message):
    with pytest.raises(ParamsError, match=message):
        parse_params(changed(**keys))


@pytest.mark.parametrize(
    ("names", "entries"),
    [
        (params.Backbone, BACKBONES),
        (params.HeatmapMethod, HEATMAPS),
        (params.LossName, LOSSES),
        (params.ScheduleName, SCHEDULES),
    ],
)
def test_the_names_that_params_admit_are_the_entries_that_there_are(names, entries):
    assert get_args(names) == tuple(entries)


def test_all_faults_are_named_at_once():
    with pytest.raises(ParamsError) as error:
        parse_params(changed(crop__sise=3, iou__threshold=-1.0))
    assert len(str(error.value).splitlines()) == 2


def sections(model):
    yield model
    for field in model.model_fields.values():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from sections(inner)


@pytest.mark.parametrize("model", list(sections(Params)))
def test_no_section_has_a_default(model):
    assert all(field.is_required() for field in model.model_fields.values())


def test_params_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        load_params(REPO / "tests/tiny.yaml").seed = 3


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ParamsError, match=r"no\.yaml: no such file"):
        load_params(tmp_path / "no.yaml")
