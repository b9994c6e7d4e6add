"""Recurring revenue: what customers pay every month, and how many they are."""

from __future__ import annotations

from datetime import date
from typing import Literal

from ibis import _

from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import Measure, Total, Unknown, balance, count, ratio, total
from revgauge.catalogue.registry import Unit, metric
from revgauge.catalogue.spans import MonthsOfClosing, UpToClosing

Basis = Literal["subscription", "contract", "arpu_users"]


@metric(
    label="Monthly recurring revenue",
    unit=Unit.MONEY,
    kind="stock",
)
def mrr(
    mrr_changes: Facts,
    contract_changes: Facts,
    monthly_billings: Facts,
    *,
    basis: Basis = "subscription",
    fx: Literal["spot", "constant"] = "spot",
    fx_on: date | None = None,
    arpu_months: int = 1,
) -> Measure:
    """Recurring revenue of all customers on the closing day, for a month.

    One-off fees, services and uncommitted usage are left out, and so are trials; a prepayment is cash, not MRR. With
    basis `contract` it is the value of running contracts spread over their months; with `arpu_users`, for a business
    that bills without subscriptions, average billings for a user times the users of the month: not where annual bills
    are common, for it would call a prepayment a monthly rate.

    Unit: money a month
    Formula: sum of the live subscription rows of customers, at the rates of the closing day
    Null: a live row is in a currency without a rate; with arpu_users nobody was billed in the whole window
    Seed: S2 (ARPU times users), S4
    Source: stripe-billing, stripe-support, chartmogul-movements, profitwell-compare
    So what: the base of every plan; if it stalls, see which movement turned and act there
    """
    if basis == "arpu_users":
        window = MonthsOfClosing(arpu_months)
        billed = total(monthly_billings, "net", span=window, gap=_.unconverted)
        users = count(monthly_billings, where=_.net > 0, span=window)
        average = ratio(billed, users, "nobody was billed in the window, so there is no average to multiply")
        return average * count(monthly_billings, where=_.net > 0, span=MonthsOfClosing(1))
    if fx == "constant" and fx_on is None:
        return Unknown("fx = constant needs fx_on: the day whose rates are used throughout")
    fixed = fx_on if fx == "constant" else None
    changes = mrr_changes if basis == "subscription" else contract_changes
    return balance(changes, "amount", currency="currency", convert_on=(lambda _period: fixed) if fixed else None)


@metric(label="Annual recurring revenue", unit=Unit.MONEY, kind="formula")
def arr(mrr: Measure) -> Measure:
    """Recurring revenue of a year at the present rate: twelve times MRR.

    It is a rate and not what a year will bring; say how it is computed when it is published, and when that changes.

    Unit: money a year
    Formula: 12 x MRR
    Seed: S4
    Source: smsb, sec-kpi
    So what: scale for valuation and market penetration; the levers are those of MRR
    """
    return 12 * mrr


@metric(label="Paying customers", unit=Unit.COUNT, kind="stock")
def active_customers(mrr_changes: Facts) -> Measure:
    """Accounts whose recurring revenue on the closing day is above zero.

    Free plans and trials are not customers. Counting needs no exchange rate.

    Unit: accounts
    Formula: number of accounts with MRR above 0
    Seed: S2 (monthly users)
    Source: stripe-billing
    So what: breadth of the base; falling while MRR rises means that it rests on fewer
    """
    return balance(mrr_changes, "customers")


@metric(label="ARPA", unit=Unit.MONEY, kind="formula", aliases=("arpa",))
def average_revenue_per_account(mrr: Measure, active_customers: Measure) -> Measure:
    """MRR for each paying customer; all subscriptions of a customer are one.

    Unit: money a month for an account
    Formula: MRR / paying customers
    Null: there is no customer
    Seed: S2 (ARPU)
    Source: chartmogul-arpa
    So what: pricing and packaging; if low move the price, the segment or the mix of plans
    """
    return ratio(mrr, active_customers, "there is no paying customer")


@metric(label="ARPU", unit=Unit.MONEY, kind="formula", aliases=("arpu",))
def average_revenue_per_user(
    mrr: Measure,
    average_revenue_per_account: Measure,
    mrr_changes: Facts,
    closing_users: Facts,
    *,
    users: Literal["quantity", "active_users", "accounts"] = "quantity",
) -> Measure:
    """MRR for each user: seats by default, or people who used the product, or accounts.

    A customer's row without a quantity makes the seats unknown, since a partial count would flatter. Active users are
    the highest day of the closing month so far, for each customer.

    Unit: money a month for a user
    Formula: MRR / users
    Null: there is no user, or a live row has no quantity
    Seed: S2
    Source: chartmogul-arpa
    So what: as ARPA, for a seat; low with a high ARPA means large seats sold at a discount
    """
    if users == "accounts":
        return average_revenue_per_account
    if users == "active_users":
        return ratio(mrr, total(closing_users, "active_users"), "there is no active user")
    seats = Total(
        mrr_changes,
        span=UpToClosing(),
        value="quantity",
        gap="unmeasured",
        gap_reason="a live subscription row has no quantity, so users cannot be counted",
    )
    return ratio(mrr, seats, "there is no user")
