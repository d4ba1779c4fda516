"""The whole graph, run by real DVC on a tiny synthetic cohort."""

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards
from pipeline.base.tables import read_crop_boxes, read_index, read_predictions, read_splits
from pipeline.capsnet.reconstructions import read_reconstructions
from pipeline.cohort.reading.tags import Tags
from pipeline.errors import ArtifactError
from pipeline.fusion.head import JointFusion, restore_fusion
from pipeline.graph.reruns import find_reruns
from pipeline.networks.augment import to_unit
from pipeline.networks.branch import restore_branch
from pipeline.networks.checkpoints import read_checkpoint
from pipeline.networks.rows import load_images
from pipeline.predict import load_model
from pipeline.predict.onnx.onnx_session import open_onnx, predict_with_onnx
from pipeline.predict.package import export_package
from tests.stages.conftest import (
    CXR,
    REPO,
    WORK_FOR_EACH_STAGE,
    attempt,
    merge,
    run,
    stages_run,
)

pytestmark = pytest.mark.xdist_group("pipeline")  # run once, on one worker

MEMBERS = ("model", "second")
CHAIN = ("train_global", "extract_crops", "map_boxed", "train_local", "train_fusion")
VOTE = {"ensemble", "evaluate", "package", "iou", "pictures", "report"}


@pytest.fixture
def with_params(finished):
    """Change params for one test."""
    path = finished / "params.yaml"
    before = path.read_text()

    def change(*, without=(), **changes):
        values = merge(yaml.safe_load(before), changes)
        kept = {key: value for key, value in values.items() if key not in without}
        path.write_text(yaml.safe_dump(kept, sort_keys=False))

    yield change
    path.write_text(before)


def restore(folder: Path) -> None:
    """What a test ran or spoilt in `folder` becomes as it was committed."""
    run("git", "checkout", "-q", ".", cwd=folder)
    run("dvc", "checkout", "-q", "--force", cwd=folder)


@pytest.fixture
def restored(finished):
    """What a test runs is as it was committed when it ends, however it ends."""
    yield finished
    restore(finished)


def directly_changed(folder: Path) -> set[str]:
    """Stages that DVC calls changed, but for `check`, which is by any change of params."""
    status = json.loads(run("dvc", "status", "--json", cwd=folder).stdout)
    return {stage.split(":")[-1] for stage in status} - {"check"}


def changed_stages(folder: Path) -> set[str]:
    """Stages that DVC would run: those it calls changed, and all that DVC puts after them.

    Of these `check` and, the cascades being the same, `pretrain_capsnet` write what they wrote
    before.
    """
    direct = directly_changed(folder)
    dot = run("dvc", "dag", "--dot", cwd=folder).stdout
    edges = re.findall(r'"((?!pretrain|check)[^"]+)" -> "([^"]+)"', dot)
    reached = set(direct)
    while more := {end for start, end in edges if start in reached} - reached:
        reached |= more
    return reached


def test_a_second_repro_runs_nothing(finished):
    run("dvc", "repro", cwd=finished)
    started = time.monotonic()
    done = run("dvc", "repro", cwd=finished)
    assert "Data and pipelines are up to date." in done.stdout + done.stderr
    assert "Running stage" not in done.stdout
    assert time.monotonic() - started < 20  # a figure for a busy machine; see docs/demo.md's


def test_the_artefacts_agree_with_each_other(finished):
    index = read_index(finished / "data/cache/index.parquet")
    splits = read_splits(finished / "data/splits.parquet")
    assert list(index["image_index"]) == list(splits["image_index"])
    patients = index.merge(splits).groupby("patient_id")["split"].nunique()
    assert patients.max() == 1
    held_out = set(splits.loc[splits["split"] != "train", "image_index"])
    for member in MEMBERS:
        crops = read_crop_boxes(finished / f"data/crop_boxes/{member}.parquet")
        assert list(crops["image_index"]) == list(index["image_index"])
        assert Shards(finished / f"data/crops/{member}").shape == (len(index), 32, 32)
        for method in ("attention", "cam"):
            assert len(Shards(finished / f"data/heatmaps/{member}", method)) == len(index)
        for branch in ("global", "local", "fusion"):
            table = read_predictions(finished / f"data/predictions/{member}/{branch}.parquet")
            assert set(table["image_index"]) == held_out
            assert table.iloc[:, 2:].stack().between(0, 1).all()


def test_the_local_predictions_are_those_of_the_local_branch_on_the_crops(finished):
    branch = restore_branch(*read_checkpoint(finished / "data/models/model/local.safetensors"))
    crops = Shards(finished / "data/crops/model")
    index = read_index(finished / "data/cache/index.parquet")
    table = read_predictions(finished / "data/predictions/model/local.parquet")
    rows = np.flatnonzero(index["image_index"].isin(table["image_index"]))
    images = torch.from_numpy(crops.gather(rows)).unsqueeze(1) / 255
    with torch.inference_mode():
        expected = branch(images).sigmoid().numpy()
    assert table[list(FINDINGS)].to_numpy() == pytest.approx(expected, abs=1e-5)


def test_the_features_are_what_the_global_branch_pools_of_the_whole_images(finished):
    branch = restore_branch(*read_checkpoint(finished / "data/models/second/global.safetensors"))
    rows = np.array([0, 7, 3])
    images = load_images(Shards(finished / "data/cache/images"), rows, size=32)
    with torch.inference_mode():
        expected = branch.pooled(to_unit(images)).numpy()
    features = Shards(finished / "data/features/second/global", "pooled")
    assert features.gather(rows) == pytest.approx(expected, rel=1e-4, abs=1e-5)


def expect_predictions_of_the_pipeline(folder: Path) -> None:
    """The packaged model says of each test radiograph what the pipeline has said of it."""
    model = load_model(folder / "data/models")
    index = read_index(folder / "data/cache/index.parquet")
    voted = read_predictions(folder / "data/ensemble.parquet")
    expected = voted[voted["split"] == "test"].set_index("image_index")
    images = Shards(folder / "data/cache/images")
    rows = index[index["image_index"].isin(expected.index)].itertuples()
    found = {
        row.image_index: model(
            images[row.Index], age=row.age_years, gender=row.gender, view=row.view_position
        )
        for row in rows
    }
    assert len(found) == len(expected) > 20
    for name, one in found.items():
        row = expected.loc[name, list(FINDINGS)].to_numpy(float)
        assert list(one.raw.values()) == pytest.approx(row, abs=1e-6)
    crops = read_crop_boxes(folder / "data/crop_boxes/model.parquet").set_index("image_index")
    for name, one in found.items():
        boxes = crops.loc[[name], ["x1", "y1", "x2", "y2"]].to_numpy(float)
        assert one.crop_boxes(member="model") == pytest.approx(boxes)


def test_a_packaged_model_predicts_what_the_pipeline_predicted(finished):
    """A cascade and a fusion through its branches are among the members."""
    expect_predictions_of_the_pipeline(finished)


def test_an_export_predicts_without_the_rest_of_the_graph(finished, tmp_path):
    export_package(finished / "data/models", tmp_path / "model", revision="abc")
    files = {str(path.relative_to(tmp_path / "model")) for path in tmp_path.rglob("*.*")}
    assert files == {
        "model.json", "familiar.safetensors", "validation.safetensors", "model/global.safetensors",
        "model/local.safetensors", "finetuned/model/fusion.safetensors",
        "second/global.safetensors", "second/local.safetensors", "second/fusion.safetensors",
    }  # fmt: skip
    picture = Shards(finished / "data/cache/images")[3]
    here, there = (
        load_model(folder)(picture) for folder in (finished / "data/models", tmp_path / "model")
    )
    assert here.raw == there.raw
    assert load_model(tmp_path / "model").about.revision == "abc"
    with pytest.raises(ArtifactError, match="is there already"):
        export_package(finished / "data/models", tmp_path / "model", revision=None)


@pytest.mark.slow
def test_onnxruntime_predicts_what_the_pipeline_predicted(finished, tmp_path):
    """Crops included, of a cascade and of a fusion through its branches."""
    to = tmp_path / "model"
    said = run(*CXR, "model", "export", "data/models", "--to", str(to), "--onnx", cwd=finished)
    assert "with the same crops" in said.stdout
    index = read_index(finished / "data/cache/index.parquet")
    voted = read_predictions(finished / "data/ensemble.parquet")
    expected = voted[voted["split"] == "test"]
    part = index.set_index("image_index").loc[expected["image_index"]]
    places = index.index[index["image_index"].isin(part.index)].to_numpy()
    shown = Shards(finished / "data/cache/images").gather(places)
    patients = [
        Tags(*known)
        for known in part[["age_years", "gender", "view_position"]].itertuples(index=False)
    ]
    found = predict_with_onnx(open_onnx(to / "model.onnx"), [*shown], patients)
    assert list(index["image_index"][places]) == list(part.index)
    for row, member in enumerate(MEMBERS):
        crops = read_crop_boxes(finished / f"data/crop_boxes/{member}.parquet")
        boxes = crops.set_index("image_index").loc[part.index, ["x1", "y1", "x2", "y2"]]
        assert found["crop_boxes"][:, row, 0] == pytest.approx(boxes.to_numpy(), abs=1e-12)
    assert len(shown) > 20
    assert found["raw"] == pytest.approx(expected[list(FINDINGS)].to_numpy(), abs=1e-4)


def test_the_metrics_hold_every_system_floor_and_ceiling(finished):
    metrics = json.loads((finished / "metrics/systems.json").read_text())
    systems = {f"{m}.{branch}" for m in MEMBERS for branch in ("global", "local", "fusion")}
    assert systems | {"ensemble", "metadata_only", "prevalence", "ceiling"} <= metrics.keys()
    assert metrics["metadata_only"]["mean_auroc"] < metrics["ceiling"]["mean_auroc"]
    iou = json.loads((finished / "metrics/methods.json").read_text())
    assert {*MEMBERS, "baseline"} <= iou.keys()


def test_the_learning_curves_have_a_row_per_epoch(finished):
    curve = pd.read_csv(finished / "plots/curves/model/global.csv")
    assert list(curve["epoch"]) == [1]


def test_an_iou_param_reruns_iou_and_what_shows_it_and_nothing_else(finished, with_params):
    with_params(iou={"threshold": 0.5})
    assert changed_stages(finished) == {"iou", "package", "pictures", "report"}


def test_a_cascade_starts_from_its_capsnet_pretrained_with_reconstruction(finished):
    start, _ = read_checkpoint(finished / "data/capsnet/second/local.safetensors")
    assert "capsules.transform" in start
    assert read_checkpoint(finished / "data/capsnet/second/global.safetensors")[0] == {}
    assert read_reconstructions(finished / "data/reconstructions/second").examples
    assert "CapsNet pretraining" in (finished / "report/index.html").read_text()


def test_a_fusion_through_its_branches_votes_instead_of_the_one_beside_it(finished):
    model = finished / "data/models/finetuned/model/fusion.safetensors"
    assert isinstance(restore_fusion(*read_checkpoint(model)), JointFusion)
    alone = finished / "data/models/model/fusion.safetensors"
    assert not isinstance(restore_fusion(*read_checkpoint(alone)), JointFusion)
    tables = [
        read_predictions(finished / f"data/predictions/{folder}/fusion.parquet")
        for folder in ("finetuned/model", "second")
    ]
    voted = read_predictions(finished / "data/ensemble.parquet")
    mean = sum(table[list(FINDINGS)] for table in tables) / 2
    pd.testing.assert_frame_equal(voted[list(FINDINGS)], mean, check_dtype=False)


def test_a_member_without_a_cascade_pretrains_nothing(finished):
    assert read_reconstructions(finished / "data/reconstructions/model") is None
    for branch in ("global", "local"):
        path = finished / f"data/capsnet/model/{branch}.safetensors"
        assert read_checkpoint(path) == ({}, {"network": "none"})


def test_a_split_param_reruns_split_and_what_follows(finished, with_params):
    with_params(split={"val_fraction": 0.25})
    chains = {f"{stage}@{member}" for stage in CHAIN for member in MEMBERS}
    chains |= {"pretrain_capsnet", "finetune_fusion@model"}
    expected = {"split"} | chains | VOTE
    assert changed_stages(finished) == expected


@pytest.mark.parametrize(
    ("branch", "backbone", "stages"),
    [
        ("global", "resnet18", set(CHAIN)),
        ("local", "mobilenet_v2", {"train_local", "train_fusion"}),
    ],
)
def test_a_members_backbone_reruns_its_own_chain_and_the_vote(
    finished, with_params, branch, backbone, stages
):
    with_params(model={branch: backbone})
    chain = {f"{stage}@model" for stage in (*stages, "finetune_fusion")}
    vote = VOTE if branch == "global" else VOTE - {"iou"}
    assert changed_stages(finished) == chain | vote


@pytest.mark.parametrize("branch", ["global", "local"])
def test_a_members_weights_rerun_the_branch_that_starts_from_them(finished, with_params, branch):
    with_params(second={"weights": {branch: "imagenet"}})
    assert directly_changed(finished) == {f"train_{branch}@second"}


def files_made(folder: Path) -> dict[str, str]:
    """By its path, a digest of each file that the graph has made."""
    files = [
        f for name in ("data", "metrics", "plots", "report") for f in (folder / name).rglob("*")
    ]
    made = [file for file in [*files, folder / "dvc.lock"] if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in made}


def test_a_bad_value_stops_before_any_stage_and_costs_no_output(restored):
    before = files_made(restored)
    for change, message, *where in (
        (
            "model.global=resnet51",
            "model.global: unknown backbone; did you mean resnet50? There are",
        ),
        ("ingest.source=data/nih", "ingest.source: data/nih is not there"),
        (
            "second.weights.global=imagnet",
            "second.weights.global: imagnet is not there; expected none,",
            "--temp",
        ),
    ):
        done = attempt("dvc", "exp", "run", *where, "-S", change, cwd=restored)
        assert done.returncode != 0, change
        assert message in done.stdout + done.stderr
        assert re.findall(r"Running stage '([^']+)'", done.stdout) == ["check"]
        assert files_made(restored) == before
        run("git", "checkout", "-q", "params.yaml", cwd=restored)
    again = run("dvc", "repro", cwd=restored)
    assert "Data and pipelines are up to date." in again.stdout + again.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("leaf", "value", "spared"),
    [
        ("model.local", "mobilenet_v2", set()),
        ("map_boxed.layer", 16, set()),
        # `pictures` reads of `evaluate` the metrics of systems, which no threshold changes
        ("evaluate.sensitivity", 0.8, {"pictures"}),
        ("iou.threshold", 0.5, set()),
    ],
)
def test_what_runs_is_what_the_table_says_but_where_inputs_stay(
    restored, with_params, leaf, value, spared
):
    section, key = leaf.split(".")
    expected = [stage for stage in find_reruns(restored)[leaf] if stage not in spared]
    with_params(**{section: {key: value}})
    assert stages_run(run("dvc", "repro", cwd=restored)) == expected


@pytest.mark.slow
def test_of_what_may_follow_a_pretraining_only_what_starts_from_it_runs(restored, with_params):
    with_params(capsnet={"epochs": 2})
    ran = stages_run(run("dvc", "repro", cwd=restored))
    assert ran[:2] == ["pretrain_capsnet", "train_local@second"]
    assert set(ran) < set(find_reruns(restored)["capsnet.epochs"])
    assert not [stage for stage in ran if stage.endswith("@model")]


def test_a_closer_look_reruns_localisation_alone(finished, with_params):
    with_params(map_boxed={"layer": 16})
    looks = {f"map_boxed@{member}" for member in MEMBERS}
    assert changed_stages(finished) == looks | {"iou", "pictures", "report"}


@pytest.mark.slow
def test_a_cascade_beside_a_capsnet_runs_to_the_report(restored, with_params):
    with_params(
        without=("second",),
        model={"global": "mobilenet_v2_capsnet", "local": "capsnet"},
        fusion={"finetune": ["model"]},
        heatmap={"methods": ["attention"]},
        ensemble={"members": ["model"]},
    )
    done = run("dvc", "repro", cwd=restored)
    chain = {f"{stage}@model" for stage in (*CHAIN, "finetune_fusion")}
    assert set(stages_run(done)) == chain | VOTE | {"pretrain_capsnet"}
    assert "nothing to pretrain" not in done.stdout + done.stderr
    start, _ = read_checkpoint(restored / "data/capsnet/model/global.safetensors")
    assert "capsules.transform" in start
    assert read_checkpoint(restored / "data/capsnet/model/local.safetensors")[0] == {}
    voted = read_predictions(restored / "data/ensemble.parquet")
    finetuned = restored / "data/predictions/finetuned/model/fusion.parquet"
    pd.testing.assert_frame_equal(voted, read_predictions(finetuned))
    run("dvc", "repro", "package", cwd=restored)
    expect_predictions_of_the_pipeline(restored)


@pytest.mark.slow
def test_crops_by_the_maps_of_the_most_probable_findings_at_a_finer_layer(restored, with_params):
    with_params(
        heatmap={"layer": 8, "methods": ["attention", "layercam"]},
        crop={"method": "layercam", "top": 3, "threshold": 0.95, "margin": 0.0, "min_side": 0.0},
        map_boxed={"methods": [], "controls": False},
        fusion={"finetune": []},
        ensemble={"members": ["model"]},
    )
    run("dvc", "repro", "extract_crops@model", "map_boxed@model", "iou", cwd=restored)
    crops = read_crop_boxes(restored / "data/crop_boxes/model.parquet")
    assert set(crops["source"]) <= {"layercam", "attention", "whole image"}
    drawn = crops[crops["source"] == "layercam"]
    assert len(drawn) > 0
    named = [name for names in drawn["finding"] for name in names.split("|")]
    assert set(named) <= set(FINDINGS)
    assert len(drawn) <= len(named) <= 3 * len(drawn)
    assert crops.loc[crops["source"] != "layercam", "finding"].isna().all()
    iou = json.loads((restored / "metrics/methods.json").read_text())
    assert set(iou["model"]) == {
        "attention", "attention_fitted", "layercam", "layercam_fitted", "crop", "grid_ceiling",
    }  # fmt: skip


def shrunk(recipe: str) -> dict[str, Any]:
    """A recipe's params, on the tiny cohort, at small sizes, for an epoch from random weights."""
    values = yaml.safe_load((REPO / f"tests/golden/recipes/{recipe}.yaml").read_text())
    tiny = merge(yaml.safe_load((REPO / "tests/tiny.yaml").read_text()), WORK_FOR_EACH_STAGE)
    for section in ("phantom", "ingest", "split", "evaluate", "iou", "report"):
        values[section] = tiny[section]
    for member in values["ensemble"]["members"]:
        values[member]["weights"] = {"global": "none", "local": "none"}
    # bf16 is for GPUs: a CPU that lacks it takes ten times as long
    small = {
        "train": {"input_size": 64, "batch_size": 16, "precision": "auto"},
        "crop": {"input_size": 64},
    }
    return merge(values, small | {part: {"epochs": 1} for part in ("global", "local", "fusion")})


@pytest.mark.slow
def test_what_nih_512_asks_for_runs_to_the_report(restored, with_params):
    values = shrunk("nih-512")
    with_params(**values)
    run("dvc", "repro", "report", cwd=restored)
    metrics = json.loads((restored / "metrics/systems.json").read_text())
    members = values["ensemble"]["members"]
    assert {f"{member}.fusion" for member in members} < metrics.keys()
    _, about = read_checkpoint(restored / "data/models/third/global.safetensors")
    assert about["backbone"] == "efficientnet_v2_s"
    assert "third.fusion" in (restored / "report/index.html").read_text()
    run("dvc", "repro", "package", cwd=restored)
    expect_predictions_of_the_pipeline(restored)


def test_one_more_member_trains_its_own_chain_and_leaves_the_others(finished, with_params):
    resnets = {"global": "resnet18", "local": "resnet18"}
    third = resnets | {"weights": dict.fromkeys(resnets, "none")}
    with_params(third=third, ensemble={"members": [*MEMBERS, "third"]})
    changed = changed_stages(finished) - {"pretrain_capsnet"}  # whose cascades are the same
    assert changed == {f"{stage}@third" for stage in CHAIN} | VOTE


def test_one_member_less_reruns_the_vote_alone_and_does_not_read_what_it_left(
    restored, with_params
):
    with_params(without=("second",), ensemble={"members": ["model"]})
    left = files_of("second", restored)
    assert len(left) == 6 + 3 + 3 + 1 + 8
    for file in left:
        file.unlink()  # it may be a link into DVC's cache
        file.write_bytes(b"neither table nor shards")
    done = run("dvc", "repro", cwd=restored)
    # pretrain_capsnet notes that it has no cascade
    assert set(stages_run(done)) - {"pretrain_capsnet"} == VOTE
    metrics = json.loads((restored / "metrics/systems.json").read_text())
    assert {name.partition(".")[0] for name in metrics if "." in name} == {"model"}
    assert metrics["ensemble"] == metrics["model.fusion"]
    assert json.loads((restored / "metrics/methods.json").read_text()).keys() == {
        "model",
        "baseline",
    }
    assert "second" not in (restored / "report/index.html").read_text()


def files_of(member: str, folder: Path) -> list[Path]:
    """What stages that are for all members would read of one."""
    globs = [
        "voting/{}/*", "reconstructions/{}/*", "heatmaps/{}/*", "crop_boxes/{}.parquet",
        "boxed_maps/{}/**/*",
    ]  # fmt: skip
    made = [f for glob in globs for f in (folder / "data").glob(glob.format(member))]
    return [f for f in made if f.is_file()]


def test_the_page_can_say_where_it_is_from_and_stand_beside_another_run(finished, tmp_path):
    page = tmp_path / "page.html"
    run(*CXR, "report", "--out", str(page), cwd=finished)
    commit_id = run("git", "rev-parse", "--short", "HEAD", cwd=finished).stdout.strip()
    assert f"<dt>commit</dt><dd>{commit_id}</dd>" in page.read_text()
    assert not (tmp_path / "cases").exists()  # they are in the page
    many = finished / "report/cases/cases-0000.js"  # as of a larger cohort
    many.write_text("cxrCases(0,[]);")
    run(*CXR, "report", "--out", str(page), cwd=finished)
    many.unlink()
    assert (tmp_path / "cases" / many.name).read_text() == "cxrCases(0,[]);"
    (finished / "data/ensemble.parquet").unlink()  # the commit's is in DVC's cache
    try:
        refused = attempt(*CXR, "report", "--against", "HEAD", cwd=finished)
    finally:
        run("dvc", "checkout", "-q", "data/ensemble.parquet", cwd=finished)
    assert refused.returncode == 1
    assert "data/ensemble.parquet: no such file" in refused.stderr
    run(*CXR, "report", "--against", "HEAD", "--out", str(page), cwd=finished)
    assert "Both ensembles give every test image the same probabilities." in page.read_text()
    unknown = attempt(*CXR, "report", "--against", "nowhere", cwd=finished)
    assert unknown.returncode == 1
    assert "expected a commit, or an experiment of `dvc exp list --all`" in unknown.stderr


def test_the_committed_lock_is_current_and_the_committed_results_are_its():
    if run("git", "diff", "HEAD", "--stat", "--", "params.yaml", cwd=REPO).stdout:
        pytest.skip("params.yaml is not as committed, so the lock is another run's")
    status = json.loads(run("dvc", "status", "--json", cwd=REPO).stdout)
    changes = [
        (stage, kind, path, what)
        for stage, found in status.items()
        for change in found
        for kind, paths in (change.items() if isinstance(change, dict) else [(change, {"": ""})])
        for path, what in paths.items()
    ]
    # What DVC keeps is not in a fresh clone; all that git keeps is, and must be as in the lock.
    kept_by_dvc = ("data/", "plots/curves", "report/")
    assert [change for change in changes if not change[2].startswith(kept_by_dvc)] == []
