"""Attribution: each won deal shared out among the touches on its path, and journeys for models that weigh them all."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import ibis
from ibis import _

from revgauge.catalogue.engine import MONEY, seconds_between
from revgauge.catalogue.registry import derived
from revgauge.derived.credit import CREDIT_DIMENSIONS, DIMENSIONS, FIRSTS, first_marks, with_unattributed

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

Rule = Literal["linear", "first", "last", "time_decay", "position_based"]
"""Models that share a deal out by its own path alone."""

LEAST_EXPONENT = -700.0
"""Below it the exponential function is no number for some engines; the share is nothing by then."""
SECONDS_A_DAY = 86_400.0


@derived(row_key=("opportunity_id", "account_id", "place"))
def counted_touches(deal_paths: ir.Table, *, include_direct: bool = False) -> ir.Table:
    """The touches that attribution looks at, in order, of every closed deal; `touches` is how many the deal has.

    A direct touch says that the buyer knew the way already, so it is passed over unless there is nothing else.
    """
    of_deal = ibis.window(group_by="opportunity_id")
    rows = deal_paths
    if not include_direct:
        rows = rows.mutate(all_direct=_.is_direct.all().over(of_deal))
        rows = rows.filter(~_.is_direct | _.all_direct).drop("all_direct")
    order = ibis.window(group_by="opportunity_id", order_by="place")
    return rows.mutate(
        place=ibis.row_number().over(order).cast("int64") + 1,
        touches=_.count().over(of_deal).cast("int64"),
    )


@derived(dimensions=CREDIT_DIMENSIONS, row_key=("opportunity_id", "account_id", "place"), left_out="credit_left_out")
def touch_credits(
    counted_touches: ir.Table,
    closed_deals: ir.Table,
    context: Context,
    *,
    model: Rule = "linear",
    half_life_days: Decimal = Decimal(7),
    first_weight: Decimal = Decimal("0.4"),
    last_weight: Decimal = Decimal("0.4"),
) -> ir.Table:
    """Won deals shared out among their touches by a rule, on the day of closing; those without a path stand whole.

    Shares are rounded as running totals up to the whole amount, so that they add up to the deal to the last place.
    """
    won = counted_touches.filter(_.won)
    if model == "first":
        shared = won.filter(_.place == 1).mutate(credit=_.amount)
    elif model == "last":
        shared = won.filter(_.place == _.touches).mutate(credit=_.amount)
    else:
        parts = {
            "linear": lambda: won.mutate(so_far=_.place / _.touches.cast("float64")),
            "time_decay": lambda: _by_age(won, float(half_life_days)),
            "position_based": lambda: won.mutate(so_far=_by_position(float(first_weight), float(last_weight))),
        }
        shared = _differences(parts[model]())
    shared = shared.mutate(gap=ibis.ifelse(_.credit.isnull() | (_.credit != 0), _.unconverted, 0).cast("int64"))
    columns = ("opportunity_id", "account_id", "day", "closed_at", "amount", "place", "touches", "touchpoint_id")
    told = shared.select(*columns, "occurred_at", *DIMENSIONS, "credit", "gap", touched=ibis.literal(True))
    rest = closed_deals.filter(_.won).anti_join(won, "opportunity_id")
    rest = rest.mutate(credit=_.amount, gap=_.unconverted)
    return with_unattributed(told, rest, context, touched=False)


def _by_position(first: float, last: float) -> Any:
    """The share of the touches up to a place: of the first, of those in the middle in equal parts, and of the last."""
    alone = first / (first + last) if first + last else 0.5
    middle = first + (_.place - 1) * (1.0 - first - last) / (_.touches - 2).nullif(0).cast("float64")
    return ibis.ifelse(_.touches == 2, alone, middle)


def _by_age(won: ir.Table, half_life: float) -> ir.Table:
    """The share of the touches up to a place where a touch loses half its weight in each half-life before the closing.

    Ages count from the last touch: what all weights have in common is no part of a share, and would leave nothing of
    very old paths.
    """
    of_deal = ibis.window(group_by="opportunity_id")
    order = ibis.window(group_by="opportunity_id", order_by="place", preceding=None, following=0)
    aged = won.mutate(latest=_.occurred_at.max().over(of_deal))
    halved = seconds_between(_.occurred_at, _.latest).cast("float64") / SECONDS_A_DAY / half_life
    weighed = aged.mutate(weight=(ibis.greatest(halved * -0.6931471805599453, LEAST_EXPONENT)).exp())
    return weighed.mutate(so_far=_.weight.sum().over(order) / _.weight.sum().over(of_deal))


def _differences(parts: ir.Table) -> ir.Table:
    """Credit of each touch from the share of all touches up to it; the last one has what is left."""
    order = ibis.window(group_by="opportunity_id", order_by="place")
    shared = (_.amount.cast("float64") * _.so_far).cast(MONEY)
    reached = parts.mutate(reached=ibis.ifelse(_.place == _.touches, _.amount, shared).cast(MONEY))
    nothing = ibis.literal(Decimal(0)).cast(MONEY)
    before = ibis.ifelse(_.place == 1, nothing, _.reached.lag().over(order))
    return reached.mutate(credit=(_.reached - before).cast(MONEY))


@derived(dimensions=CREDIT_DIMENSIONS, row_key=("opportunity_id", "account_id", "place"), left_out="credit_left_out")
def value_credits(counted_touches: ir.Table, closed_deals: ir.Table, context: Context) -> ir.Table:
    """Won deals shared in equal parts among the different values on their path, once for each dimension.

    These are the Shapley values of the game in which a set of channels is worth the deals whose channels all lie inside
    it. `credit_channel` stands beside the first touch with that channel, which `first_channel` marks.
    """
    marked = first_marks(counted_touches.filter(_.won))
    of_deal = ibis.window(group_by="opportunity_id")
    order = ibis.window(group_by="opportunity_id", order_by="place", preceding=None, following=0)
    for name in DIMENSIONS:
        first = marked[f"first_{name}"].cast("int64")
        counted = marked.mutate(
            number=first.sum().over(of_deal).cast("int64"), turn=first.sum().over(order).cast("int64")
        )
        credit = (_up_to(_.turn, _.number) - _up_to(_.turn - 1, _.number)).cast(MONEY)
        marked = counted.mutate(**{f"credit_{name}": ibis.ifelse(_[f"first_{name}"], credit, None).cast(MONEY)})
    firsts, credits_ = [*FIRSTS], [f"credit_{name}" for name in DIMENSIONS]
    columns = ("opportunity_id", "account_id", "day", "closed_at", "amount", "unconverted", "place", "touchpoint_id")
    told = marked.select(*columns, "occurred_at", *DIMENSIONS, *firsts, *credits_)
    rest = closed_deals.filter(_.won).anti_join(told, "opportunity_id")
    rest = rest.mutate(**dict.fromkeys(credits_, _.amount))
    return with_unattributed(told, rest, context, **FIRSTS)


def _up_to(turn: Any, number: Any) -> Any:
    """What the first so many of a number of equal parts of an amount are worth together."""
    part = (_.amount.cast("float64") * turn / number.cast("float64")).cast(MONEY)
    return ibis.ifelse(turn == number, _.amount, part).cast(MONEY)
