"""What a row must satisfy to load, and what makes it worth a warning.

Most rules come from the declaration of the entity; the few that know more than types stand in the tables below. Every
rule is one SQL condition over the rows of a block, so a clean file costs one scan for all rules together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from revgauge.model.fields import Entity, Field
from revgauge.model.store import literal, quoted
from revgauge.sources.blocks import BlockRows
from revgauge.sources.problems import Severity

IMPOSSIBLE_ORDER: dict[str, tuple[tuple[str, str], ...]] = {
    "tickets": (("opened_at", "first_response_at"), ("opened_at", "first_resolved_at"), ("opened_at", "resolved_at")),
    "requests": (("opened_at", "first_response_at"), ("opened_at", "resolved_at")),
}
"""Pairs (earlier, later) that no history can reverse: such a row is rejected."""

UNLIKELY_ORDER: dict[str, tuple[tuple[str, str], ...]] = {
    "opportunities": (("created_at", "closed_at"),),
    "leads": (("created_at", "converted_at"), ("created_at", "qualified_at"), ("created_at", "first_responded_at")),
    "survey_responses": (("sent_at", "responded_at"),),
    "contracts": (("signed_at", "ends_on"),),
}
"""Pairs whose reversal is possible, by backdating, and worth a look."""

MAGNITUDES: dict[str, tuple[str, ...]] = {"invoices": ("credit_note",), "payments": ("refund", "clawback")}
"""Kinds of money that flow back: the amount is stored without a sign, whichever way the source writes it."""

SIGNED = {"subscription_periods": {"mrr"}, "plans": {"value"}, "forecasts": {"value"}, "metric_values": {"value"}}
"""Fields in which a negative amount means something."""

_TOTAL = r"(grand |sub)?totals?\b.*"
_EARLIEST = "1970-01-01"
_HUGE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition that marks a row."""

    name: str
    field: str
    condition: str
    reason: str
    """SQL that gives the sentence."""
    fix: str
    severity: Severity = "error"
    again: bool = False
    """Said only of rows of which nothing was said about this column yet."""


def rules_for(rows: BlockRows, loaded_at: datetime, *, some_currency: bool) -> list[Rule]:
    """All rules that apply to the fields that the block maps."""
    entity = rows.entity
    mapped = [entity.field(name) for name in rows.fields]
    rules = [rule for field in mapped for rule in _field_rules(entity, field, loaded_at)]
    rules += _order_rules(entity, set(rows.fields))
    if "currency" in rows.fields and some_currency:
        rules += [
            Rule(
                "currency_missing",
                "currency",
                f"{quoted(field.name)} IS NOT NULL AND currency IS NULL",
                f"'{field.name} has an amount and the row has no currency, while other rows have one'",
                "Fill it in the source, or state `currency: {column: ..., default: USD}`.",
            )
            for field in mapped
            if field.type == "money"
        ]
    if entity.name == "opportunities" and {"is_won", "closed_at"} <= set(rows.fields):
        rules.append(
            Rule(
                "won_without_close",
                "closed_at",
                "is_won AND closed_at IS NULL",
                "'it is won and has no closed_at'",
                "Fill closed_at in the source.",
                "warning",
            )
        )
    return rules


def _field_rules(entity: Entity, field: Field, loaded_at: datetime) -> list[Rule]:
    name = quoted(field.name)
    rules: list[Rule] = []
    if field.required:
        reason = f"'{field.name} is empty and {entity.name} needs it'"
        rules.append(Rule("required", field.name, f"{name} IS NULL", reason, "Fill it in the source.", again=True))
    if field.allowed:
        allowed = ", ".join(map(literal, field.allowed))
        rules.append(
            Rule(
                "not_allowed",
                field.name,
                f"{name} NOT IN ({allowed})",
                f"'`' || {name} || '` is not one of {', '.join(field.allowed)}'",
                "Map it with `map:`, or correct it in the source.",
            )
        )
    if field.name == "currency":
        reason = f"'`' || {name} || '` is not the three letters of a currency'"
        rules.append(
            Rule(
                "currency_code",
                field.name,
                f"NOT regexp_full_match({name}, '[A-Z]{{3}}')",
                reason,
                "Use codes such as USD or EUR.",
            )
        )
    rules += _range_rules(entity, field)
    if field.type in {"date", "instant"}:
        latest = (loaded_at + timedelta(days=30 * 366)).date()
        rules.append(
            Rule(
                "implausible_time",
                field.name,
                f"({name} < '{_EARLIEST}' OR {name} >= '{latest}')",
                f"'{field.name} lies before {_EARLIEST[:4]} or after {latest.year}'",
                "Check the value in the source; it was loaded as it is.",
                "warning",
            )
        )
    return rules


def _range_rules(entity: Entity, field: Field) -> list[Rule]:
    name = quoted(field.name)
    rules: list[Rule] = []
    if entity.name == "exchange_rates" and field.name == "rate":
        rules.append(
            Rule("range", field.name, f"{name} <= 0", "'a rate must be above 0'", "Correct the rate in the source.")
        )
    elif field.minimum is not None:
        rules.append(
            Rule(
                "range", field.name, f"{name} < {field.minimum}", f"'{field.name} is below {field.minimum}'", _RANGE_FIX
            )
        )
    if field.maximum is not None:
        reason = f"'{field.name} is above {field.maximum}'"
        hint = "Is it a percentage? Then state `unit: percent`; else correct it in the source."
        rules.append(
            Rule("range", field.name, f"{name} > {field.maximum}", reason, hint if field.maximum == 1 else _RANGE_FIX)
        )
    if field.type == "money":
        rules.append(
            Rule(
                "implausible_amount",
                field.name,
                f"abs({name}) >= {_HUGE}",
                f"'{field.name} is a billion or more'",
                "Check the value and its unit.",
                "warning",
            )
        )
        if field.name not in SIGNED.get(entity.name, set()):
            rules.append(
                Rule(
                    "negative_amount",
                    field.name,
                    f"{name} < 0",
                    f"'{field.name} is negative'",
                    "Check it; it was loaded as it is.",
                    "warning",
                )
            )
    return rules


_RANGE_FIX = "Correct the value in the source, or its unit in the mapping."


def _order_rules(entity: Entity, mapped: set[str]) -> list[Rule]:
    rules: list[Rule] = []
    pairs: list[tuple[str, str, Severity]] = [(start, end, "error") for start, end in entity.intervals]
    pairs += [(start, end, "error") for start, end in IMPOSSIBLE_ORDER.get(entity.name, ())]
    pairs += [(start, end, "warning") for start, end in UNLIKELY_ORDER.get(entity.name, ())]
    for start, end, severity in pairs:
        if not {start, end} <= mapped:
            continue
        first, last = quoted(start), quoted(end)
        loaded = "" if severity == "error" else " It was loaded as it is."
        rules.append(
            Rule(
                "order",
                end,
                f"{last} < {first}",
                f"'{end} (' || {last} || ') lies before {start} (' || {first} || ')'",
                f"Correct one of them in the source.{loaded}",
                severity,
            )
        )
    return rules


def check_rows(connection: duckdb.DuckDBPyConnection, rows: BlockRows, loaded_at: datetime) -> None:
    """Bring the rows of a block into the stored form and put what is wrong with them into `problems`."""
    _strip_signs(connection, rows)
    _open_far_ends(connection, rows)
    _mark_totals(connection, rows)
    some_currency = False
    if "currency" in rows.fields and "currency" not in rows.constants:
        some_currency = (
            connection.execute(f"SELECT 1 FROM {rows.table} WHERE currency IS NOT NULL LIMIT 1").fetchone() is not None
        )
    rules = rules_for(rows, loaded_at, some_currency=some_currency)
    if not rules:
        return
    counted = ", ".join(f"count(*) FILTER ({rule.condition})" for rule in rules)
    found = connection.execute(f"SELECT {counted} FROM {rows.table}").fetchone() or ()
    for rule, count in zip(rules, found, strict=True):
        if count:
            _mark(connection, rows, rule)


def _mark(connection: duckdb.DuckDBPyConnection, rows: BlockRows, rule: Rule) -> None:
    shown = rows.shown.get(rule.field, rule.field)
    text = rows.text_of.get(rule.field)
    value = f"t.{quoted(text)}" if text else f"CAST(r.{quoted(rule.field)} AS VARCHAR)"
    unless = ""
    if rule.again:
        same = f"p.column_name = {literal(shown)} AND " if text else ""  # an expression may fail by any of its columns
        unless = (
            f" AND NOT EXISTS (SELECT 1 FROM problems p WHERE p.block = {rows.number} AND p._id = r._id "
            f"AND {same}p.severity IN ('error', 'skipped'))"
        )
    connection.execute(
        f"INSERT INTO problems SELECT {rows.number}, r._id, r._file, r._row, ?, {value}, ?, {rule.reason}, ?, ? "
        f"FROM {rows.table} r LEFT JOIN {rows.texts} t ON t._id = r._id WHERE "
        f"{_qualified(rule.condition, rows)}{unless}",
        [shown, rule.name, rule.fix, rule.severity],
    )


def _qualified(condition: str, rows: BlockRows) -> str:
    """The condition on its own rows only, whatever else is joined."""
    return f"r._id IN (SELECT _id FROM {rows.table} WHERE {condition})"


def _strip_signs(connection: duckdb.DuckDBPyConnection, rows: BlockRows) -> None:
    kinds = MAGNITUDES.get(rows.entity.name)
    if not kinds or not {"kind", "amount"} <= set(rows.fields):
        return
    listed = ", ".join(map(literal, kinds))
    condition = f"kind IN ({listed}) AND amount < 0"
    text = rows.text_of.get("amount")
    value = f"t.{quoted(text)}" if text else "CAST(r.amount AS VARCHAR)"
    connection.execute(
        f"INSERT INTO problems SELECT {rows.number}, r._id, r._file, r._row, ?, {value}, 'sign', "
        "'a ' || replace(r.kind, '_', ' ') || ' always flows back, so its minus sign was dropped', 'Nothing to "
        "do.', 'notice' "
        f"FROM {rows.table} r LEFT JOIN {rows.texts} t ON t._id = r._id WHERE "
        f"{condition.replace('kind', 'r.kind').replace('amount', 'r.amount')}",
        [rows.shown.get("amount", "amount")],
    )
    connection.execute(f"UPDATE {rows.table} SET amount = abs(amount) WHERE {condition}")


def _open_far_ends(connection: duckdb.DuckDBPyConnection, rows: BlockRows) -> None:
    """An end in the year 9999 is how some systems write that there is none."""
    for _, end in rows.entity.intervals:
        if end in rows.fields:
            name = quoted(end)
            connection.execute(
                f"INSERT INTO problems SELECT {rows.number}, _id, _file, _row, ?, CAST({name} AS VARCHAR), 'open_end', "
                "'an end in the year 9999 was read as open', 'Nothing to do.', 'notice' "
                f"FROM {rows.table} WHERE {name} >= '9999-01-01'",
                [rows.shown.get(end, end)],
            )
            connection.execute(f"UPDATE {rows.table} SET {name} = NULL WHERE {name} >= '9999-01-01'")


def _mark_totals(connection: duckdb.DuckDBPyConnection, rows: BlockRows) -> None:
    """Rows that hold a total instead of a record are left out and told of."""
    key = rows.entity.key
    if len(key) != 1 or key[0] not in rows.fields:
        return
    name = quoted(key[0])
    total = f"lower({name}) LIKE '%total%' AND regexp_full_match(lower({name}), '{_TOTAL}')"
    found = connection.execute(
        f"INSERT INTO problems SELECT {rows.number}, _id, _file, _row, ?, {name}, 'closing_line', "
        "'a line with a total, not a record; it was left out', 'Nothing to do, or export without totals.', 'skipped' "
        f"FROM {rows.table} WHERE {total}",
        [rows.shown.get(key[0], key[0])],
    ).fetchone()
    if found and found[0]:
        connection.execute(
            f"DELETE FROM problems WHERE block = {rows.number} AND severity = 'error' AND _id IN (SELECT _id FROM "
            f"{rows.table} WHERE {total}) "
        )
        connection.execute(f"DELETE FROM {rows.table} WHERE {total}")
