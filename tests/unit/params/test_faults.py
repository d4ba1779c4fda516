"""Faults of a file: one wording, whatever file it is."""

from functools import partial
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from pipeline.params.faults import keys_at, nearest, params_error
from pipeline.params.sections import Section
from pipeline.search.space import SearchSpec


class Inner(Section):
    size: int


class Outer(Section):
    rate: float
    global_: Inner = Field(alias="global")
    named: dict[str, Annotated[Inner, Field()]]


WHOLE = {"rate": 0.5, "global": {"size": 1}, "named": {"a": {"size": 1}}}


def said_of(**changes) -> str:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(WHOLE | changes)
    return str(params_error(caught.value, file="f.yaml", names=partial(keys_at, Outer)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rat": 1.0}, "f.yaml: rat: unknown key; did you mean rate?"),
        ({"xyz": 1.0}, "f.yaml: xyz: unknown key; expected one of rate, global, named"),
        (
            {"global": {"size": 1, "sise": 1}},
            "f.yaml: global.sise: unknown key; did you mean size?",
        ),
        (
            {"named": {"a": {"size": 1, "sise": 1}}},
            "f.yaml: named.a.sise: unknown key; did you mean size?",
        ),
        ({"global": {}}, "f.yaml: global.size: missing"),
        (
            {"rate": "1e-3"},
            "f.yaml: rate: input should be a valid number (found '1e-3'; write 0.001 or 1.0e-3)",
        ),
        (
            {"rate": "1", "global": None},
            "f.yaml: rate: input should be a valid number (found '1')\n"
            "f.yaml: global: input should be a valid dictionary or instance of Inner (found None)",
        ),
    ],
)
def test_a_fault_is_its_file_its_key_and_what_is_expected(changes, said):
    assert said_of(**changes) == said


def test_the_keys_of_a_file_are_those_that_pydantic_misses():
    with pytest.raises(ValidationError) as caught:
        SearchSpec.model_validate({})
    missed = [str(fault["loc"][0]) for fault in caught.value.errors()]
    assert missed == keys_at(SearchSpec, ())


@given(known=st.lists(st.text("abc_", min_size=1), min_size=1, unique=True), data=st.data())
def test_a_known_name_is_its_own_nearest(known, data):
    name = data.draw(st.sampled_from(known))
    assert nearest(name, known) == f"did you mean {name}?"
