"""Stages and the open pipeline: where deals pass, wait, fall back and slip, and what is there to win."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

from .deals import TYPES, Deals, Visit
from .money import ratio, statistic, total
from .periods import DAY, days_later, elapsed_days
from .question import Question
from .sales import closed, lookback_start, open_at, sales_cycle_in, win_rate_value_in
from .tables import Row


def _deals(question: Question) -> Deals:
    return Deals(question, tuple(question.params.get("types", TYPES)))


# --- passing a stage -------------------------------------------------------------------------------------------------


def _first_entry(deals: Deals, deal: Row, position: int, stage: str) -> datetime | None:
    """When the deal first came to a stage, or passed it without a visit."""
    implied = deals.question.params.get("skipped", "implied") == "implied"
    starts = [v.start for v in deals.path(deal) if v.stage == stage or (implied and v.position > position)]
    if implied and deal["won"]:
        starts.append(deal["closed_at"])
    return min(starts, default=None)


def _entered(deals: Deals, start: datetime, until: datetime) -> Iterator[tuple[Row, bool]]:
    """Deals that first entered the stage between two instants, and whether they got further."""
    stage, target = deals.question.params["stage"], deals.question.params.get("to")
    for deal in deals.rows:
        definition = deals.stage(deal, stage)
        goal = deals.stage(deal, target) if target else None
        if definition is None or (target and goal is None):
            continue
        position = int(definition["position"])
        entry = _first_entry(deals, deal, position, stage)
        if entry is None or not start <= entry < until or not deals.in_slice(deal, entry):
            continue
        least = int(goal["position"]) if goal else position + 1
        later = [visit for visit in deals.path(deal) if visit.start >= entry]
        yield deal, deal["won"] or any(visit.position >= least for visit in later)


def _conversion(deals: Deals, start: datetime, until: datetime, *, resolved_only: bool) -> Fraction | None:
    cohort = list(_entered(deals, start, until))
    if resolved_only:
        cohort = [(deal, further) for deal, further in cohort if further or deal["closed_at"] is not None]
    return ratio(sum(further for _, further in cohort), len(cohort))


def stage_conversion_rate(question: Question) -> Fraction | None:
    """Of the deals that first entered a stage in the period, the share that got further."""
    resolved_only = question.params.get("resolved_only", False)
    return _conversion(_deals(question), question.start, question.until, resolved_only=resolved_only)


# --- waiting in a stage ----------------------------------------------------------------------------------------------


def _visits(deals: Deals, stage: str | None) -> Iterator[tuple[Row, Visit]]:
    """All visits, or those to one stage, that do not end before they begin."""
    for deal in deals.rows:
        for visit in deals.path(deal):
            if (stage is None or visit.stage == stage) and (visit.end is None or visit.end >= visit.start):
                yield deal, visit


def _lengths(deals: Deals, start: datetime, until: datetime) -> list[Fraction]:
    """Lengths in days of the visits to the stage that ended between two instants."""
    return [
        elapsed_days(visit.start, visit.end)
        for deal, visit in _visits(deals, deals.question.params.get("stage"))
        if visit.end is not None and start <= visit.end < until and deals.in_slice(deal, visit.end)
    ]


def stage_duration_days(question: Question) -> Fraction | None:
    """How long visits to a stage lasted, each or summed by deal."""
    deals = _deals(question)
    stat = question.params.get("stat", "median")
    if question.params.get("unit", "visit") == "opportunity":
        return statistic(_sums_by_deal(deals), stat)
    lengths = _lengths(deals, question.start, question.until)
    if question.params.get("open", "exclude") == "include":
        lengths += [
            elapsed_days(visit.start, question.until)
            for deal, visit in _visits(deals, question.params.get("stage"))
            if _lasts(visit, question.until) and deals.in_slice(deal, question.until, inclusive=False)
        ]
    return statistic(lengths, stat)


def _sums_by_deal(deals: Deals) -> list[Fraction]:
    asked = deals.question
    spans: dict[str, list[tuple[datetime, datetime]]] = {}
    rows: dict[str, Row] = {}
    for deal, visit in _visits(deals, asked.params.get("stage")):
        if visit.end is not None:
            spans.setdefault(deal["opportunity_id"], []).append((visit.start, visit.end))
            rows[deal["opportunity_id"]] = deal
    return [
        sum((elapsed_days(start, end) for start, end in of_deal), Fraction(0))
        for deal_id, of_deal in spans.items()
        if asked.within(last := max(end for _, end in of_deal)) and deals.in_slice(rows[deal_id], last)
    ]


def _lasts(visit: Visit, instant: datetime) -> bool:
    """Whether a visit is going on just before an instant."""
    return visit.start < instant and (visit.end is None or visit.end >= instant)


def stage_delay_days(question: Question) -> Fraction | None:
    """Days over the expected ones, summed over the visits that ended in the period."""
    deals = _deals(question)
    delays: list[Fraction | None] = []
    for deal, visit in _visits(deals, question.params.get("stage")):
        if visit.end is not None and question.within(visit.end) and deals.in_slice(deal, visit.end):
            expected = (deals.stage(deal, visit.stage) or {}).get("expected_days")
            over = None if expected is None else elapsed_days(visit.start, visit.end) - expected
            delays.append(None if over is None else max(over, Fraction(0)))
    return total(delays)


def stage_overdue_rate(question: Question) -> Fraction | None:
    """Of the open deals in a stage with an expected length, the share that has been there for longer."""
    by = dict(question.by)
    stage = by.pop("stage", None)
    deals = _deals(question.asking(by=by))
    overdue = counted = 0
    for deal in open_at(deals, question.until):
        for visit in deals.path(deal):
            expected = (deals.stage(deal, visit.stage) or {}).get("expected_days")
            if _lasts(visit, question.until) and expected is not None and stage in {None, visit.stage}:
                counted += 1
                overdue += elapsed_days(visit.start, question.until) > expected
    return ratio(overdue, counted)


def stage_friction_index(question: Question) -> Fraction | None:
    """How much slower and leakier a stage is than it was in the days before the period."""
    deals = _deals(question)
    before = days_later(question.start, -question.params.get("baseline_days", 365), question.zone)
    days = statistic(_lengths(deals, question.start, question.until), "median")
    usual_days = statistic(_lengths(deals, before, question.start), "median")
    further = _conversion(deals, question.start, question.until, resolved_only=True)
    usually_further = _conversion(deals, before, question.start, resolved_only=True)
    parts = (days, usual_days, further, usually_further)
    if days is None or usual_days is None or further is None or usually_further is None or 0 in parts:
        return None
    return (days / usual_days) * (usually_further / further)


# --- moving ----------------------------------------------------------------------------------------------------------


def _moves(deals: Deals, deal: Row) -> Iterator[tuple[datetime, int]]:
    """Each move from one visit to the next and, if won, past the last open stage: when, and by how many positions."""
    path = deals.path(deal)
    for before, after in pairwise(path):
        yield after.start, after.position - before.position
    if path and deal["won"]:
        yield deal["closed_at"], deals.last_open_position(deal) + 1 - path[-1].position


def _open_days(question: Question, deal: Row) -> Fraction:
    start = max(deal["created_at"], question.start)
    end = min(deal["closed_at"] or question.until, question.until)
    return max(elapsed_days(start, end), Fraction(0))


def stage_regression_rate(question: Question) -> Fraction | None:
    """Of the deals open at some time in the period, the share that went back."""
    deals = _deals(question)
    present = [d for d in deals.rows if _open_days(question, d) > 0 and deals.in_slice(d, question.until)]
    back = [d for d in present if any(step < 0 and question.within(when) for when, step in _moves(deals, d))]
    return ratio(len(back), len(present))


def pipeline_movement_rate(question: Question) -> Fraction | None:
    """Net positions moved forward for every 30 days that a deal was open."""
    deals = _deals(question)
    rows = [deal for deal in deals.rows if deals.in_slice(deal, question.until)]
    moved = sum(step for deal in rows for when, step in _moves(deals, deal) if question.within(when))
    days = sum((_open_days(question, deal) for deal in rows), Fraction(0))
    rate = ratio(moved, days)
    return None if rate is None else rate * 30


# --- dates -----------------------------------------------------------------------------------------------------------


def close_date_slippage_rate(question: Question) -> Fraction | None:
    """Of the deals that were to close in the period when it began, the share that did not."""
    deals = _deals(question)
    period = question.period
    running = period.end > question.now + DAY
    promised: list[Fraction | None] = []
    slipped: list[Fraction | None] = []
    for deal in open_at(deals, question.start):
        expected = deals.expected_close_at(deal, question.start)
        if expected is None or not period.start <= expected < period.end:
            continue
        weight: Fraction | None = Fraction(1)
        if question.params.get("weight", "count") == "value":
            amount, currency = deals.amount_at(deal, question.start)
            if amount is None:
                continue
            weight = question.rates.convert(amount, currency, question.opening_day)
        promised.append(weight)
        if deals.is_open_at(deal, question.until):
            now_expected = deals.expected_close_at(deal, question.until)
            if not running or (now_expected is not None and now_expected >= period.end):
                slipped.append(weight)
    return ratio(total(slipped), total(promised))


def close_date_pushes(question: Question) -> Fraction | None:
    """How often the expected close of a closed deal was moved into a later month."""
    deals = _deals(question)
    pushes = []
    for deal in closed(deals, question.start, question.until):
        days = [row["expected_close_on"] for row in deals.history[deal["opportunity_id"]] if row["expected_close_on"]]
        later = [(a, b) for a, b in pairwise(days) if (b.year, b.month) > (a.year, a.month)]
        pushes.append(Fraction(len(later)))
    return statistic(pushes, "mean")


# --- what is open ----------------------------------------------------------------------------------------------------


def open_pipeline_count(question: Question) -> Fraction | None:
    """Deals open at T."""
    return Fraction(len(open_at(_deals(question), question.until)))


def open_pipeline_value(question: Question) -> Fraction | None:
    """What they are worth at T, at the rate of the last day."""
    return total(value for _, value in _open_values(_deals(question)))


def _open_values(deals: Deals) -> list[tuple[Row, Fraction | None]]:
    asked = deals.question
    values = []
    for deal in open_at(deals, asked.until):
        amount, currency = deals.amount_at(deal, asked.until)
        if amount is not None:
            values.append((deal, asked.rates.convert(amount, currency, asked.closing_day)))
    return values


def weighted_pipeline_value(question: Question) -> Fraction | None:
    """The same, each deal times its chance: today its own, in the past that of its stage of then."""
    deals = _deals(question)
    weighted: list[Fraction | None] = []
    for deal, value in _open_values(deals):
        chance = deal["probability"] if question.until == question.known_until else None
        if chance is None:
            stages = [visit.stage for visit in deals.path(deal) if _lasts(visit, question.until)]
            chance = (deals.stage(deal, stages[-1] if stages else deal["stage"]) or {}).get("probability")
        weighted.append(None if value is None or chance is None else value * chance)
    return total(weighted)


def pipeline_velocity(question: Question) -> Fraction | None:
    """Money per day that the present pipeline yields: open value times win rate by value, over the cycle."""
    deals = _deals(question)
    start = lookback_start(question)
    value, rate = open_pipeline_value(question), win_rate_value_in(deals, start, question.until)
    if value is None or rate is None:
        return None
    return ratio(value * rate, sales_cycle_in(deals, start, question.until, "mean"))


def required_pipeline_coverage(question: Question) -> Fraction | None:
    """How much pipeline it takes: one over the win rate by value of the days before the period."""
    before = days_later(question.start, -question.params.get("lookback_days", 365), question.zone)
    return ratio(1, win_rate_value_in(_deals(question), before, question.start))
