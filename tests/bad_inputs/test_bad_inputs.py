"""Every row of docs/bad_inputs.md, and the page itself."""

import pytest
from inputs import page
from rows import GROUPS, PAGE

INPUTS = {key: one for inputs in GROUPS.values() for key, one in inputs.items()}


@pytest.mark.parametrize("key", INPUTS)
def test_a_bad_input_is_refused_by_name_or_read_as_what_it_is(key, tmp_path):
    INPUTS[key].expect(tmp_path)


def test_a_name_means_one_row():
    assert len(INPUTS) == sum(map(len, GROUPS.values()))


def test_the_page_is_that_of_these_rows():
    assert PAGE.read_text() == page(GROUPS), "`make bad-inputs` writes it"
