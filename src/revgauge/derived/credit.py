"""The way to a deal: its touches up to the closing, and which teams, channels and campaigns had a part in it.

What happens after the closing, to the deal or to its buyer, changes no credit.
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
"""By what credit is cut: the fields of a touch."""
CREDIT_DIMENSIONS = own(*DIMENSIONS)

BEFORE_ALL = date(1800, 1, 1)
"""A day outside every period: a row of that day adds nothing, and its value is shown."""
HOURS_A_DAY = 24

DEAL = ("opportunity_id", "account_id", "day", "closed_at", "amount", "unconverted")
"""What is told of a won deal beside its touches."""
TOUCH = ("touchpoint_id", "occurred_at", *DIMENSIONS)
"""What is told of a touch."""


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
def deal_paths(closed_deals: ir.Table, touchpoints: ir.Table, context: Context, *, lookback_days: int = 90) -> ir.Table:
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
    deals = closed_deals.mutate(path_from=_.closed_at - ibis.interval(hours=HOURS_A_DAY * lookback_days))
    links = {
        "opportunity_id": touches.filter(_.touched_deal.notnull()).mutate(key=_.touched_deal),
        "lead_id": touches.filter(_.touched_deal.isnull() & _.touched_lead.notnull()).mutate(key=_.touched_lead),
        "account_id": touches.filter(_.touched_deal.isnull() & _.touched_lead.isnull()).mutate(key=_.touched_account),
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
    return joined.select(*DEAL, "won", *TOUCH, "is_direct")


def always_shown(rows: ir.Table, context: Context) -> ir.Table:
    """The rows and one more, outside every period, which has `unattributed` shown also where nothing is."""
    kinds = {name: kind(nullable=True) for name, kind in rows.schema().items()}
    shown = {name: UNATTRIBUTED if name in DIMENSIONS else BEFORE_ALL if name == "day" else None for name in kinds}
    marker = context.warehouse.literal_table({name: str(kind) for name, kind in kinds.items()}, [list(shown.values())])
    return rows.cast(kinds).union(marker.cast(kinds))


def with_unattributed(counted: ir.Table, rest: ir.Table, context: Context, **columns: Any) -> ir.Table:
    """Rows with a touch, and the rest, which no touch has a part in.

    `columns` are what a row of the rest holds beside its own; all else of it is empty.
    """
    kinds = {name: kind(nullable=True) for name, kind in counted.schema().items()}
    given = {**dict.fromkeys(DIMENSIONS, UNATTRIBUTED), **columns}
    filled = {
        name: rest[name] if name in rest.columns and name not in given else ibis.literal(given.get(name)).cast(kind)
        for name, kind in kinds.items()
    }
    return always_shown(counted.cast(kinds).union(rest.select(**filled).cast(kinds)), context)


def first_marks(touches: ir.Table, group: str = "opportunity_id") -> ir.Table:
    """The touches with a mark, for each dimension, of the first touch with its value in the group."""

    def is_first(name: str) -> Any:
        return _.place == _.place.min().over(ibis.window(group_by=[group, name]))

    return touches.mutate(**{f"first_{name}": is_first(name) for name in DIMENSIONS})


FIRSTS = {f"first_{name}": True for name in DIMENSIONS}
"""The same marks of a row without a touch: it is the only one."""


@derived(dimensions=CREDIT_DIMENSIONS, row_key=("opportunity_id", "account_id", "place"), left_out="credit_left_out")
def touched_deals(closed_deals: ir.Table, deal_paths: ir.Table, context: Context) -> ir.Table:
    """Won deals with each touch on their path, on the day of the closing, and won deals that have no path.

    `first_channel`, `first_campaign_id` and `first_department` mark the first touch of the deal with that value, so
    that a deal counts once for each value; `touched` tells whether there is a touch at all.
    """
    touches = deal_paths.filter(_.won).select(*DEAL, *TOUCH, "place", touched=ibis.literal(True))
    untouched = closed_deals.filter(_.won).anti_join(deal_paths, "opportunity_id")
    return with_unattributed(first_marks(touches), untouched, context, place=1, touched=False, **FIRSTS)


@derived(dimensions=CREDIT_DIMENSIONS, row_key=("opportunity_id", "account_id"), left_out="credit_left_out")
def sole_deals(closed_deals: ir.Table, deal_paths: ir.Table, context: Context) -> ir.Table:
    """Won deals on the day of their closing with the one department, channel and campaign of all their touches.

    A dimension of which the path shows several values is `shared`; without a path it is `unattributed`.
    """
    only = {name: ibis.ifelse(_[name].min() == _[name].max(), _[name].min(), SHARED) for name in DIMENSIONS}
    touched = deal_paths.filter(_.won).group_by(*DEAL).aggregate(**only)
    return with_unattributed(touched, closed_deals.filter(_.won).anti_join(deal_paths, "opportunity_id"), context)


@derived(kept=False, row_key=("opportunity_id", "account_id", "reason"))
def credit_left_out(opportunities: ir.Table, closed_deals: ir.Table, context: Context) -> ir.Table:
    """Deals closed as won that give no credit, or none that anybody knows, and why."""
    won = opportunities.filter(_.is_won.fill_null(False) & _.closed_at.notnull())
    won = won.mutate(day=context.day(_.closed_at))
    told = ("opportunity_id", "account_id", "day", "closed_at")
    merged = won.filter(_.duplicate_of.notnull()).select(*told, reason="a duplicate of " + _.duplicate_of)
    unknown = closed_deals.filter(_.won & _.amount.isnull() & (_.unconverted == 0))
    return merged.union(unknown.select(*told, reason=ibis.literal("won without an amount: it is worth nothing known")))
