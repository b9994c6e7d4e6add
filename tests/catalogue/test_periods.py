"""Periods and the calendar: where a period begins, what it is called, and what a name that is none is answered with.

Expected days are read off a calendar by hand; weeks at the turn of the year are those of ISO 8601, where week 1 is the
one with the first Thursday.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revgauge.model.period import GRAINS, Calendar, Grain, PeriodError, add_months

NOW = date(2025, 3, 15)
CALENDAR = Calendar(NOW)
APRIL = Calendar(NOW, first_month=4)
DAYS = st.dates(date(1990, 1, 1), date(2060, 12, 31))
SPLITTING: tuple[Grain, ...] = ("day", "week", "month", "quarter", "year")


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2025-03-15", date(2025, 3, 15), date(2025, 3, 16)),
        ("2024-W01", date(2024, 1, 1), date(2024, 1, 8)),
        ("2021-W01", date(2021, 1, 4), date(2021, 1, 11)),
        ("2020-W53", date(2020, 12, 28), date(2021, 1, 4)),
        ("2024-02", date(2024, 2, 1), date(2024, 3, 1)),
        ("2024-12", date(2024, 12, 1), date(2025, 1, 1)),
        ("2025-Q1", date(2025, 1, 1), date(2025, 4, 1)),
        ("2024-Q4", date(2024, 10, 1), date(2025, 1, 1)),
        ("2024", date(2024, 1, 1), date(2025, 1, 1)),
        (" 2025-03 ", date(2025, 3, 1), date(2025, 4, 1)),
    ],
)
def test_a_name_gives_its_days(text: str, start: date, end: date) -> None:
    """A day, ISO week, month, quarter or year is read as the days from its first to the first one outside."""
    period = CALENDAR.parse(text)
    assert (period.start, period.end) == (start, end)
    assert period.label == text.strip()


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2025", date(2024, 4, 1), date(2025, 4, 1)),
        ("2025-Q1", date(2024, 4, 1), date(2024, 7, 1)),
        ("2025-Q4", date(2025, 1, 1), date(2025, 4, 1)),
        ("2025-03", date(2025, 3, 1), date(2025, 4, 1)),
    ],
)
def test_a_fiscal_year_is_named_after_the_year_in_which_it_ends(text: str, start: date, end: date) -> None:
    """With a year from April, fiscal 2025 runs from April 2024, its last quarter is January to March, months stay."""
    period = APRIL.parse(text)
    assert (period.start, period.end) == (start, end)
    assert period.label == text
    assert APRIL.containing(start, period.grain) == period


@pytest.mark.parametrize(
    ("text", "grain", "told"),
    [
        ("March", None, "March names no period; write 2025-03-31, 2025-W10, 2025-03, 2025-Q1, 2025 or all"),
        ("", None, "names no period"),
        ("2025-3", None, "2025-3 names no period"),
        ("2025-Q5", None, "2025-Q5 names no period"),
        ("2025-13", None, "2025-13 names no month"),
        ("2025-02-30", None, "2025-02-30 names no day"),
        ("2025-W54", None, "2025-W54 names no week"),
        ("2025-Q1", "month", "2025-Q1 is a quarter, not a month (write 2025-03)"),
        (None, "quarter", "a quarter is needed, for example 2025-Q1"),
        ("all", "year", "a year is needed, for example 2025"),
    ],
)
def test_a_name_that_is_none_is_answered_with_one_that_is(text: str | None, grain: Grain | None, told: str) -> None:
    """What names no period, or one of another grain, is refused with a spelling that would do."""
    with pytest.raises(PeriodError) as problem:
        CALENDAR.parse(text, grain)
    assert told in str(problem.value)


def test_all_time_ends_with_now() -> None:
    """Without a name, or as `all`, the period is everything up to and including the day `now`."""
    for text in (None, "all"):
        period = CALENDAR.parse(text, "all")
        assert (period.end, period.closing, period.label) == (NOW + timedelta(days=1), NOW, "all")
        assert period.complete
    everything = CALENDAR.parse(None)
    assert CALENDAR.shift(everything, 1) == everything
    assert CALENDAR.shift(everything, -1).closing < everything.start
    assert CALENDAR.year_before(everything).closing < everything.start
    assert CALENDAR.spine(date(2020, 1, 1), NOW, "all") == (CALENDAR.parse(None),)


def test_what_has_begun_and_what_is_over() -> None:
    """February is over on 15 March, March is to date, April has not begun; stocks of March are read on the 15th."""
    february, march, april = (CALENDAR.parse(f"2025-0{month}") for month in (2, 3, 4))
    assert (february.begun, february.complete, february.partial) == (True, True, False)
    assert (march.begun, march.complete, march.partial) == (True, False, True)
    assert (april.begun, april.complete, april.partial) == (False, False, False)
    assert (march.closing, march.opening, march.days) == (NOW, date(2025, 2, 28), 15)
    assert (february.closing, february.days) == (date(2025, 2, 28), 28)


def test_a_period_is_over_on_its_last_day() -> None:
    """On 31 March the month is complete, on the 30th it is not: `now` is the last day that counts."""
    assert Calendar(date(2025, 3, 31)).parse("2025-03").complete
    assert not Calendar(date(2025, 3, 30)).parse("2025-03").complete
    assert Calendar(date(2025, 3, 31)).parse("2025-Q1").complete


@pytest.mark.parametrize(
    ("day", "months", "expected"),
    [
        (date(2025, 1, 31), 1, date(2025, 2, 28)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2024, 3, 31), -1, date(2024, 2, 29)),
        (date(2024, 2, 29), 12, date(2025, 2, 28)),
        (date(2024, 11, 30), 1, date(2024, 12, 30)),
        (date(2024, 12, 31), 2, date(2025, 2, 28)),
        (date(2025, 1, 15), -13, date(2023, 12, 15)),
        (date(2024, 10, 31), 2, date(2024, 12, 31)),
    ],
)
def test_adding_months_keeps_the_day_where_there_is_one(day: date, months: int, expected: date) -> None:
    """The day number stays, cut to the length of the month (rule R21 of the standard)."""
    assert add_months(day, months) == expected


def test_the_year_before() -> None:
    """The same month, quarter or year a year earlier; for a week the one 52 weeks before, so that weekdays match."""
    assert CALENDAR.year_before(CALENDAR.parse("2025-03")).label == "2024-03"
    assert CALENDAR.year_before(CALENDAR.parse("2025-Q1")).label == "2024-Q1"
    assert CALENDAR.year_before(CALENDAR.parse("2025")).label == "2024"
    assert CALENDAR.year_before(CALENDAR.parse("2025-W10")).label == "2024-W10"
    assert CALENDAR.year_before(CALENDAR.parse("2021-W01")).label == "2020-W02"
    assert APRIL.year_before(APRIL.parse("2025-Q4")).label == "2024-Q4"


def test_shifting_and_spines() -> None:
    """Periods follow each other without a hole, over the turn of the year, in both directions."""
    assert [p.label for p in CALENDAR.spine(date(2024, 11, 30), date(2025, 2, 1), "month")] == [
        "2024-11",
        "2024-12",
        "2025-01",
        "2025-02",
    ]
    assert CALENDAR.shift(CALENDAR.parse("2024-Q4"), 1).label == "2025-Q1"
    assert CALENDAR.shift(CALENDAR.parse("2025-W01"), -1).label == "2024-W52"
    assert [p.label for p in CALENDAR.spine(NOW, NOW, "year")] == ["2025"]


@given(day=DAYS, grain=st.sampled_from(SPLITTING), first_month=st.integers(1, 12))
def test_every_day_lies_in_one_period_and_its_name_leads_back(day: date, grain: Grain, first_month: int) -> None:
    """A day is inside its period, the neighbours join without gap or overlap, and the label names the period again."""
    calendar = Calendar(NOW, first_month)
    period = calendar.containing(day, grain)
    assert period.start <= day < period.end
    assert calendar.shift(period, 1).start == period.end
    assert calendar.shift(period, -1).end == period.start
    assert calendar.shift(calendar.shift(period, 5), -5) == period
    assert calendar.parse(period.label, grain) == period


@given(day=DAYS, first_month=st.integers(1, 12))
def test_quarters_and_years_are_made_of_months(day: date, first_month: int) -> None:
    """A quarter has three months and a year twelve, whatever month the year begins with."""
    calendar = Calendar(NOW, first_month)
    for grain, count in (("quarter", 3), ("year", 12)):
        period = calendar.containing(day, grain)  # type: ignore[arg-type] # one of the grains
        months = calendar.spine(period.start, period.end - timedelta(days=1), "month")
        assert len(months) == count
        assert (months[0].start, months[-1].end) == (period.start, period.end)


def test_an_example_of_each_grain_is_a_period_of_it() -> None:
    """What an error shows as a spelling is one that works."""
    for grain in GRAINS:
        assert CALENDAR.parse(CALENDAR.example(grain), grain).grain == grain
