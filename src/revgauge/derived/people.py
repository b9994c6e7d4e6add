"""Who is employed, as changes: one up on the day of hiring, one down on the first day after."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import ibis
from ibis import _

from revgauge.catalogue.engine import flag
from revgauge.catalogue.facts import own
from revgauge.catalogue.registry import derived

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context


@derived(dimensions=own("department"), row_key=("person_id",), needs=("people.hired_on",))
def employment_changes(people: ir.Table, context: Context) -> ir.Table:
    """Changes of the number of people employed, in full-time equivalents, and of what they are paid in a year.

    `unpaid` counts those whose salary is not known. Who left on or before the day of hiring was never employed.
    """
    rows = people.filter(_.hired_on <= context.today()).mutate(left_on=context.known_day(_.left_on))
    rows = rows.filter(_.left_on.isnull() | (_.left_on > _.hired_on))
    one = ibis.literal(Decimal(1)).cast("decimal(18, 8)")
    told = rows.mutate(
        full_time=ibis.coalesce(_.fte.cast("decimal(18, 8)"), one),
        salary=ibis.coalesce(_.annual_salary, ibis.literal(Decimal(0)).cast("decimal(18, 6)")).cast("decimal(18, 6)"),
        unknown=flag(_.annual_salary.isnull()),
        in_currency=_.currency.fill_null(context.reporting_currency),
    )
    up = told.select(
        *("person_id", "department"),
        day=_.hired_on,
        currency=_.in_currency,
        fte=_.full_time,
        amount=_.salary,
        unpaid=_.unknown,
    )
    down = told.filter(_.left_on.notnull()).select(
        *("person_id", "department"),
        day=_.left_on,
        currency=_.in_currency,
        fte=(-_.full_time).cast("decimal(18, 8)"),
        amount=(-_.salary).cast("decimal(18, 6)"),
        unpaid=-_.unknown,
    )
    return up.union(down)
