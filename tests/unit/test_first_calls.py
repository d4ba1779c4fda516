"""Annotations are checked in every test, however often a function was called in those before."""

import numpy as np
import pytest
from first_calls import CHECKED, forget_calls
from jaxtyping import TypeCheckError

from pipeline.attention.drawing import cell_centre
from pipeline.base.grid import tiles


def call_as_annotated():
    cell_centre(np.array([2, 1]), tiles(3))


def call_otherwise():
    cell_centre(np.array([2.0, 1.0]), tiles(3))


def test_a_call_against_its_annotations_is_refused_until_there_were_many():
    with pytest.raises(TypeCheckError, match="cell_centre"):
        call_otherwise()
    for _ in range(CHECKED):
        call_as_annotated()
    call_otherwise()


def test_then_the_next_test_begins_anew():
    for _ in range(CHECKED):
        call_as_annotated()
    call_otherwise()
    forget_calls()
    with pytest.raises(TypeCheckError, match="cell_centre"):
        call_otherwise()
