"""What of params.yaml names a run."""

from pathlib import Path

import pytest
import yaml

from pipeline.params.merging import MADE_BY
from pipeline.params.settings import settings
from pipeline.params.whole import parse_params

REPO = Path(__file__).parents[3]


def values(**ingest):
    found = yaml.safe_load((REPO / "params.yaml").read_text())
    found["ingest"] |= ingest
    return found


@pytest.mark.parametrize(
    ("source", "known"), [("data/phantom", True), ("data/phantom/", True), ("data/nih", False)]
)
def test_the_cohort_s_seed_is_known_of_the_graph_s_own(source, known):
    given = values(source=source)
    found = settings(parse_params(given), "")
    assert found["source"] == source
    assert found["cohort_seed"] == (given["phantom"]["seed"] if known else None)


def test_members_and_recipe_are_those_of_the_file():
    given = values()
    found = settings(parse_params(given), f"{MADE_BY} nih: to the letter\n")
    assert found["recipe"] == "nih"
    assert list(found["members"]) == given["ensemble"]["members"]
    assert found["members"]["model"]["global"] == given["model"]["global"]
    assert settings(parse_params(given), "seed: 7\n")["recipe"] is None
