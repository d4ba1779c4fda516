"""Proposals: the same for a seed, checked before anything starts, written as DVC takes them."""

import shlex
from pathlib import Path

import pytest
import yaml

from pipeline.errors import ParamsError
from pipeline.search.scope import read_scope
from pipeline.search.space import Domain, SearchSpec, load_search
from pipeline.search.trials import as_word, changed, expect_possible, propose, reproducing_line

REPO = Path(__file__).parents[3]
BASE = yaml.safe_load((REPO / "params.yaml").read_text())


def spec_of(space: dict[str, Domain], *, branch="global", **changes) -> SearchSpec:
    committed = load_search(REPO / "search.yaml")
    return committed.model_copy(update={"space": space, "branch": branch} | changes)


def check(spec: SearchSpec, base=BASE) -> None:
    scope = read_scope(spec.branch, REPO)
    expect_possible(spec, propose(spec), base, scope, name="r.yaml")


def test_the_committed_spec_is_possible_with_the_committed_params():
    spec = load_search(REPO / "search.yaml")
    check(spec)
    assert len(propose(spec)) == spec.trials


def test_the_same_seed_proposes_the_same_and_more_trials_continue_the_list():
    spec = load_search(REPO / "search.yaml")
    more = spec.model_copy(update={"trials": 20})
    other = spec.model_copy(update={"seed": 8})
    assert propose(spec) == propose(spec) == propose(more)[:12]
    assert propose(other) != propose(spec)


def test_a_grid_is_tried_whole_with_every_draw_and_nothing_twice():
    space = {
        "global.schedule": Domain("grid", ("one_cycle", "cosine")),
        "model.global": Domain("grid", ("resnet18", "resnet50", "densenet121")),
        "global.learning_rate": Domain("loguniform", (1e-4, 1e-2)),
    }
    trials = propose(spec_of(space, trials=2))
    assert len(trials) == 12
    assert len({trial.changes["global.learning_rate"] for trial in trials}) == 2
    assert [trial.name for trial in trials][:2] == ["t001", "t002"]
    few = {"train.batch_size": Domain("choice", (16, 32))}
    assert len(propose(spec_of(few, trials=50))) == 2


ONE = {"global.learning_rate": Domain("loguniform", (1e-4, 1e-2))}


@pytest.mark.parametrize(
    ("branch", "key", "values", "said"),
    [
        ("global", "global.lerning_rate", (1, 2), "did you mean global.learning_rate?"),
        ("global", "train.augment", (1, 2), "space.train.augment: unknown key"),
        ("global", "nonsense", (1, 2), "expected a key of params.yaml, with dots"),
        ("global", "phantom.patients", (99, 100), "phantom reads it, so it changes the data"),
        ("global", "ingest.image_size", (64, 96), "ingest reads it, so it changes the data"),
        ("global", "split.seed", (1, 2), "split reads it, so it changes the data"),
        ("global", "fusion.hidden", (8, 16), "is nothing to train_global@model"),
        ("local", "train.batch_size", (8, 16), "train_global@model reads it"),
        ("fusion", "local.epochs", (1, 2), "what is: fusion"),
        ("global", "train.batch_size", (16, 1), "space.train.batch_size: input should be"),
        ("global", "train.loss", ("bce", "bec"), "(found 'bec')"),
        ("global", "model.global", ("resnet18", "resnet19"), "did you mean resnet18?"),
        ("global", "train.input_size", (48, 40), "no multiple of global.output_stride"),
        ("global", "model.global", ("resnet18_capsnet",), "resnet18_capsnet is a cascade"),
        ("local", "model.local", ("densenet121_capsnet",), "densenet121_capsnet is a cascade"),
    ],
)
def test_what_cannot_be_tried_is_named_before_anything_starts(branch, key, values, said):
    space = {"global": ONE, "local": {}, "fusion": {}}[branch] | {key: Domain("choice", values)}
    with pytest.raises(ParamsError) as caught:
        check(spec_of(space, branch=branch))
    assert said in str(caught.value)
    assert str(caught.value).startswith("r.yaml: ")


@pytest.mark.parametrize("number", [2, 4])
def test_threads_other_than_a_trial_s_cores_are_refused(number):
    with_threads = changed(BASE, {"train.threads": number})
    with pytest.raises(ParamsError, match=rf"train.threads is {number} and resources.cpu 1, and"):
        check(spec_of(ONE), with_threads)
    check(spec_of(ONE), changed(BASE, {"train.threads": 1}))


def test_a_bound_that_no_trial_could_have_is_named_though_it_was_not_drawn():
    space = {"train.augment.rotation_degrees": Domain("uniform", (0, 46))}
    with pytest.raises(ParamsError, match=r"space.train.augment.rotation_degrees: .*45.*46"):
        check(spec_of(space, trials=1))


def test_values_that_cannot_go_together_are_named_by_their_trial():
    space = {
        "train.input_size": Domain("grid", (48, 64)),
        "global.output_stride": Domain("grid", (16, 32)),
    }
    with pytest.raises(ParamsError, match=r"r.yaml: t002: train.input_size 48, global.output_str"):
        check(spec_of(space, trials=1))


def test_changes_replace_leaves_and_leave_the_base_alone():
    values = changed(BASE, {"train.augment.flip": 0.5, "seed": 8})
    assert (values["train"]["augment"]["flip"], values["seed"]) == (0.5, 8)
    assert (BASE["train"]["augment"]["flip"], BASE["seed"]) == (0.0, 7)
    back = {"train.augment.flip": 0.0, "seed": 7}
    assert changed(values, back) == BASE


@pytest.mark.parametrize(
    ("value", "word"),
    [
        (True, "true"),
        (1e-05, "0.00001"),
        (0.0003, "0.0003"),
        (2.0, "2.0"),
        (16, "16"),
        ("timm:regnety_016", "timm:regnety_016"),
        (["age", "view"], "[age,view]"),
        (None, "null"),
    ],
)
def test_values_are_written_as_dvc_takes_them(value, word):
    assert as_word(value) == word
    assert yaml.safe_load(word) == value


def test_the_line_survives_a_shell():
    line = reproducing_line({"fusion.features": ["age", "view"], "train.loss": "focal"})
    assert shlex.split(line)[:3] == ["dvc", "exp", "run"]
    assert shlex.split(line)[3:] == ["-S", "fusion.features=[age,view]", "-S", "train.loss=focal"]
