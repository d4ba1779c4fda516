"""A recipe laid onto params.yaml: values by a plain rule, and no comment lost."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from three_members import three_members

from pipeline.errors import ParamsError
from pipeline.params.merging import made_by, merge
from pipeline.params.recipes import merged

REPO = Path(__file__).parents[3]
PARAMS = three_members()
VALUES = yaml.safe_load(PARAMS)


def laid(recipe, params=PARAMS):
    return merge(params, recipe, name="big", file="recipes/big.yaml")


def below_head(text):
    return text.partition("\n\n")[2]


def leaves(tree, above=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, (*above, key))
        else:
            yield (*above, key)


def put(tree, place, value):
    *sections, leaf = place
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[leaf] = value


SCALARS = st.one_of(
    st.integers(-9, 9),
    st.floats(0.001, 1e3),
    st.booleans(),
    st.sampled_from(["on", "no", "1e-3", "0x1", "a b", "none", "a: b", "# x", "'", "", None]),
)
ANY = SCALARS | st.lists(SCALARS, max_size=3)
# who votes decides which members stay: tested below
PLACES = st.lists(
    st.sampled_from([one for one in leaves(VALUES) if one != ("ensemble", "members")]),
    min_size=1,
    unique=True,
)


@settings(max_examples=40)
@given(places=PLACES, data=st.data(), flow=st.sampled_from([True, False, None]))
def test_a_value_is_the_recipe_s_where_it_has_one_and_else_that_of_params_yaml(places, data, flow):
    recipe, expected = {}, yaml.safe_load(PARAMS)
    for place in places:
        value = data.draw(ANY)
        put(recipe, place, value)
        put(expected, place, value)
    result = laid(yaml.safe_dump(recipe, default_flow_style=flow))
    assert repr(yaml.safe_load(result)) == repr(expected)


@settings(max_examples=20)
@given(places=PLACES)
def test_where_values_are_the_same_not_a_character_below_the_head_changes(places):
    recipe = {}
    for place in places:
        value = VALUES
        for key in place:
            value = value[key]
        put(recipe, place, value)
    assert below_head(laid(yaml.safe_dump(recipe, default_flow_style=None))) == below_head(PARAMS)


def test_comments_stay_and_reasons_stand_below_them_with_the_recipe_s_name():
    params = """\
# What the demo is.

seed: 7                     # of all
# Of the graph.

crop:                       # where to look
  size: 48                  # side, which may
                            # be any

  # The box.
  margin: 0.1
  sides: [1, 2]             # as many

ensemble:
  members: [model]          # who votes

model:
  global: a
"""
    recipe = """\
# Larger crops.
# Cost: none.

crop:                       # closer
  size: 480                 # since lesions are small,
                            # and pixels cheap
  margin: 0.0               # the box as it is
  sides:                    # block
  - 3
"""
    assert (
        laid(recipe, params)
        == """\
# Made by the recipe big: recipes/big.yaml on the committed params.yaml.
# Larger crops.
# Cost: none.

seed: 7                     # of all
# Of the graph.

crop:                       # where to look
                            # big: closer
  size: 480                 # side, which may
                            # be any
                            # big: since lesions are small,
                            # and pixels cheap

  # The box.
  margin: 0.0               # big: the box as it is
  sides:                    # as many
                            # big: block
  - 3

ensemble:
  members: [model]          # who votes

model:
  global: a
"""
    )


def test_members_that_do_not_vote_are_left_out_and_new_ones_stand_before_the_ensemble():
    recipe = """\
model:
  local: resnet50

other:                      # another one
  global: resnet50
  local: resnet50
  weights: {global: none, local: none}

ensemble:
  members: [model, other]
"""
    text = laid(recipe)
    result = yaml.safe_load(text)
    assert "second" not in result
    assert "third" not in result
    assert result["model"] == VALUES["model"] | {"local": "resnet50"}
    assert result["other"]["weights"] == {"global": "none", "local": "none"}
    keys = list(result)
    assert keys[keys.index("model") :][:3] == ["model", "other", "ensemble"]
    assert (
        """

other:                      # big: another one
  global: resnet50
  local: resnet50
  weights:
    global: none
    local: none

ensemble:
"""
        in text
    )


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ("trian: {epochs: 3}", "trian: unknown key; did you mean train?"),
        ("secnd: {local: resnet50}", "secnd: unknown key; did you mean second?"),
        ("crop: {inptu_size: 3}", "crop.inptu_size: unknown key; did you mean input_size?"),
        (
            "train: {augment: {shfit: 0.1}}",
            "train.augment.shfit: unknown key; did you mean shift?",
        ),
        ("second: {locale: resnet18}", "second.locale: unknown key; did you mean local?"),
        ("crop.input_size: 3", "crop.input_size: unknown key; "),
        ("2: 3", "2: unknown key; "),
        (
            "ensemble: {members: [model]}\nsecond: {local: resnet50}",
            "second: ensemble.members of the result (model) does not name it",
        ),
        (
            "extra: {global: resnet18, local: resnet18, weights: {global: none, local: none}}",
            "extra: ensemble.members of the result (model, second, third) does not name it",
        ),
        ("ensemble: {members: [model, fourth]}", "fourth: missing; ensemble.members names it"),
        (
            "ensemble: {members: [model, fourth]}\nfourth: {global: resnet18}",
            "fourth.weights: missing",
        ),
        (
            "ensemble: {members: [model, fourth]}\nfourth: 3",
            "fourth: input should be a valid dict",
        ),
        ("ensemble: {members: [model, fourth]}\nfourth: {}", "fourth.local: missing"),
        ("ensemble: {members: all}", "ensemble.members: input should be a valid list"),
        ("ensemble: [model]", "ensemble: input should be a valid dictionary"),
        ("crop:", "crop: input should be a valid dictionary"),
        ("crop: {threshold: 1.5}", "crop.threshold: input should be less than 1"),
        ("global: {learning_rate: 1e-3}", "global.learning_rate: input should be a valid number"),
        ("train: {input_size: 100}", "train.input_size: 100 is no multiple of"),
        ("seed: 7\nseed: 8", "not YAML: "),
        ("seed: [", "not YAML: "),
        ("- seed", "expected sections of params.yaml, found ['seed']"),
        ("", "expected sections of params.yaml, found None"),
        ("# all as in the demo\n", "expected sections of params.yaml, found None"),
    ],
)
def test_a_fault_of_a_recipe_is_named_by_its_file_and_key(tmp_path, recipe, said):
    path = tmp_path / "recipes/big.yaml"
    path.parent.mkdir()
    path.write_text(recipe)
    with pytest.raises(ParamsError) as caught:
        merged(PARAMS, path)
    assert f"recipes/big.yaml: {said}" in str(caught.value)


def test_a_result_names_its_recipe_and_other_params_name_none():
    assert made_by(laid("seed: 8")) == "big"
    assert made_by(PARAMS) is None
