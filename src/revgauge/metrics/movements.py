"""Movements of recurring revenue: from one day to the next, account by account.

From nothing to something is new, or a reactivation if the account paid before; from something to nothing is churn; else
the net difference is one expansion or one contraction. What exchange rates alone did is the currency effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import (
    At,
    Distinct,
    Measure,
    Revaluation,
    balance,
    count,
    ratio,
    total,
)
from revgauge.catalogue.registry import Unit, metric
from revgauge.catalogue.spans import UpToOpening
from revgauge.model.period import Calendar, Period

if TYPE_CHECKING:
    from collections.abc import Callable


def _moved(mrr_movements: Facts, kind: str) -> Measure:
    return total(mrr_movements, "amount", where=_.kind == kind, gap=_.unconverted)


@metric(label="New MRR", unit=Unit.MONEY)
def new_mrr(mrr_movements: Facts) -> Measure:
    """Recurring revenue of accounts that had never paid before, at the rates of their first day.

    Unit: money a month
    Formula: sum of new movements
    Null: a new account is billed in a currency without a rate
    Seed: S2, S4
    Source: chartmogul-movements, chartmogul-smart
    So what: is acquisition working; if low look at pipeline, win rate and the price of entry
    """
    return _moved(mrr_movements, "new")


@metric(label="Expansion MRR", unit=Unit.MONEY)
def expansion_mrr(mrr_movements: Facts) -> Measure:
    """Net rises of recurring revenue of accounts that stayed customers.

    Unit: money a month
    Formula: sum of expansion movements
    Null: an expanding account is billed in a currency without a rate
    Seed: S4
    Source: chartmogul-movements
    So what: growth without acquisition; if low look at adoption, packaging and account plans
    """
    return _moved(mrr_movements, "expansion")


@metric(label="Contraction MRR", unit=Unit.MONEY, better="down")
def contraction_mrr(mrr_movements: Facts) -> Measure:
    """Net falls of recurring revenue of accounts that stayed customers, as a positive amount.

    Unit: money a month
    Formula: sum of contraction movements
    Null: a contracting account is billed in a currency without a rate
    Seed: S1
    Source: chartmogul-movements
    So what: an early form of churn; if high review usage before renewals
    """
    return _moved(mrr_movements, "contraction")


@metric(label="Churned MRR", unit=Unit.MONEY, better="down")
def churned_mrr(departures: Facts) -> Measure:
    """Recurring revenue of accounts that stopped paying, as a positive amount; a move to a free plan is churn.

    Dated on the first day that is not covered, at the rates of that day. By `cancel_reason` it is the reason of the
    largest row that was lost.

    Unit: money a month
    Formula: sum of churn movements
    Null: a departing account was billed in a currency without a rate
    Seed: S2, S3, S4
    Source: chartmogul-movements, chartmogul-settings
    So what: what leaving costs; if high look at reasons, onboarding and a save desk
    """
    return total(departures, "amount", gap=_.unconverted)


@metric(label="Reactivation MRR", unit=Unit.MONEY)
def reactivation_mrr(mrr_movements: Facts) -> Measure:
    """Recurring revenue of accounts that paid again after a time without.

    Unit: money a month
    Formula: sum of reactivation movements
    Null: a returning account is billed in a currency without a rate
    Source: chartmogul-movements
    So what: the worth of winning back; if low against churn run a win-back programme
    """
    return _moved(mrr_movements, "reactivation")


@metric(label="Currency effect", unit=Unit.MONEY, better="zero", aliases=("fx_mrr",))
def currency_effect_mrr(mrr_changes: Facts, *, netting: Literal["day", "period"] = "day") -> Measure:
    """What changed exchange rates alone did to recurring revenue: growth that nobody earned.

    Each day's change of rate is applied to the rows of the day before.

    Unit: money a month, positive or negative
    Formula: sum over days of yesterday's MRR in each currency x change of its rate
    Null: recurring revenue is held in a currency without a rate
    Source: stripe-billing, chargebee-fx, chartmogul-fx
    So what: if large hedge, or price in the company's own currency
    """
    if netting == "period":
        revalued = balance(
            mrr_changes, "amount", span=UpToOpening(), currency="currency", convert_on=lambda period: period.closing
        )
        return revalued - opening_mrr(mrr_changes)
    return Revaluation(mrr_changes, value="amount", currency="currency", gap=_.amount != 0)


@metric(label="Net new MRR", unit=Unit.MONEY, kind="formula")
def net_new_mrr(
    new_mrr: Measure,
    reactivation_mrr: Measure,
    expansion_mrr: Measure,
    contraction_mrr: Measure,
    churned_mrr: Measure,
    currency_effect_mrr: Measure,
    *,
    include_fx: bool = False,
) -> Measure:
    """What all movements together added to recurring revenue, or took away.

    With `include_fx` the currency effect is added, and the sum is closing less opening MRR.

    Unit: money a month, positive or negative
    Formula: new + reactivation + expansion - contraction - churn
    Seed: S2
    Source: chartmogul-movements
    So what: the month in one number; if negative compare the five parts with their own average
    """
    net = new_mrr + reactivation_mrr + expansion_mrr - contraction_mrr - churned_mrr
    return net + currency_effect_mrr if include_fx else net


@metric(label="Upsell MRR", unit=Unit.MONEY, version="2")
def upsell_mrr(
    mrr_parts: Facts, won_opportunities: Facts, *, source: Literal["mrr", "opportunities"] = "mrr"
) -> Measure:
    """The part of expansion that is more of a product the account held: more units, or one more subscription.

    Losses of the same day are set off against gains in proportion. With `source = opportunities` it is the amount of
    won deals of type expansion.

    Unit: money a month (from opportunities: money)
    Formula: sum of the upsell part of expansions
    Null: a part of it is in a currency without a rate
    Seed: S4
    Source: chartmogul-movements
    So what: more of the same; if low look at usage limits and seat campaigns
    """
    if source == "opportunities":
        return total(won_opportunities, "amount", where=_.type == "expansion", gap=_.unconverted)
    return total(mrr_parts, "upsell", gap=_.unconverted)


@metric(label="Cross-sell MRR", unit=Unit.MONEY, version="2")
def cross_sell_mrr(
    mrr_parts: Facts, won_opportunities: Facts, *, source: Literal["mrr", "opportunities"] = "mrr"
) -> Measure:
    """The part of expansion that is a product the account did not hold the day before.

    A product swapped for another is a small cross-sell, not a big one beside a big downsell. With
    `source = opportunities` it is the amount of won deals of type cross_sell.

    Unit: money a month (from opportunities: money)
    Formula: sum of the cross-sell part of expansions
    Null: a part of it is in a currency without a rate
    Seed: S4
    Source: chartmogul-movements
    So what: the second product; if low offer bundles and give owners lists of white space
    """
    if source == "opportunities":
        return total(won_opportunities, "amount", where=_.type == "cross_sell", gap=_.unconverted)
    return total(mrr_parts, "cross_sell", gap=_.unconverted)


@metric(label="Price change MRR", unit=Unit.MONEY, version="2")
def price_change_mrr(mrr_parts: Facts) -> Measure:
    """Price rises less price cuts of customers who stayed, after setting gains and losses off against each other.

    A discount line is a price cut, and its end a price rise.

    Unit: money a month, positive or negative
    Formula: sum of price rises - sum of price cuts
    Null: a part of it is in a currency without a rate
    Seed: S4
    Source: chartmogul-movements
    So what: expansion that is only price wears out goodwill; watch the churn of those whose price rose
    """
    return total(mrr_parts, "price_rise", gap=_.unconverted) - total(mrr_parts, "price_cut", gap=_.unconverted)


@metric(label="New customers", unit=Unit.COUNT)
def new_customers(mrr_movements: Facts) -> Measure:
    """Accounts that paid for the first time.

    Unit: accounts
    Formula: number of accounts with a new movement
    Seed: S3, S4
    Source: chartmogul-movements
    So what: the denominator of acquisition cost
    """
    return count(mrr_movements, where=_.kind == "new")  # an account is new once


@metric(label="Departures", unit=Unit.COUNT, better="down")
def churned_customers(departures: Facts) -> Measure:
    """Accounts that stopped paying at some day of the period, back since or not.

    Unit: accounts
    Formula: number of accounts with a churn movement
    Seed: S4
    Source: chartmogul-churn
    So what: the work load of a save desk
    """
    return Distinct(departures)


@metric(label="Returned customers", unit=Unit.COUNT)
def reactivated_customers(mrr_movements: Facts) -> Measure:
    """Accounts that paid again after a time without.

    Unit: accounts
    Formula: number of accounts with a reactivation movement
    Source: chartmogul-movements
    So what: the reach of winning back
    """
    return Distinct(mrr_movements, where=_.kind == "reactivation")


def opening_mrr(mrr_changes: Facts) -> Measure:
    """MRR on the day before the period, at that day's rates."""
    return balance(mrr_changes, "amount", span=UpToOpening(), currency="currency")


def _part_rate(part: str, measure: str, money: Measure, mrr_changes: Facts, customers: Measure) -> Measure:
    if measure == "customers":
        return ratio(customers, balance(mrr_changes, "customers", span=UpToOpening()), "there was no opening customer")
    return ratio(money, opening_mrr(mrr_changes), f"there was no opening MRR, so nothing to {part} to")


@metric(label="Upsell rate", unit=Unit.RATIO, kind="ratio", version="2")
def upsell_rate(
    upsell_mrr: Measure,
    mrr_changes: Facts,
    opening_parts: Facts,
    *,
    measure: Literal["revenue", "customers"] = "revenue",
) -> Measure:
    """Upsell as a share of opening MRR, or the share of opening customers who bought more of what they held.

    Unit: share of opening MRR (or of opening customers)
    Formula: upsell MRR / opening MRR; opening customers with upsell above 0 / opening customers
    Null: there was no opening MRR, or no opening customer
    Seed: S4
    Source: benchmarkit-2025
    So what: does the base grow by itself; if low give account owners a list of white space and a target
    Benchmark: expansion is 40 % of new ARR at the median (benchmarkit-2025)
    """
    buyers = Distinct(opening_parts, where=_.upsold == 1)
    return _part_rate("upsell", measure, upsell_mrr, mrr_changes, buyers)


@metric(label="Cross-sell rate", unit=Unit.RATIO, kind="ratio", version="2")
def cross_sell_rate(
    cross_sell_mrr: Measure,
    mrr_changes: Facts,
    opening_parts: Facts,
    *,
    measure: Literal["revenue", "customers"] = "revenue",
) -> Measure:
    """Cross-sell as a share of opening MRR, or the share of opening customers who took another product.

    Unit: share of opening MRR (or of opening customers)
    Formula: cross-sell MRR / opening MRR; opening customers with cross-sell above 0 / opening customers
    Null: there was no opening MRR, or no opening customer
    Seed: S4
    Source: benchmarkit-2025
    So what: does the base grow by itself; if low give account owners a list of white space and a target
    Benchmark: expansion is 40 % of new ARR at the median (benchmarkit-2025)
    """
    buyers = Distinct(opening_parts, where=_.cross_sold == 1)
    return _part_rate("cross-sell", measure, cross_sell_mrr, mrr_changes, buyers)


@metric(label="Quick ratio", unit=Unit.RATIO, kind="formula")
def quick_ratio(
    new_mrr: Measure,
    expansion_mrr: Measure,
    reactivation_mrr: Measure,
    contraction_mrr: Measure,
    churned_mrr: Measure,
    *,
    include_reactivation: bool = True,
) -> Measure:
    """Recurring revenue gained for each unit lost; the currency effect is in neither part.

    With reactivation it is above 1 exactly when net new MRR is above 0.

    Unit: gained per lost
    Formula: (new + expansion + reactivation) / (contraction + churn)
    Null: nothing was lost
    Source: baremetrics-quick, hamid
    So what: the quality of growth; under 1 shrinking, under 4 mend losses before buying more growth
    Benchmark: 4 for a healthy young company (hamid, about 2015, a rule of thumb)
    """
    gained = new_mrr + expansion_mrr
    if include_reactivation:
        gained = gained + reactivation_mrr
    return ratio(gained, contraction_mrr + churned_mrr, "nothing was lost, so there is no ratio to it")


@metric(label="MRR growth", unit=Unit.RATIO, kind="formula")
def mrr_growth_rate(mrr: Measure, context: Context, *, compare: Literal["prev", "yoy"] = "prev") -> Measure:
    """MRR against the close of the period before, or of the same period a year before.

    Both at the rates of their own day. A period that is not over is read on `now` against the full base.

    Unit: share of the base
    Formula: closing MRR / base MRR - 1
    Null: there was no MRR to grow from
    Seed: S2 (month on month, year on year)
    Source: stripe-billing
    So what: pace against plan; split it into the movements
    """
    base = At(mrr, _base_period(context.calendar, compare))
    return ratio(mrr, base, "there was no MRR to grow from") - 1


def _base_period(calendar: Calendar, compare: str) -> Callable[[Period], Period]:
    def before(period: Period) -> Period:
        return calendar.shift(period, -1) if compare == "prev" else calendar.year_before(period)

    return before
