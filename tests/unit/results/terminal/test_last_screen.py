"""The last screen of a run fits a terminal, and ends with what to do next."""

from pathlib import Path

import pytest
from made_metrics import GAIN, made_methods, made_metrics

from pipeline.base.files import read_json
from pipeline.results.report.verdict import verdict
from pipeline.results.terminal.last_screen import WIDTH, last_screen

REPO = Path(__file__).parents[4]
CHANGED = ["dvc.lock", "metrics/evaluate.json", "metrics/iou.json", "plots/auroc.csv"]
DEMO = tuple(read_json(REPO / f"metrics/{name}.json") for name in ("systems", "methods"))


def parts(systems, methods, changed=()):
    """Sentences, table, next steps, last lines: blocks of lines between blank ones."""
    return [block.split("\n") for block in last_screen(systems, methods, changed).split("\n\n")]


def table(systems, methods):
    return parts(systems, methods)[1]


def names(systems, methods=None):
    """What each line of the table is of."""
    return [line[12:].split()[0] for line in table(systems, methods or {})]


def test_it_begins_with_the_verdict_in_lines_that_fit():
    sentences = parts(*DEMO)[0]
    assert " ".join(sentences) == " ".join(verdict(*DEMO))


def test_no_number_is_parted_from_its_percent_sign():
    for length in range(20, 60):
        sentences = parts(made_metrics(gains={"m" * length: GAIN}), {})[0]
        assert not any(line.startswith("%") for line in sentences)
        assert max(map(len, sentences)) <= WIDTH


@pytest.mark.parametrize("changed", [[], CHANGED])
def test_the_demo_s_fits_a_terminal(changed):
    lines = last_screen(*DEMO, changed).split("\n")
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) <= 27
    assert len(table(*DEMO)) in (7, 8)  # one member may be the best and the one under study


def test_the_table_is_read_from_what_is_possible_down_to_what_sees_no_image():
    gains = {"model": GAIN, "second": GAIN, "third": GAIN}
    assert table(made_metrics(gains=gains), made_methods()) == [
        "mean AUROC  ceiling                   0.900                  the best that is possible",
        "            ensemble                  0.800  0.780 to 0.820  75.0% of ceiling",
        "            third.fusion              0.810  0.790 to 0.830  77.5% of ceiling; "
        "best on validation",
        "            third.global              0.800  0.780 to 0.820  75.0% of ceiling",
        "            model.fusion              0.710  0.690 to 0.730  52.5% of ceiling; "
        "under study",
        "            metadata_only             0.550  0.530 to 0.570  12.5% of ceiling; "
        "sees no image",
        "mean IoU    model.cam                 0.150  0.130 to 0.170  lead -0.100 "
        "(-0.120 to -0.080)",
        "            baseline.per_finding_box  0.250  0.230 to 0.270  sees no image",
    ]


def test_of_many_members_two_are_shown():
    gains = dict.fromkeys(("model", *"abcdefgh"), GAIN)
    systems = made_metrics(gains=gains, ceiling=None)
    lines = table(systems, made_methods(maps=("attention", "cam")))
    assert len(lines) == 7
    assert names(systems)[1:4] == ["h.fusion", "h.global", "model.fusion"]


def test_validation_chooses_the_best_member_and_test_does_not():
    systems = made_metrics()
    systems["model.fusion"]["val_mean_auroc"] = 0.99
    assert names(systems) == [
        "ceiling", "ensemble", "model.fusion", "model.global", "metadata_only",
    ]  # fmt: skip
    assert "; best on validation" in table(systems, {})[2]


@pytest.mark.parametrize("other", [{"gains": {"model": GAIN}}, {"val": False}])
def test_of_one_member_or_without_validation_none_is_the_best(other):
    systems = made_metrics(ceiling=None, **other)
    assert names(systems) == ["ensemble", "model.fusion", "model.global", "metadata_only"]
    assert "best" not in "".join(table(systems, {}))
    assert table(systems, {})[1].endswith("  under study")


def test_what_is_not_known_leaves_no_trace_in_the_table():
    lines = table(made_metrics(ends=None, ceiling=None, floor=None), made_methods(ends=None))
    assert not {"to", "None", "of"} & set(" ".join(lines).split())
    assert lines[-2:] == [
        "mean IoU    model.cam                 0.150    lead -0.100",
        "            baseline.per_finding_box  0.250    sees no image",
    ]
    assert "mean IoU" not in "".join(table(made_metrics(), {}))


def test_there_are_three_next_steps_and_the_way_to_the_whole_table():
    *_, steps, last = parts(*DEMO)
    assert [line.split()[0] for line in steps[1:]] == ["report/index.html", "dvc", "cxr"]
    assert "`cxr summary --all`" in last[0]
    assert len(last) == 1


def test_what_git_shows_as_changed_is_said_with_the_command_that_undoes_it():
    *said, command = parts(*DEMO, CHANGED)[-1][1:]
    assert " ".join(said).startswith("git shows 4 changed files (dvc.lock, metrics, plots), since")
    assert " ".join(said).endswith(" than the committed ones; to have those back:")
    assert command == "  git checkout HEAD dvc.lock metrics plots"
    *said, command = parts(*DEMO, ["plots/roc.csv"])[-1][1:]
    assert " ".join(said).startswith("git shows 1 changed file (plots), since other params, ")
    assert command == "  git checkout HEAD plots"
