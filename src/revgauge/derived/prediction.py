"""What a prediction reads beside recurring revenue: the leads that were created."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibis import _

from revgauge.catalogue.facts import of_account, own
from revgauge.catalogue.registry import derived

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context


@derived(
    kept=False,
    dimensions={**own("account_id"), **of_account("segment", "region", "industry", "channel", "owner_id")},
    row_key=("lead_id", "account_id"),
    left_out="lead_events_left_out",
)
def created_leads(own_leads: ir.Table, context: Context) -> ir.Table:
    """Leads on the day of their creation, duplicates left out, with their account as it is now.

    The dimensions are those of the account and not of the lead, so that they can stand beside recurring revenue.
    """
    leads = context.resolved(own_leads.select("lead_id", "account_id", "created_at"))
    return leads.select("lead_id", "account_id", day=context.day(_.created_at))
