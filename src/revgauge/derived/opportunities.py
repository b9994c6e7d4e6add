"""Opportunities as events: created and closed, each with its owner of then, and the number open as changes.

An opportunity is known by what happened up to the day `now`: a deal that closes tomorrow is open today. Owners,
amounts and expected dates of then come from spells: stretches between two changes of the history.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibis import _

from revgauge.catalogue.engine import flag, times
from revgauge.catalogue.registry import derived
from revgauge.derived.billing import DIMENSIONS as ACCOUNT

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

PLAIN_PIPELINE = "default"
PLAIN_TYPE = "new_business"


@derived(kept=False, needs=("opportunities.created_at",))
def known_opportunities(opportunities: ir.Table, context: Context) -> ir.Table:
    """Opportunities as they are known on the day `now`, without duplicates.

    Types and pipelines have their plain name where none is given; `won` and `closed` say what has happened by then.
    """
    rows = context.resolved(opportunities.filter(_.duplicate_of.isnull()))
    rows = rows.mutate(
        closed_at=context.known(_.closed_at),
        accepted_at=context.known(_.accepted_at),
        pitched_at=context.known(_.pitched_at),
        type=_.type.fill_null(PLAIN_TYPE),
        pipeline=_.pipeline.fill_null(PLAIN_PIPELINE),
        currency=_.currency.fill_null(context.reporting_currency),
        created_day=context.day(_.created_at),
    )
    rows = rows.filter(_.created_day <= context.today())
    return rows.mutate(
        closed_day=context.day(_.closed_at),
        closed=_.closed_at.notnull(),
        won=_.closed_at.notnull() & _.is_won.fill_null(False),
    )


@derived(
    dimensions=ACCOUNT,
    row_key=("opportunity_id", "account_id"),
    needs=("opportunities.closed_at", "opportunities.is_won", "opportunities.amount"),
)
def won_opportunities(known_opportunities: ir.Table, context: Context) -> ir.Table:
    """Every won deal, renewals included, on the day of its closing and at the rate of that day.

    `unconverted` marks a deal whose currency has no rate by then; its amount is empty.
    """
    won = known_opportunities.filter(_.won).select(
        "opportunity_id",
        "account_id",
        "type",
        "currency",
        "closed_at",
        "owner_id",
        day=_.closed_day,
        stated=_.amount,
    )
    rated = context.with_rate(won, "currency", "day")
    return rated.mutate(amount=times(_.stated, _.rate), unconverted=flag(_.stated.notnull() & _.rate.isnull())).drop(
        "rate"
    )
