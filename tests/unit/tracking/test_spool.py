"""Spools that were never finished do not stay."""

import os
import time

import pytest

from pipeline.tracking.spool import Spool, exclusive, spools, sweep


@pytest.fixture
def half_made(tmp_path):
    """As a stage leaves one that is killed before its first record is written."""

    def make(*, age_s):
        file = tmp_path / f"{age_s}.new"
        file.touch()
        os.utime(file, (time.time() - age_s,) * 2)
        return file

    return make


def test_what_a_killed_stage_had_begun_goes_and_what_is_whole_stays(tmp_path, half_made):
    spool = Spool(tmp_path, "split", {"kind": "begin"})
    old, new = half_made(age_s=3600), half_made(age_s=1)
    sweep(tmp_path)
    assert not old.exists()
    assert new.exists()  # somebody may be about to hold it
    assert spools(tmp_path) == [spool.path]


def test_what_a_living_stage_is_about_to_name_stays(tmp_path, half_made):
    held = half_made(age_s=3600)
    with exclusive(held):
        sweep(tmp_path)
    assert held.exists()
