"""Who became a customer when, and which departments had a part in it: what the cost of acquisition is divided by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import ibis
from ibis import _

from revgauge.catalogue.facts import own
from revgauge.catalogue.registry import derived
from revgauge.derived.billing import DIMENSIONS
from revgauge.derived.credit import SHARED, UNATTRIBUTED

if TYPE_CHECKING:
    import ibis.expr.types as ir

Credit = Literal["all", "touched", "actioned"]

ADVERTISING = "advertising"
"""The category of what is paid to be seen."""


def _with_channel(rows: ir.Table, account_attributes: ir.Table, booked_expenses: ir.Table) -> ir.Table:
    """The rows with a mark, `advertised`, of accounts whose channel has advertising spend on some day."""
    paid = booked_expenses.filter((_.category == ADVERTISING) & (_.stated > 0) & _.channel.notnull())
    channels = paid.select(paid_channel=_.channel).distinct()
    accounts = account_attributes.inner_join(channels, account_attributes.channel == channels.paid_channel)
    advertised = accounts.select(advertised_id=_.key)
    joined = rows.left_join(advertised, rows.account_id == advertised.advertised_id)
    return joined.mutate(advertised=_.advertised_id.notnull()).drop("advertised_id")


@derived(dimensions=DIMENSIONS, row_key=("account_id",))
def acquired_customers(mrr_movements: ir.Table, account_attributes: ir.Table, booked_expenses: ir.Table) -> ir.Table:
    """Accounts on the first day on which they paid recurring revenue."""
    new = mrr_movements.filter(_.kind == "new").group_by("account_id").aggregate(day=_.day.min())
    return _with_channel(new, account_attributes, booked_expenses)


@derived(row_key=("account_id", "opportunity_id"), needs=("opportunities.closed_at", "opportunities.is_won"))
def first_wins(known_opportunities: ir.Table) -> ir.Table:
    """The first deal that each account won, of any type; of several of one instant that of the lower key."""
    won = known_opportunities.filter(_.won & _.account_id.notnull())
    order = ibis.window(group_by="account_id", order_by=["closed_at", "opportunity_id"])
    first = won.mutate(place=ibis.row_number().over(order)).filter(_.place == 0)
    return first.select("account_id", "opportunity_id", day=_.closed_day)


@derived(dimensions=DIMENSIONS, row_key=("account_id", "opportunity_id"))
def won_customers(first_wins: ir.Table, account_attributes: ir.Table, booked_expenses: ir.Table) -> ir.Table:
    """Accounts on the day on which their first won deal was closed."""
    return _with_channel(first_wins, account_attributes, booked_expenses)


def _credited(
    acquired: ir.Table, first_wins: ir.Table, touched_deals: ir.Table, sole_deals: ir.Table, credit: Credit
) -> ir.Table:
    """Acquired accounts with each department on the path of their first won deal, or with the one that is alone on it.

    An account whose deal has no path, or of which several departments share one, is nobody's.
    """
    told = touched_deals.filter(_.first_department) if credit == "touched" else sole_deals
    told = told.filter(~_.department.isin([UNATTRIBUTED, SHARED])).select("opportunity_id", "department")
    wins = first_wins.select(winner_id=_.account_id, won_id=_.opportunity_id)
    met = acquired.inner_join(wins, acquired.account_id == wins.winner_id)
    met = met.inner_join(told, met.won_id == told.opportunity_id)
    return met.select("account_id", "day", "advertised", "department", first_deal=_.won_id)


@derived(dimensions={**DIMENSIONS, **own("department")}, row_key=("account_id", "department"))
def credited_customers(
    acquired_customers: ir.Table,
    first_wins: ir.Table,
    touched_deals: ir.Table,
    sole_deals: ir.Table,
    *,
    credit: Credit = "all",
) -> ir.Table:
    """Accounts that began to pay, once for each department with a part in their first won deal."""
    return _credited(acquired_customers, first_wins, touched_deals, sole_deals, credit)


@derived(dimensions={**DIMENSIONS, **own("department")}, row_key=("account_id", "department"))
def credited_winners(
    won_customers: ir.Table,
    first_wins: ir.Table,
    touched_deals: ir.Table,
    sole_deals: ir.Table,
    *,
    credit: Credit = "all",
) -> ir.Table:
    """Accounts that won their first deal, once for each department with a part in it."""
    return _credited(won_customers, first_wins, touched_deals, sole_deals, credit)
