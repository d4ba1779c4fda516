"""The spec of a search: every fault is named, what is drawn is of its kind."""

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ParamsError
from pipeline.search.space import DRAWS, FIGURES, Domain, load_search

REPO = Path(__file__).parents[3]


@pytest.fixture
def spec(tmp_path):
    """Writes the committed spec with some keys replaced."""

    def write(**changes):
        values = yaml.safe_load((REPO / "search.yaml").read_text()) | changes
        path = tmp_path / "space.yaml"
        path.write_text(yaml.safe_dump({k: v for k, v in values.items() if v is not None}))
        return path

    return write


def test_the_committed_spec_is_valid():
    found = load_search(REPO / "search.yaml")
    assert found.space["global.learning_rate"] == Domain("loguniform", (0.0003, 0.01))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"trails": 3}, "trails: unknown key; did you mean trials?"),
        ({"trials": None}, "trials: missing"),
        ({"trials": 0}, "trials: input should be greater than 0 (found 0)"),
        ({"branch": "both"}, "branch: input should be 'global', 'local' or 'fusion'"),
        ({"resources": {"cpus": 1, "gpu": 0}}, "resources.cpus: unknown key; did you mean cpu?"),
        ({"asha": {"grace": "1e1", "reduction": 3}}, "found '1e1'; write 0.001 or 1.0e-3)"),
        ({"space": {}}, "space: "),
        (
            {"space": {"seed": {"chioce": [1]}}},
            "space.seed: unknown: chioce; did you mean choice?",
        ),
        (
            {"space": {"seed": 3}},
            "space.seed: must be one of choice, uniform, loguniform, randint",
        ),
        ({"space": {"seed": {"choice": []}}}, "space.seed: must list one value or more"),
        ({"space": {"seed": {"grid": [1, 1]}}}, "none of them twice"),
        ({"space": {"seed": {"randint": [1, 2.5]}}}, "randint must have two whole numbers"),
        ({"space": {"seed": {"uniform": [2, 1]}}}, "the lower one first"),
        ({"space": {"seed": {"uniform": ["1e-4", 1]}}}, "1.0e-4, not 1e-4"),
        ({"space": {"seed": {"loguniform": [0, 1]}}}, "loguniform must begin above 0"),
        ({"space": {"seed": {"uniform": [1]}}}, "uniform must have two numbers"),
        ({"space": {"seed": {"uniform": [0, float("inf")]}}}, "uniform must have two numbers"),
        ({"space": {"seed": {"uniform": [0, float("nan")]}}}, "uniform must have two numbers"),
        ({"space": {"seed": {"choice": [float("nan")]}}}, "must list finite numbers"),
        ({"space": {"seed": {"{x}": [1]}}}, "space.seed: unknown: {x}; "),
    ],
)
def test_a_fault_is_named_by_its_key(spec, changes, said):
    with pytest.raises(ParamsError) as caught:
        load_search(spec(**changes))
    assert said in str(caught.value)
    assert "space.yaml: " in str(caught.value)


NUMBERS = st.floats(1e-6, 1e3)


@pytest.mark.parametrize("kind", ["uniform", "loguniform"])
@given(low=NUMBERS, ratio=st.floats(1.01, 1e4), seed=st.integers(0, 2**32))
def test_a_number_lies_between_its_bounds_and_is_short(kind, low, ratio, seed):
    value = DRAWS[kind]((low, low * ratio), np.random.default_rng(seed))
    rounding = 1 + 10.0**-FIGURES * 5
    assert low / rounding <= value <= low * ratio * rounding
    assert float(f"{value:.{FIGURES}g}") == value


@given(low=st.integers(-5, 5), more=st.integers(1, 3))
def test_whole_numbers_reach_both_bounds(low, more):
    chance = np.random.default_rng(0)
    drawn = {DRAWS["randint"]((low, low + more), chance) for _ in range(200)}
    assert drawn == set(range(low, low + more + 1))


def test_orders_of_magnitude_are_alike():
    chance = np.random.default_rng(0)
    drawn = [DRAWS["loguniform"]((1e-4, 1.0), chance) for _ in range(4000)]
    shares = np.histogram(np.log10(drawn), bins=4, range=(-4, 0))[0] / len(drawn)
    assert shares == pytest.approx([0.25] * 4, abs=0.03)
    assert math.isclose(np.median(drawn), 0.01, rel_tol=0.2)
