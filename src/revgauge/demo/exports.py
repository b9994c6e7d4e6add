"""Write the tables as the company's tools would export them: CRM, billing and help desk each in its own words.

What has no tool behind it is written as a template: one CSV for each entity, with exactly the model's field names.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from revgauge.demo.world import Row, World
from revgauge.model.entities import ENTITIES
from revgauge.model.fields import Field


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an export: its header, the field it carries, and how the tool writes values."""

    header: str
    field: str
    form: str = "plain"
    """`plain` (the model's own form), `crm` (instants as 2024-03-05T14:22:31.000Z, percents), `utc` (instants as
    2024-03-05 14:22:31), `cents`, `lower`, `label`, `percent`, `inclusive` (the last day instead of the one after)."""

    def is_plain(self) -> bool:
        """Whether the column is named and written as the model does."""
        return self.header == self.field and self.form == "plain"


@dataclass(frozen=True, slots=True)
class Export:
    """One file, or one set of files, that a tool leaves."""

    path: str
    """Inside the project folder, without the ending."""
    source: str
    entity: str
    columns: tuple[Column, ...]


def _crm(path: str, entity: str, names: str) -> Export:
    """A CRM export from `Header=field` words."""
    return Export(f"exports/crm/{path}", "crm", entity, _columns(names, "crm"))


def _columns(names: str, form: str) -> tuple[Column, ...]:
    columns = []
    for pair in names.split("|"):
        header, _, field = pair.strip().partition("=")
        field, _, own = field.partition(":")
        columns.append(Column(header, field, own or form))
    return tuple(columns)


TOOL_EXPORTS = (
    _crm(
        "Account",
        "accounts",
        "Id=account_id|Name=name|ParentId=parent_account_id|Segment__c=segment|Industry=industry|Region__c=region|"
        "NumberOfEmployees=employee_count|OwnerId=owner_id|AccountSource=channel|Growth_Potential__c=growth_potential|"
        "CreatedDate=created_at|Merged_Into__c=duplicate_of",
    ),
    _crm(
        "Contact",
        "contacts",
        "Id=contact_id|AccountId=account_id|Email=email|Title=title|CreatedDate=created_at|Merged_Into__c=duplicate_of",
    ),
    _crm(
        "Lead",
        "leads",
        "Id=lead_id|ConvertedAccountId=account_id|ConvertedContactId=contact_id|CreatedDate=created_at|"
        "Direction__c=direction|LeadSource=channel|Campaign__c=campaign_id|OwnerId=owner_id|MQL_At__c=qualified_at|"
        "SAL_At__c=accepted_at|ConvertedDate=converted_at|ConvertedOpportunityId=opportunity_id|"
        "Disqualified_At__c=disqualified_at|Disqualified_Reason__c=disqualified_reason|Has_Budget__c=has_budget|"
        "Has_Authority__c=has_authority|Has_Need__c=has_need|Has_Timing__c=has_timing|Score__c=score|"
        "First_Response_At__c=first_responded_at|Merged_Into__c=duplicate_of",
    ),
    _crm(
        "Opportunity",
        "opportunities",
        "Id=opportunity_id|AccountId=account_id|Lead__c=lead_id|OwnerId=owner_id|Type=type:label|StageName=stage|"
        "Amount=amount|CurrencyIsoCode=currency|Probability=probability:percent|LeadSource=channel|"
        "CampaignId=campaign_id|Pipeline__c=pipeline|CreatedDate=created_at|Accepted_At__c=accepted_at|"
        "Pitched_At__c=pitched_at|Next_Step_Date__c=next_step_on|CloseDate=expected_close_on|"
        "Closed_At__c=closed_at|IsWon=is_won|Loss_Reason__c=loss_reason|Merged_Into__c=duplicate_of",
    ),
    _crm(
        "OpportunityHistory",
        "opportunity_history",
        "OpportunityId=opportunity_id|CreatedDate=changed_at|StageName=stage|Amount=amount|CurrencyIsoCode=currency|"
        "CloseDate=expected_close_on|ForecastCategory=forecast_category|OwnerId=owner_id",
    ),
    _crm(
        "Campaign",
        "campaigns",
        "Id=campaign_id|Name=name|Type=channel|Department__c=department|StartDate=started_on|"
        "End__c=ended_on|BudgetedCost=budget|CurrencyIsoCode=currency",
    ),
    _crm(
        "Task",
        "activities",
        "Id=activity_id|CompletedDateTime=occurred_at|TaskSubtype=kind|WhatId=opportunity_id|WhoId=lead_id|"
        "AccountId=account_id|OwnerId=owner_id|Duration_Minutes__c=minutes|Cost__c=cost|CurrencyIsoCode=currency",
    ),
    _crm(
        "Contract",
        "contracts",
        "Id=contract_id|AccountId=account_id|Subscription__c=subscription_id|Opportunity__c=opportunity_id|"
        "CompanySignedDate=signed_at|StartDate=starts_on|EndDate=ends_on:inclusive|Value__c=value|"
        "CurrencyIsoCode=currency|Auto_Renew__c=auto_renew|Renewed_By__c=renewed_by|Renewal_Reason__c=renewal_reason",
    ),
    Export(
        "exports/billing/subscriptions",
        "billing",
        "subscriptions",
        _columns(
            "id=subscription_id|account_id (metadata)=account_id|Product=product|Plan=plan|Start (UTC)=started_on|"
            "Ended At (UTC)=ended_on|Term (months)=term_months|Auto Renew=auto_renew|Cancellation Reason=cancel_reason|"
            "Created (UTC)=",
            "utc",
        ),
    ),
    Export(
        "exports/billing/subscription_prices",
        "billing",
        "subscription_periods",
        _columns(
            "Subscription ID=subscription_id|account_id (metadata)=account_id|Valid From=valid_from|Valid To=valid_to|"
            "Monthly Amount=mrr:cents|Currency=currency:lower|Quantity=quantity|Trial=is_trial",
            "utc",
        ),
    ),
    Export(
        "exports/billing/invoices",
        "billing",
        "invoices",
        _columns(
            "id=invoice_id|account_id (metadata)=account_id|contract_id (metadata)=contract_id|Date (UTC)=issued_on|"
            "Due Date (UTC)=due_on|Amount Due=amount:cents|Currency=currency:lower|Type=kind|"
            "Applies To=applies_to",
            "utc",
        ),
    ),
    Export(
        "exports/billing/charges",
        "billing",
        "payments",
        _columns(
            "id=payment_id|Invoice ID=invoice_id|Created (UTC)=paid_at|Amount=amount:cents|Currency=currency:lower|"
            "Type=kind",
            "utc",
        ),
    ),
    Export(
        "exports/helpdesk/tickets",
        "helpdesk",
        "tickets",
        _columns(
            "Id=ticket_id|Organization external id=account_id|Created at=opened_at|"
            "Initially replied at=first_response_at|Initially solved at=first_resolved_at|Solved at=resolved_at|"
            "Assignee external id=agent_id|Priority=priority|Via=channel|Ticket Category [list]=category|"
            "Replies=messages|Reopens=reopens|Merged into=merged_into",
            "utc",
        ),
    ),
)
"""The exports of tools. The help desk does not export how long a ticket waited: a gap that is part of the story."""

TEMPLATE_SOURCES = {
    "crm_lists": (
        "stages",
        "opportunity_splits",
        "lead_assignments",
        "account_assignments",
        "touchpoints",
        "conversions",
    ),
    "surveys": ("survey_responses",),
    "product": ("product_usage",),
    "people": ("people", "quotas", "commission_rates", "commissions"),
    "finance": ("expenses", "plans", "forecasts", "markets", "exchange_rates", "metric_values"),
    "programme": ("initiatives", "adoption", "time_studies", "requests", "processes", "report_runs", "source_loads"),
}
"""Which templates belong to which source."""
RECORDS = tuple(name for name, entity in ENTITIES.items() if entity.record)
"""What the product itself will write later: no source fills it, so it lies in a folder of its own, `records/`."""


def exports() -> tuple[Export, ...]:
    """Every export that a source reads, tools first."""
    templates = (
        _template(f"exports/{source}/{entity}", source, entity)
        for source, entities in TEMPLATE_SOURCES.items()
        for entity in entities
    )
    return (*TOOL_EXPORTS, *templates)


def records() -> tuple[Export, ...]:
    """The records of accountability of the years before, one template each."""
    return tuple(_template(f"records/{entity}", "records", entity) for entity in RECORDS)


def _template(path: str, source: str, entity: str) -> Export:
    return Export(path, source, entity, tuple(Column(field.name, field.name) for field in ENTITIES[entity].fields))


Lines = list[list[str]]


def render(world: World, export: Export) -> Lines:
    """The rows of an export as text, without the header."""
    entity = ENTITIES[export.entity]
    writers = [
        (column.field, _writer(entity.field(column.field), column.form) if column.field else _recorded(world))
        for column in export.columns
    ]
    return [
        [write(row if not name else row.get(name)) for name, write in writers] for row in world.tables[export.entity]
    ]


def save(folder: Path, export: Export, lines: Lines, suffix: str = "") -> None:
    """Write the file, with the same bytes everywhere."""
    path = folder / f"{export.path}{suffix}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([column.header for column in export.columns])
        writer.writerows(lines)


def _recorded(world: World) -> Callable[[Any], str]:
    """When billing recorded a subscription: on its first day, or two months later for those of the story."""
    late = set(world.facts.get("late_subscriptions", "").split(", "))

    def write(row: Row) -> str:
        day = row["started_on"] + timedelta(days=61 if row["subscription_id"] in late else 0)
        return f"{day.isoformat()} 09:00:00"

    return write


def _writer(field: Field, form: str) -> Callable[[Any], str]:
    """How values of that field are written in that form."""
    return _optional(_FORMS.get(form) or _BY_TYPE.get((field.type, form)) or _BY_TYPE.get((field.type, "plain")) or str)


def _optional(write: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: "" if value is None else write(value)


def _label(word: str) -> str:
    return word.replace("_", " ").title()


def _instant(value: datetime | str, pattern: str) -> str:
    return value if isinstance(value, str) else value.strftime(pattern)


def _day(value: date | str) -> str:
    return value if isinstance(value, str) else value.isoformat()


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


_FORMS: dict[str, Callable[[Any], str]] = {
    "cents": str,
    "lower": lambda value: str(value).lower(),
    "label": _label,
    "inclusive": lambda value: _day(value - timedelta(days=1)),
    "percent": lambda value: f"{Decimal(value) * 100:.0f}",
}
_BY_TYPE: dict[tuple[str, str], Callable[[Any], str]] = {
    ("money", "plain"): _money,
    ("money", "crm"): _money,
    ("date", "plain"): _day,
    ("boolean", "plain"): lambda value: "true" if value else "false",
    ("boolean", "crm"): lambda value: "TRUE" if value else "FALSE",
    ("instant", "plain"): lambda value: _instant(value, "%Y-%m-%dT%H:%M:%SZ"),
    ("instant", "crm"): lambda value: _instant(value, "%Y-%m-%dT%H:%M:%S.000Z"),
    ("instant", "utc"): lambda value: _instant(value, "%Y-%m-%d %H:%M:%S"),
}
