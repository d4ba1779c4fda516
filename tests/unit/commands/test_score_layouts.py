"""`cxr score` beside tables that are not NIH's."""

import json

import numpy as np
import pandas as pd
import pytest
from made_public_cohorts import COHORTS, write_public_cohort
from typer.testing import CliRunner

from pipeline.commands.cli import command_line


def call(*words):
    return CliRunner().invoke(command_line("score"), ["score", *map(str, words)])


@pytest.fixture(scope="module")
def chexpert(tmp_path_factory):
    """CheXpert's table, and predictions under the paths that it has."""
    folder = tmp_path_factory.mktemp("chexpert")
    labels = write_public_cohort(folder / "cohort", "chexpert") / "train.csv"
    table = pd.read_csv(labels).query("`Frontal/Lateral` == 'Frontal'").drop_duplicates("Path")
    rng = np.random.default_rng(5)
    probs = {name: rng.uniform(size=len(table)) for name in COHORTS["chexpert"].names}
    pd.DataFrame({"Path": table["Path"], **probs}).to_csv(folder / "mine.csv", index=False)
    return folder, labels, table, probs


@pytest.mark.parametrize("uncertain", ["ignore", "zeros", "ones"])
def test_figures_are_of_the_labels_that_the_table_knows(chexpert, tmp_path, uncertain):
    folder, labels, table, probs = chexpert
    done = call(
        folder / "mine.csv", "--labels", labels, "--layout", "chexpert", "--uncertain", uncertain,
        "--bootstrap", 0, "--out", tmp_path,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    found = json.loads((tmp_path / "metrics.json").read_text())["mine.csv"]["auroc"]
    assert set(found) == set(probs)
    for finding, spoken in COHORTS["chexpert"].names.items():
        states = (
            table[spoken]
            .fillna(0)
            .replace(-1, {"ignore": np.nan, "zeros": 0, "ones": 1}[uncertain])
        )
        here = states.notna().to_numpy()
        true, said = states[here].to_numpy(bool), probs[finding][here]
        pairs = said[true][:, None] > said[~true][None]
        assert found[finding] == pytest.approx(pairs.mean(), abs=1e-6)


def test_a_layout_that_is_none_is_named_by_its_option(chexpert):
    folder, labels, *_ = chexpert
    done = call(folder / "mine.csv", "--labels", labels, "--layout", "chexprt")
    assert done.exit_code != 0
    assert str(done.exception).startswith("--layout chexprt: no such layout; expected nih, ")
