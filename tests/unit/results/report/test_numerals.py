"""Numbers on the page: true minus signs, dashes for the unknown, no nought that is not one."""

import pytest

from pipeline.results.report.numerals import NBSP, number, p_value, percent, signed, threshold


@pytest.mark.parametrize("spell", [number, signed, percent])
def test_the_unknown_is_a_dash(spell):
    assert spell(None) == "–"


@pytest.mark.parametrize(
    ("spelt", "expected"),
    [
        (number(0.79154), "0.792"),
        (number(0.5, 2), "0.50"),
        (number(-0.2034), "−0.203"),
        (number(-0.0001), "0.000"),
        (signed(-0.0023), "−0.002"),
        (signed(0.0389), "+0.039"),
        (percent(0.256), f"26{NBSP}%"),
        (percent(-0.02), f"−2{NBSP}%"),
        (percent(-0.004), f"0{NBSP}%"),
        (percent(0.0022, 1), f"0.2{NBSP}%"),
        (threshold(0.1234), "0.123"),
        (threshold(0.00412), "0.0041"),
        (threshold(0.000412), "0.00041"),
        (p_value(0.002), "= 0.002"),
        (p_value(0.0002), "< 0.001"),
    ],
)
def test_a_number_is_spelt_as_expected(spelt, expected):
    assert spelt == expected
