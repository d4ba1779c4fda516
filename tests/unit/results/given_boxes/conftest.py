"""Fixtures of the folder's tests."""

import pytest
from given_boxes import cohort, write_cohort


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Cases and images of a written cohort."""
    folder = tmp_path_factory.mktemp("given")
    write_cohort(folder)
    return cohort(folder)
