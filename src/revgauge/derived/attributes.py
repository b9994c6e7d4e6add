"""What rows are cut by: the fields of accounts and people as they are now, by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ibis import _

from revgauge.catalogue.registry import derived

if TYPE_CHECKING:
    import ibis.expr.types as ir


@derived(optional=frozenset({"accounts"}))
def account_attributes(accounts: ir.Table) -> ir.Table:
    """Accounts with the fields by which figures are cut; rows of merged ones are looked up under their survivor."""
    return accounts.select("segment", "region", "industry", "channel", "owner_id", key=_.account_id)


@derived(optional=frozenset({"people"}))
def person_attributes(people: ir.Table) -> ir.Table:
    """People with the fields by which figures are cut."""
    return people.select("team", "role", "department", key=_.person_id)
