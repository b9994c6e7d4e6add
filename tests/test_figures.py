"""How figures are written for people. Expected texts follow from the rules: three significant digits, k, M, bn."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revgauge.figures import BARS, MINUS, Style, change, plain, sparkline, style_of, verdict, with_unit, written
from revgauge.workspace import builtin_catalogue

SHARE = Style(percent=True)
MONEY = Style(unit="EUR")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("0", "0"),
        ("7", "7"),
        ("50.25", "50.3"),
        ("999", "999"),
        ("999.6", "1.00k"),
        ("1023", "1.02k"),
        ("999499", "999k"),
        ("999500", "1.00M"),
        ("1234567890", "1.23bn"),
        ("0.02345", "0.0235"),
        ("-12345", f"{MINUS}12.3k"),
    ],
)
def test_figures_have_three_digits(number: str, text: str) -> None:
    """A figure shows three significant digits, halves rounded away from zero, whole numbers below 1,000 as they are."""
    assert written(Decimal(number), MONEY) == text


def test_a_share_is_a_percentage_and_other_ratios_are_not() -> None:
    """0.332 of something is 33.2%; a ratio of gains to losses of 4.1 is no 410%."""
    assert written(Decimal("0.332"), SHARE) == "33.2%"
    assert written(Decimal("4.1"), Style(times=True)) == "4.10\N{MULTIPLICATION SIGN}"


def test_exact_figures_keep_their_digits() -> None:
    """On request all digits are shown, in groups, cents with two places."""
    assert written(Decimal("1234567.5"), MONEY, exact=True) == "1,234,567.50"


def test_the_unit_stands_beside_a_value_and_not_beside_nothing() -> None:
    """No value is a dash alone: a dash with a currency would look like an amount."""
    assert with_unit(Decimal(5), MONEY) == "5 EUR"
    assert with_unit(None, MONEY) == "\N{EN DASH}"


@pytest.mark.parametrize(
    ("now", "before", "style", "text"),
    [
        ("0.35", "0.33", SHARE, "+2 pp"),
        ("110", "100", MONEY, "+10%"),
        ("90", "100", MONEY, f"{MINUS}10%"),
        ("5", "0", MONEY, "+5"),
        ("-5", "10", MONEY, f"{MINUS}15"),
        ("100", "100", MONEY, "0%"),
    ],
)
def test_changes_are_points_percent_or_differences(now: str, before: str, style: Style, text: str) -> None:
    """Rates differ in points, amounts in percent; over a base of zero or below only the difference means something."""
    assert change(Decimal(now), Decimal(before), style) == text


def test_a_fall_of_what_should_fall_is_better() -> None:
    """The direction of the metric decides what a change means, not its sign."""
    two, three = Decimal(2), Decimal(3)
    assert verdict(two, three, "down") == verdict(three, two, "up") == verdict(two, -three, "zero") == "better"
    assert verdict(two, three, "up") == "worse"
    assert verdict(two, two, "up") == "same"
    assert verdict(two, three, "target") == verdict(None, two, "up") == ""


def test_a_missing_value_breaks_the_sparkline() -> None:
    """What is not known is a hole in the line and not its lowest point."""
    assert sparkline([Decimal(1), None, Decimal(8)]) == f"{BARS[0]} {BARS[-1]}"
    assert sparkline([None, None]) == "  "


@given(st.lists(st.none() | st.decimals(-(10**9), 10**9, places=2), max_size=30))
def test_a_sparkline_has_one_mark_for_each_value(values: list[Decimal | None]) -> None:
    """Whatever the values, the shape is as long as the series and reaches its highest mark only at its maximum."""
    line = sparkline(values)
    assert len(line) == len(values)
    known = [value for value in values if value is not None]
    for value, bar in zip(values, line, strict=True):
        assert (bar == " ") == (value is None)
        if value is not None and value == max(known) != min(known):
            assert bar == BARS[-1]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6))
def test_plain_numbers_read_back_as_they_were(number: Decimal) -> None:
    """What is written as data has no grouping, exponent or rounding that would change it."""
    assert Decimal(plain(number)) == number


def test_every_metric_has_a_way_of_writing() -> None:
    """Each metric of the catalogue is a percentage, a multiple, or a number with or without a unit, and never two."""
    for metric in builtin_catalogue().metrics.values():
        style = style_of(metric, "USD")
        assert [style.percent, style.times, bool(style.unit)].count(True) <= 1, metric.name
    assert style_of(builtin_catalogue().metric("quick_ratio"), "USD").times
    assert style_of(builtin_catalogue().metric("nrr"), "USD").percent
