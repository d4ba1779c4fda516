"""The page: self-contained, complete, the same on every run, honest about what is missing."""

import re
from dataclasses import replace
from functools import partial
from html import escape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from made_page import (
    RULE,
    draw,
    made_cases,
    made_evaluation,
    made_figures,
    render_made,
)
from made_results import made_radiographs
from page_parts import Tags, words_of

from pipeline.base.findings import FINDINGS
from pipeline.capsnet.reconstructions import Pretraining, Reconstruction
from pipeline.results.report import evaluation_part
from pipeline.results.report.charts import GREEN, GREY, differences_chart, label, member_colours
from pipeline.results.report.report import (
    best_system,
    split_rows,
    system_order,
)
from pipeline.results.report.verdict import verdict
from pipeline.results.report.views.literature import WORKS


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return made_radiographs(tmp_path_factory.mktemp("cohort"), rule=RULE)


@pytest.fixture(scope="module")
def evaluation(cohort):
    return made_evaluation(cohort)


@pytest.fixture(scope="module")
def figures(cohort, evaluation):
    return made_figures(cohort, evaluation)


@pytest.fixture(scope="module")
def gallery(cohort):
    return draw(cohort[0], 2)


@pytest.fixture(scope="module")
def no_examples(cohort):
    """The pictures of pages whose words are looked at."""
    return draw(cohort[0], 0)._replace(compared=[])


@pytest.fixture(scope="module")
def cases(cohort, tmp_path_factory):
    return made_cases(cohort[0], tmp_path_factory.mktemp("cases") / "cases")


@pytest.fixture(scope="module")
def render(cases):
    """The page of a cohort, with all its test images."""

    return partial(render_made, cases)


@pytest.fixture
def undrawn(monkeypatch):
    """Charts without content, of pages whose words are looked at: drawing takes seconds."""
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda *args, **kwargs: None)


@pytest.fixture(scope="module")
def drawn(cohort, figures, gallery, render):
    """The page, and its charts of the evaluation."""
    charts, draw = {}, evaluation_part._charts
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation_part, "_charts", lambda *of: charts.update(draw(*of)) or charts)
        return render(cohort, figures, gallery), charts


@pytest.fixture(scope="module")
def page(drawn):
    return drawn[0]


@pytest.fixture
def drawn_once(drawn, undrawn, monkeypatch):
    """The page's charts, for pages of the same predictions whose words are looked at."""
    monkeypatch.setattr(evaluation_part, "_charts", lambda *of: drawn[1])


@pytest.fixture(scope="module")
def bare_page(cohort, figures, render):
    """Of a cohort without ceiling and boxes, evaluated without bootstrap."""
    radiographs, splits, systems = cohort
    evaluation = made_evaluation(cohort, ceiling={}, replicates=0)
    files = {"boxes": None, "train_val_list": None, "test_list": None, "not_read": ["bbox.csv"]}
    bare = with_evaluation(figures, evaluation)._replace(
        localisation=figures.localisation.iloc[:0], methods={}, curves={}, split_counts={},
        ingest=figures.ingest | {"files": files},
    )  # fmt: skip
    unboxed = replace(radiographs, boxes=radiographs.boxes.iloc[:0])
    return render((unboxed, splits, systems), bare, draw(unboxed, 0))


class Rows(HTMLParser):
    """Cells of every table row of a section, intervals in brackets behind their numbers."""

    def __init__(self, page, section):
        super().__init__()
        self.rows, self.in_cell = [], False
        self.feed(re.search(rf'<section id="{section}">.*?</section>', page, re.DOTALL)[0])

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in {"td", "th"}:
            self.rows[-1].append("")
            self.in_cell = True
        elif dict(attrs).get("class") == "within":
            self.rows[-1][-1] += " "

    def handle_endtag(self, tag):
        self.in_cell = self.in_cell and tag not in {"td", "th"}

    def handle_data(self, data):
        if self.in_cell and data.strip():
            self.rows[-1][-1] += data


def rows_of(page, section):
    """Rows by their first cell; of equal ones the first."""
    found = {}
    for name, *cells in Rows(page, section).rows:
        found.setdefault(name.strip(), cells)
    return found


def with_evaluation(figures, evaluation):
    return figures._replace(systems=evaluation.metrics, evaluation=evaluation.tables)


def with_interval(row, value="value"):
    return f"{row[value]:.3f} {row['low']:.3f}–{row['high']:.3f}"


def records(table, **chosen):
    """Rows of a table in which the columns hold what is chosen."""
    rows = table.to_dict("records")
    return [row for row in rows if all(row[name] == value for name, value in chosen.items())]


def test_the_page_is_whole_and_asks_nothing_of_the_network(page):
    tags = Tags(page)
    assert tags.open == []
    assert tags.images_without_alt == 0
    assert all(source.startswith(("data:", "#")) for source in tags.sources)
    assert page.count("<script>") == 1


def test_the_page_names_every_system_and_finding(page):
    for name in ("ensemble", "model.fusion", "model.local", "model.global", "metadata only"):
        assert f">{name}<" in page
    assert all(f">{label(finding)}</option>" in page for finding in FINDINGS)
    assert "baseline centre box" in page


def test_the_system_chosen_on_validation_is_bold(page, figures):
    best = best_system(figures.systems, system_order(figures.systems, "model"))
    assert best == "ensemble"
    (row,) = re.findall(r'<tr class="best[^>]*><th[^>]*>(.*?)</th><td>([^<]*)', page)
    assert row == (best, f"{figures.systems[best]['mean_auroc']:.3f}")


def test_the_page_begins_with_strip_and_verdict_before_pictures_and_tables(page, figures):
    sentences = verdict(figures.systems, figures.methods)
    paragraphs = "\n".join(f'<p class="verdict">{escape(sentence)}</p>' for sentence in sentences)
    places = [page.index(part) for part in ('<dl class="strip">', paragraphs, "<figure", "<table")]
    assert places == sorted(places)


@pytest.mark.parametrize(("made", "source"), [(True, "synthetic"), (False, "data/nih")])
def test_the_strip_names_what_a_run_is_of(page, bare_page, made, source):
    shown = page if made else bare_page
    strip = words_of(shown[shown.index('<dl class="strip">') :].partition("</dl>")[0])
    assert strip == (
        f"recipe nih cohort {source}: 120 images of 60 patients model resnet50 from imagenet + "
        "resnet18 input 224 px epochs 4 + 2 seed 7"
    )


def test_every_part_of_the_contents_is_there_once(page):
    contents = page[page.index('<nav class="contents"') :].partition("</nav>")[0]
    names = re.findall('href="#([a-z]+)"', contents)
    assert re.findall('<section id="([a-z]+)"', page) == names
    assert "Model card" in contents


@pytest.mark.usefixtures("undrawn")
def test_a_synthetic_cohort_has_true_boxes_and_a_real_one_radiologists(
    page, cohort, figures, render, no_examples
):
    assert "true box" in page
    assert "radiologist" not in page
    evaluation = made_evaluation(cohort, ceiling={}, replicates=0)
    real = render(cohort, with_evaluation(figures, evaluation), no_examples)
    assert "radiologists&#39; boxes" in real
    assert "true box" not in real


def test_the_card_names_weak_groups_and_weak_findings(page, figures):
    card = words_of(page[page.index('<section id="card">') :].partition("</section>")[0])
    aurocs = figures.systems["ensemble"]["auroc"]
    worst = min(aurocs, key=aurocs.__getitem__)
    assert f"Weak findings {label(worst)} {aurocs[worst]:.3f}," in card
    assert "Not for clinical use" in card
    assert "By gender, " in card


@pytest.mark.usefixtures("drawn_once")
def test_a_name_in_the_verdict_is_no_markup(cohort, figures, no_examples, render):
    methods = {"<b>": figures.methods["model"], "baseline": figures.methods["baseline"]}
    page = render(cohort, figures._replace(methods=methods), no_examples)
    assert " of &lt;b&gt;" in page
    assert " of <b>" not in page[: page.index("<main>")]


def test_the_same_results_give_the_same_bytes(cohort, figures, page, render):
    assert render(cohort, figures, draw(cohort[0], 2)) == page


def test_a_made_cohort_is_said_to_be_one_and_a_real_one_is_not(page, bare_page):
    assert "not comparable with the literature" in page
    assert "Synthetic cohort" not in bare_page
    assert "ceiling" not in re.sub(r"data:[^\"]*", "", bare_page)


def test_the_page_says_which_epoch_was_kept_and_what_the_other_rule_would_keep(page):
    section = page[page.index('<section id="training">') :].partition("</section>")[0]
    (row,) = re.findall(r"<tr><th[^>]*>model.global</th>(.*?)</tr>", section)
    cells = re.findall("<td>(.*?)</td>", row)
    assert cells == ["2", "epoch 1 (loss)", "0.600", "epoch 1", "0.600", "epoch 2", "0.700"]


@pytest.mark.usefixtures("drawn_once")
def test_the_page_says_which_epoch_of_a_capsnet_s_pretraining_was_kept(
    cohort, figures, no_examples, render
):
    drawn = Reconstruction("a.png", "Mass", *[np.zeros((28, 28), np.uint8)] * 2)
    one = Pretraining(5, 2, "auroc", 0.7, [drawn])
    page = render(cohort, figures._replace(pretraining={"model": one}), no_examples)
    assert "5 epochs, of which the weights of epoch 2 are kept (train.keep: auroc)" in page


def test_a_page_without_boxes_intervals_curves_or_pictures_is_still_whole(bare_page):
    assert Tags(bare_page).open == []
    assert "95 % interval [" not in bare_page
    assert "No test image has a radiologist" in bare_page


def test_the_page_says_where_split_and_boxes_come_from(page, bare_page):
    assert "test images are those of Test_List.txt (200)" in page
    assert (
        "BBox_List_2017.csv has 984 boxes, drawn in pixels of 1024 x 1024 px: 41 are used, 2 cut "
        "at the edge, 943 dropped (image not used)." in page
    )
    assert "without train_val and test lists, so test patients were drawn by chance" in bare_page
    assert (
        "a list of boxes (BBox_List_2017.csv). Not read, though of similar name: bbox.csv."
        in bare_page
    )


def test_the_table_of_systems_holds_the_means_and_their_intervals(page, evaluation):
    rows = rows_of(page, "systems")
    for name in ("ensemble", "model.fusion", "metadata_only", "shuffled", "prevalence"):
        for column, measure in enumerate(("auroc", "auprc")):
            (mean,) = records(
                evaluation.tables["scores"],
                system=name, split="test", finding="mean", measure=measure,
            )  # fmt: skip
            assert rows[label(name)][2 * column] == with_interval(mean)
    ece = evaluation.metrics["ensemble"]["ece_calibrated"]
    assert rows["ensemble"][3] == f"{ece:.3f}"
    assert rows["shuffled"][3] == "–"


def test_the_table_of_findings_holds_every_interval(page, evaluation):
    rows = rows_of(page, "findings")
    of_test = {"system": "ensemble", "split": "test"}
    for one in records(evaluation.tables["scores"], **of_test, measure="auroc")[:-1]:
        (auprc,) = records(
            evaluation.tables["scores"], **of_test, finding=one["finding"], measure="auprc"
        )
        assert rows[label(one["finding"])] == [
            str(one["positives"]),
            f"{100 * one['positives'] / one['images']:.1f}\u00a0%",
            with_interval(one),
            f"{one['bca_low']:.3f}–{one['bca_high']:.3f}",
            f"{one['delong_low']:.3f}–{one['delong_high']:.3f}",
            with_interval(auprc),
        ]


def test_differences_by_finding_are_bold_where_clear_of_zero(page, evaluation):
    rows = rows_of(page, "differences")
    assert rows["finding"] == ["ensemble − model.fusion", "p", "model.fusion − model.global", "p"]
    clear = 0
    for column, pair in enumerate(
        (("ensemble", "model.fusion"), ("model.fusion", "model.global"))
    ):
        names = dict(zip(("system", "against"), pair, strict=True))
        for one in records(evaluation.tables["comparisons"], **names, measure="auroc"):
            value, p = rows[label(one["finding"])][2 * column :][:2]
            assert value.startswith(f"{one['value']:+.3f}".replace("-", "−"))
            assert p == f"{one['p']:.3f}"
            clear += one["low"] > 0 or one["high"] < 0
    section = page[page.index('id="differences"') : page.index('id="curves"')]
    assert 0 < section.count('<td class="above">') == clear


def test_calibration_shows_the_errors_before_and_after(page, evaluation):
    rows = rows_of(page, "calibration")
    table = evaluation.tables["calibration"]
    assert table["fitted"].any()
    for one in records(table, system="ensemble"):
        before, after = rows[label(one["finding"])][:2]
        assert before == f"{one['ece']:.3f}"
        assert after == (f"{one['ece_calibrated']:.3f}" if one["fitted"] else "–")


@pytest.mark.parametrize(("before", "after"), [(0.339, 0.357), (0.357, 0.339)])
def test_a_calibration_that_makes_validation_worse_is_said_to(
    cohort, figures, no_examples, drawn_once, before, after, render
):
    table = figures.evaluation["calibration"].assign(val_ece=before, val_ece_calibrated=after)
    changed = figures._replace(evaluation={**figures.evaluation, "calibration": table})
    section = render(cohort, changed, no_examples)
    assert ("error goes from 0.339 to 0.357" in section) == (after > before)


@pytest.mark.parametrize(("place", "rule"), [(0, "f1"), (1, "youden"), (2, "sensitivity")])
def test_every_rule_has_a_table_of_thresholds(page, evaluation, place, rule):
    rows = [row for row in Rows(page, "thresholds").rows if row[0] == "Mass"]
    for column, measure in enumerate(("sensitivity", "specificity", "ppv", "npv"), start=2):
        (one,) = records(
            evaluation.tables["thresholds"],
            system="ensemble", finding="Mass", rule=rule, measure=measure,
        )  # fmt: skip
        assert rows[place][1] == f"{one['threshold']:.3f}"
        assert rows[place][column] == with_interval(one)


def test_a_group_shows_its_mean_or_the_reason_why_not(page, evaluation):
    rows = rows_of(page, "subgroups")
    means = records(evaluation.tables["subgroups"], finding="mean")
    kept_back = [one for one in means if pd.notna(one["reason"])]
    assert 0 < len(kept_back) < len(means)
    for one in means:
        cells = rows[one["group"]]
        assert cells[:2] == [str(one["images"]), str(one["patients"])]
        if pd.notna(one["reason"]):
            assert cells[2:] == ["–", f"kept back: {one['reason']}"]
        else:
            assert cells[2] == with_interval(one, "auroc")


def test_a_gap_says_if_its_groups_were_chosen_afterwards(page, evaluation):
    headings = {row.split()[0]: row for row in rows_of(page, "subgroups") if " findings" in row}
    for one in records(evaluation.tables["gaps"], finding="mean"):
        if one["grouping"] in headings and pd.isna(one["reason"]):
            heading = headings[one["grouping"]]
            assert f"{one['group']} less {one['other']}: " in heading
            assert ("chosen afterwards" in heading) == one["chosen"]


@pytest.mark.parametrize("min_cell", [4, 6])
def test_cells_that_are_kept_back_show_what_they_lack(
    cohort, figures, no_examples, min_cell, drawn_once, render
):
    evaluation = made_evaluation(cohort, replicates=0, min_cell=min_cell)
    table = evaluation.tables["subgroups"]
    single = table[table["grouping"].isin(["gender", "age", "view"]) & table["finding"].ne("mean")]
    shown = single.groupby("group")["auroc"].count()
    in_open = single[single["group"].isin(shown.index[shown > 0])]
    lacks = in_open["reason"].dropna().str.partition(",")[0]
    assert len(lacks)
    page = render(cohort, with_evaluation(figures, evaluation), no_examples)
    cells = [cell for row in Rows(page, "subgroups").rows for cell in row]
    assert sorted(cell for cell in cells if cell.startswith("– ")) == sorted("– " + lacks)


def test_the_heatmap_is_of_the_calls_that_evaluate_counted(
    cohort, figures, evaluation, no_examples, monkeypatch, undrawn, render
):
    drawn = []
    monkeypatch.setattr(
        evaluation_part, "cooccurrence_chart", lambda t: drawn.append(t) or "<svg/>"
    )
    render(cohort, figures, no_examples)
    pd.testing.assert_frame_equal(drawn[0], evaluation.plots["cooccurrence"])


def test_without_replicates_no_number_has_an_interval(bare_page):
    for section in ("systems", "thresholds", "calibration"):
        rows = rows_of(bare_page, section)
        assert not any(" " in cell for row in rows.values() for cell in row if cell[:1].isdigit())
    assert "p = " not in bare_page[: bare_page.index("<script>")]
    assert "bootstrap" not in bare_page


@pytest.mark.parametrize(
    ("gone", "missing", "said"),
    [
        (
            "val",
            ["Chosen for", "(chosen on validation)", 'id="cooccurrence"'],
            ["No threshold could be chosen", "nothing was fitted", "not fitted"],
        ),
        (
            "train",
            ["metadata only", "one number for every image"],
            [">shuffled<"],
        ),
    ],
)
def test_a_page_without_a_split_leaves_out_what_is_taken_from_it(
    cohort, figures, gone, missing, said, undrawn, render
):
    radiographs, splits, systems = cohort
    kept = {
        "val": splits.assign(split=splits["split"].replace("val", "train")),
        "train": splits[splits["split"] != "train"],
    }
    held = {name: frame[frame["split"] != gone] for name, frame in systems.items()}
    without = (replace(radiographs, predictions=held["ensemble"]), kept[gone], held)
    evaluation = made_evaluation(without, ceiling={})
    pictures = draw(without[0], 0)
    page = render(without, with_evaluation(figures, evaluation), pictures)
    assert Tags(page).open == []
    assert [words for words in missing if words in page] == []
    assert [words for words in said if words not in page] == []


def test_works_stand_beside_the_run_only_on_the_official_test_images(
    cohort, figures, bare_page, no_examples, monkeypatch, drawn_once, render
):
    assert all(work.source not in bare_page for work in WORKS)
    assert "is not the official test list" in bare_page
    monkeypatch.setattr(evaluation_part, "why_not_comparable", lambda *of: None)
    evaluation = made_evaluation(cohort, ceiling={})
    page = render(cohort, with_evaluation(figures, evaluation), no_examples)
    rows = rows_of(page, "literature")
    assert all(rows[work.name][-1] == f"{work.mean_auroc:.3f}" for work in WORKS)
    names = list(rows)
    official = [rows[name][-1][:5] for name in names[1 : names.index("AG-CNN") - 1]]
    assert official == sorted(official, reverse=True)
    assert "this run: ensemble" in names[: names.index("AG-CNN")]


def test_works_are_not_shown_beside_a_made_cohort(
    cohort, figures, no_examples, monkeypatch, drawn_once, render
):
    monkeypatch.setattr(evaluation_part, "why_not_comparable", lambda *of: None)
    assert 'id="literature"' not in render(cohort, figures, no_examples)


def test_systems_stand_in_reading_order():
    names = [
        "ceiling",
        "b.global",
        "metadata_only",
        "a.local",
        "b.fusion",
        "ensemble",
        "prevalence",
    ]
    systems = {name: {"mean_auroc": 0.5} for name in names} | {"delta": {}, "excluded": []}
    assert system_order(systems, "b") == [
        "ensemble", "b.fusion", "b.global", "a.local", "metadata_only", "prevalence", "ceiling",
    ]  # fmt: skip


def test_nested_split_counts_become_rows_in_the_order_of_use():
    counts = {"test": {"images": 3, "positives": {"Mass": 1}}, "train": {"images": 5}}
    assert split_rows(counts) == [("images", [5, 3]), ("Mass", [None, 1])]


def test_a_difference_without_an_interval_is_not_coloured_as_a_sure_one():
    sure = {"mean_auroc": 0.02, "low": 0.01, "high": 0.03}
    assert GREEN.lower() in differences_chart({"a - b": sure})
    without = differences_chart({"a - b": {"mean_auroc": 0.02}})
    assert GREEN.lower() not in without
    assert GREY.lower() in without


@pytest.mark.parametrize("members", [1, 5, 6, 12])
def test_every_member_has_a_learning_curve_of_its_own_colour(members):
    assert len(set(member_colours(members))) == members
