"""DVC and git, asked: what they say comes back, and why they refuse."""

import pytest

from pipeline.commands import git
from pipeline.errors import ExperimentError


def test_what_a_command_prints_comes_back(tmp_path):
    git("init", "-q", "-b", "trunk", root=tmp_path)
    assert git("symbolic-ref", "HEAD", root=tmp_path) == "refs/heads/trunk\n"


def test_why_a_command_failed_is_in_its_own_words(tmp_path):
    git("init", "-q", root=tmp_path)
    with pytest.raises(ExperimentError, match=r"git rev-parse: fatal: .*nosuch"):
        git("rev-parse", "nosuch", root=tmp_path)
