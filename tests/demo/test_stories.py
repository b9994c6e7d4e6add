"""Each planted story can be found by counting lines of the exports, and the size is the one that the README tells."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from tests.demo.exports_read import Exports, Row, day, days_between, mean
from tests.demo.refresh import PAGE, told_stories

from revgauge.demo import stories
from revgauge.demo.clock import add_months

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def told(folder: Path) -> str:
    """The README on one line, so that a sentence can be looked for wherever it wraps."""
    return re.sub(r"\s+", " ", (folder / "README.md").read_text(encoding="utf-8"))


def _new_business(exports: Exports, segment: str) -> dict[str, Row]:
    segments = {row["account_id"]: row["segment"] for row in exports.rows("accounts")}
    return {
        row["opportunity_id"]: row
        for row in exports.rows("opportunities")
        if row["type"] == "New Business" and not row["duplicate_of"] and segments[row["account_id"]] == segment
    }


def _visits(exports: Exports, segment: str, stage: str, start: date, end: date) -> list[Fraction]:
    """Days of the visits to the stage that began from `start` on and before `end` and are over."""
    deals = _new_business(exports, segment)
    paths: dict[str, list[Row]] = defaultdict(list)
    for row in exports.rows("opportunity_history"):
        if row["stage"] and row["opportunity_id"] in deals:
            paths[row["opportunity_id"]].append(row)
    return [
        days_between(row["changed_at"], following["changed_at"])
        for path in paths.values()
        for row, following in pairwise(path)
        if row["stage"] == stage and start <= day(row["changed_at"]) < end
    ]


def test_security_review_slows_in_enterprise_alone(exports: Exports, told: str) -> None:
    """Story 1: from April 2025 the stage takes more than twice as long in Enterprise, as before in Mid-Market."""
    long_ago, later = date(2023, 1, 1), date(2026, 1, 15)
    before = mean(_visits(exports, "Enterprise", stories.SLOW_STAGE, long_ago, stories.SLOW_FROM))
    after = mean(_visits(exports, "Enterprise", stories.SLOW_STAGE, stories.SLOW_FROM, later))
    assert after > 2 * before
    others = [
        mean(_visits(exports, "Mid-Market", stories.SLOW_STAGE, *window))
        for window in ((long_ago, stories.SLOW_FROM), (stories.SLOW_FROM, later))
    ]
    assert abs(others[1] / others[0] - 1) < Fraction(1, 4)
    assert f"lasted {float(before):.1f} days on average before, and {float(after):.1f} after" in told


def _raised(exports: Exports) -> dict[str, date]:
    """Subscriptions and the day on which the price of a seat became eight percent higher."""
    prices: dict[str, list[Row]] = defaultdict(list)
    for row in exports.rows("subscription_periods"):
        prices[row["subscription_id"]].append(row)
    return {
        key: day(row["valid_from"])
        for key, rows in prices.items()
        for before, row in pairwise(rows)
        if abs(
            Fraction(int(row["mrr"]), int(row["quantity"])) / Fraction(int(before["mrr"]), int(before["quantity"])) - 1
        )
        > Fraction(7, 100)
    }


def test_growth_is_raised_once_at_renewal(exports: Exports, told: str) -> None:
    """Story 2: from July 2024 to June 2025 prices of the plan Growth rise by 8 %, and no other price ever changes."""
    raised = _raised(exports)
    subscriptions = exports.by_key("subscriptions", "subscription_id")
    assert {subscriptions[key]["plan"] for key in raised} == {"Growth"}
    assert min(raised.values()) >= stories.RISE_FROM
    assert max(raised.values()) < stories.RISE_TO
    assert f"{len(raised)} subscriptions were raised" in told


def test_some_of_the_raised_leave_because_of_it(exports: Exports, told: str) -> None:
    """Story 2: the reason `price increase` is given only by the raised, who leave more often than others of Growth."""
    raised = _raised(exports)
    core = [row for row in exports.rows("subscriptions") if row["product"] == "Insight" and row["plan"] == "Growth"]
    gave_reason = {row["subscription_id"] for row in core if row["cancel_reason"] == stories.RISE_REASON}
    assert gave_reason
    assert gave_reason <= raised.keys()
    ended = {row["subscription_id"]: day(row["ended_on"]) for row in core if row["ended_on"]}
    left = {key for key, rise in raised.items() if key in ended and ended[key] <= add_months(rise, 12)}
    assert f"{len(left)} of them ended within twelve months of the rise" in told
    eve = date(2024, 7, 1)
    there = [row["subscription_id"] for row in core if day(row["started_on"]) <= add_months(eve, -12)]
    there = [key for key in there if key not in ended or ended[key] > add_months(eve, -12)]
    usual = Fraction(sum(key in ended and ended[key] <= eve for key in there), len(there))
    assert Fraction(len(left), len(raised)) > Fraction(3, 2) * usual


def _activation(exports: Exports, channel: str) -> tuple[int, int, int]:
    """Leads of a channel from February to December 2025, those with a deal, those that became a customer."""
    leads = [
        row
        for row in exports.rows("leads")
        if row["channel"] == channel
        and not row["duplicate_of"]
        and stories.IDLE_FROM <= day(row["created_at"]) < date(2026, 1, 1)
    ]
    won = {row["lead_id"] for row in exports.rows("opportunities") if row["is_won"] == "TRUE"}
    sold_to = {row["account_id"] for row in exports.rows("leads") if row["lead_id"] in won}
    started: dict[str, date] = {}
    for row in exports.rows("subscriptions"):
        start = day(row["started_on"])
        started[row["account_id"]] = min(start, started.get(row["account_id"], start))
    alone = {
        row["account_id"]
        for row in leads
        if row["account_id"] not in sold_to and started.get(row["account_id"], date.min) >= day(row["created_at"])
    }
    return (
        len(leads),
        sum(bool(row["opportunity_id"]) for row in leads),
        sum(r["lead_id"] in won for r in leads) + len(alone),
    )


def test_syndicated_leads_become_deals_but_not_customers(exports: Exports, told: str) -> None:
    """Story 3: the channel brings more leads than any other, deals nearly as usual, and hardly a customer."""
    leads, deals, customers = _activation(exports, stories.IDLE_CHANNEL)
    usual = [_activation(exports, name) for name in ("Paid search", "Organic search", "Webinar")]
    assert leads > max(number for number, _, _ in usual)
    assert Fraction(deals, leads) > Fraction(sum(u[1] for u in usual), sum(u[0] for u in usual)) * Fraction(2, 3)
    assert Fraction(customers, leads) < Fraction(sum(u[2] for u in usual), sum(u[0] for u in usual)) / 10
    assert f"of its {leads} leads of February to December 2025, {deals} became deals" in told
    assert all(
        day(row["created_at"]) >= stories.IDLE_FROM
        for row in exports.rows("leads")
        if row["channel"] == stories.IDLE_CHANNEL
    )


def _cycle(exports: Exports, here: bool, start: date, end: date) -> list[Fraction]:  # noqa: FBT001
    regions = {row["account_id"]: row["region"] for row in exports.rows("accounts")}
    return [
        days_between(row["created_at"], row["closed_at"])
        for row in _new_business(exports, "Mid-Market").values()
        if row["is_won"] == "TRUE"
        and start <= day(row["closed_at"]) < end
        and (regions[row["account_id"]] == stories.TOOL_FIRST_REGION) is here
    ]


def test_the_quote_tool_shortens_the_cycle_where_it_is(exports: Exports, told: str) -> None:
    """Story 4: Mid-Market deals close faster in North America from October 2024, elsewhere only from July 2025."""
    before = (date(2023, 10, 1), stories.TOOL_FIRST_ON)
    after = (stories.TOOL_FIRST_ON, stories.TOOL_ELSEWHERE_ON)
    last = (date(2025, 10, 1), date(2026, 1, 15))
    here = [mean(_cycle(exports, True, *window)) for window in (before, after, last)]
    elsewhere = [mean(_cycle(exports, False, *window)) for window in (before, after, last)]
    assert here[1] < here[0] * Fraction(85, 100)
    assert elsewhere[1] > elsewhere[0] * Fraction(92, 100)
    assert elsewhere[2] < elsewhere[0] * Fraction(85, 100)
    assert f"| North America | {float(here[0]):.1f} ({len(_cycle(exports, True, *before))}) |" in told


def test_payments_of_november_come_late_for_europe(exports: Exports, told: str) -> None:
    """Story 6: the second file of charges holds payments of one month and one region, and the first file has none."""
    first, late = exports.files("payments")
    regions = {row["account_id"]: row["region"] for row in exports.rows("accounts")}
    billed = {row["invoice_id"]: regions[row["account_id"]] for row in exports.rows("invoices")}

    def november(path: Path) -> list[str]:
        lines = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()[1:]]
        return [line[0] for line in lines if line[2][:7] == "2025-11" and billed[line[1]] == stories.LATE_REGION]

    assert late.name == "charges_late_2026-01-09.csv"
    assert november(first) == []
    assert len(november(late)) == len(late.read_text(encoding="utf-8").splitlines()) - 1
    assert f"{len(november(late))} payments of November 2025" in told


def _mrr(exports: Exports, when: date, without: set[str]) -> Fraction:
    """Dollars a month on the day, at the last quote on or before it."""
    quotes: dict[str, tuple[str, Fraction]] = {"usd": ("", Fraction(1))}
    for row in exports.rows("exchange_rates"):
        if day(row["quoted_on"]) <= when:
            quotes[row["currency"].lower()] = max(
                quotes.get(row["currency"].lower(), ("", Fraction(0))), (row["quoted_on"], Fraction(row["rate"]))
            )
    return sum(
        (
            Fraction(int(row["mrr"]), 100) * quotes[row["currency"]][1]
            for row in exports.rows("subscription_periods")
            if row["is_trial"] == "false"
            and row["subscription_id"] not in without
            and day(row["valid_from"]) <= when
            and (not row["valid_to"] or when < day(row["valid_to"]))
        ),
        Fraction(0),
    )


def test_reported_revenue_lacks_what_was_recorded_late(exports: Exports, told: str) -> None:
    """Story 6: reported MRR is what is computed today, but for two months without the subscriptions recorded late."""
    created = {line[0]: line[-1] for line in exports.lines("subscriptions")}
    started = {row["subscription_id"]: row["started_on"] for row in exports.rows("subscriptions")}
    late = {key for key, recorded in created.items() if day(recorded) > day(started[key])}
    assert ", ".join(sorted(late)) in told
    for row in exports.rows("metric_values"):
        if row["metric"] == "mrr" and not row["dimension"] and row["period_start"] >= "2025-01-01":
            closing = date.fromordinal(day(row["period_end"]).toordinal() - 1)
            unknown = late if row["period_start"] in {"2025-03-01", "2025-04-01"} else set()
            assert abs(_mrr(exports, closing, unknown) - Fraction(row["value"])) < Fraction(1, 1000)
            assert (_mrr(exports, closing, set()) > Fraction(row["value"]) + 100) is bool(unknown)


def _hours(exports: Exports, start: date, end: date) -> Fraction:
    return mean(
        days_between(row["opened_at"], row["resolved_at"]) * 24
        for row in exports.rows("tickets")
        if row["resolved_at"] and not row["merged_into"] and start <= day(row["opened_at"]) < end
    )


def test_support_is_slow_while_two_agents_are_missing(exports: Exports, told: str) -> None:
    """Story 7: tickets opened from June to August 2025 take about twice as long, and fewer answers are good."""
    before = _hours(exports, date(2024, 6, 1), stories.HOLE_FROM)
    inside = _hours(exports, stories.HOLE_FROM, stories.HOLE_TO)
    after = _hours(exports, stories.HOLE_TO, date(2026, 1, 1))
    assert inside > Fraction(17, 10) * before
    assert abs(after / before - 1) < Fraction(1, 10)
    assert f"they took {float(inside):.1f} hours to resolve on average, against {float(before):.1f}" in told
    agents = [row for row in exports.rows("people") if row["role"] == "Support agent" and row["left_on"]]
    assert sorted(row["left_on"] for row in agents) == ["2025-05-26", "2025-06-01"]


def test_half_of_one_region_changes_hands_on_one_day(exports: Exports, told: str) -> None:
    """Story 8: on 2025-01-06 about half of the accounts of account managers in UK & Ireland get another owner."""
    managers = {row["person_id"] for row in exports.rows("people") if row["role"] == "Account manager"}
    regions = {row["account_id"]: row["region"] for row in exports.rows("accounts")}
    cut = stories.RECARVE_ON.isoformat()
    held = [
        row
        for row in exports.rows("account_assignments")
        if row["person_id"] in managers and row["valid_from"] < cut and (not row["valid_to"] or row["valid_to"] >= cut)
    ]
    mine = [row for row in held if regions[row["account_id"]] == stories.RECARVE_REGION]
    moved = [row for row in mine if row["valid_to"] == cut]
    assert Fraction(35, 100) < Fraction(len(moved), len(mine)) < Fraction(65, 100)
    assert {regions[row["account_id"]] for row in held if row["valid_to"] == cut} == {stories.RECARVE_REGION}
    assert f"{len(moved)} of {len(mine)} accounts" in told


def test_the_page_tells_the_stories_of_the_folder(folder: Path, root: Path) -> None:
    """The explanation in the docs carries the same stories, word for word, as the README of the folder."""
    page = (root / PAGE).read_text(encoding="utf-8")
    assert page.endswith(told_stories(folder)), "run python -m tests.demo.refresh"
