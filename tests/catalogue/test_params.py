"""Parameters: every kind of value that a definition may take, and the answer to one that it does not take."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any, Literal

import pytest

from revgauge.catalogue.params import REQUIRED, Param, ParamError, read_params

Stat = Literal["mean", "median", "p90"]


@pytest.mark.parametrize(
    ("annotation", "given", "expected"),
    [
        (int, "12", 12),
        (int, 12, 12),
        (int, "12.0", 12),
        (float, "0.5", Decimal("0.5")),
        (Decimal, 0.1, Decimal("0.1")),
        (bool, "true", True),
        (bool, "No", False),
        (bool, False, False),
        (date, "2025-03-31", date(2025, 3, 31)),
        (date, date(2025, 3, 31), date(2025, 3, 31)),
        (str, "direct", "direct"),
        (Stat, "median", "median"),
        (Stat, "MEDIAN", "median"),
        (tuple[str, ...], "new_business, expansion", ("new_business", "expansion")),
        (tuple[str, ...], ["renewal"], ("renewal",)),
        (tuple[int, ...], "1,2", (1, 2)),
        (dict[str, float], '{"web": 0.5}', {"web": 0.5}),
        (dict[str, float], {"web": 1}, {"web": 1}),
        (date | None, "none", None),
        (date | None, "", None),
        (date | None, None, None),
        (date | None, "2025-03-31", date(2025, 3, 31)),
        (Stat | int, "p90", "p90"),
        (Stat | int, "7", 7),
        (Literal[1, 2], "2", 2),
    ],
)
def test_a_value_is_read_in_the_parameters_own_type(annotation: Any, given: Any, expected: Any) -> None:
    """Text as it is typed on a command line, and values as they come from a file, become the declared type."""
    value = Param("p", annotation, None).read(given)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "given", "told"),
    [
        (int, "12.5", "p = '12.5' is not possible: it takes a whole number"),
        (int, True, "it takes a whole number"),
        (int, "twelve", "it takes a whole number"),
        (int, "inf", "it takes a whole number"),
        (Decimal, "a lot", "it takes a number"),
        (Decimal, "nan", "it takes a number"),
        (float, "-Infinity", "it takes a number"),
        (bool, "perhaps", "it takes true or false"),
        (date, "31.03.2025", "it takes a day such as 2025-03-31"),
        (date, "none", "it takes a day such as 2025-03-31"),
        (date | None, "soon", "it takes a day such as 2025-03-31"),
        (str, 5, "it takes text"),
        (Stat, "medain", "it takes mean | median | p90; did you mean median?"),
        (Stat, "mode of it all", "it takes mean | median | p90"),
        (tuple[int, ...], "1,x", "it takes a list such as a,b"),
        (dict[str, float], "{", "it takes a mapping"),
        (int | bool, "many", "it takes a whole number or true or false"),
    ],
)
def test_a_value_that_is_not_possible_is_answered_with_what_is(annotation: Any, given: Any, told: str) -> None:
    """The error names the parameter, the value and what it takes, and the nearest word if one is near."""
    with pytest.raises(ParamError) as problem:
        Param("p", annotation, None).read(given)
    assert told in str(problem.value)


def test_the_allowed_words_are_told() -> None:
    """A parameter of listed words lists them, also beside other kinds; any other lists none."""
    assert Param("stat", Stat, "mean").allowed == ("mean", "median", "p90")
    assert Param("stat", Stat | int, "mean").describe() == "mean | median | p90"
    assert Param("age", int, 0).allowed == ()
    assert Param("anything", object, 0).describe() == "any value"


def test_a_parameter_without_a_default_is_required() -> None:
    """None is a default like any other; only the mark for a missing one makes a parameter required."""
    assert Param("age", int, REQUIRED).required
    assert not Param("age", int | None, None).required


KNOWN = {"window_days": Param("window_days", int, 90), "stat": Param("stat", Stat, "mean")}


def test_given_parameters_are_read_together() -> None:
    """What is given is converted; what is not given is left to the definition."""
    assert read_params("sales_cycle_days", KNOWN, {"window_days": "30"}) == {"window_days": 30}
    assert read_params("sales_cycle_days", KNOWN, {}) == {}


def test_all_mistakes_are_told_at_once() -> None:
    """A misspelt name is answered with the nearest, and each wrong value stands beside it in the same error."""
    with pytest.raises(ParamError) as problem:
        read_params("sales_cycle_days", KNOWN, {"window_dayz": 30, "stat": "mod", "window_days": "x", "colour": 1})
    told = str(problem.value)
    assert "sales_cycle_days has no parameter window_dayz; did you mean window_days?" in told
    assert "stat = 'mod' is not possible: it takes mean | median | p90" in told
    assert "window_days = 'x' is not possible: it takes a whole number" in told
    assert "sales_cycle_days has no parameter colour; it has stat, window_days" in told


def test_a_metric_without_parameters_says_so() -> None:
    """Where there is nothing to set, that is the answer."""
    with pytest.raises(ParamError, match="lead_count has no parameter size; it has none"):
        read_params("lead_count", {}, {"size": 1})
