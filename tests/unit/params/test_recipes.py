"""Recipes: complete params files that differ from params.yaml in values alone, and say why."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.params.recipes import kinds_of_recipes
from pipeline.params.whole import load_params
from pipeline.tracking.origin import flatten

REPO = Path(__file__).parents[3]
PARAMS = REPO / "params.yaml"
RECIPES = list(kinds_of_recipes(REPO / "recipes")[0].values())

each = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)


def head_of(path):
    return path.read_text().partition("\n\n")[0]


def skeleton(path):
    """Keys and comments line by line, without values, and without the head and the members."""
    members = load_params(path).members
    blocks = path.read_text().split("\n\n")[1:]
    shared = [b for b in blocks if re.search(r"^[\w-]+(?=:)", b, re.M)[0] not in members]
    lines = [line for block in shared for line in block.splitlines()]
    keys = [re.match(r" *[\w-]+:|", line)[0] for line in lines]
    comments = [line.partition("#")[2] for line in lines]
    return [pair for pair in zip(keys, comments, strict=True) if pair != ("", "")]


@each
def test_a_recipe_is_valid(path):
    load_params(path)


@pytest.mark.parametrize("path", [*RECIPES, REPO / "tests/tiny.yaml"], ids=lambda path: path.stem)
def test_keys_comments_and_order_are_those_of_params_yaml(path):
    assert skeleton(path) == skeleton(PARAMS)


@each
def test_the_head_says_what_it_is_for_and_what_it_costs(path):
    head = head_of(path)
    assert all(line.startswith("#") for line in head.splitlines())
    purpose, _, cost = head.partition("# Cost: ")
    assert len(purpose.split()) > 10
    assert re.search(r"minutes|not yet run|not known", cost)
    assert "not yet run" in head or "minutes" in cost


def unread(cfg):
    """Beginnings of the names of params that no stage makes use of with these values."""
    schedules = {one.schedule for one in (cfg.global_, cfg.local, cfg.capsnet, cfg.fusion)}
    members = [m for name, m in cfg.members.items() if name in cfg.ensemble.members]
    claims = {
        "phantom.": cfg.ingest.source != "data/phantom",
        "capsnet.": not any(one for member in members for one in member.cascades.values()),
        "fusion.hidden": cfg.fusion.head != "mlp",
        "fusion.dropout": cfg.fusion.head != "mlp",
        "train.losses.focal": cfg.train.loss != "focal",
        "train.losses.asymmetric": cfg.train.loss != "asymmetric",
        "train.warmup": not schedules & {"one_cycle", "cosine"},
        "split.test_fraction": True,  # all cohorts that recipes name have official lists
        "crop.top": cfg.crop.method == "attention",
    }
    return tuple(name for name, holds in claims.items() if holds)


@each
def test_what_a_recipe_makes_no_use_of_is_as_in_params_yaml(path):
    ours, theirs = (flatten(yaml.safe_load(file.read_text())) for file in (path, PARAMS))
    idle = unread(load_params(path))
    different = {key for key in ours if key in theirs and ours[key] != theirs[key]}
    assert [key for key in sorted(different) if key.startswith(idle)] == []


PAPER = {
    "train.input_size": 224,
    "train.loss": "weighted_bce",
    "train.weight_decay": 0.01,
    "train.standardise": False,
    "train.patience": 10,
    "train.augment.flip": 0.5,
    "train.augment.rotation_degrees": 15,
    "train.ema": 0.0,
    "train.flip_at_predict": False,
    "global.epochs": 100,
    "global.learning_rate": 0.0001,
    "global.schedule": "plateau",
    "global.head_epochs": 4,
    "local.start": "weights",
    "local.epochs": 100,
    "local.learning_rate": 0.0001,
    "local.schedule": "plateau",
    "local.head_epochs": 4,
    "fusion.features": ["age", "gender", "view"],
    "fusion.finetune": False,
    "crop.method": "attention",
    "crop.threshold": 0.7,
    "crop.size": 224,
    "ensemble.vote": "mean",
}


@pytest.mark.parametrize("name", ["nih", "nih-paper-tables"])
def test_the_paper_s_recipes_are_the_paper_to_the_letter(name):
    values = flatten(yaml.safe_load((REPO / f"recipes/{name}.yaml").read_text()))
    assert {key: values[key] for key in PAPER} == PAPER


def test_both_recipes_of_the_paper_differ_in_members_and_their_capsnets_alone():
    few, all_ = (
        load_params(REPO / f"recipes/{name}.yaml") for name in ("nih", "nih-paper-tables")
    )
    apart = {"members", "ensemble", "capsnet"}
    assert few.model_dump(exclude=apart) == all_.model_dump(exclude=apart)


def test_nih_512_has_what_its_head_gives_reasons_for():
    cfg = load_params(REPO / "recipes/nih-512.yaml")
    assert cfg.train.input_size // cfg.global_.output_stride >= 14
    assert (cfg.train.input_size, cfg.train.precision) == (512, "bf16")
    assert cfg.train.ema > 0
    assert cfg.train.flip_at_predict
    assert {cfg.global_.schedule, cfg.local.schedule, cfg.fusion.schedule} == {"cosine"}
    voting = [cfg.members[name] for name in cfg.ensemble.members]
    assert len({member.global_ for member in voting}) == len(voting) >= 3
    assert {member.weights.global_ for member in voting} == {"imagenet"}
