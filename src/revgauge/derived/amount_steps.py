"""The staircase of a deal: how its amount came to be, step by step, and which touch each step follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import ibis
from ibis import _

from revgauge.catalogue.engine import MONEY, as_money, flag, times
from revgauge.catalogue.registry import derived
from revgauge.derived.credit import (
    CREDIT_DIMENSIONS,
    DIMENSIONS,
    HOURS_A_DAY,
    TOUCH,
    UNATTRIBUTED,
    always_shown,
    first_marks,
)

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

CLOSING = 1
"""The order of the level at the closing among levels of the same instant: the last."""


@derived(row_key=("opportunity_id", "account_id", "step_number"))
def amount_steps(
    closed_deals: ir.Table, known_opportunities: ir.Table, opportunity_changes: ir.Table, context: Context
) -> ir.Table:
    """What each change up to the closing added to or took from the amount of a won deal, at the rate of the closing.

    The first step is from nothing. What the history does not tell is one step at the closing: all of it, or what is
    left between the last amount and that of the deal. So the steps add up to the deal. Changes of one instant count as
    one; `unconverted` marks a step from or to an amount in a currency without a rate.
    """
    deal = ("opportunity_id", "account_id", "closed_at", "day")
    stated = known_opportunities.filter(_.won & _.amount.notnull()).select(of_deal=_.opportunity_id)
    won = closed_deals.filter(_.won).semi_join(stated, [closed_deals.opportunity_id == stated.of_deal])
    changes = opportunity_changes.filter(_.amount.notnull()).select(
        "changed_at", of_deal=_.opportunity_id, then_amount=_.amount, then_currency=_.currency
    )
    met = won.inner_join(changes, [won.opportunity_id == changes.of_deal, changes.changed_at <= won.closed_at])
    within = ibis.window(
        group_by=["opportunity_id", "changed_at"], order_by=[_.then_amount.desc(), _.then_currency.desc()]
    )
    standing = met.mutate(turn=ibis.row_number().over(within)).filter(_.turn == 0)
    standing = standing.mutate(in_currency=ibis.coalesce(_.then_currency, _.currency))
    rated = context.with_rate(standing.select(*deal, "changed_at", "then_amount", "in_currency"), "in_currency", "day")
    plain = _.in_currency == context.reporting_currency
    told = rated.select(
        *deal,
        stepped_at=_.changed_at,
        turn=ibis.literal(0).cast("int64"),
        level=ibis.ifelse(plain, as_money(_.then_amount), times(_.then_amount, _.rate)).cast(MONEY),
    )
    last = won.select(*deal, stepped_at=_.closed_at, turn=ibis.literal(CLOSING).cast("int64"), level=_.amount)
    return _differences(told.union(last))


def _differences(levels: ir.Table) -> ir.Table:
    """The steps between levels that follow each other, without those that change nothing."""
    order = ibis.window(group_by="opportunity_id", order_by=["stepped_at", "turn"])
    number = ibis.row_number().over(order).cast("int64")
    steps = levels.mutate(step_number=number + 1, before=_.level.lag().over(order))
    nothing = ibis.literal(0).cast(MONEY)
    steps = steps.mutate(
        unconverted=flag(_.level.isnull() | (_.before.isnull() & (_.step_number > 1))),
        step=(_.level - ibis.ifelse(_.step_number == 1, nothing, _.before)).cast(MONEY),
    )
    steps = steps.filter((_.unconverted > 0) | (_.step != 0))
    return steps.select(
        "opportunity_id", "account_id", "closed_at", "day", "step_number", "stepped_at", "step", "unconverted"
    )


@derived(
    dimensions=CREDIT_DIMENSIONS,
    row_key=("opportunity_id", "account_id", "step_number", "touchpoint_id"),
    left_out="credit_left_out",
)
def step_touches(amount_steps: ir.Table, deal_paths: ir.Table, context: Context, *, action_days: int = 30) -> ir.Table:
    """The steps of won deals, each with the touches on the path in the `action_days` before it, to the instant.

    `acts` marks the last of them, to which the step belongs; `first_channel` and its like the first with that value,
    so that a step counts once for each. A step that no touch precedes is `unattributed`; `rises` marks a step upward,
    and one of which nobody knows.
    """
    told = {name: _[name] for name in (*TOUCH, "place")}
    touches = deal_paths.filter(_.won).select(touched_deal=_.opportunity_id, **told)
    steps = amount_steps.mutate(
        step_from=_.stepped_at - ibis.interval(hours=HOURS_A_DAY * action_days),
        step_key=_.opportunity_id.concat(":", _.step_number.cast("string")),
        rises=(_.step > 0).fill_null(True),
    )
    met = steps.left_join(
        touches,
        [
            steps.opportunity_id == touches.touched_deal,
            touches.occurred_at <= steps.stepped_at,
            touches.occurred_at >= steps.step_from,
        ],
    ).drop("step_from")
    met = met.mutate(place=_.place.fill_null(1))
    marked = met.mutate(
        acts=_.place == _.place.max().over(ibis.window(group_by="step_key")),
        touched=_.touched_deal.notnull(),
        **{name: _[name].fill_null(UNATTRIBUTED) for name in DIMENSIONS},
    )
    return always_shown(first_marks(marked.drop("touched_deal"), "step_key"), context)
