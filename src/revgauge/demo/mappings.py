"""The definitions of the project folder: settings, and how each export becomes entities."""

from __future__ import annotations

from pathlib import Path

from revgauge.demo.clock import NOW
from revgauge.demo.exports import Column, Export, exports
from revgauge.model.entities import ENTITIES

_SETTINGS = f"""\
# The sample company. Every figure in it is made up; README.md tells what was planted.
name: Halden Analytics
reporting_currency: USD
time_zone: America/New_York
fiscal_year_start: 1
as_of: {NOW.isoformat()}
"""

_ABOUT = {
    "crm": "Exports of the CRM, in the words of its API.",
    "crm_lists": "Lists kept beside the CRM: stages, splits, assignments, touches.",
    "billing": "Exports of the billing system. Amounts are in cents, instants in UTC, currencies in small letters.",
    "helpdesk": "Tickets as the help desk exports them. It does not say how long a ticket waited for the customer.",
    "contracts": "The list of contracts that legal keeps.",
    "surveys": "Surveys sent and answered.",
    "product": "Daily use, from the product's own log.",
    "people": "Staff, quotas and pay, from HR and finance.",
    "finance": "Expenses, plans, forecasts, markets, exchange rates and the figures as they were reported.",
    "programme": "RevOps's own work.",
    "records": "What was judged, decided and done before this project began.",
}
_WORDS = {"type": {"New Business": "new_business", "Expansion": "expansion", "Cross Sell": "cross_sell", "Renewal": "renewal"}}


def write(folder: Path) -> None:
    """Write `revgauge.yml` and `sources/*.yml`."""
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    (folder / "revgauge.yml").write_text(_SETTINGS, encoding="utf-8", newline="\n")
    everything = exports()
    for source in dict.fromkeys(export.source for export in everything):
        mine = [export for export in everything if export.source == source]
        text = "\n".join([f"# {_ABOUT[source]}", f"source: {source}", "files:", *map(_file, mine), "entities:"])
        text += "\n" + "".join(map(_entity, mine))
        (folder / "sources" / f"{source}.yml").write_text(text, encoding="utf-8", newline="\n")


def _file(export: Export) -> str:
    many = "*" if export.entity == "payments" else ""
    zone = "time_zone: UTC" if export.path.startswith(("billing/", "helpdesk/")) else ""
    path = f"exports/{export.path}{many}.csv"
    return f"  {export.entity}: " + (f"{{path: {path}, {zone}}}" if zone else path)


def _entity(export: Export) -> str:
    lines = [f"  {export.entity}:", f"    from: {export.entity}", "    fields:"]
    lines += [f"      {column.field}: {_value(export, column)}" for column in export.columns if column.field]
    return "\n".join(lines) + "\n"


def _value(export: Export, column: Column) -> str:
    quoted = f'"{column.header}"' if not column.header.isidentifier() else column.header
    if column.form == "cents":
        return f"{{column: {quoted}, unit: cents}}"
    if column.form == "percent":
        return f"{{sql: '{column.header} / 100'}}"
    if column.form == "lower":
        return f"{{sql: 'upper({column.header})'}}"
    if column.form == "label":
        words = ", ".join(f"{said}: {meant}" for said, meant in _WORDS[column.field].items())
        return f"{{column: {quoted}, map: {{{words}}}}}"
    assert ENTITIES[export.entity].field(column.field)
    return quoted
