"""The paper's two tables: by name, from the metrics of this very run."""

import pytest
import yaml

from pipeline.base.findings import FINDINGS
from pipeline.errors import ArtifactError
from pipeline.params.whole import load_params
from pipeline.results.terminal.paper_tables import SHORT, paper_tables, voting_pairs
from tests.stages.conftest import REPO


def system(shift):
    auroc = {name: 0.5 + place / 100 + shift for place, name in enumerate(FINDINGS)}
    return {"auroc": auroc, "mean_auroc": sum(auroc.values()) / len(auroc)}


def evaluation(*names):
    systems = {
        f"{name}.{branch}": system(0.01 * (place + step))
        for place, name in enumerate(names)
        for step, branch in enumerate(("global", "local", "fusion"))
    }
    beside = {"ensemble": system(0.3), "metadata_only": system(0.0)}
    return systems | beside | {"test": {"images": 1234, "patients": 56}}


PAIRS = {"model": ("densenet121", "densenet121"), "b": ("resnet50", "capsnet")}


def rows_of(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines]


def test_one_table_has_equal_backbones_and_the_other_different_ones():
    text = paper_tables(evaluation("model", "b"), PAIRS)
    first, rest = text.split("**Different backbones**")
    second, caption = rest.split("\n\nAUROC")
    assert [row[:3] for row in rows_of(first)[1:]] == [
        ["densenet121", "model", "global"],
        ["densenet121", "model", "local"],
        ["densenet121", "model", "fusion"],
    ]
    assert {row[0] for row in rows_of(second)[1:]} == {"resnet50 + capsnet"}
    assert "1,234 test images of 56 patients" in caption


def test_columns_are_found_by_the_findings_names():
    """The order in which the metrics hold the findings is of no account."""
    metrics = evaluation("model", "b")
    turned = {
        name: one | {"auroc": dict(reversed(one["auroc"].items()))} if "auroc" in one else one
        for name, one in metrics.items()
    }
    assert paper_tables(turned, PAIRS) == paper_tables(metrics, PAIRS)
    head, row, *_ = rows_of(paper_tables(metrics, PAIRS))
    assert head[3:-1] == [SHORT[name] for name in FINDINGS]
    for name, value in zip(FINDINGS, row[3:-1], strict=True):
        assert float(value) == pytest.approx(metrics["model.global"]["auroc"][name], abs=5e-4)


def test_the_best_of_a_column_is_bold_and_a_finding_of_one_class_has_no_value():
    metrics = evaluation("model")
    for branch in ("global", "local", "fusion"):
        del metrics[f"model.{branch}"]["auroc"]["Hernia"]
    text = paper_tables(metrics, {"model": PAIRS["model"]})
    last = text.split("\n\nAUROC")[0].splitlines()[-1]
    assert last.startswith("| densenet121 | model | fusion | **0.520** |")
    assert "| – |" in last
    assert "Different" not in text


def test_members_that_share_their_backbones_have_rows_of_their_own():
    pairs = dict.fromkeys(("model", "second", "third"), ("resnet18", "resnet18"))
    rows = rows_of(paper_tables(evaluation(*pairs), pairs))[1:]
    assert [row[1] for row in rows] == [name for name in pairs for _ in range(3)]


def test_backbones_are_those_of_the_run_that_made_the_metrics():
    """As dvc.lock keeps them, whatever params.yaml says by now."""
    lock = yaml.safe_load((REPO / "dvc.lock").read_text())
    params = yaml.safe_load((REPO / "params.yaml").read_text())
    expected = {
        name: (params[name]["global"], params[name]["local"])
        for name in params["ensemble"]["members"]
    }
    assert voting_pairs(lock) == expected
    del lock["stages"]["train_local@second"]
    with pytest.raises(ArtifactError, match=r"has no 'train_local@second'; `dvc repro` first"):
        voting_pairs(lock)


def test_metrics_of_another_run_are_refused():
    with pytest.raises(ArtifactError, match=r"has no b; it is of another run than"):
        paper_tables(evaluation("model"), PAIRS)


def test_the_recipe_has_the_twelve_configurations():
    cfg = load_params(REPO / "tests/golden/recipes/nih-paper-tables.yaml")
    pairs = [(cfg.members[name].global_, cfg.members[name].local) for name in cfg.ensemble.members]
    assert len(set(pairs)) == 12
    backbones = {"resnet50", "resnext50", "resnext101", "densenet121", "mobilenet_v2", "capsnet"}
    alike = {one for one, other in pairs if one == other}
    assert alike == backbones | {"densenet121_capsnet", "resnet50_capsnet"}


def test_a_lock_of_no_run_yet_has_no_members():
    with pytest.raises(ArtifactError, match=r"dvc\.lock: has no 'evaluate'; `dvc repro` first"):
        voting_pairs({"schema": "2.0"})
