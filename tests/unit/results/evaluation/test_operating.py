"""Thresholds against every other one; shares of calls, counted literally, over patients."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    balanced_accuracy_score,
    confusion_matrix,
    f1_score,
    recall_score,
    roc_curve,
)

from pipeline.results.evaluation.operating import (
    RULES,
    Share,
    choose_threshold,
    operating_point,
    operating_points,
)
from pipeline.results.statistics.bootstrap import patient_counts, percentile_interval

every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES.keys())
GOODNESS = {
    "youden": balanced_accuracy_score,
    "f1": f1_score,
    "sensitivity": lambda targets, calls: recall_score(targets, calls) >= 0.7,
}
UNDEFINED = Share(None, None, None)


@st.composite
def both_classes(draw):
    """Float32 probabilities with many ties, not all of them exact decimals, and targets."""
    n = draw(st.integers(2, 40))
    ninths = draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))
    targets = draw(
        st.lists(st.booleans(), min_size=n, max_size=n).filter(lambda t: 0 < sum(t) < n)
    )
    return np.array(ninths, np.float32) / np.float32(9), np.array(targets)


@st.composite
def called_images(draw):
    """Calls, targets and patients of a few images, and how often each patient is drawn."""
    n, patients = draw(st.integers(1, 12)), 4
    lists = [draw(st.lists(st.booleans(), min_size=n, max_size=n)) for _ in range(2)]
    patient = draw(st.lists(st.integers(0, patients - 1), min_size=n, max_size=n))
    counts = draw(st.lists(st.integers(0, 3), min_size=patients, max_size=patients))
    return (*map(np.array, (*lists, patient)), np.array(counts, float)[:, None])


def sample(*, patients=300, each=4, points=1, seed=0):
    rng = np.random.default_rng(seed)
    patient = np.repeat(np.arange(patients), each)
    targets = rng.random((points, len(patient))) < 0.2
    probs = rng.beta(1, 4, (points, len(patient))).astype(np.float32) + np.float32(0.1) * targets
    return probs, targets, patient


def literal(calls, targets):
    """Sensitivity, specificity, ppv and npv, None where of no image."""
    (tn, fp), (fn, tp) = confusion_matrix(targets, calls, labels=[False, True])
    parts = ((tp, tp + fn), (tn, tn + fp), (tp, tp + fp), (tn, tn + fn))
    return [right / total if total else None for right, total in parts]


@pytest.mark.parametrize("name", RULES)
@given(images=both_classes())
def test_no_threshold_is_better_than_the_chosen_one_and_no_higher_one_as_good(name, images):
    probs, targets = images
    chosen = choose_threshold(probs, targets, RULES[name], sensitivity=0.7)
    best = GOODNESS[name](targets, probs >= chosen)
    for threshold in np.unique(probs):
        goodness = GOODNESS[name](targets, probs >= threshold)
        assert goodness <= best + 1e-12
        if threshold > chosen:
            assert goodness < best - 1e-12 if name != "sensitivity" else not goodness


@given(both_classes(), st.floats(0.01, 1))
def test_the_sensitivity_rule_reads_the_roc_curve_of_sklearn(images, sensitivity):
    probs, targets = images
    _, tpr, thresholds = roc_curve(targets, probs, drop_intermediate=False)
    found = choose_threshold(probs, targets, RULES["sensitivity"], sensitivity=sensitivity)
    assert found == thresholds[tpr >= sensitivity][0]


@every_rule
@given(images=both_classes())
def test_a_threshold_is_one_of_the_probabilities_to_the_last_bit(rule, images):
    probs, targets = images
    chosen = choose_threshold(probs, targets, rule, sensitivity=0.7)
    assert type(chosen) is float
    row = np.flatnonzero(probs == chosen)
    assert len(row)
    # the same calls as a float64 reader of the same file makes
    assert ((probs >= chosen) == (probs.astype(np.float64) >= chosen)).all()
    assert (probs >= chosen)[row].all()


@every_rule
def test_neighbouring_float32_probabilities_are_told_apart(rule):
    low = np.float32(0.1)
    probs = np.array([low, np.nextafter(low, np.float32(1))])
    targets = np.array([False, True])
    chosen = choose_threshold(probs, targets, rule, sensitivity=1.0)
    assert list(probs >= chosen) == [False, True]


@every_rule
@given(images=both_classes(), seed=st.integers(0, 99))
def test_the_order_of_the_images_does_not_matter(rule, images, seed):
    probs, targets = images
    shuffled = np.random.default_rng(seed).permutation(len(probs))
    first = choose_threshold(probs, targets, rule, sensitivity=0.7)
    assert first == choose_threshold(probs[shuffled], targets[shuffled], rule, sensitivity=0.7)


@every_rule
@given(images=both_classes())
def test_a_rising_map_of_the_probabilities_leaves_the_calls(rule, images):
    probs, targets = images
    mapped = (probs / 2) ** 2
    calls = [p >= choose_threshold(p, targets, rule, sensitivity=0.7) for p in (probs, mapped)]
    assert (calls[0] == calls[1]).all()


@given(both_classes(), st.floats(0.01, 1), st.floats(0.01, 1))
def test_more_sensitivity_is_no_higher_threshold(images, one, other):
    less, more = (
        choose_threshold(*images, RULES["sensitivity"], sensitivity=asked)
        for asked in sorted((one, other))
    )
    assert more <= less


@pytest.mark.parametrize(
    ("name", "expected"),
    [("youden", 0.6), ("f1", 0.6), ("sensitivity", 0.2)],
)
def test_three_positives_among_seven_by_hand(name, expected):
    probs = np.array([0.9, 0.7, 0.6, 0.5, 0.3, 0.2, 0.1])
    targets = np.array([True, False, True, False, False, True, False])
    # youden  at 0.9: 1/3, 0.6: 2/3 - 1/4 = 5/12, 0.2: 1 - 3/4; f1 1/2, 2/3, 2/3
    assert choose_threshold(probs, targets, RULES[name], sensitivity=0.7) == expected


def test_a_sensitivity_that_is_just_reached_counts():
    probs, targets = np.linspace(1, 0.05, 20), np.arange(20) < 10
    assert choose_threshold(probs, targets, RULES["sensitivity"], sensitivity=0.7) == probs[6]


@every_rule
@pytest.mark.parametrize("targets", [[True, True], [False, False], []])
def test_one_class_alone_has_no_threshold(rule, targets):
    probs = np.linspace(0, 1, len(targets))
    assert choose_threshold(probs, np.array(targets, bool), rule, sensitivity=0.7) is None


@every_rule
def test_a_constant_probability_calls_every_image(rule):
    probs, targets = np.full(5, 0.2, np.float32), np.arange(5) < 2
    assert choose_threshold(probs, targets, rule, sensitivity=0.7) == np.float32(0.2)


def test_a_probability_that_is_not_finite_and_an_impossible_sensitivity_are_refused():
    probs, targets = np.array([0.1, np.nan]), np.array([True, False])
    with pytest.raises(ValueError, match="1 of 2 probabilities"):
        choose_threshold(probs, targets, RULES["f1"], sensitivity=0.7)
    with pytest.raises(ValueError, match="found 70"):
        choose_threshold(probs[:1], targets[:1], RULES["f1"], sensitivity=70.0)


@given(called_images())
def test_shares_and_replicates_are_those_of_the_images_counted_one_by_one(images):
    """In one replicate that is drawn, and in one that is the sample itself."""
    calls, targets, patient, counts = images
    both = np.hstack([counts[:, :1], np.ones((len(counts), 1))])
    point = operating_points(calls[None], targets[None], patient, both)[0]
    whole = literal(calls, targets)
    assert [share.value for share in point] == whole
    rows = np.repeat(np.arange(len(calls)), counts[patient, 0].astype(int))
    drawn = literal(calls[rows], targets[rows]) if len(rows) else [None] * 4
    for share, *values in zip(point, drawn, whole, strict=True):
        defined = [value for value in values if value is not None]
        varies = len(set(defined)) == 2
        interval = percentile_interval(np.array(defined)) if varies else (None, None)
        assert (share.low, share.high) == interval


@given(called_images())
def test_the_other_class_swaps_the_shares(images):
    calls, targets, patient, counts = images
    point = operating_points(calls[None], targets[None], patient, counts)[0]
    other = operating_points(~calls[None], ~targets[None], patient, counts)[0]
    assert point == (other.specificity, other.sensitivity, other.npv, other.ppv)


def test_an_interval_holds_its_share_of_replicates_of_drawn_patients():
    probs, targets, patient = sample()
    counts = patient_counts(300, replicates=50, seed=1)
    point = operating_point(probs[0], targets[0], patient, 0.3, counts)
    replicates = []
    for drawn in counts.T.astype(int):
        rows = np.repeat(np.arange(len(patient)), drawn[patient])
        replicates.append(literal(probs[0][rows] >= 0.3, targets[0][rows]))
    for share, column in zip(point, np.transpose(replicates), strict=True):
        assert (share.low, share.high) == percentile_interval(column)
        assert share.low < share.value < share.high


def test_many_points_at_once_are_each_alone():
    probs, targets, patient = sample(points=150, patients=40)
    thresholds = np.linspace(0, 1, 150).astype(np.float32)
    counts = patient_counts(40, replicates=20, seed=0)
    together = operating_points(probs >= thresholds[:, None], targets, patient, counts)
    alone = [
        operating_point(p, t, patient, float(threshold), counts)
        for p, t, threshold in zip(probs, targets, thresholds, strict=True)
    ]
    assert together == alone
    assert operating_points(probs[:0] >= 1, targets[:0], patient, counts) == []


def test_no_replicates_are_no_interval():
    probs, targets, patient = sample()
    point = operating_point(probs[0], targets[0], patient, 0.3, np.empty((300, 0)))
    for share, value in zip(point, literal(probs[0] >= 0.3, targets[0]), strict=True):
        assert share == Share(value, None, None)


def test_a_share_of_no_image_is_none():
    counts = patient_counts(2, replicates=5, seed=0)
    images = np.array([0.1, 0.2]), np.array([False, False]), np.arange(2)
    nobody = operating_point(*images, 0.5, counts)
    assert nobody == (UNDEFINED, Share(1, None, None), UNDEFINED, Share(1, None, None))
    everybody = operating_point(*images, 0.0, counts)
    assert everybody == (UNDEFINED, Share(0, None, None), Share(0, None, None), UNDEFINED)


def test_a_replicate_without_an_image_to_take_the_share_of_is_left_out():
    probs, targets = np.array([0.9, 0.8, 0.1]), np.array([True, False, True])
    counts = np.array([[1.0, 0.0, 3.0], [1.0, 0.0, 0.0], [1.0, 3.0, 0.0]])
    point = operating_point(probs, targets, np.arange(3), 0.5, counts)
    assert point.ppv == (0.5, *percentile_interval(np.array([0.5, 1.0])))
    assert point.sensitivity == (0.5, *percentile_interval(np.array([0.5, 0.0, 1.0])))
    assert point.specificity == Share(0, None, None)  # it is 0 wherever it is defined


def test_repeated_images_of_a_patient_do_not_narrow_the_interval():
    probs, targets, patient = sample(each=1)
    counts = patient_counts(300, replicates=200, seed=0)
    once = operating_point(probs[0], targets[0], patient, 0.3, counts)
    repeated = (np.repeat(values, 5) for values in (probs[0], targets[0], patient))
    assert operating_point(*repeated, 0.3, counts) == once


def test_an_image_at_the_threshold_itself_is_called_positive():
    probs = np.array([0.1], np.float32)
    images = probs, np.array([True]), np.array([0]), float(probs[0]), np.ones((1, 0))
    assert operating_point(*images).sensitivity.value == 1
