"""The fusion head: where it starts, what it is trained on, what stays frozen."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from branches import make_branch, some_images
from made_results import made_index, made_splits

from pipeline.base.findings import FINDINGS
from pipeline.base.shards import Shards, write_shards
from pipeline.errors import ArtifactError
from pipeline.fusion.head import HEADS, FusionSpec, build_fusion, restore_fusion
from pipeline.fusion.head_training import BranchView, fusion_task, joint_task
from pipeline.fusion.metadata import METADATA, fit_metadata
from pipeline.networks.checkpoints import read_checkpoint, write_checkpoint
from pipeline.params.whole import load_params
from pipeline.training.branches import pooled_rows
from pipeline.training.data.examples import load_examples, training_rows
from pipeline.training.losses import LOSSES, build_loss
from pipeline.training.predict import predict_logits
from tests.stages.conftest import REPO

PARAMS = load_params(REPO / "tests/tiny.yaml")
PAIRS = [("mobilenet_v2", "resnet18"), ("resnet18", "capsnet"), ("resnet18_capsnet", "capsnet")]


def spec_of(head, branches, metadata=4):
    inputs = sum(branch.head.weight.shape[1] for branch in branches) + metadata
    return FusionSpec(head, inputs, FINDINGS, hidden=32, dropout=0.5)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("pair", PAIRS)
def test_an_untrained_head_gives_the_mean_of_both_branches_logits(pair, head):
    branches = [make_branch(name, seed=seed) for seed, name in enumerate(pair)]
    images, crops = some_images(3, seed=1), some_images(3, seed=2)
    joined = [branches[0].pooled(images), branches[1].pooled(crops), torch.randn(3, 4)]
    fusion = build_fusion(spec_of(head, branches), *(b.head for b in branches), seed=0)
    logits = fusion(torch.cat(joined, dim=1))
    expected = (branches[0](images) + branches[1](crops)) / 2
    torch.testing.assert_close(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("head", HEADS)
def test_a_head_is_built_again_from_its_description(head):
    branches = [make_branch("resnet18"), make_branch("mobilenet_v2")]
    fusion = build_fusion(spec_of(head, branches), *(b.head for b in branches), seed=0).eval()
    again = HEADS[head](FusionSpec(**spec_of(head, branches).about())).eval()
    again.load_state_dict(fusion.state_dict())
    joined = torch.randn(3, fusion.head.in_features)
    assert torch.equal(again(joined), fusion(joined))


def test_the_mlp_drops_out_in_training_and_judges_alike_in_eval():
    branches = [make_branch("resnet18"), make_branch("mobilenet_v2")]
    fusion = build_fusion(spec_of("mlp", branches), *(b.head for b in branches), seed=0)
    torch.nn.init.normal_(fusion.mlp[-1].weight)
    joined = torch.randn(4, fusion.head.in_features)
    assert not torch.equal(fusion.train()(joined), fusion(joined))
    alone = torch.cat([fusion.eval()(row[None]) for row in joined])
    torch.testing.assert_close(fusion(joined), alone, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Index, splits, and two views on noise: mobilenet_v2 on 64 pixels, capsnet on crops of 32."""
    folder = tmp_path_factory.mktemp("fusion")
    index = made_index(patients=30)
    views = []
    for number, (name, size) in enumerate((("mobilenet_v2", 64), ("capsnet", 32))):
        rng = np.random.default_rng(number)
        rows = [{"image": rng.integers(0, 256, (size, size), np.uint8)} for _ in index.index]
        write_shards(rows, folder / f"images{number}")
        branch, images = make_branch(name, size=size), Shards(folder / f"images{number}")
        write_shards(pooled_rows(branch, images, flip=False), folder / f"pooled{number}")
        pooled = Shards(folder / f"pooled{number}", "pooled")
        views.append((branch, images, pooled))
    return index, made_splits(index), views


def task_of(cohort, *, features=METADATA, finetune=False, **params):
    index, splits, views = cohort
    fusion = PARAMS.fusion.model_copy(update=params | {"features": features})
    seen = [BranchView(branch, pooled) for branch, _, pooled in views]
    shards = [images for _, images, _ in views]
    given = (index, splits, PARAMS.train, fusion)
    if finetune:
        return joint_task(*seen, *shards, *given, seed=1), fusion
    return fusion_task(*seen, *given, seed=1), fusion


@pytest.mark.parametrize("head", HEADS)
def test_a_frozen_and_an_open_fusion_start_with_the_same_logits(cohort, head):
    tasks = [task_of(cohort, head=head, finetune=finetune)[0] for finetune in (False, True)]
    logits = [
        predict_logits(task.network, task.examples["test"].inputs, precision="fp32")
        for task in tasks
    ]
    torch.testing.assert_close(logits[0], logits[1], rtol=1e-3, atol=1e-3)
    assert [len(task.examples["test"].inputs) for task in tasks] == [1, 3]


@pytest.mark.parametrize("finetune", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_a_checkpoint_brings_back_the_same_fusion(cohort, tmp_path, head, finetune):
    task, _ = task_of(cohort, head=head, finetune=finetune)
    torch.nn.init.normal_(task.network.state_dict(keep_vars=True)[last_weight(finetune, head)])
    write_checkpoint(task.network.state_dict(), task.about(), tmp_path / "f.safetensors")
    again = restore_fusion(*read_checkpoint(tmp_path / "f.safetensors"))
    inputs = task.examples["test"].inputs
    found = predict_logits(again, inputs, precision="fp32")
    assert torch.equal(found, predict_logits(task.network, inputs, precision="fp32"))


def last_weight(finetune, head):
    return ("fusion." if finetune else "") + ("mlp.4.weight" if head == "mlp" else "head.weight")


def test_a_branch_is_no_fusion(tmp_path):
    branch = make_branch("resnet18")
    with pytest.raises(ArtifactError, match="not of a fusion head: it describes backbone"):
        restore_fusion(branch.state_dict(), branch.spec.about())


def test_frozen_branches_are_not_touched_and_open_ones_learn(cohort):
    branches = [view[0] for view in cohort[2]]
    before = [{k: v.clone() for k, v in b.state_dict().items()} for b in branches]

    def moved():
        return [
            {k for k, v in b.state_dict().items() if not torch.equal(v, old[k])}
            for b, old in zip(branches, before, strict=True)
        ]

    task, params = task_of(cohort, finetune=False)
    assert len(list(task.fit())) == params.epochs
    assert moved() == [set(), set()]
    task, params = task_of(cohort, finetune=True)
    list(task.fit())
    assert {"features.0.1.running_mean", "features.0.0.weight"} <= moved()[0]
    assert {"features.conv1.weight", "readout.classes.transform"} <= moved()[1]
    for branch, old in zip(branches, before, strict=True):
        branch.load_state_dict(old)


@pytest.mark.parametrize("features", [(), ("age",), ("view", "gender"), METADATA])
def test_any_subset_of_the_metadata_can_be_joined(cohort, features):
    task, _ = task_of(cohort, features=features)
    pooled = 1280 + 14 * 16 + 14
    assert task.spec.inputs - pooled == len(features) + ("age" in features)


def with_other_test_rows(index, splits):
    """Another world, in which all test patients are 90 and have everything."""
    test = index["image_index"].isin(splits.loc[splits["split"] == "test", "image_index"])
    other = index.copy()
    other.loc[test, list(FINDINGS)] = True
    other.loc[test, "age_years"] = 90.0
    assert not pd.DataFrame.equals(other, index)
    return other


@pytest.mark.parametrize("loss", LOSSES)
def test_statistics_and_weights_do_not_move_when_test_rows_change(cohort, loss):
    index, splits, views = cohort
    worlds = (index, with_other_test_rows(index, splits))
    metadata = [fit_metadata(training_rows(world, splits), METADATA) for world in worlds]
    assert metadata[0] == metadata[1]
    trains = [load_examples(views[1][1], world, splits, size=32)["train"] for world in worlds]
    fitted = [build_loss(loss, train.targets, PARAMS.train.losses) for train in trains]
    assert torch.equal(fitted[0].prior_logits, fitted[1].prior_logits)
    logits, truth = torch.randn(50, 14), (torch.rand(50, 14) < 0.5).float()
    assert torch.equal(fitted[0].loss(logits, truth), fitted[1].loss(logits, truth))


def test_a_missing_age_is_said_to_be_missing(cohort):
    index, splits, _ = cohort
    encoder = fit_metadata(training_rows(index, splits), METADATA)
    columns = encoder.encode(index.assign(age_years=np.nan))
    assert (columns[:, 0] == 0).all()
    assert (columns[:, 1] == 1).all()
    assert dataclasses.asdict(encoder) == encoder.about()
