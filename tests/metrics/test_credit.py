"""Credit for revenue: against a reference in fractions, what must hold on any data, and the edges of each rule."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.metrics.credit_reference import (
    DIMENSIONS,
    NOTHING,
    Credit,
    Rows,
    Terms,
    World,
    actioned,
    attributed,
    closed_deals,
    drawn_world,
    shuffled,
    touched,
)
from tests.oracle.generate import write_tables

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request, Value
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.rows import RowFinder
from revgauge.metrics import builtin_catalogue
from revgauge.sources.canonical import read_case_tables

CATALOGUE = builtin_catalogue()
NOW = date(2025, 4, 2)
RULES = ("linear", "first", "last", "time_decay", "position_based")
MODELS: dict[str, dict[str, Any]] = {
    **{rule: {"model": rule} for rule in RULES},
    "markov": {"model": "markov"},
    "subset_value": {"model": "shapley"},
    "conversion_rate": {"model": "shapley", "worth": "conversion_rate"},
}
"""Every model by the name that the reference has for it, with the parameters that ask for it."""
SOME = ("last", "linear", "markov", "conversion_rate")
FEW = settings(max_examples=200 if os.environ.get("HYPOTHESIS_PROFILE") == "search" else 2)


def evaluation(world: World, *, now: date = NOW, zone: str = "UTC") -> Evaluation:
    """An evaluation of a world as known at the end of a day."""
    with TemporaryDirectory() as folder:
        write_tables(world, Path(folder))
        warehouse = Warehouse.in_memory()
        read_case_tables(Path(folder), warehouse.connection)
        warehouse = Warehouse.over(warehouse.connection)
    return Evaluation(CATALOGUE, Context(warehouse, Settings(now, "USD", zone)))


@dataclass(frozen=True)
class Ask:
    """One metric with parameters, by a dimension or limited to a value of it."""

    metric: str
    params: Mapping[str, Any]
    by: str = ""
    only: str = ""


def answers(looked: Evaluation, asks: Iterable[Ask], periods: Iterable[str]) -> dict[tuple[int, str], dict[str, Value]]:
    """The values of each question in each period by the value of its dimension, all worked out together."""
    wanted = list(asks)
    spans = [looked.context.calendar.parse(name) for name in periods]
    requests = []
    for ask in wanted:
        by, only = ((), {ask.by: ask.only}) if ask.only else ((ask.by,) if ask.by else (), {})
        requests += [Request(ask.metric, (span,), ask.params, by, only) for span in spans]
    found: dict[tuple[int, str], dict[str, Value]] = {}
    for number, result in enumerate(looked.results(requests)):
        ask = wanted[number // len(spans)]
        values = {value.dimensions.get(ask.by, ""): value for value in result.values()}
        found[number // len(spans), spans[number % len(spans)].label] = values
    return found


def value(world: World, metric: str, period: str = "2025-03", by: str = "", only: str = "", **params: Any) -> Value:
    """One value of a world."""
    found = answers(evaluation(world), [Ask(metric, params, by, only)], [period])[0, period]
    return found[only] if by else found[""]


def agree(found: Decimal | None, expected: Fraction | None) -> bool:
    """Equal to the cent and far beyond."""
    if found is None or expected is None:
        return found is None and expected is None
    return abs(Fraction(found) - expected) <= Fraction(1, 10**7)


def wrong(found: Mapping[str, Value], expected: Credit, label: str) -> list[str]:
    """The values that differ from the reference; what is not there is 0."""
    return [
        f"{label} {name}: {found[name].value if name in found else 0} instead of {expected.get(name, 0)}"
        for name in {*found, *expected} - {"*"}
        if not agree(found[name].value if name in found else Decimal(0), expected.get(name, Fraction(0)))
    ]


def days_of(label: str) -> tuple[date, date]:
    """First and last day of a period of the worlds, up to the day that counts."""
    ends = {"2025-02": (date(2025, 2, 1), date(2025, 2, 28)), "2025-03": (date(2025, 3, 1), date(2025, 3, 31))}
    return {**ends, "2025-04": (date(2025, 4, 1), NOW), "2025-Q1": (date(2025, 1, 1), date(2025, 3, 31))}[label]


PERIODS = ("2025-02", "2025-03", "2025-04", "2025-Q1")


# -- against the reference --------------------------------------------------------------------------------------------


@pytest.mark.slow
@FEW
@given(seed=st.integers(0, 1_000_000), dimension=st.sampled_from(DIMENSIONS))
def test_attribution_is_what_fractions_say(seed: int, dimension: str) -> None:
    """Every model gives each value what a calculation in fractions gives it, deal by deal and chain by chain.

    Periods that overlap and one that is not over are asked for together with those that are.
    """
    zone = ("UTC", "Asia/Tokyo", "America/New_York")[seed % 3]
    variants: list[tuple[str, Terms, dict[str, Any]]] = [(name, Terms(zone), params) for name, params in MODELS.items()]
    near = {"lookback_days": 30, "include_direct": True}
    slow, halves = {"half_life_days": 30}, {"first_weight": 0.3, "last_weight": 0.5}
    variants += [
        ("linear", Terms(zone, include_direct=True), {"include_direct": True}),
        ("markov", Terms(zone, lookback_days=30, include_direct=True), {"model": "markov", **near}),
        ("time_decay", Terms(zone, half_life_days=30), {"model": "time_decay", **slow}),
        (
            "position_based",
            Terms(zone, first_weight=Fraction(3, 10), last_weight=Fraction(1, 2)),
            {"model": "position_based", **halves},
        ),
    ]
    world = drawn_world(seed)
    asks = [Ask("attributed_revenue", params, dimension) for _, _, params in variants]
    found = answers(evaluation(world, zone=zone), asks, PERIODS)
    for number, (model, terms, params) in enumerate(variants):
        for period in PERIODS:
            expected = attributed(closed_deals(world, *days_of(period), terms), dimension, terms, model)
            assert wrong(found[number, period], expected, f"{params} {period}") == []


@pytest.mark.slow
@FEW
@given(seed=st.integers(0, 1_000_000), dimension=st.sampled_from(DIMENSIONS))
def test_actioned_and_touched_are_what_fractions_say(seed: int, dimension: str) -> None:
    """Steps, sole deals, touched deals and uplift are what a plain loop over deals and touches finds."""
    zone = ("UTC", "Asia/Tokyo", "America/New_York")[seed % 3]
    terms = Terms(zone)
    near = Terms(zone, lookback_days=40, action_days=5)
    narrow = {"lookback_days": 40, "action_days": 5}
    world = drawn_world(seed)
    asks = [
        Ask("actioned_revenue", {}, dimension),
        Ask("actioned_revenue", narrow, dimension),
        Ask("actioned_revenue", {"rule": "sole"}, dimension),
        Ask("touched_revenue", {}, dimension),
        Ask("touched_revenue", {"value": "uplift", **narrow}, dimension),
        Ask("touched_revenue", {}),
        Ask("touched_revenue", {"value": "uplift"}),
        Ask("revenue_uplift_rate", {}, dimension),
    ]
    found = answers(evaluation(world, zone=zone), asks, PERIODS)
    for period in PERIODS:
        deals, close = closed_deals(world, *days_of(period), terms), closed_deals(world, *days_of(period), near)
        steps, whole = actioned(deals, dimension, terms), touched(deals, dimension, terms)
        assert wrong(found[0, period], steps, f"steps {period}") == []
        assert wrong(found[1, period], actioned(close, dimension, near), f"near {period}") == []
        assert wrong(found[2, period], actioned(deals, dimension, terms, sole=True), f"sole {period}") == []
        assert wrong(found[3, period], whole, f"touched {period}") == []
        assert wrong(found[4, period], touched(close, dimension, near, uplift=True), f"uplift {period}") == []
        assert agree(found[5, period][""].value, whole["*"])
        assert agree(found[6, period][""].value, touched(deals, dimension, terms, uplift=True)["*"])
        for name, rate in found[7, period].items():
            own, all_of_it = steps.get(name, Fraction(0)), whole.get(name, Fraction(0))
            rest = None if own is None or all_of_it is None else all_of_it - own
            known = name != NOTHING and own is not None and rest is not None and rest > 0
            assert agree(rate.value, own / rest if known and own is not None and rest else None), (name, period)


# -- what holds on any data -------------------------------------------------------------------------------------------


@pytest.mark.slow
@FEW
@given(seed=st.integers(0, 1_000_000))
def test_credit_adds_up_to_what_was_won(seed: int) -> None:
    """Under every model, by every dimension, all values and the unattributed are the won revenue to the last place.

    Without a dimension it is all but the unattributed; limited to a value it is that value's part; and the listed rows
    add up to it.
    """
    world = drawn_world(seed, rateless=False)
    metrics = [("attributed_revenue", params) for params in MODELS.values()]
    metrics += [("actioned_revenue", {}), ("actioned_revenue", {"rule": "sole"})]
    split = [Ask(metric, params, name) for metric, params in metrics for name in DIMENSIONS]
    whole = [Ask(metric, params) for metric, params in metrics[:-1]]
    looked = evaluation(world)
    asks = [Ask("revenue", {"source": "bookings"}), *whole, *split]
    found = answers(looked, asks, ("2025-03", "2025-Q1"))
    for period in ("2025-03", "2025-Q1"):
        told = {
            (ask.metric, str(ask.params), ask.by): {name: one.value for name, one in found[number, period].items()}
            for number, ask in enumerate(asks)
        }
        won = found[0, period][""].value
        assert won is not None
        for ask in split:
            parts = told[ask.metric, str(ask.params), ask.by]
            assert NOTHING in parts
            assert sum(parts.values()) == won, (ask, period)  # type: ignore[arg-type] # none of them is None
        for ask in whole:
            parts = told[ask.metric, str(ask.params), "channel"]
            assert told[ask.metric, str(ask.params), ""] == {"": won - (parts[NOTHING] or 0)}, (ask, period)
    finder, span = RowFinder(looked), looked.context.calendar.parse("2025-Q1")
    for number, (metric, params) in enumerate(metrics[:-1]):
        by_channel = found[1 + len(whole) + number * len(DIMENSIONS) + DIMENSIONS.index("channel"), "2025-Q1"]
        channel = sorted(by_channel)[number % len(by_channel)]
        listing = finder.listing(Request(metric, (span,), params, (), {"channel": channel}))
        assert listing.agrees
        assert listing.value.value == by_channel[channel].value


@pytest.mark.slow
@FEW
@given(seed=st.integers(0, 1_000_000))
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    """The same rows in another order give the same credit, also where several touches fall on one instant."""
    world = drawn_world(seed)
    for number, touch in enumerate(world["touchpoints"]):
        touch["occurred_at"] = world["touchpoints"][number // 3 * 3]["occurred_at"]
    asks = [Ask("attributed_revenue", MODELS[name], "channel") for name in SOME]
    asks += [Ask("actioned_revenue", {}, "channel"), Ask("touched_revenue", {"value": "uplift"}, "channel")]

    def told(one: World) -> dict[Any, Any]:
        found = answers(evaluation(one), asks, ("2025-Q1",))
        return {key: {name: each.value for name, each in values.items()} for key, values in found.items()}

    assert told(shuffled(world, seed)) == told(world)


@pytest.mark.slow
@FEW
@given(seed=st.integers(0, 1_000_000))
def test_what_happens_after_the_closing_changes_no_credit(seed: int) -> None:
    """Touches and changes after the closing, and a later look at it, leave the credit of a closed period as it was."""
    world = drawn_world(seed)
    late = {entity: [dict(row) for row in rows] for entity, rows in world.items()}
    for number, deal in enumerate(world["opportunities"]):
        if deal["closed_at"]:
            after = deal["closed_at"].replace("Z", ".5Z")
            touch = {"touchpoint_id": f"z{number}", "occurred_at": after, "opportunity_id": deal["opportunity_id"]}
            late["touchpoints"].append({**touch, "channel": "late", "department": "late", "is_direct": "false"})
            change = {
                "opportunity_id": deal["opportunity_id"],
                "changed_at": after,
                "amount": "77",
                "stage": "proposal",
            }
            late["opportunity_history"].append(change)
    asks = [Ask("attributed_revenue", MODELS[name], "channel") for name in SOME]
    asks += [Ask("actioned_revenue", {}, "department"), Ask("touched_revenue", {}, "department")]

    def told(one: World, now: date) -> dict[Any, Any]:
        found = answers(evaluation(one, now=now), asks, ("2025-02",))
        return {key: {n: each.value for n, each in values.items() if each.value} for key, values in found.items()}

    before = told(world, date(2025, 3, 31))
    assert told(late, date(2025, 3, 31)) == before
    assert told(late, date(2026, 12, 31)) == before


@pytest.mark.slow
@FEW
@given(seed=st.integers(0, 1_000_000))
def test_paths_of_one_touch_leave_nothing_to_argue_about(seed: int) -> None:
    """Where every deal has one touch, all rules and the game of revenue give the same."""
    world = drawn_world(seed, touches=0)
    world["touchpoints"] = [
        {
            "touchpoint_id": f"t{number}",
            "occurred_at": deal["closed_at"],
            "opportunity_id": deal["opportunity_id"],
            "channel": ("email", "search", "social")[number % 3],
        }
        for number, deal in enumerate(world["opportunities"])
        if deal["closed_at"] and number % 4
    ]
    asks = [Ask("attributed_revenue", MODELS[name], "channel") for name in (*RULES, "subset_value")]
    found = answers(evaluation(world), asks, ("2025-Q1",))
    told = [{name: each.value for name, each in values.items()} for values in found.values()]
    assert all(one == told[0] for one in told)


@pytest.mark.slow
@FEW
@given(seed=st.integers(0, 1_000_000))
def test_months_make_up_their_quarter_under_a_rule(seed: int) -> None:
    """What looks at one deal adds up over time; the models that weigh all journeys of a period do not promise it."""
    world = drawn_world(seed, rateless=False)
    asks = [Ask("attributed_revenue", MODELS[name], "channel") for name in (*RULES, "subset_value")]
    asks += [Ask("actioned_revenue", {}, "channel"), Ask("touched_revenue", {}, "channel")]
    found = answers(evaluation(world), asks, ("2025-01", "2025-02", "2025-03", "2025-Q1"))
    for number in range(len(asks)):
        quarter = {name: each.value for name, each in found[number, "2025-Q1"].items()}
        added: dict[str, Decimal] = dict.fromkeys(quarter, Decimal(0))
        for month in ("2025-01", "2025-02", "2025-03"):
            for name, each in found[number, month].items():
                assert each.value is not None
                added[name] += each.value
        assert added == quarter


# -- edges ------------------------------------------------------------------------------------------------------------


def deal(key: str, amount: str = "1000", **fields: str) -> dict[str, str]:
    """A deal won in March."""
    plain = {"account_id": "a1", "currency": "USD", "created_at": "2025-01-01T00:00:00Z", "is_won": "true"}
    return {"opportunity_id": key, "amount": amount, "closed_at": "2025-03-10T12:00:00Z", **plain, **fields}


def touch(key: str, of: str, day: str = "2025-03-01", channel: str = "email", **fields: str) -> dict[str, str]:
    """A touch of a deal at noon."""
    plain = {"touchpoint_id": key, "opportunity_id": of, "occurred_at": f"{day}T12:00:00Z", "channel": channel}
    return {**plain, "department": "marketing", **fields}


def world_of(deals: Rows, touches: Rows, **others: Rows) -> World:
    """A world of these rows."""
    return {"opportunities": deals, "touchpoints": touches, **others}


def test_a_deal_without_a_rate_voids_only_the_channels_that_it_would_credit() -> None:
    """The crown has no rate: what its deal would credit is unknown, and the rest is what it was."""
    world = world_of(
        [deal("o1"), deal("o2", currency="SEK")],
        [touch("t1", "o1"), touch("t2", "o2", channel="search"), touch("t3", "o2", "2025-03-02", "social")],
    )
    looked = evaluation(world)
    by = dict.fromkeys(("first", "linear", "markov"), "channel")
    found = answers(
        looked, [Ask("attributed_revenue", {"model": model}, name) for model, name in by.items()], ["2025-03"]
    )
    told = [{name: each.value for name, each in values.items()} for values in found.values()]
    assert told[0] == {"email": 1000, "search": None, "unattributed": 0}
    assert told[1] == {"email": 1000, "search": None, "social": None, "unattributed": 0}
    assert told[2] == {"email": None, "search": None, "social": None, "unattributed": 0}
    assert "no exchange rate" in found[0, "2025-03"]["search"].reason


def test_a_deal_without_an_amount_is_a_journey_and_gives_no_credit() -> None:
    """Nobody knows what it is worth: it is won in the chain, adds nothing to any sum, and is listed as left out."""
    world = world_of([deal("o1"), deal("o2", "")], [touch("t1", "o1"), touch("t2", "o2", channel="search")])
    looked = evaluation(world)
    found = answers(looked, [Ask("attributed_revenue", {"model": "markov"}, "channel")], ["2025-03"])
    # Both channels win every journey that they begin: removing either loses half, so they share alike.
    assert {name: each.value for name, each in found[0, "2025-03"].items()} == {
        "email": 500,
        "search": 500,
        "unattributed": 0,
    }
    request = Request("attributed_revenue", (looked.context.calendar.parse("2025-03"),))
    (part,) = RowFinder(looked).listing(request).parts
    assert part.total == 1000
    assert [row["reason"] for row in part.left_out] == ["won without an amount: it is worth nothing known"]


def test_without_touches_or_deals_there_is_no_number() -> None:
    """A table that was never loaded makes the value null and is named; one without rows makes it 0, or no ratio."""
    expected = {"actioned_revenue": 0, "touched_revenue": 0, "attributed_revenue": 0, "revenue_uplift_rate": None}
    asks = [Ask(metric, {}) for metric in expected]
    never = answers(evaluation({"opportunities": [deal("o1")]}), asks, ["2025-03"])
    assert {(one[""].value, one[""].reason) for one in never.values()} == {(None, "touchpoints was never loaded")}
    empty = answers(evaluation({"opportunities": [], "touchpoints": []}), asks, ["2025-03"])
    assert {one[""].metric: one[""].value for one in empty.values()} == expected


@pytest.mark.slow
def test_nothing_won_leaves_nothing_to_share() -> None:
    """Journeys that were all lost give no channel anything, under every model."""
    world = world_of([deal("o1", is_won="false")], [touch("t1", "o1")])
    asks = [Ask("attributed_revenue", params, "channel") for params in MODELS.values()]
    for values in answers(evaluation(world), asks, ["2025-03"]).values():
        assert {each.value for each in values.values()} == {Decimal(0)}
        assert NOTHING in values


def test_unattributed_is_shown_where_there_is_none() -> None:
    """A reader sees that nothing is unattributed, rather than wondering whether it was left out."""
    world = world_of([deal("o1")], [touch("t1", "o1")])
    asks = [Ask(metric, {}, "channel") for metric in ("actioned_revenue", "touched_revenue", "attributed_revenue")]
    asks += [Ask("actioned_revenue", {"rule": "sole"}, "department")]
    for values in answers(evaluation(world), asks, ["2025-03", "2025-02"]).values():
        assert values[NOTHING].value == 0


def test_direct_touches_count_for_steps_and_are_passed_over_by_models() -> None:
    """The buyer came by itself after the mail: the step follows that visit, and the models pass over it."""
    world = world_of([deal("o1")], [touch("t1", "o1"), touch("t2", "o1", "2025-03-05", "direct", is_direct="true")])
    asks = [
        Ask("actioned_revenue", {}, "channel"),
        Ask("touched_revenue", {}, "channel"),
        Ask("attributed_revenue", {"model": "last"}, "channel"),
        Ask("attributed_revenue", {"model": "last", "include_direct": True}, "channel"),
    ]
    found = answers(evaluation(world), asks, ["2025-03"])
    told = [{name: each.value for name, each in values.items() if each.value} for values in found.values()]
    assert told == [{"direct": 1000}, {"email": 1000, "direct": 1000}, {"email": 1000}, {"direct": 1000}]


def test_very_old_paths_still_have_shares() -> None:
    """After four thousand half-lives weights are nothing to a computer; a half-life apart they are still as 2 to 1."""
    world = world_of([deal("o1", "900")], [touch("t1", "o1", "2014-03-01"), touch("t2", "o1", "2014-03-02", "search")])
    found = answers(
        evaluation(world),
        [Ask("attributed_revenue", {"model": "time_decay", "half_life_days": 1, "lookback_days": 5000}, "channel")],
        ["2025-03"],
    )
    assert round(found[0, "2025-03"]["search"].value or 0, 6) == 600
    assert round(found[0, "2025-03"]["email"].value or 0, 6) == 300


def test_two_touches_share_by_first_and_last_also_where_neither_weighs() -> None:
    """With weights .3 and .1 two touches share 3 to 1; with none for either they share alike."""
    world = world_of([deal("o1", "400")], [touch("t1", "o1"), touch("t2", "o1", "2025-03-05", "search")])
    weights = [("0.3", "0.1"), ("0", "0"), ("1", "0")]
    asks = [
        Ask("attributed_revenue", {"model": "position_based", "first_weight": first, "last_weight": last}, "channel")
        for first, last in weights
    ]
    found = answers(evaluation(world), asks, ["2025-03"])
    assert [round(values["email"].value or 0, 9) for values in found.values()] == [300, 200, 400]


def test_weights_that_share_out_no_whole_are_refused_all_at_once() -> None:
    """Weights above 1 together and a half-life of nothing are mistakes of the asker, and both are told."""
    world = world_of([deal("o1")], [touch("t1", "o1")])
    with pytest.raises(ParamError, match=r"longer than nothing; first_weight = 0\.7 and last_weight = 0\.6"):
        value(world, "attributed_revenue", half_life_days=0, first_weight="0.7", last_weight="0.6")
    with pytest.raises(ParamError, match=r"linear . first . last . time_decay . position_based"):
        value(world, "marketing_return_on_investment", model="markov")


def test_two_dimensions_at_once_are_crossed_only_where_parts_add_up() -> None:
    """Touches can be cut by channel and department together; a deal touched by both would be counted twice over."""
    world = world_of([deal("o1", "300")], [touch("t1", "o1"), touch("t2", "o1", department="sales")])
    looked = evaluation(world)
    period = (looked.context.calendar.parse("2025-03"),)
    crossed = ("channel", "department")
    (found,) = looked.results([Request("attributed_revenue", period, {}, crossed)])
    assert {tuple(each.dimensions.values()): each.value for each in found.values()} == {
        ("email", "marketing"): 150,
        ("email", "sales"): 150,
        (NOTHING, NOTHING): 0,
    }
    only = {"channel": "email", "department": "sales"}
    (found,) = looked.results([Request("touched_revenue", period, {}, (), only)])
    (one,) = found.values()
    assert one.value is None
    assert one.reason == "it is split by one dimension at a time, not by department and channel together"


def test_a_touch_belongs_to_what_it_names_first() -> None:
    """A touch that names a deal is of no other; one that names a lead is of its deals; else of all of the account's.

    The touch of an account that was merged away is of the survivor's deals.
    """
    deals = [deal("o1", "100", lead_id="l1"), deal("o2", "10", lead_id="l2"), deal("o3", "1", account_id="a2")]
    touches = [
        touch("t1", "o1", channel="named", lead_id="l2", account_id="a2"),
        touch("t2", "", channel="lead", lead_id="l2", account_id="a2"),
        touch("t3", "", channel="account", account_id="a1"),
        touch("t4", "", channel="merged", account_id="a3"),
        touch("t5", "gone", channel="nobody", lead_id="l1", account_id="a1"),
    ]
    accounts = [{"account_id": "a1"}, {"account_id": "a2"}, {"account_id": "a3", "duplicate_of": "a2"}]
    found = answers(
        evaluation(world_of(deals, touches, accounts=accounts)), [Ask("touched_revenue", {}, "channel")], ["2025-03"]
    )
    told = {name: each.value for name, each in found[0, "2025-03"].items() if each.value}
    assert told == {"named": 100, "lead": 10, "account": 110, "merged": 1}


def test_windows_hold_their_ends_to_the_second() -> None:
    """A touch 90 days before the closing to the second is on the path, and one at the closing; a second off is not.

    The same holds of the 30 days before a step.
    """
    deals = [deal(f"o{number}", "100") for number in range(6)]
    touches = [
        {**touch("t0", "o0"), "occurred_at": "2024-12-10T12:00:00Z"},
        {**touch("t1", "o1"), "occurred_at": "2024-12-10T11:59:59Z"},
        {**touch("t2", "o2"), "occurred_at": "2025-03-10T12:00:00Z"},
        {**touch("t3", "o3"), "occurred_at": "2025-03-10T12:00:01Z"},
        {**touch("t4", "o4"), "occurred_at": "2025-02-08T12:00:00Z"},
        {**touch("t5", "o5"), "occurred_at": "2025-02-08T11:59:59Z"},
    ]
    asks = [Ask("touched_revenue", {}), Ask("actioned_revenue", {})]
    found = answers(evaluation(world_of(deals, touches)), asks, ["2025-03"])
    assert found[0, "2025-03"][""].value == 400  # 0, 2, 4 and 5
    assert found[1, "2025-03"][""].value == 200  # 2 and 4


# -- marketing --------------------------------------------------------------------------------------------------------


def test_marketing_is_paid_by_what_its_touches_bring() -> None:
    """300 of 600 belong to marketing's mail; it cost 100: (300 x 0.5 - 100) / 100 = 0.5.

    In the month after, 50 were spent and nothing came back; against the spending a month before, April has 0 for 100.
    """
    expenses = [
        {
            "expense_id": "e1",
            "incurred_on": "2025-03-31",
            "amount": "100",
            "department": "marketing",
            "channel": "email",
        },
        {
            "expense_id": "e2",
            "incurred_on": "2025-04-01",
            "amount": "50",
            "department": "marketing",
            "channel": "email",
        },
        {"expense_id": "e3", "incurred_on": "2025-03-05", "amount": "999", "department": "sales", "channel": "email"},
    ]
    touches = [touch("t1", "o1"), touch("t2", "o1", "2025-03-05", "call", department="sales")]
    looked = evaluation(world_of([deal("o1", "600")], touches, expenses=expenses))
    half = {"gross_margin": "0.5"}
    asks = [Ask("romi", half), Ask("romi", half, "channel"), Ask("romi", {**half, "lag_months": 1}), Ask("romi", {})]
    found = answers(looked, asks, ["2025-03", "2025-04"])
    assert found[0, "2025-03"][""].value == Decimal("0.5")
    assert found[0, "2025-04"][""].value == -1
    assert {name: each.value for name, each in found[1, "2025-03"].items()} == {"email": Decimal("0.5")}
    assert found[2, "2025-03"][""].value is None
    assert found[2, "2025-03"][""].reason == "nothing was spent on marketing"
    assert found[2, "2025-04"][""].value == -1
    assert found[3, "2025-03"][""].value is None


# -- speed ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_hundred_thousand_paths_take_seconds() -> None:
    """100,000 journeys over 12 channels, by chain and by game: seconds, not minutes."""
    warehouse = Warehouse.of_empty_entities()
    warehouse.connection.execute(
        "INSERT INTO opportunities (opportunity_id, amount, created_at, closed_at, is_won) "
        "SELECT 'o' || i, hash(i) % 1000, TIMESTAMP '2025-01-01', TIMESTAMP '2025-03-20', hash(i + 1) % 3 = 0 "
        "FROM range(100000) deals(i)"
    )
    warehouse.connection.execute(
        "INSERT INTO touchpoints (touchpoint_id, opportunity_id, occurred_at, channel) "
        "SELECT 't' || i, 'o' || i % 100000, TIMESTAMP '2025-03-01' + to_seconds(i // 100000), 'c' || hash(i) % 12 "
        "FROM range(430000) touches(i)"
    )
    looked = Evaluation(CATALOGUE, Context(Warehouse.over(warehouse.connection), Settings(NOW)))
    asks = [
        Ask("attributed_revenue", MODELS[name], "channel") for name in ("markov", "conversion_rate", "subset_value")
    ]
    began = time.perf_counter()
    found = answers(looked, asks, ["2025-03"])
    assert time.perf_counter() - began < 60
    assert {len(values) for values in found.values()} == {13}
    won = {sum(each.value or Decimal(0) for each in values.values()) for values in found.values()}
    assert len(won) == 1
