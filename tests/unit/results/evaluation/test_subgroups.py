"""AUROC by group: right, paired, silent where it knows too little, and says why."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from pipeline.base.findings import FINDINGS
from pipeline.results.evaluation.groupings import AGE_BANDS, GROUPINGS, UNKNOWN, Groups, by_gender
from pipeline.results.evaluation.scores import MEAN, LabelledSet, score
from pipeline.results.evaluation.subgroups import CELLS, GAPS, score_subgroups
from pipeline.results.statistics.bootstrap import patient_counts, percentile_interval
from pipeline.results.statistics.estimate import UNKNOWN as NO_INTERVAL
from pipeline.results.statistics.estimate import bca, percentile
from pipeline.results.statistics.metrics import auroc_influence, rank

NUMBERS = ["auroc", "low", "high"]


def made_cohort(patients=80, *, findings=FINDINGS[:4], signal=0.2, seed=0):
    """Very uneven numbers of images; some ages missing; probabilities with ties."""
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), rng.geometric(0.2, patients))
    n = len(patient)
    names = pd.Series([f"{row:08d}_000.png" for row in range(n)], name="image_index")
    targets = {finding: rng.random(n) < 0.3 for finding in findings}
    metadata = pd.DataFrame(
        {
            "image_index": names,
            "age_years": np.where(rng.random(n) < 0.1, np.nan, rng.integers(1, 95, n)),
            "gender": rng.choice(["M", "F"], patients)[patient],
            "view_position": rng.choice(["PA", "AP"], n),
        }
    )
    probs = {name: (signal * t + rng.random(n)).round(2) for name, t in targets.items()}
    frame = pd.DataFrame({"image_index": names} | probs)
    return frame, LabelledSet(names, patient, targets), metadata


def counts_of(images, replicates=60):
    return patient_counts(images.patients, replicates=replicates, seed=3)


def run(cohort, *, replicates=60, min_cell=3, **other):
    frame, images, metadata = cohort
    counts = counts_of(images, replicates)
    return score_subgroups(frame, images, metadata, counts, min_cell=min_cell, **other)


def everyone(metadata):
    return Groups(("all",), np.zeros(len(metadata), int))


def by_name(**groups):
    """A grouping as given: the group of each image."""
    ((name, values),) = groups.items()
    names = tuple(dict.fromkeys(values))
    return {name: lambda metadata: Groups(names, np.array([names.index(v) for v in values]))}


def hand_made(*blocks, patients_each=1):
    """Blocks of (group, {finding: labels}); `patients_each` images in a row are one patient's."""
    groups, columns = [], {}
    for group, labels in blocks:
        n = {len(values) for values in labels.values()}.pop()
        groups += [group] * n
        for finding, values in labels.items():
            columns.setdefault(finding, []).extend(values)
    n = len(groups)
    names = pd.Series([f"{row:08d}_000.png" for row in range(n)], name="image_index")
    targets = {finding: np.array(values, bool) for finding, values in columns.items()}
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"image_index": names} | {f: rng.random(n) for f in columns})
    images = LabelledSet(names, np.arange(n) // patients_each, targets)
    metadata = pd.DataFrame({"image_index": names})
    return (frame, images, metadata), by_name(site=groups)


def mixed(positives, n=20):
    return [row < positives for row in range(n)]


@pytest.fixture(scope="module")
def cohort():
    return made_cohort()


@pytest.fixture(scope="module")
def subgroups(cohort):
    return run(cohort)


def test_a_groups_auroc_is_sklearns_on_its_images(cohort, subgroups):
    frame, images, metadata = cohort
    cells = subgroups.cells[
        subgroups.cells["auroc"].notna() & (subgroups.cells["finding"] != MEAN)
    ]
    assert set(cells["grouping"]) == set(GROUPINGS)
    for cell in cells.itertuples():
        groups = GROUPINGS[cell.grouping](metadata)
        rows = groups.code == groups.names.index(cell.group)
        targets = images.targets[cell.finding][rows]
        expected = roc_auc_score(targets, frame.loc[rows, cell.finding])
        assert abs(cell.auroc - expected) < 1e-12
        assert cell.images == rows.sum()
        assert cell.positives == targets.sum()
        assert cell.patients == len(set(images.patient[rows]))
        assert cell.positive_patients == len(set(images.patient[rows][targets]))


def test_every_image_is_in_one_group_of_each_grouping(cohort, subgroups):
    means = subgroups.cells[subgroups.cells["finding"] == MEAN]
    sums = means.groupby("grouping")["images"].sum()
    assert sums.to_dict() == dict.fromkeys(GROUPINGS, len(cohort[0]))


@pytest.mark.parametrize("interval", [percentile, bca])
def test_a_group_of_everyone_is_scored_as_the_whole_set_is(cohort, interval):
    frame, images, _ = cohort
    whole = score(frame, images, counts_of(images), min_patients=2)
    cells = run(cohort, groupings={"whole": everyone}, interval=interval).cells
    cells = cells.set_index("finding")
    assert cells["auroc"].drop(MEAN).to_dict() == whole.values("auroc")
    mean = cells.loc[MEAN]
    assert mean["auroc"] == whole.mean("auroc").value
    assert (mean["low"], mean["high"]) == interval(whole.mean("auroc"))


def test_another_interval_is_given_the_influence_of_all_patients(cohort):
    frame, images, metadata = cohort
    seen = []
    run(
        cohort,
        groupings={"gender": by_gender},
        interval=lambda one: seen.append(one) or NO_INTERVAL,
    )
    expected = []
    for rows in (metadata["gender"] == "M", metadata["gender"] == "F"):
        finding, kept = FINDINGS[0], rows.to_numpy()
        targets, probs = images.targets[finding][kept], frame.loc[kept, finding].to_numpy()
        ranking = rank(targets, probs, images.patient[kept], units=images.patients)
        expected.append(auroc_influence(ranking))
    men, women, gap = seen[0], seen[len(FINDINGS[:4]) + 1], seen[2 * (len(FINDINGS[:4]) + 1)]
    found = [men.influence, women.influence, gap.influence]
    np.testing.assert_allclose(found, [*expected, expected[0] - expected[1]], atol=1e-15)


def test_the_order_of_the_images_changes_nothing(cohort, subgroups):
    frame, images, metadata = cohort
    order = np.random.default_rng(1).permutation(len(frame))
    shuffled = LabelledSet(
        images.image_index.iloc[order].reset_index(drop=True),
        images.patient[order],
        {finding: targets[order] for finding, targets in images.targets.items()},
    )
    again = run((frame.sample(frac=1, random_state=2), shuffled, metadata[::-1]))
    pd.testing.assert_frame_equal(again.cells, subgroups.cells, check_exact=True)
    pd.testing.assert_frame_equal(again.gaps, subgroups.gaps, check_exact=True)
    assert again.averaged == subgroups.averaged


def test_an_interval_is_that_of_patients_drawn_one_by_one(cohort, subgroups):
    frame, images, metadata = cohort
    finding, rng = FINDINGS[0], np.random.default_rng(3)  # the seed of counts_of
    aurocs = {"M": [], "F": []}
    for _ in range(60):
        drawn = rng.integers(images.patients, size=images.patients)
        rows = np.concatenate([np.flatnonzero(images.patient == one) for one in drawn])
        for gender, values in aurocs.items():
            kept = rows[(metadata["gender"] == gender).to_numpy()[rows]]
            values.append(roc_auc_score(images.targets[finding][kept], frame[finding].iloc[kept]))
    cells = subgroups.cells.set_index(["grouping", "group", "finding"])
    for gender, values in aurocs.items():
        found = cells.loc[("gender", gender, finding), ["low", "high"]].tolist()
        assert found == pytest.approx(percentile_interval(np.array(values)), abs=1e-12)
    gap = subgroups.gaps.set_index(["grouping", "finding"]).loc[("gender", finding)]
    paired = percentile_interval(np.subtract(aurocs["M"], aurocs["F"]))
    assert [gap["low"], gap["high"]] == pytest.approx(paired, abs=1e-12)


def test_a_replicate_of_one_class_keeps_the_whole_value():
    few = {"Mass": mixed(2, 4)}  # e^-2: one replicate in seven has no positive
    cohort, groupings = hand_made(("a", few), ("b", few))
    frame, images, metadata = cohort
    one_class = np.tile([[2.0], [2.0], [0.0], [0.0]], (2, 1))
    counts = np.repeat(one_class, 3, axis=1)
    cells = score_subgroups(
        frame, images, metadata, counts, min_cell=2, groupings=groupings
    ).cells  # fmt: skip
    assert (cells["low"] == cells["auroc"]).all()
    assert (cells["high"] == cells["auroc"]).all()


@pytest.mark.parametrize(
    ("positives", "patients_each", "reason"),
    [
        (3, 1, "3 positives, fewer than 5"),
        (1, 1, "1 positive, fewer than 5"),
        (0, 1, "0 positives, fewer than 5"),
        (18, 1, "2 negatives, fewer than 5"),
        (5, 5, "positives of 1 patient, fewer than 2"),
        (15, 5, "negatives of 1 patient, fewer than 2"),
    ],
)
def test_a_small_cell_says_why_and_holds_no_number(positives, patients_each, reason):
    plenty = {"Mass": mixed(10), "Nodule": mixed(10)}
    cohort, groupings = hand_made(
        ("a", plenty), ("b", plenty | {"Nodule": mixed(positives)}), patients_each=patients_each
    )
    result = run(cohort, min_cell=5, groupings=groupings)
    cell = result.cells.set_index(["group", "finding"]).loc[("b", "Nodule")]
    assert cell["reason"] == reason
    assert cell[NUMBERS].isna().all()
    assert cell["positives"] == positives
    gap = result.gaps.set_index("finding").loc["Nodule"]
    assert gap["reason"] == "shown in 1 of 2 groups, a gap needs 2"
    assert gap[["group", "other", "gap", "low", "high"]].isna().all()


def test_a_group_that_shows_less_than_half_of_the_findings_shows_nothing():
    names = FINDINGS[:5]
    full = {name: mixed(10) for name in names}
    half = full | {name: mixed(1) for name in names[:3]}
    cohort, groupings = hand_made(("a", full), ("b", full), ("c", half))
    result = run(cohort, min_cell=5, groupings=groupings)
    closed = result.cells[result.cells["group"] == "c"].set_index("finding")
    assert closed[NUMBERS].isna().all(axis=None)
    reason = "2 of 5 findings can be shown, fewer than half"
    assert closed["reason"].tolist() == ["1 positive, fewer than 5"] * 3 + [reason] * 3
    assert result.averaged == {"site": names}  # what is closed does not narrow the others' mean
    assert "c" not in set(result.gaps["group"]) | set(result.gaps["other"])


def test_a_group_that_shows_half_of_the_findings_is_open():
    names = FINDINGS[:4]
    full = {name: mixed(10) for name in names}
    half = full | {name: mixed(1) for name in names[:2]}
    cohort, groupings = hand_made(("a", full), ("b", half))
    assert run(cohort, min_cell=5, groupings=groupings).averaged == {"site": names[2:]}


def test_a_mean_is_over_the_findings_that_all_open_groups_show():
    names = FINDINGS[:4]
    full = {name: mixed(10) for name in names} | {names[1]: mixed(12)}
    cohort, groupings = hand_made(
        ("a", full | {names[0]: mixed(1)}), ("b", full), ("c", full | {names[2]: mixed(19)})
    )
    result = run(cohort, min_cell=5, groupings=groupings)
    assert result.averaged == {"site": (names[1], names[3])}
    cells = result.cells.set_index(["group", "finding"])
    for group in "abc":
        shown = cells.loc[[(group, names[1]), (group, names[3])], "auroc"]
        assert cells.loc[(group, MEAN), "auroc"] == pytest.approx(shown.mean())
        assert cells.loc[(group, MEAN), "positives"] == 12  # ten of them are ill twice


def test_without_a_common_finding_there_is_no_mean_and_a_reason():
    one, other = FINDINGS[:2]
    cohort, groupings = hand_made(
        ("a", {one: mixed(10), other: mixed(1)}), ("b", {one: mixed(1), other: mixed(10)})
    )
    result = run(cohort, min_cell=5, groupings=groupings)
    means = result.cells[result.cells["finding"] == MEAN]
    assert means["reason"].tolist() == ["no finding is shown in every open group"] * 2
    assert means[NUMBERS].isna().all(axis=None)
    assert result.averaged == {"site": ()}
    assert result.gaps.set_index("finding").loc[MEAN, "reason"].startswith("shown in 0 of 2")


def twins(cohort, *groups):
    """Every image once more in each group, of the same patient."""
    frame, images, _ = cohort
    times = len(groups)
    names = pd.Series([f"{group}{name}" for group in groups for name in images.image_index])
    both = pd.concat([frame] * times).assign(image_index=names.to_numpy())
    targets = {finding: np.tile(one, times) for finding, one in images.targets.items()}
    place = np.repeat(np.arange(times), len(frame))
    repeated = LabelledSet(names, np.tile(images.patient, times), targets)
    grouping = {"twins": lambda metadata: Groups(groups, place)}
    return (both, repeated, pd.DataFrame({"image_index": names})), grouping


@pytest.mark.parametrize("groups", [("a", "b"), ("a", "b", "c")])
def test_identical_groups_are_not_apart_in_any_replicate(cohort, groups):
    same, groupings = twins(cohort, *groups)
    gaps = run(same, groupings=groupings).gaps
    assert (gaps[["gap", "low", "high"]] == 0).all(axis=None)
    assert (gaps["group"] == "a").all()
    assert (gaps["other"] == groups[-1]).all()


def test_a_gap_of_two_groups_is_signed_and_changes_sign_with_them():
    frame, images, metadata = cohort = made_cohort(findings=FINDINGS, signal=0)
    swapped = metadata.assign(gender=metadata["gender"].map({"M": "F", "F": "M"}))
    once = run(cohort, groupings={"gender": by_gender}).gaps
    twice = run((frame, images, swapped), groupings={"gender": by_gender}).gaps
    assert set(zip(once["group"], once["other"], strict=True)) == {("M", "F")}
    assert not once["chosen"].any()
    assert set(np.sign(once["gap"])) == {-1, 1}
    assert twice["gap"].tolist() == (-once["gap"]).tolist()
    assert twice["low"].tolist() == pytest.approx((-once["high"]).tolist(), abs=1e-12)


def test_a_gap_of_more_groups_is_the_best_minus_the_worst_and_says_it_was_chosen(subgroups):
    for gap in subgroups.gaps[subgroups.gaps["grouping"] == "age"].itertuples():
        here = subgroups.cells["grouping"].eq("age") & subgroups.cells["finding"].eq(gap.finding)
        aurocs = subgroups.cells[here].set_index("group")["auroc"]
        assert gap.chosen
        assert (gap.group, gap.other) == (aurocs.idxmax(), aurocs.idxmin())
        assert gap.gap == aurocs.max() - aurocs.min()
        assert gap.low <= gap.high


def test_ages_fall_into_their_bands_and_missing_ones_into_unknown():
    years = [0, 19.99, 20, 39, 40, 59, 60, 79, 80, 119, np.nan]
    groups = GROUPINGS["age"](pd.DataFrame({"age_years": years}))
    bands = [name for name in AGE_BANDS for _ in range(2)]
    assert [groups.names[code] for code in groups.code] == [*bands, UNKNOWN]


def test_the_combination_names_all_three_and_missing_ages_too():
    metadata = pd.DataFrame(
        {
            "gender": ["F", "M"],
            "age_years": [61.0, np.nan],
            "view_position": ["AP", "PA"],
        }
    )
    groups = GROUPINGS["gender, age and view"](metadata)
    assert [groups.names[code] for code in groups.code] == ["F, 60-79, AP", "M, unknown, PA"]
    assert len(groups.names) == 24


@pytest.mark.parametrize(
    ("column", "value"), [("gender", "X"), ("view_position", "LL"), ("age_years", -1.0)]
)
def test_an_image_that_is_in_no_group_is_refused(cohort, column, value):
    frame, images, metadata = cohort
    wrong = metadata.assign(**{column: [value, *metadata[column][1:]]})
    with pytest.raises(ValueError, match=f"{column}: 1 of {len(frame)} images are in none"):
        run((frame, images, wrong))


def test_counts_of_other_patients_are_refused(cohort):
    frame, images, metadata = cohort
    with pytest.raises(ValueError, match="expected counts of 80 patients, found 81"):
        score_subgroups(frame, images, metadata, np.ones((81, 2)), min_cell=3)


@pytest.mark.parametrize("min_cell", [0, 3, 12, 10_000])
@pytest.mark.parametrize("patients", [2, 30])
def test_every_null_has_a_reason_and_every_reason_a_null(patients, min_cell):
    result = run(made_cohort(patients, seed=1), min_cell=min_cell)
    assert list(result.cells.columns) == list(CELLS)
    assert list(result.gaps.columns) == list(GAPS)
    for table, names in ((result.cells, NUMBERS), (result.gaps, ["gap", "low", "high"])):
        for name in names:
            assert (table[name].isna() == table["reason"].notna()).all()
    assert not result.cells.drop(columns=[*NUMBERS, "reason"]).isna().any(axis=None)
    assert (result.gaps["group"].isna() == result.gaps["reason"].notna()).all()


def test_without_replicates_there_are_values_and_no_intervals(cohort, subgroups):
    result = run(cohort, replicates=0)
    assert result.cells["auroc"].equals(subgroups.cells["auroc"])
    assert result.gaps["gap"].equals(subgroups.gaps["gap"])
    for table in result[:2]:
        assert table[["low", "high"]].isna().all(axis=None)
        assert table["low"].dtype == float


def test_a_set_without_findings_has_only_a_mean_that_says_so(cohort):
    frame, images, metadata = cohort
    result = run((frame, images._replace(targets={}), metadata))
    assert set(result.cells["finding"]) == {MEAN}
    assert set(result.cells["reason"]) == {"no finding is shown in every open group"}
