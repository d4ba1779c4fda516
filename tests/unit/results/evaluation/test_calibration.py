"""Calibrations that keep the order and put right what was put wrong; errors by hand and loop."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit, logit
from sklearn.calibration import CalibratedClassifierCV, calibration_curve
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from pipeline.results.evaluation.calibration import (
    CALIBRATIONS,
    IDENTITY,
    Calibration,
    brier,
    calibrate,
    expected_calibration_error,
    platt,
    reliability,
    temperature,
)
from pipeline.results.statistics.metrics import auroc_of

every_calibration = pytest.mark.parametrize("fit", CALIBRATIONS.values(), ids=CALIBRATIONS.keys())


def drawn(n=4000, *, centre=-2.0, slope=1.0, intercept=0.0, seed=0):
    """Probabilities off the true ones by a line, so that (slope, intercept) puts them right."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(centre, 1.5, n)
    return expit((logits - intercept) / slope), rng.random(n) < expit(logits)


def float32_probs(low, high, *, least=1):
    values = st.floats(low, high, width=32)
    return arrays(np.float32, st.integers(least, 40), elements=values)


@st.composite
def predictions(draw):
    """Float32 probabilities, exact 0 and 1 and ties among them, and any targets."""
    probs = draw(float32_probs(0, 1))
    return probs, draw(arrays(bool, len(probs)))


@pytest.mark.parametrize("slope", [0.4, 1, 2.5])
@pytest.mark.parametrize("intercept", [-1.5, 0, 1])
def test_platt_finds_the_line_that_puts_probabilities_right(slope, intercept):
    found = platt(*drawn(100_000, slope=slope, intercept=intercept))
    assert found.fitted
    assert found.slope == pytest.approx(slope, rel=0.03)
    assert found.intercept == pytest.approx(intercept, abs=0.06)


@pytest.mark.parametrize("slope", [0.4, 1, 2.5])
def test_temperature_finds_the_slope_that_puts_probabilities_right(slope):
    found = temperature(*drawn(100_000, slope=slope))
    assert found.slope == pytest.approx(slope, rel=0.03)
    assert (found.intercept, found.fitted) == (0, True)


@pytest.mark.parametrize("centre", [-5.5, -2, 0.5])
def test_platt_is_the_sigmoid_calibration_of_sklearn(centre):
    probs, targets = drawn(centre=centre, slope=0.7, intercept=-1)
    column = logit(probs)[:, None]
    unmoved = LogisticRegression().fit(column, targets)
    unmoved.coef_[:], unmoved.intercept_[:] = 1, 0  # so that the decision is the logit
    oracle = CalibratedClassifierCV(FrozenEstimator(unmoved), method="sigmoid")
    expected = oracle.fit(column, targets).predict_proba(column)[:, 1]
    found = calibrate(probs, platt(probs, targets))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("centre", [-5.5, -2, 0.5])
def test_platt_is_a_logistic_regression_on_rows_of_both_classes_weighed(centre):
    probs, targets = drawn(centre=centre, slope=0.7, intercept=-1)
    positives, negatives = targets.sum(), (~targets).sum()
    aims = np.where(targets, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    oracle = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-10)
    column, one = np.tile(logit(probs), 2)[:, None], np.ones(len(probs))
    oracle.fit(column, np.append(one, 0 * one), sample_weight=np.append(aims, 1 - aims))
    found = platt(probs, targets)
    assert found.slope == pytest.approx(oracle.coef_[0, 0], rel=1e-6)
    assert found.intercept == pytest.approx(oracle.intercept_[0], rel=1e-6)


def test_temperature_is_a_logistic_regression_without_an_intercept():
    probs, targets = drawn(slope=0.7, intercept=-1)
    oracle = LogisticRegression(C=np.inf, fit_intercept=False, solver="newton-cholesky", tol=1e-10)
    oracle.fit(logit(probs)[:, None], targets)
    assert temperature(probs, targets).slope == pytest.approx(oracle.coef_[0, 0], rel=1e-6)


@every_calibration
def test_no_line_nearby_has_less_log_loss(fit):
    probs, targets = drawn(slope=0.6, intercept=0.5)
    best = fit(probs, targets)
    aims = targets.astype(float)
    if fit is platt:
        aims = np.where(targets, (targets.sum() + 1) / (targets.sum() + 2), 0)
        aims[~targets] = 1 / ((~targets).sum() + 2)

    def loss(calibration):
        moved = calibrate(probs, calibration)
        return -np.mean(aims * np.log(moved) + (1 - aims) * np.log1p(-moved))

    shifts = (-1e-3, 0, 1e-3) if fit is platt else (0,)
    for shift in shifts:
        for turn in (-1e-3, 1e-3):
            near = best._replace(slope=best.slope + turn, intercept=best.intercept + shift)
            assert loss(near) > loss(best)


@every_calibration
def test_calibration_lessens_the_errors_of_overconfident_probabilities(fit):
    probs, targets = drawn(20_000, slope=0.5)
    fresh, truth = drawn(20_000, slope=0.5, seed=1)
    moved = calibrate(fresh, fit(probs, targets))
    assert expected_calibration_error(moved, truth) < 0.01
    assert expected_calibration_error(fresh, truth) > 0.03
    assert brier(moved, truth) < brier(fresh, truth)
    assert log_loss(truth, moved) < log_loss(truth, fresh)


@every_calibration
@given(images=predictions())
def test_any_fit_has_a_positive_slope_and_leaves_the_order(fit, images):
    probs, targets = images
    calibration = fit(probs, targets)
    assert calibration.slope > 0
    assert np.isfinite(calibration).all()
    assert calibration.fitted or calibration == IDENTITY
    moved = calibrate(probs, calibration)
    assert moved.dtype == np.float64
    assert ((moved > 0) & (moved < 1)).all()
    assert (np.diff(moved[np.argsort(probs)]) >= 0).all()
    assert (np.diff(moved[np.argsort(-probs)]) <= 0).all()  # and ties stay ties


@given(float32_probs(0, 1 - 2**-12), st.floats(0.05, 2), st.floats(-5, 5))
def test_float32_probabilities_that_differ_still_differ_calibrated(probs, slope, intercept):
    near = np.nextafter(probs, np.float32(1))
    moved = (calibrate(side, Calibration(slope, intercept, True)) for side in (probs, near))
    assert np.less(*moved).all()


@every_calibration
def test_calibration_keeps_every_auroc_exactly(fit):
    for seed in range(5):
        probs, targets = drawn(slope=0.5 + seed / 4, intercept=1, seed=seed)
        single = probs.astype(np.float32)
        moved = calibrate(single, fit(single, targets))
        assert auroc_of(targets, moved) == auroc_of(targets, single)


@given(predictions())
def test_the_identity_returns_the_probabilities(images):
    probs, _ = images
    np.testing.assert_allclose(calibrate(probs, IDENTITY), probs, atol=2**-25, rtol=1e-12)


@every_calibration
@given(images=predictions(), seed=st.integers(0, 99))
def test_the_order_of_the_images_hardly_matters(fit, images, seed):
    probs, targets = images
    shuffled = np.random.default_rng(seed).permutation(len(probs))
    first, again = fit(probs, targets), fit(probs[shuffled], targets[shuffled])
    assume(first.fitted == again.fitted)  # a slope of nought is positive by rounding alone
    moved = (calibrate(probs, calibration) for calibration in (first, again))
    np.testing.assert_allclose(*moved, atol=1e-6)


@every_calibration
def test_the_same_images_give_the_same_bits(fit):
    assert fit(*drawn()) == fit(*drawn())


@every_calibration
@pytest.mark.parametrize(
    ("probs", "targets"),
    [
        ([0.1, 0.2, 0.9], [True, True, True]),
        ([0.1, 0.2, 0.9], [False, False, False]),
        ([0.3, 0.3, 0.3], [True, False, False]),
        ([0.9, 0.8, 0.2, 0.1], [False, False, True, True]),
        ([0.1, 0.9, 0.1, 0.9], [False, False, True, True]),
        ([], []),
    ],
    ids=["no negative", "no positive", "one probability", "upside down", "no help", "no image"],
)
def test_what_no_rising_line_fits_is_left_as_it_is_and_said_so(fit, probs, targets):
    assert fit(np.array(probs, float), np.array(targets, bool)) == IDENTITY
    assert not IDENTITY.fitted


@given(float32_probs(0, 1, least=2), st.sampled_from(np.linspace(0.05, 0.95, 19)))
def test_separated_classes_have_a_platt_line_but_no_temperature_if_parted_at_one_half(probs, cut):
    targets = probs > cut
    assume(0 < targets.sum() < len(targets))
    assume(np.ptp(np.clip(probs, 1e-6, 1 - 1e-6)) > 0)
    assert platt(probs, targets).fitted
    assert temperature(probs, probs > 0.5) == IDENTITY


def test_a_steep_line_ends_short_of_nought_and_one():
    moved = calibrate(np.array([0, 0.5, 1], np.float32), Calibration(50.0, 0.0, True))
    assert 0 < moved[0] < 1e-300
    assert moved[1] == 0.5
    assert 1 - 1e-15 < moved[2] < 1


def test_two_probabilities_are_moved_onto_platts_smoothed_shares():
    probs = np.repeat([0.5, 0.9], 4)
    targets = np.array([True, False, False, False, True, True, True, False])
    moved = calibrate(probs, platt(probs, targets))
    high, low = 5 / 6, 1 / 6  # of 4 positives and 4 negatives
    np.testing.assert_allclose(moved[:4], (high + 3 * low) / 4)
    np.testing.assert_allclose(moved[4:], (3 * high + low) / 4)


@every_calibration
def test_one_positive_at_nought_does_not_decide_the_slope(fit):
    probs, targets = drawn()
    extreme = np.append(probs, 0.0).astype(np.float32), np.append(targets, True)
    assert fit(*extreme).slope == pytest.approx(fit(probs, targets).slope, rel=0.1)


@pytest.mark.parametrize("wrong", [-0.1, 1.1, np.nan])
@pytest.mark.parametrize("use", [*CALIBRATIONS.values(), lambda p, _: calibrate(p, IDENTITY)])
def test_what_is_no_probability_is_refused(use, wrong):
    with pytest.raises(ValueError, match="1 of 2 probabilities"):
        use(np.array([0.5, wrong]), np.array([True, False]))


@given(
    st.lists(st.tuples(st.integers(0, 64), st.booleans()), min_size=1, max_size=40),
    st.sampled_from([1, 2, 4, 16]),
)
def test_calibration_error_is_that_of_a_loop_over_bins(images, bins):
    probs = np.array([p for p, _ in images], np.float32) / 64  # edges are exact
    targets = np.array([t for _, t in images])
    expected = 0.0
    for low in range(bins):
        inside = (probs >= low / bins) & (probs < (low + 1) / bins)
        if low == bins - 1:
            inside |= probs == 1
        if inside.any():
            gap = abs(probs[inside].mean(dtype=float) - targets[inside].mean())
            expected += inside.mean() * gap
    found = expected_calibration_error(probs, targets, bins=bins)
    assert found == pytest.approx(expected, abs=1e-12)


def test_calibration_error_by_hand():
    probs = np.array([0.1, 0.3, 0.6, 1.0])
    targets = np.array([False, True, True, False])
    # below one half 0.2 predicted, 0.5 observed; above it 0.8 and 0.5, 1.0 among them
    error = expected_calibration_error(probs, targets, bins=2)
    assert error == pytest.approx(0.5 * 0.3 + 0.5 * 0.3)


def test_calibration_error_of_probabilities_that_are_true_is_small():
    assert expected_calibration_error(*drawn(100_000)) < 0.005


@given(predictions())
def test_brier_is_that_of_sklearn_and_bounds_the_calibration_error(images):
    probs, targets = images
    expected = brier_score_loss(targets, probs.astype(float), pos_label=True, labels=[0, 1])
    assert brier(probs, targets) == pytest.approx(expected, abs=1e-12)
    assert expected_calibration_error(probs, targets) ** 2 <= brier(probs, targets) + 1e-12


@given(predictions(), st.integers(1, 12))
def test_reliability_bins_hold_every_image_once_in_order_and_no_tie_in_two(images, bins):
    probs, targets = images
    table = reliability(probs, targets, bins=bins)
    assert list(table.columns) == ["predicted", "observed", "images"]
    assert list(table.index) == list(range(len(table)))
    assert 1 <= len(table) <= bins
    assert table["images"].sum() == len(probs)
    edges = np.cumsum(table["images"])
    ordered = np.sort(probs)
    assert (ordered[edges[:-1] - 1] < ordered[edges[:-1]]).all()
    for column, values in (("predicted", probs), ("observed", targets)):
        total = (table[column] * table["images"]).sum()
        assert total == pytest.approx(values.sum(dtype=float), abs=1e-9)
    assert (table["images"] > 0).all()


def test_reliability_bins_are_those_of_sklearns_quantiles_without_ties():
    probs, targets = drawn(1000)
    table = reliability(probs, targets)
    observed, predicted = calibration_curve(targets, probs, n_bins=10, strategy="quantile")
    np.testing.assert_allclose(table["predicted"], predicted)
    np.testing.assert_allclose(table["observed"], observed)
    assert (table["images"] == 100).all()


def test_a_heavy_tie_is_one_bin_and_there_are_fewer():
    probs = np.array([0.1, *[0.2] * 7, 0.3, 0.4])
    targets = np.arange(10) % 2 == 1
    table = reliability(probs, targets, bins=5)
    assert list(table["images"]) == [1, 7, 2]
    np.testing.assert_allclose(table["predicted"], [0.1, 0.2, 0.35])
    np.testing.assert_allclose(table["observed"], [0, 4 / 7, 0.5])


def test_a_constant_probability_is_one_bin():
    table = reliability(np.full(7, 0.25, np.float32), np.arange(7) < 2)
    assert table.to_dict("records") == [
        {"predicted": 0.25, "observed": pytest.approx(2 / 7), "images": 7}
    ]
