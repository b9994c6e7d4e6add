"""Forecasts and plans against what came, pair by pair."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from .money import ratio
from .periods import DAY, Period, add_months
from .question import Question

Pair = tuple[Fraction, Fraction]
"""What came, and what was foreseen."""


def _grain(target: tuple[Any, Any]) -> str:
    """The grain of a target that is a month, a quarter or a year of the calendar; else a stretch of days."""
    start, end = target
    for grain, months in (("month", 1), ("quarter", 3), ("year", 12)):
        if start.day == 1 and (start.month - 1) % months == 0 and add_months(start, months) == end:
            return grain
    return "days"


def _actual(question: Question, target: tuple[Any, Any], by: dict[str, str]) -> Fraction | None:
    """What the metric was in the target period."""
    from . import ALIASES, SCOPE  # the metrics are collected there, these among them

    metric = SCOPE[ALIASES.get(question.params["metric"], question.params["metric"])]
    if not question.tables.loaded(*metric.needs):
        return None
    return metric.calculate(question.asking(period=Period(_grain(target), *target), params={}, by=by))


def _targets(question: Question, entity: str) -> dict[tuple[Any, Any], list[dict[str, Any]]]:
    """The rows of the metric by their target, of targets that lie inside the period and are over."""
    from . import ALIASES

    found: dict[tuple[Any, Any], list[dict[str, Any]]] = {}
    wanted = ALIASES.get(question.params["metric"], question.params["metric"])
    for row in question.tables.rows(entity):
        start, end = row["period_start"], row["period_end"]
        inside = question.period.start <= start < end <= question.period.end
        if ALIASES.get(row["metric"], row["metric"]) == wanted and inside and end - DAY <= question.now:
            found.setdefault((start, end), []).append(row)
    return found


def _forecast(question: Question, target: tuple[Any, Any], rows: list[dict[str, Any]]) -> Fraction | None:
    horizon = question.params.get("horizon_days")
    last = target[0] if horizon is None else target[1] - horizon * DAY
    latest: dict[str | None, dict[str, Any]] = {}
    for row in rows:
        if row["category"] != question.by.get("category") or row["made_on"] > min(last, question.now):
            continue
        before = latest.get(row["person_id"])
        if before is None or (row["made_on"], row["value"]) > (before["made_on"], before["value"]):
            latest[row["person_id"]] = row
    if "person_id" in question.by:
        chosen = [latest[question.by["person_id"]]] if question.by["person_id"] in latest else []
    else:
        chosen = [latest[None]] if None in latest else list(latest.values())
    return sum((row["value"] for row in chosen), Fraction(0)) if chosen else None


def _forecast_pairs(question: Question) -> Iterator[Pair]:
    by = {"owner_id": question.by["person_id"]} if "person_id" in question.by else {}
    for target, rows in _targets(question, "forecasts").items():
        foreseen, actual = _forecast(question, target, rows), _actual(question, target, by)
        if foreseen is not None and actual is not None:
            yield actual, foreseen


def _plan_pairs(question: Question) -> Iterator[Pair]:
    for target, rows in _targets(question, "plans").items():
        values = [row["value"] for row in rows if row["segment"] == question.by.get("segment")]
        actual = _actual(question, target, dict(question.by)) if values else None
        if actual is not None:
            yield actual, max(values)


def _mape(pairs: list[Pair]) -> Fraction | None:
    shares = [abs(actual - foreseen) / abs(actual) for actual, foreseen in pairs if actual != 0]
    return ratio(sum(shares, Fraction(0)), len(shares))


def _wape(pairs: list[Pair]) -> Fraction | None:
    return ratio(sum(abs(actual - foreseen) for actual, foreseen in pairs), sum(abs(actual) for actual, _ in pairs))


def _bias(pairs: list[Pair]) -> Fraction | None:
    return ratio(sum(foreseen - actual for actual, foreseen in pairs), sum(abs(actual) for actual, _ in pairs))


def _smape(pairs: list[Pair]) -> Fraction | None:
    shares = [
        2 * abs(foreseen - actual) / both if (both := abs(actual) + abs(foreseen)) else Fraction(0)
        for actual, foreseen in pairs
    ]
    return ratio(sum(shares, Fraction(0)), len(shares))


def _accuracy(pairs: list[Pair]) -> Fraction | None:
    error = _wape(pairs)
    return None if error is None else max(Fraction(0), 1 - error)


def _attainment(pairs: list[Pair]) -> Fraction | None:
    return ratio(sum(actual for actual, _ in pairs), sum(foreseen for _, foreseen in pairs))


Statistic = Callable[[list[Pair]], Fraction | None]


def _of(pairs_of: Callable[[Question], Iterator[Pair]], statistic: Statistic) -> Callable[[Question], Fraction | None]:
    def calculate(question: Question) -> Fraction | None:
        pairs = list(pairs_of(question))
        return statistic(pairs) if pairs else None

    return calculate


_STATISTICS: dict[str, Statistic] = {
    "mape": _mape,
    "wape": _wape,
    "bias": _bias,
    "smape": _smape,
    "accuracy": _accuracy,
}
FORECAST_CALCULATIONS = {f"forecast_{name}": _of(_forecast_pairs, value) for name, value in _STATISTICS.items()}
PLAN_CALCULATIONS = {
    **{f"plan_{name}": _of(_plan_pairs, value) for name, value in _STATISTICS.items()},
    "plan_attainment": _of(_plan_pairs, _attainment),
}
