"""The definitions of the project folder: settings, and how each export becomes entities."""

from __future__ import annotations

from pathlib import Path

from revgauge.demo.clock import NOW, START
from revgauge.demo.exports import Column, Export, exports
from revgauge.demo.stories import IDLE_CHANNEL

_SETTINGS = f"""\
# The sample company. Every figure in it is made up; README.md tells what was planted.
name: Halden Analytics
reporting_currency: USD
time_zone: America/New_York
fiscal_year_start: 1
as_of: {NOW.isoformat()}
build:
  first_day: {START.isoformat()}
"""

_METRICS = f"""\
# The company's own metrics, one of each shape.
metrics:
  - id: urgent_tickets
    label: Urgent tickets
    definition: Tickets of the priority urgent that were opened.
    unit: count
    better: down
    timing: leading
    rows: tickets
    when: opened_at
    where: "priority = 'urgent'"
    aggregate: count
    by: [channel, category]

  - id: customers_per_lead
    label: Customers per lead
    definition: New customers of the period for each lead of the period, whenever the customers were leads.
    unit: ratio
    formula: new_customers / lead_count

  - id: enterprise_win_rate
    label: Win rate in Enterprise
    definition: Share of first deals won among those decided, in the segment Enterprise.
    metric: win_rate
    where: {{segment: Enterprise}}
    params: {{types: [new_business]}}

  - id: idle_channel_activation
    label: Activation of {IDLE_CHANNEL.lower()}
    definition: Share of the leads of {IDLE_CHANNEL.lower()} that became customers.
    metric: activation_rate
    where: {{channel: {IDLE_CHANNEL}}}
"""

_ABOUT = {
    "crm": "Exports of the CRM, in the words of its API.",
    "crm_lists": "Lists kept beside the CRM: stages, splits, assignments, touches.",
    "billing": "Exports of the billing system. Amounts are in cents, instants in UTC, currencies in small letters.",
    "helpdesk": "Tickets as the help desk exports them. It does not say how long a ticket waited for the customer.",
    "surveys": "Surveys sent and answered.",
    "product": "Daily use, from the product's own log.",
    "people": "Staff, quotas and pay, from HR and finance.",
    "finance": "Expenses, plans, forecasts, markets, exchange rates and the figures as they were reported.",
    "programme": "RevOps's own work.",
}
_TYPES = {
    "New Business": "new_business",
    "Expansion": "expansion",
    "Cross Sell": "cross_sell",
    "Renewal": "renewal",
}
_UNITS = {"cents": "cents", "percent": "percent", "inclusive": "inclusive_end"}


def write(folder: Path) -> None:
    """Write `revgauge.yml`, `metrics.yml` and `sources/*.yml`."""
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    (folder / "revgauge.yml").write_text(_SETTINGS, encoding="utf-8", newline="\n")
    (folder / "metrics.yml").write_text(_METRICS, encoding="utf-8", newline="\n")
    everything = exports()
    for source in dict.fromkeys(export.source for export in everything):
        mine = [export for export in everything if export.source == source]
        text = "\n".join([f"# {_ABOUT[source]}", f"source: {source}", "files:", *map(_file, mine), "entities:"])
        text += "\n" + "".join(map(_entity, mine))
        (folder / "sources" / f"{source}.yml").write_text(text, encoding="utf-8", newline="\n")


def _file(export: Export) -> str:
    path = f"{export.path}{'*' if export.entity == 'payments' else ''}.csv"
    is_zoneless = any(column.form == "utc" for column in export.columns)
    return f"  {export.entity}: " + (f"{{path: {path}, time_zone: UTC}}" if is_zoneless else path)


def _entity(export: Export) -> str:
    lines = [f"  {export.entity}:", f"    from: {export.entity}"]
    if not all(column.is_plain() for column in export.columns):
        lines.append("    fields:")
        lines += [f"      {column.field}: {_value(column)}" for column in export.columns if column.field]
    return "\n".join(lines) + "\n"


def _value(column: Column) -> str:
    """What a mapping says of the column: its header alone, or with what is special about its values."""
    header = column.header if column.header.isidentifier() else f'"{column.header}"'
    if column.form in _UNITS:
        return f"{{column: {header}, unit: {_UNITS[column.form]}}}"
    if column.form == "label":
        words = ", ".join(f"{said}: {meant}" for said, meant in _TYPES.items())
        return f"{{column: {header}, map: {{{words}}}}}"
    return header
