"""Renewals by brute force: one contract after the other, as the standard reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Any

from .money import ratio, total
from .periods import term_months
from .question import Question
from .subscriptions import lines_of
from .tables import Row


@dataclass(frozen=True)
class Due:
    """A contract that was due, and what became of it."""

    contract_id: str
    account_id: str | None
    renewed: bool
    undecided: bool
    reason: str
    timing: str
    old: Fraction | None
    new: Fraction | None


def _annual(question: Question, row: Row, due: Row) -> Fraction | None:
    """Value for a year, at the rate of the day on which the old contract was due."""
    if row["value"] is None or row["starts_on"] is None or row["ends_on"] is None:
        return None
    term = term_months(row["starts_on"], row["ends_on"])
    return question.rates.convert(row["value"] * 12 / term, row["currency"], due["ends_on"]) if term > 0 else None


def _goes_on(question: Question, row: Row) -> bool:
    """Whether the contract's subscription has recurring revenue on the day of its end."""
    return any(
        line.subscription_id == row["subscription_id"] and line.start <= row["ends_on"] < line.end and line.mrr > 0
        for line in lines_of(question)
    )


def due_contracts(question: Question) -> list[Due]:
    """The contracts due in the period, of the slice that is asked for, without its reason and timing."""
    grace = question.params.get("late_grace_days", 30)
    rows = {row["contract_id"]: row for row in question.tables.rows("contracts")}
    found = []
    for row in rows.values():
        ends_on = row["ends_on"]
        if ends_on is None or not question.period.start <= ends_on <= question.closing_day:
            continue
        if row["signed_at"] is not None and question.day_of(row["signed_at"]) > question.now:
            continue
        account = question.accounts.survivor(row["account_id"])
        if not _in_slice(question, row, account):
            continue
        after = rows.get(row["renewed_by"]) if row["renewed_by"] != row["contract_id"] else None
        signed = question.day_of(after["signed_at"]) if after and after["signed_at"] else None
        latest = min(question.now, ends_on + timedelta(days=grace))
        follows = signed is not None and signed <= latest
        infers = question.params.get("infer_auto", True) and row["renewed_by"] is None and row["auto_renew"]
        by_itself = bool(infers and _goes_on(question, row))
        timing = "on_time"
        if follows and signed is not None and signed > ends_on:
            timing = "late"
        elif follows and signed is not None and (ends_on - signed).days > question.params.get("early_days", 90):
            timing = "early"
        old = _annual(question, row, row)
        found.append(
            Due(
                contract_id=row["contract_id"],
                account_id=account,
                renewed=follows or by_itself,
                undecided=not (follows or by_itself) and question.now <= ends_on + timedelta(days=grace),
                reason="auto" if by_itself else row["renewal_reason"] or "unknown",
                timing=timing,
                old=old,
                new=old if by_itself else _annual(question, after, row) if follows and after else None,
            )
        )
    return found


def _in_slice(question: Question, row: Row, account: str | None) -> bool:
    for name, wanted in question.by.items():
        if name == "auto_renew":
            if ("true" if row["auto_renew"] else "false") != wanted:
                return False
        elif name not in {"renewal_reason", "timing"} and question.accounts.dimension(account, name) != wanted:
            return False
    return True


def _counted(question: Question) -> list[Due]:
    """What counts as due: with `pending = exclude`, nothing undecided."""
    excluded = question.params.get("pending", "count") == "exclude"
    return [one for one in due_contracts(question) if not (excluded and one.undecided)]


def renewals_due(question: Question) -> Fraction | None:
    """Annual value, or number, of the contracts due."""
    due = due_contracts(question)
    return Fraction(len(due)) if question.params.get("measure") == "count" else total(one.old for one in due)


def renewal_rate(question: Question) -> Fraction | None:
    """Renewed over due, by account or by contract."""
    by_contract = question.params.get("unit", "account") == "contract"

    def number(found: list[Due]) -> int:
        return len({one.contract_id if by_contract else one.account_id for one in found} - {None})

    due = _counted(question)
    return ratio(number([one for one in due if one.renewed]), number(due))


def renewal_rate_value(question: Question) -> Fraction | None:
    """Renewed annual value over annual value due."""
    due = _counted(question)
    capped = question.params.get("measure", "gross") == "gross"
    kept = []
    for one in due:
        if one.renewed:
            known = one.old is not None and one.new is not None
            kept.append(min(one.old, one.new) if known and capped else one.new if known else None)  # type: ignore[type-var]
    return ratio(total(kept), total(one.old for one in due))


def renewal_reason_share(question: Question) -> Fraction | None:
    """Renewed for a reason over renewed."""
    renewed = [one for one in due_contracts(question) if one.renewed]
    wanted = question.by.get("renewal_reason")
    return ratio(sum(wanted in {None, one.reason} for one in renewed), len(renewed))


def renewal_timing_share(question: Question) -> Fraction | None:
    """Renewed at a time over renewed."""
    renewed = [one for one in due_contracts(question) if one.renewed]
    wanted = question.by.get("timing")
    return ratio(sum(wanted in {None, one.timing} for one in renewed), len(renewed))


CALCULATIONS: dict[str, Callable[[Question], Any]] = {
    calculate.__name__: calculate
    for calculate in (renewals_due, renewal_rate, renewal_rate_value, renewal_reason_share, renewal_timing_share)
}
"""Every metric of this module by its name."""
