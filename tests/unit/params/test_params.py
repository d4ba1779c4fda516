"""params.yaml: every fault at once, by its dotted name."""

import json
from pathlib import Path
from typing import get_args

import pytest
import yaml
from pydantic import BaseModel
from three_members import three_members

from pipeline.attention.crop import REGIONS
from pipeline.attention.heatmap import HEATMAPS
from pipeline.cohort.reading.columns.layouts import LAYOUTS
from pipeline.cohort.reading.columns.readers import READERS
from pipeline.errors import ParamsError
from pipeline.fusion.head import HEADS
from pipeline.networks.backbones.zoo import BACKBONES, CASCADES, is_cascade
from pipeline.networks.readouts.readout import POOLINGS
from pipeline.params import columns
from pipeline.params import names as params
from pipeline.params.whole import Params, load_params, parse_params
from pipeline.results.evaluation.calibration import CALIBRATIONS
from pipeline.results.evaluation.vote import VOTES
from pipeline.training.losses import LOSSES
from pipeline.training.records.kept import KEEP
from pipeline.training.schedule import SCHEDULES

REPO = Path(__file__).parents[3]
VALUES = three_members()


def changed(**keys):
    values = yaml.safe_load(VALUES)
    for name, value in keys.items():
        *parents, last = name.split("__")
        section = values
        for parent in parents:
            section = section[parent]
        section[last] = value
    return values


@pytest.mark.parametrize("name", ["params.yaml", "tests/tiny.yaml"])
def test_the_params_files_are_valid(name):  # recipes have tests of their own
    load_params(REPO / name)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"crop__inptu_size": 3},
            r"params.yaml: crop.inptu_size: unknown key; did you mean input_size\?",
        ),
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
            {"model__global": "capsnet", "global__pyramid": 8},
            r"global.pyramid: 8: a pyramid, and capsnet \(model.global\) has no stages",
        ),
        (
            {"second__local": "capsnet", "local__pyramid": 4},
            r"local.pyramid: 4: a pyramid, and capsnet \(second.local\) has no stages",
        ),
        ({"global__pyramid": 5}, "global.pyramid: input should be 0, 4, 8 or 16"),
        ({"global__pooling": "max"}, "global.pooling: input should be 'average', 'lse', 'pcam'"),
        ({"iou__threshold": "otus"}, "iou.threshold: must be otsu, or a number from 0 to below 1"),
        ({"iou__threshold": 1}, "iou.threshold: must be otsu, or a number from 0 to below 1"),
        ({"train__threads": 0}, "train.threads: must be auto, or a number of at least 1"),
        ({"train__keep": "best"}, "train.keep: input should be 'loss', 'auroc' or 'last'"),
        ({"second": {"global": "resnet18"}}, "yaml: second.local: missing\n"),
        ({"second__weights": {"global": "none"}}, "yaml: second.weights.local: missing"),
        ({"second__locale": "resnet18"}, r"second.locale: unknown key; did you mean local\?"),
        ({"second": None}, "yaml: second: missing; ensemble.members names it"),
        ({"second__local": None}, "yaml: second.local: input should be .*found None"),
        ({"third__weights__local": 3}, "third.weights.local: input should be a valid string"),
        (
            {"ensemble__members": ["model", "second", "third", "fourth"]},
            "yaml: fourth: missing; ensemble.members names it",
        ),
        ({"weights": {"resnet18": "none"}}, "weights: unknown key; expected one of seed, .*, mod"),
        ({"trian": {"epochs": 3}}, r"trian: unknown key; did you mean train\?"),
        ({"members": {}}, "members: unknown key"),
        ({"ensemble__members": []}, "ensemble.members: must begin with model"),
        ({"ensemble__members": ["second", "model", "third"]}, "ensemble.members: must begin with"),
        ({"ensemble__members": ["second", "third"]}, "ensemble.members: must begin with model"),
        (
            {"ensemble__members": ["model", "second", "third", "second"]},
            "ensemble.members: names one thing twice",
        ),
        ({"ensemble__members": {"second": {}}}, "ensemble.members: input should be a valid list"),
        ({"ensemble__members": ["model", 2]}, "ensemble.members.1: input should be a valid str"),
        ({"ensemble": None}, "ensemble: input should be a valid dict"),
        ({"model__global": "resnet81"}, r"model.global: .* did you mean resnet18\?.*'resnet81'"),
        ({"model__local": "densenet121_capsent"}, r"did you mean densenet121_capsnet\?"),
        ({"model__local": "capsnet_capsnet"}, "model.local: unknown backbone"),
        (
            {"model__weights__global": "xrv:densenet121-res224-mimc_nb"},
            r"model.weights.global: torchxrayvision has no such network; did you mean "
            r"xrv:densenet121-res224-mimic_nb or .*\? There are densenet121-res224-all, ",
        ),
        (
            {"model__weights__global": "xrv:x"},
            "model.weights.global: torchxrayvision has no such network; There",
        ),
        (
            {"model__weights__global": "xrv:densenet121-res224-all", "model__global": "resnet18"},
            r"model.weights.global: xrv:densenet121-res224-all is a densenet121, and model.global "
            r"is resnet18; say model.global: densenet121, or other weights",
        ),
        (
            {"third__weights__local": "xrv:resnet50-res512-all", "local__start": "weights"},
            "third.weights.local: xrv:resnet50-res512-all is a resnet50, and third.local is",
        ),
        ({"second__weights__local": "w.pth"}, "second.weights.local: would not be read: with lo"),
        ({"global__head_epochs": 1}, "global.head_epochs: 1 of 1 epochs for the head alone leave"),
        (
            {
                "second__global": "timm:vgg11",
                "second__local": "timm:vgg11",
                "crop__input_size": 64,
            },
            r"crop.input_size: 64 is not train.input_size \(32\).*\(second\)",
        ),
        (
            {"ingest__source": "data/$(touch x)"},
            r"ingest.source: holds '\$', which a shell would .* \(found 'data/\$\(touch x\)'\)",
        ),
        ({"ingest__source": 'a"; touch x; "'}, r"ingest.source: holds '\"', which"),
        ({"ingest__source": "`touch x`\n\\"}, r"ingest.source: holds '\\n', '\\\\', '`', which"),
        ({"local__schedule": "onecycle"}, "local.schedule: .* 'one_cycle'"),
        ({"train__loss": "focalloss"}, "train.loss: .* 'bce'"),
        ({"heatmap__methods": ["attention", "gradcum"]}, r"heatmap.methods.1: .* 'cam'"),
        ({"heatmap__layer": 32}, r"heatmap.layer: .* 'last'"),
        ({"crop__top": 15}, r"crop.top: .* 14"),
        (
            {"heatmap__methods": ["cam"], "crop__method": "cam"},
            r"heatmap.methods: must hold attention \(found cam\), which draws",
        ),
        (
            {"heatmap__methods": ["cam"]},
            r"crop.method: attention is not among heatmap.methods \(cam\)",
        ),
        (
            {"crop__windows": 4},
            r"crop.windows: of attention, .* is one window \(found 4\); say crop.method: cam",
        ),
        (
            {"heatmap__methods": ["attention", "cam"], "crop__method": "cam", "crop__windows": 9},
            r"crop.input_size: 32 is no multiple of 3: crop.windows \(9\) lie side by side, 3 in",
        ),
        ({"crop__windows": 2}, r"crop.windows: .*\(found 2\)"),
        ({"train__batch_size": 1}, "train.batch_size: input should be greater than or equal to 2"),
        ({"train__micro_batch": "all"}, "train.micro_batch: must be auto, or .*'all'"),
        ({"train__devices": 17}, "train.devices: 17 cannot share batches of .*, 16 images"),
        ({"train__devices": 2, "train__compile": True}, "train.compile: must be false with"),
        ({"train__augment__shfit": 0.1}, r"augment.shfit: unknown key; did you mean shift\?"),
        ({"train__augment__flip": 2.0}, "train.augment.flip: input should be less than or equal"),
        ({"train__precision": "fp8"}, "train.precision: .*'fp8'"),
        ({"train__ema": 1.0}, "train.ema: input should be less than 1"),
        ({"global__learning_rate": float("inf")}, "global.learning_rate: input should be a fini"),
        ({"global__learning_rate": "1e-3"}, "global.learning_rate: .*write 0.001 or 1.0e-3"),
        ({"fusion__features": ["age", "age"]}, "fusion.features: names one thing twice"),
    ],
)
def test_a_fault_is_named_by_its_dotted_key(keys, message):
    with pytest.raises(ParamsError, match=message):
        parse_params(changed(**keys))


def test_on_and_off_may_be_written_as_they_are():
    """YAML 1.1 takes them for true and false."""
    for written, meant in ((True, "on"), (False, "off"), ("on", "on"), ("auto", "auto")):
        assert parse_params(changed(train__device_cache=written)).train.device_cache == meant


MEMBER = {
    "global": "resnet18", "local": "resnet18", "weights": {"global": "none", "local": "none"},
}  # fmt: skip


def with_members(*names):
    """Params whose members are these and no others."""
    values = changed(ensemble__members=list(names))
    sections = {key: value for key, value in values.items() if key not in ("second", "third")}
    return sections | {name: MEMBER for name in names if name not in sections}


@pytest.mark.parametrize(
    "names",
    [["model"], ["model", "zoo", "a-2", "Dense_Net"], ["model", *(f"m{i}" for i in range(11))]],
)
def test_any_number_of_members_may_vote_in_the_order_in_which_they_are_named(names):
    params = parse_params(with_members(*names))
    assert list(params.members) == params.ensemble.members == names
    assert params.members[names[-1]].weights.local == "none"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *((name, "is another section") for name in ("train", "ensemble", "seed", "global")),
        *((name, "means something else in metrics/") for name in params.NOT_MEMBERS),
        *(
            (name, "must be a letter, then")
            for name in ("a.b", "a/b", "a b", "..", "2nd", "", "-a")
        ),
        *((name, "must be a letter, then") for name in ("é", "a\n", "${x}")),
    ],
)
def test_a_name_that_means_something_else_or_is_no_folder_s_is_refused(name, message):
    with pytest.raises(ParamsError, match=rf"ensemble\.members\.1: {message}") as error:
        parse_params(with_members("model", name))
    assert len(str(error.value).splitlines()) == 1


def test_what_stands_beside_members_and_systems_in_the_metrics_is_no_members_name():
    systems, methods, split = (
        json.loads((REPO / f"metrics/{file}.json").read_text())
        for file in ("systems", "methods", "split")
    )
    beside = {key for key in [*systems, *split] if "." not in key}
    beside |= {key for key, entries in methods.items() if "crop" not in entries}
    sections = yaml.safe_load(VALUES).keys()
    assert beside - sections == set(params.NOT_MEMBERS)


@pytest.mark.parametrize(
    ("names", "entries"),
    [
        (params.FusionHead, HEADS),
        (params.HeatmapMethod, HEATMAPS),
        (params.PoolingName, POOLINGS),
        (params.LossName, LOSSES),
        (params.KeepRule, KEEP),
        (params.ScheduleName, SCHEDULES),
        (params.RegionRule, REGIONS),
        (params.VoteRule, VOTES),
        (params.CalibrationMethod, CALIBRATIONS),
        (columns.LayoutName, ("nih", *LAYOUTS)),
        (columns.ReaderRule, READERS),
    ],
)
def test_the_names_that_params_admit_are_the_entries_that_there_are(names, entries):
    assert get_args(names) == tuple(entries)


def test_the_backbones_that_params_admit_are_the_entries_that_there_are():
    assert tuple(BACKBONES) == params.BACKBONES
    for name in (*BACKBONES, *CASCADES, "timm:resnet34", "timm:resnet34_capsnet"):
        member = parse_params(changed(model__global=name)).members["model"]
        assert member.global_ == name
        assert member.cascades["global"] == is_cascade(name)


def test_a_member_that_does_not_vote_may_stay_in_the_file():
    cfg = parse_params(changed(ensemble__members=["model", "second"]))
    assert cfg.ensemble.members == ["model", "second"]
    assert list(cfg.members) == ["model", "second", "third"]


def test_all_faults_are_named_at_once():
    with pytest.raises(ParamsError) as error:
        parse_params(changed(crop__inptu_size=3, iou__threshold=-1.0))
    assert len(str(error.value).splitlines()) == 2


def sections(model):
    yield model
    for field in model.model_fields.values():
        for inner in (field.annotation, *get_args(field.annotation)):
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


def test_a_network_of_convolutions_alone_starts_at_any_size():
    lite = "timm:tf_efficientnet_lite0"
    cfg = parse_params(changed(second__global=lite, second__local=lite, crop__input_size=64))
    assert (cfg.members["second"].local, cfg.crop.input_size) == (lite, 64)


@pytest.mark.parametrize("key", ["ingest.columns.only.size", "nfiles"])
def test_a_key_that_dvc_s_run_cache_overlooks_is_refused(key):
    values = yaml.safe_load(VALUES)
    if key == "nfiles":
        values |= {key: values["second"]}
        values["ensemble"]["members"] = ["model", key]
    else:
        values["ingest"]["columns"] = LAYOUTS["rsna"].model_dump() | {"only": {"size": ["big"]}}
    named = "ensemble.members" if key == "nfiles" else key
    with pytest.raises(ParamsError, match=f"params.yaml: {named}: DVC's run cache ignores"):
        parse_params(values)
