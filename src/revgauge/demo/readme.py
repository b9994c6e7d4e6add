"""The README of the project folder: what the company is, what lies where, and the stories with their figures."""

from __future__ import annotations

import textwrap
from datetime import date
from fractions import Fraction

from revgauge.demo import stories
from revgauge.demo.clock import NOW, START, TOMORROW
from revgauge.demo.faults import FAULTS, REPEATED
from revgauge.demo.measured import Measured
from revgauge.demo.world import World


def text(world: World, *, seed: int, late_payments: int) -> str:
    """The whole README. `late_payments` is the number of payments that came with the second export."""
    return f"{_company(Measured(world), seed)}\n{_FOLDER}\n{story_text(world, late_payments=late_payments)}"


def story_text(world: World, *, late_payments: int) -> str:
    """The planted stories, each with what, when, how much, and where it shows."""
    measured, facts = Measured(world), world.facts
    return "\n".join(
        (
            "## The planted stories\n",
            _filled(
                "All figures are counted from the good rows of the exports, each once; days and months are calendar "
                "days in UTC."
            ),
            _slow_stage(measured),
            _price_rise(measured),
            _idle_channel(measured),
            _quote_tool(measured),
            _wrong_pay(facts),
            _faults(measured, facts, late_payments),
            _hole(measured),
            _recarve(measured),
        )
    )


def _filled(sentence: str, indent: str = "") -> str:
    lines = textwrap.fill(sentence, 116, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return f"{lines}\n"


def _points(**points: str) -> str:
    """A list with one point for each keyword, which is its first word."""
    return "".join(
        _filled(f"- **{name.replace('_', ' ').capitalize()}** {point}", "  ") for name, point in points.items()
    )


def _table(header: str, *lines: str) -> str:
    columns = header.count("|") + 1
    rows = [header, "|".join([" --- "] * columns).strip(), *lines]
    return "".join(f"  | {row} |\n" for row in rows)


def _one(value: Fraction) -> str:
    return f"{float(value):.1f}"


def _percent(part: Fraction) -> str:
    return f"{float(part * 100):.1f} %"


def _company(measured: Measured, seed: int) -> str:
    intro = _filled(
        "Halden Analytics sells analytics software by subscription to companies in North America, the United Kingdom "
        "and Ireland, and Europe. It does not exist: names, people and figures are drawn by `revgauge demo` from the "
        f"seed {seed}, and come out the same on every machine."
    )
    size = _filled(
        f"The exports cover {START} to {NOW}, which is also the day on which the company stands (`as_of` in "
        "`revgauge.yml`); subscriptions, contracts, bills and payments go back to 2021. There are "
        f"{measured.count('accounts'):,} accounts, {measured.count('leads'):,} leads, "
        f"{measured.count('opportunities'):,} deals, {measured.count('tickets'):,} tickets and "
        f"{measured.count('product_usage'):,} days of use. {measured.customers(date(2022, 12, 31))} customers stood at "
        f"the end of 2022, {measured.customers(NOW)} stand now."
    )
    known = (
        f"The CRM was introduced on {START}. Customers won before have contracts and bills, but no leads and no deals.",
        "Small customers may pay monthly by card. They have a subscription and bills, no contract, and mostly no deal.",
        "The product is `Insight` in the plans Starter, Growth and Scale; `Forecast` and `Connect` are add-ons.",
        "Renewals are deals of their own kind; small customers renew without one, three in ten without a new paper.",
        "Prices stand in dollars, pounds and euros; the reporting currency is the dollar.",
        "About one account in a hundred has no segment.",
    )
    points = "".join(_filled(f"- {point}", "  ") for point in known)
    return (
        f"# Halden Analytics, a sample company\n\n{intro}\n{size}\nWhat to know before reading the figures:\n\n{points}"
    )


_FOLDER = """\
## What lies where

| folder or file | holds |
| --- | --- |
| `revgauge.yml` | the settings |
| `metrics.yml` | the company's own metrics |
| `sources/*.yml` | how the exports become entities |
| `exports/crm/` | the CRM: accounts, contacts, leads, deals and their history, campaigns, activities, contracts |
| `exports/billing/` | the billing system: subscriptions, their prices, invoices and charges, amounts in cents |
| `exports/helpdesk/` | the help desk: tickets |
| the other folders of `exports/` | tables kept by hand, with the names of the data model as headers |
| `records/` | readings, reviews, decisions and the like of the years before |

No source fills from `records/`: RevGauge keeps such records itself, and what lies there is what it would have kept.
"""


def _slow_stage(measured: Measured) -> str:
    stage, segment = stories.SLOW_STAGE, stories.SLOW_SEGMENT
    before, after = (START, stories.SLOW_FROM), (stories.SLOW_FROM, TOMORROW)
    slow, usual = (
        [_one(measured.stage_days(name, stage, window)) for window in (before, after)]
        for name in (segment, "Mid-Market")
    )
    return "### 1 A stage that slows in one segment\n\n" + _points(
        what=f"new business of the segment {segment} waits in the stage `{stage}`.",
        when=f"visits that begin on or after {stories.SLOW_FROM}.",
        size=f"visits that are over lasted {slow[0]} days on average before, and {slow[1]} after. Mid-Market in the "
        f"same stage: {usual[0]} and {usual[1]}.",
        shows_in=f"`stage_duration_days` and `stage_delay_days` of {stage} by `segment`; later in `sales_cycle_days` "
        f"of {segment}.",
    )


def _price_rise(measured: Measured) -> str:
    raised = len(measured.raised())
    left, said = measured.left_within_a_year()
    return "### 2 A price rise, and who left because of it\n\n" + _points(
        what=f"the price of a seat rose by {stories.RISE_PERCENT} % in the plan {stories.RISE_PLAN}, at renewal.",
        when=f"renewals due from {stories.RISE_FROM} up to, without, {stories.RISE_TO}; new contracts from "
        f"{stories.RISE_FROM} pay the higher price from the start.",
        size=f"{raised} subscriptions were raised. {left} of them ended within twelve months of the rise, {said} with "
        f"the `cancel_reason` `{stories.RISE_REASON}`, which nobody gave before.",
        shows_in="`price_change_mrr` from July 2024 to June 2025, the only changes of price; then `logo_churn_rate` by "
        "`plan`, and `churned_mrr` by `cancel_reason`.",
    )


def _idle_channel(measured: Measured) -> str:
    window = (stories.IDLE_FROM, date(2026, 1, 1))
    leads, deals, customers = measured.channel(stories.IDLE_CHANNEL, window)
    others = [measured.channel(name, window) for name in ("Paid search", "Organic search", "Webinar")]
    usual = [sum(part) for part in zip(*others, strict=True)]
    return "### 3 A channel whose leads do not activate\n\n" + _points(
        what=f"the channel `{stories.IDLE_CHANNEL}` brings many leads, which become deals but not customers.",
        when=f"from {stories.IDLE_FROM} on.",
        size=f"of its {leads} leads of February to December 2025, {deals} became deals "
        f"({_percent(Fraction(deals, leads))}) and {customers} a customer ({_percent(Fraction(customers, leads))}). "
        f"Paid search, organic search and webinars together: {usual[0]} leads, {usual[1]} deals "
        f"({_percent(Fraction(usual[1], usual[0]))}), {usual[2]} customers ({_percent(Fraction(usual[2], usual[0]))}). "
        f"The channel costs about {stories.IDLE_COST_A_MONTH // 100:,} dollars a month.",
        shows_in="`activation_rate`, `lead_activation_gap` and `lead_count` by `channel`; `customer_acquisition_cost` "
        "by `channel`. The company's `activation_rate` falls with it.",
    )


def _quote_tool(measured: Measured) -> str:
    before, after = (date(2023, 10, 1), stories.TOOL_FIRST_ON), (stories.TOOL_FIRST_ON, stories.TOOL_ELSEWHERE_ON)
    windows = (before, after, (date(2025, 10, 1), TOMORROW))
    lines = []
    for name, here in ((stories.TOOL_FIRST_REGION, True), ("elsewhere", False)):
        cells = [measured.cycle_days(window, "Mid-Market", first_region=here) for window in windows]
        lines.append(" | ".join([name, *(f"{_one(mean)} ({deals})" for mean, deals in cells)]))
    return (
        "### 4 A rollout that shortened the sales cycle\n\n"
        + _points(
            what=f"the quote tool (`{stories.TOOL_INITIATIVE}`, later `I-quote-emea`) halves the stay in "
            f"{' and '.join(stories.TOOL_STAGES)} of new business that enters these stages after the rollout.",
            when=f"{stories.TOOL_FIRST_REGION} from {stories.TOOL_FIRST_ON}, the other regions from "
            f"{stories.TOOL_ELSEWHERE_ON}.",
            size="mean days from creation to close of new business won in Mid-Market, and of how many deals:",
        )
        + "\n"
        + _table("region | October 2023 to September 2024 | October 2024 to June 2025 | October 2025 to now", *lines)
        + "\n"
        + _points(
            shows_in="`sales_cycle_days` by `region`, `stage_duration_days` of the two stages; `adoption_rate` and "
            "`time_saved_hours` of the initiative; the effect of a programme, with the other regions to compare until "
            "June 2025. In Enterprise, story 1 works against it."
        )
    )


def _wrong_pay(facts: dict[str, str]) -> str:
    return "### 5 A seller whose pay is wrong in one quarter\n\n" + _points(
        what=f"{facts['mispaid_name']} (`{facts['mispaid_person']}`, {stories.MISPAID_TEAM}) was paid as if the "
        f"largest credit of the quarter ({facts['mispaid_deal']} dollars) had come twice.",
        when="the commission for July to September 2024.",
        size=f"paid {facts['mispaid_paid']} dollars instead of {facts['mispaid_right']}. Every other commission is "
        "right to the cent: deals won, without renewals, at the rate of the closing day, by the bands of "
        "`commission_rates`.",
        shows_in="`commission_accuracy_rate` and `commission_error_rate` of 2024-Q3 by `owner_id`.",
    )


def _faults(measured: Measured, facts: dict[str, str], late_payments: int) -> str:
    twice = ", ".join(f"{count} in `{entity}`" for entity, count in REPEATED.items())
    doubled = ("accounts", "contacts", "leads", "opportunities")
    merged = ", ".join(f"{measured.doubles(name)} in `{name}`" for name in doubled)
    bad = [
        f"`{fault.entity}` | {f'`{fault.key}`' if fault.key else 'none'} | `{fault.header}` | {fault.about}"
        for fault in FAULTS
    ]
    return (
        "### 6 Late, double and bad data\n\n"
        + _points(
            late_payments=f"{late_payments} payments of November 2025 of customers in {stories.LATE_REGION} came only "
            "with the next export, `exports/billing/charges_late_2026-01-09.csv`; without that file their bills look "
            "overdue.",
            late_subscriptions=f"{facts['late_subscriptions']} started in March 2025 and were recorded in billing two "
            "months later (column `Created (UTC)`). The `mrr` and `active_customers` reported for March and April 2025 "
            "in `exports/finance/metric_values.csv` are without them; computed now they are higher.",
            merged_records=f"{merged} carry `duplicate_of`.",
            rows_that_stand_twice=f"exactly: {twice}. They count once.",
            a_gap="the help desk does not export how long a ticket waited for the customer, so `paused_minutes` is not "
            "known and nothing with `exclude_paused` can be computed.",
            bad_rows=f"which must land in quarantine, {len(FAULTS)} in all:",
        )
        + "\n"
        + _table("entity | key | column | what is wrong", *bad)
        + "\n"
        + _points(shows_in="what `revgauge load` and `revgauge gaps` report; reported against recomputed values.")
    )


def _hole(measured: Measured) -> str:
    hole = (stories.HOLE_FROM, stories.HOLE_TO)
    windows = ((date(2024, 6, 1), stories.HOLE_FROM), hole, (stories.HOLE_TO, date(2026, 1, 1)))
    hours = [_one(measured.resolution_hours(window)) for window in windows]
    glad = [_percent(measured.satisfied(window)) for window in windows]
    return "### 7 A hole in the support team\n\n" + _points(
        what="two support agents left in the last week of May 2025; their successors came at the end of August.",
        when=f"tickets opened from {hole[0]} up to, without, {hole[1]}.",
        size=f"they took {hours[1]} hours to resolve on average, against {hours[0]} in the twelve months before and "
        f"{hours[2]} from September to December. Of the answers about tickets, given in these windows, {glad[1]} were "
        f"good, against {glad[0]} and {glad[2]}.",
        shows_in="`resolution_hours` and `first_response_hours`; `customer_satisfaction_score`; `headcount` of the "
        "department service.",
    )


def _recarve(measured: Measured) -> str:
    moved, owned = measured.moved()
    return "### 8 Territories cut anew\n\n" + _points(
        what=f"about half of the customers in {stories.RECARVE_REGION} got another account manager.",
        when=f"{stories.RECARVE_ON}.",
        size=f"{moved} of {owned} accounts that an account manager of the region had until then changed hands.",
        shows_in="`account_transition_rate` of 2025 by `region`.",
    )
