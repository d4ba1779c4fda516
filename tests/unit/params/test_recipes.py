"""The committed recipes: what each changes of params.yaml, and why.

The params that a recipe comes to are stored, so that a change of the demo's params.yaml does not
change other runs unseen. Where such a change is meant, or a recipe's own, write them anew and look
at the difference: `python tests/unit/params/test_recipes.py`.
"""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from pipeline.params.merging import made_by
from pipeline.params.recipes import committed_params, merged, recipes_of
from pipeline.tracking.origin import flatten

REPO = Path(__file__).parents[3]
PARAMS = REPO / "params.yaml"
GOLDEN = REPO / "tests" / "golden" / "recipes"
RECIPES = list(recipes_of(REPO).values())

each = pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)


@cache
def base():
    """The demo's params, as they would be committed; not those that a recipe has put there."""
    text = PARAMS.read_text()
    return text if made_by(text) is None else committed_params(REPO)


def result(path):
    return merged(base(), path)[0]


def params_of(name):
    return merged(base(), REPO / f"recipes/{name}.yaml")[1]


def values(text):
    return flatten(yaml.safe_load(text))


def golden(path):
    return yaml.safe_dump(yaml.safe_load(result(path)), sort_keys=False)


def head_of(path):
    return path.read_text().partition("\n\n")[0]


def skeleton(text):
    """Keys, and comments, line by line, without the head and the members."""
    members = [name for name, value in yaml.safe_load(text).items() if is_member(value)]
    blocks = text.split("\n\n")[1:]
    shared = [b for b in blocks if re.search(r"^[\w-]+(?=:)", b, re.M)[0] not in members]
    lines = [line for block in shared for line in block.splitlines()]
    keys = [re.match(r" *[\w-]+:|", line)[0] for line in lines]
    comments = [line.partition("#")[2] for line in lines]
    return [key for key in keys if key], [comment for comment in comments if comment]


def is_member(value):
    return isinstance(value, dict) and "weights" in value


def is_within(few, many):
    """Whether one list is the other with items left out."""
    rest = iter(many)
    return all(one in rest for one in few)


@each
@pytest.mark.golden
def test_a_recipe_comes_to_the_params_that_are_stored(path):
    stored = GOLDEN / path.name
    assert stored.is_file(), f"{stored} is missing; python {__file__} writes it"
    assert golden(path) == stored.read_text(), f"where this is meant: python {__file__}"


@pytest.mark.golden
def test_no_params_are_stored_of_a_recipe_that_there_is_not():
    assert {path.name for path in GOLDEN.iterdir()} == {path.name for path in RECIPES}


@each
def test_a_recipe_says_only_what_it_changes(path):
    ours, theirs = (values(text) for text in (path.read_text(), base()))
    assert [key for key in ours if key in theirs and ours[key] == theirs[key]] == []


@each
def test_each_reason_of_a_recipe_stands_in_its_result_beside_its_value(path):
    given = [(key, reason) for key, reason in beside(path.read_text()) if reason]
    said = [(key, reason) for key, reason in beside(result(path)) if f"{path.stem}:" in reason]
    expected = [(key, f"{path.stem}: {reason}") for key, reason in given]
    assert len(given) > 4
    assert sorted(said) == sorted(expected)


def beside(text):
    """Each comment line below the head, and the key and value beside or above it."""
    found, key = [], ""
    for line in text.partition("\n\n")[2].splitlines():
        written, _, comment = line.partition("#")
        key = written.strip() or key
        found.append((key, comment.strip()))
    return found


@each
def test_keys_comments_and_order_of_a_result_are_those_of_params_yaml(path):
    (keys, comments), (our_keys, our_comments) = skeleton(base()), skeleton(result(path))
    assert our_keys == keys
    assert is_within(comments, our_comments)


def test_keys_comments_and_order_of_the_tests_own_params_are_those_of_params_yaml():
    assert skeleton((REPO / "tests/tiny.yaml").read_text()) == skeleton(base())


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
        "split.test_fraction": cfg.ingest.columns == "nih",  # those cohorts have official lists
        "crop.top": cfg.crop.method == "attention",
    }
    return tuple(name for name, holds in claims.items() if holds)


@each
def test_what_a_recipe_makes_no_use_of_is_as_in_params_yaml(path):
    ours, theirs = values(result(path)), values(base())
    idle = unread(params_of(path.stem))
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
    "fusion.finetune": [],
    "crop.method": "attention",
    "crop.threshold": 0.7,
    "crop.input_size": 224,
    "ensemble.vote": "mean",
}


@pytest.mark.parametrize("name", ["nih", "nih-paper-tables"])
def test_the_paper_s_recipes_are_the_paper_to_the_letter(name):
    found = values(result(REPO / f"recipes/{name}.yaml"))
    assert {key: found[key] for key in PAPER} == PAPER


def test_both_recipes_of_the_paper_differ_in_members_and_their_capsnets_alone():
    few, all_ = params_of("nih"), params_of("nih-paper-tables")
    apart = {"members", "ensemble", "capsnet"}
    assert few.model_dump(exclude=apart) == all_.model_dump(exclude=apart)


def test_nih_512_has_what_its_head_gives_reasons_for():
    cfg = params_of("nih-512")
    assert cfg.train.input_size // cfg.global_.output_stride >= 14
    assert (cfg.train.input_size, cfg.train.precision) == (512, "bf16")
    assert cfg.train.ema > 0
    assert cfg.train.flip_at_predict
    assert {cfg.global_.schedule, cfg.local.schedule, cfg.fusion.schedule} == {"cosine"}
    voting = [cfg.members[name] for name in cfg.ensemble.members]
    assert len({member.global_ for member in voting}) == len(voting) >= 3
    assert {member.weights.global_ for member in voting} == {"imagenet"}


def main():
    GOLDEN.mkdir(exist_ok=True)
    for path in GOLDEN.iterdir():
        path.unlink()
    for path in RECIPES:
        (GOLDEN / path.name).write_text(golden(path))


if __name__ == "__main__":
    main()
