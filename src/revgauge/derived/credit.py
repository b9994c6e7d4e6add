"""Touches of deals: which contacts lie on the way to a deal, and to each change of its amount.

The path of a deal ends at its closing: what happens afterwards, to the deal or to its buyer, changes no credit.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import ibis
from ibis import _

from revgauge.catalogue.engine import MONEY, as_money, flag, times
from revgauge.catalogue.facts import UNKNOWN, own
from revgauge.catalogue.registry import derived
from revgauge.derived.opportunities import NEVER_OPPORTUNITIES

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

UNATTRIBUTED = "unattributed"
"""The value of every dimension for what no touch has a part in."""
SHARED = "shared"
"""The value of a dimension for a deal whose path shows several."""
DIMENSIONS = ("department", "channel", "campaign_id")
"""By what credit can be cut: each is a field of the touch."""

CREDIT_DIMENSIONS = own(*DIMENSIONS)
BEFORE_ALL = date(1800, 1, 1)
"""A day outside every period: a row of that day adds nothing and makes its value known."""
HOURS = 24


@derived(row_key=("opportunity_id", "account_id"), needs=("opportunities.closed_at", "opportunities.is_won"))
def closed_deals(known_opportunities: ir.Table, context: Context) -> ir.Table:
    """Every deal that was won or lost, of all types, with what a won one is worth at the rate of its day of closing.

    Deals lost as a duplicate or a test never were any. A lost deal is worth nothing, and so is, as far as anybody
    knows, a won one without an amount; `unconverted` marks a won one in a currency without a rate.
    """
    never = ~_.won & _.loss_reason.isin(NEVER_OPPORTUNITIES).fill_null(False)
    closed = known_opportunities.filter(_.closed & ~never)
    rated = context.with_rate(closed.mutate(day=_.closed_day), "currency", "day")
    plain = _.currency == context.reporting_currency
    worth = ibis.ifelse(plain, as_money(_.amount), times(_.amount, _.rate))
    return rated.select(
        "opportunity_id",
        "account_id",
        "lead_id",
        "won",
        "closed_at",
        "day",
        "currency",
        amount=ibis.ifelse(_.won, worth, None).cast(MONEY),
        unconverted=flag(_.won & _.amount.notnull() & _.rate.isnull()),
    )


@derived(row_key=("opportunity_id", "account_id", "place"), needs=("touchpoints.occurred_at",))
def deal_paths(
    closed_deals: ir.Table, touchpoints: ir.Table, context: Context, *, lookback_days: int = 90
) -> ir.Table:
    """The path of each closed deal: its touches up to the closing, in order; `place` counts from 1.

    A touch belongs to the deal that it names; if it names none, to the deals of its lead; if it names no lead either,
    to the deals of its account. It counts if it lies no more than `lookback_days` before the closing, and never after
    it, to the instant. A field that is not filled is `unknown`.
    """
    touches = context.resolved(touchpoints).select(
        "touchpoint_id",
        "occurred_at",
        touched_deal=_.opportunity_id,
        touched_lead=_.lead_id,
        touched_account=_.account_id,
        is_direct=_.is_direct.fill_null(False),
        **{name: _[name].fill_null(UNKNOWN) for name in DIMENSIONS},
    )
    deals = closed_deals.mutate(path_from=_.closed_at - ibis.interval(hours=HOURS * lookback_days))
    links = {
        "opportunity_id": touches.filter(_.touched_deal.notnull()).rename(key="touched_deal"),
        "lead_id": touches.filter(_.touched_deal.isnull() & _.touched_lead.notnull()).rename(key="touched_lead"),
        "account_id": touches.filter(_.touched_deal.isnull() & _.touched_lead.isnull()).rename(key="touched_account"),
    }
    met = ibis.union(*[_met(deals, column, linked) for column, linked in links.items()])
    order = ibis.window(group_by="opportunity_id", order_by=["occurred_at", "touchpoint_id"])
    return met.mutate(place=ibis.row_number().over(order).cast("int64") + 1)


def _met(deals: ir.Table, column: str, linked: ir.Table) -> ir.Table:
    """Deals with the touches that share a key with them and lie in their time."""
    joined = deals.inner_join(
        linked,
        [deals[column] == linked.key, linked.occurred_at <= deals.closed_at, linked.occurred_at >= deals.path_from],
    )
    deal = ("opportunity_id", "account_id", "won", "closed_at", "day", "amount", "unconverted")
    return joined.select(*deal, "touchpoint_id", "occurred_at", *DIMENSIONS, "is_direct")
