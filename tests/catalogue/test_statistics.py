"""Intervals: Wilson's of a share and Student's of a mean, against published and hand-computed values."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revgauge.catalogue.statistics import few, mean_interval, student, wilson


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: the score method without continuity correction.
        (81, 263, "0.2553", "0.3662"),
        (15, 148, "0.0624", "0.1605"),
        (0, 20, "0.0000", "0.1611"),
        (1, 29, "0.0061", "0.1718"),
        # By hand: with z = 1.959964 and no or only successes the other end is 10 / (10 + z²) and z² / (10 + z²).
        (10, 10, "0.7225", "1.0000"),
        (0, 10, "0.0000", "0.2775"),
    ],
)
def test_wilson_against_published_values(part: int, whole: int, low: str, high: str) -> None:
    """The 95 % score interval equals the published one to its four places."""
    found = wilson(Decimal(part), Decimal(whole))
    assert found is not None
    assert (f"{found[0]:.4f}", f"{found[1]:.4f}") == (low, high)


@pytest.mark.parametrize(("part", "whole"), [(0, 0), (1, 0), (-1, 5), (6, 5)])
def test_what_is_no_share_has_no_interval(part: int, whole: int) -> None:
    """Nothing to share, a negative part or one above the whole has none."""
    assert wilson(Decimal(part), Decimal(whole)) is None


@given(whole=st.integers(1, 10_000_000), data=st.data())
def test_a_share_lies_in_its_interval(whole: int, data: st.DataObject) -> None:
    """The interval holds the share, stays between 0 and 1, and mirrors that of the complement."""
    part = data.draw(st.integers(0, whole))
    found, mirrored = wilson(Decimal(part), Decimal(whole)), wilson(Decimal(whole - part), Decimal(whole))
    assert found is not None
    assert mirrored is not None
    slack = Decimal("1e-11")
    assert 0 <= found[0] <= Decimal(part) / whole + slack
    assert Decimal(part) / whole - slack <= found[1] <= 1
    assert abs(found[0] + mirrored[1] - 1) < slack


@pytest.mark.parametrize(
    ("degrees", "expected"),
    # The 97.5 % column of the usual table of Student's t (for example NIST/SEMATECH e-Handbook, 1.3.6.7.2).
    [
        *((1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (10, 2.228), (19, 2.093), (29, 2.045), (30, 2.042)),
        *((31, 2.040), (40, 2.021), (50, 2.009), (60, 2.000), (80, 1.990), (100, 1.984), (1000, 1.962)),
    ],
)
def test_student_against_the_table(degrees: int, expected: float) -> None:
    """Student's t at 97.5 % equals the table to its three places, below and above the degrees that are stored."""
    assert student(degrees) == pytest.approx(expected, abs=0.0006)


def test_student_becomes_the_normal() -> None:
    """With very many cases t is the quantile of the normal, 1.959964, and on the way there it only falls."""
    assert student(10_000_000) == pytest.approx(1.959964, abs=1e-6)
    found = [student(degrees) for degrees in range(1, 500)]
    assert found == sorted(found, reverse=True)


def test_the_interval_of_a_mean() -> None:
    """Of 2, 4, 4, 5, 5 (mean 4, deviation √1.5 = 1.224745): 4 ± 2.776 * 1.224745 / √5 = 4 ± 1.52050."""
    found = mean_interval(Decimal(4), Decimal("1.224745"), Decimal(5))
    assert found is not None
    assert (f"{found[0]:.4f}", f"{found[1]:.4f}") == ("2.4795", "5.5205")


@pytest.mark.parametrize(
    ("mean", "deviation", "cases"),
    [(None, None, 0), (Decimal(4), None, 1), (Decimal(4), Decimal(0), 1), (None, Decimal(1), 5)],
)
def test_a_mean_of_fewer_than_two_has_no_interval(mean: Decimal | None, deviation: Decimal | None, cases: int) -> None:
    """One case tells nothing of how far the next may be."""
    assert mean_interval(mean, deviation, Decimal(cases)) is None


def test_few_cases_are_marked() -> None:
    """29 cases are few, 30 are not."""
    assert (few(Decimal(29)), few(Decimal(30))) == (["few"], [])
