"""Renewals: of the contracts that came to their end, how many went on, for how much, why and when."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import Distinct, Measure, Noted, Total, Uncut, Unknown, count, ratio
from revgauge.catalogue.registry import Unit, metric

NOTHING_DUE = "no contract was due"
NOTHING_RENEWED = "no contract was renewed"
PROVISIONAL = "provisional"
UNSEEN = "without renewals by themselves"
UNVALUED = (
    "what a contract is worth a year is not known: it has no value or no term, or its currency has no rate on the day "
    "it was due"
)
RENEWAL_FIELDS = ("contracts.renewed_by", "contracts.signed_at")
VALUE_FIELDS = ("contracts.starts_on", "contracts.value")
RENEWAL_LINKS = ("contracts.renewed_by",)

Pending = Literal["count", "exclude"]


def _provisional(measure: Measure, facts: Facts) -> Measure:
    """The measure, marked while a contract that is due may still be renewed, and where some cannot be seen to be."""
    marked = Noted(measure, PROVISIONAL, count(facts, where=_.undecided), Decimal(1))
    return Noted(marked, UNSEEN, count(facts, where=_.unseen == 1), Decimal(1))


def _counted(pending: Pending) -> Any:
    """The condition for the contracts that count as due."""
    return ~_.undecided if pending == "exclude" else None


def _value(due_contracts: Facts, column: str, gap: str, where: Any = None) -> Measure:
    return Total(due_contracts, where=where, value=column, gap=gap, gap_reason=UNVALUED)


@metric(label="Renewals due", unit=Unit.MONEY, better="none", timing="leading", kind="due")
def renewals_due(due_contracts: Facts, context: Context, *, measure: Literal["value", "count"] = "value") -> Measure:
    """What the contracts are worth a year that came to their end.

    A contract is due on the first day after its term, if that day has come. Terms of several years, or of a part of
    one, are compared by the year; with measure `count` the contracts are counted.

    Unit: money a year
    Formula: sum of value x 12 / term in months over the contracts due, at the rates of their due days
    Null: a contract due has no value or no term, or its currency has no rate on that day
    Edges: nothing due is 0
    Seed: S1
    Source: gainsight-renewal
    So what: how many people the renewals of the quarter will need
    """
    if measure == "count":
        return count(due_contracts)
    if lacking := context.lacking(*VALUE_FIELDS):
        return Unknown(lacking)
    return _value(due_contracts, "old_value", "unvalued")


@metric(label="Renewal rate", unit=Unit.RATIO, kind="due", needs=RENEWAL_FIELDS, follows=RENEWAL_LINKS)
def renewal_rate(
    due_contracts: Facts,
    *,
    unit: Literal["account", "contract"] = "account",
    pending: Pending = "count",
) -> Measure:
    """The share of the customers with a contract due of whom a contract was renewed.

    The due day decides: an early or a late signature counts where the old contract ended, a late one up to
    `late_grace_days` after. A contract that renews by itself is renewed where its subscription goes on, unless
    `infer_auto` is off. What is not renewed yet counts as not renewed, and the value is provisional while the grace
    runs; with pending `exclude` it is left out. With unit `contract` contracts are counted.

    Unit: share of the customers with a contract due
    Formula: customers with at least one contract renewed / customers with at least one due
    Null: nothing was due
    Edges: a renewal that names no contract is none, and is told as a gap
    Seed: S1, S4
    Source: gainsight-renewal, opexengine-renewal, winsabove-renewal
    So what: does the offer hold; if low start ninety days earlier, and look by reason
    """
    due = _counted(pending)
    if unit == "contract":
        share = ratio(count(due_contracts, where=_.renewed), count(due_contracts, where=due), NOTHING_DUE)
    else:
        share = ratio(Distinct(due_contracts, where=_.renewed), Distinct(due_contracts, where=due), NOTHING_DUE)
    return _provisional(share, due_contracts)


@metric(
    label="Renewal rate by value",
    unit=Unit.RATIO,
    kind="due",
    needs=(*RENEWAL_FIELDS, *VALUE_FIELDS),
    follows=RENEWAL_LINKS,
)
def renewal_rate_value(
    due_contracts: Facts,
    *,
    measure: Literal["gross", "net"] = "gross",
    pending: Pending = "count",
) -> Measure:
    """The share of the yearly value of the contracts due that was renewed, each capped at what it was.

    A bigger contract counts up to the old value; the rest is expansion. With measure `net` nothing is capped. Who
    renewed is told as in the renewal rate; a contract that renewed by itself keeps its value.

    Unit: share of the yearly value due
    Formula: sum of min(new, old yearly value) of the contracts renewed / sum of old yearly values of the contracts due
    Null: nothing of value was due, or a contract's value, term or rate is not known
    Edges: both contracts at the rates of the due day
    Seed: S1, S4
    Source: gainsight-renewal, opexengine-renewal, winsabove-renewal
    So what: below the rate of customers they stay but shrink
    """
    due = _counted(pending)
    column = "kept_value" if measure == "gross" else "new_value"
    share = ratio(
        _value(due_contracts, column, "new_unvalued", _.renewed),
        _value(due_contracts, "old_value", "unvalued", due),
        NOTHING_DUE,
    )
    return _provisional(share, due_contracts)


def _share(facts: Facts, dimension: str) -> Measure:
    """Contracts of the value that is asked for among all that were renewed; 1 where none is asked for.

    The rows hold every contract once for each value, and `matches` at its own.
    """
    matching = count(facts, where=_.renewed & _.matches)
    return _provisional(ratio(matching, Uncut(matching, (dimension,)), NOTHING_RENEWED), facts)


@metric(
    label="Renewals by reason",
    unit=Unit.RATIO,
    better="target",
    timing="leading",
    kind="due",
    needs=RENEWAL_FIELDS,
    follows=RENEWAL_LINKS,
)
def renewal_reason_share(renewals_by_reason: Facts) -> Measure:
    """The share of the contracts renewed that went on for a reason: by itself, for its value, or out of liking.

    Cut by `renewal_reason`, of which the shares add up to 1: `auto` (also what renewed by itself), `value`,
    `relationship` and `unknown`.

    Unit: share of the contracts renewed
    Formula: contracts renewed for the reason / contracts renewed
    Null: no contract was renewed
    Edges: without a reason asked for it is 1
    Seed: S1 (forgotten, valued or liked)
    Source: gainsight-renewal
    So what: much of it by itself or out of liking is churn in waiting
    By: renewal_reason
    """
    return _share(renewals_by_reason, "renewal_reason")


@metric(
    label="Renewals by timing",
    unit=Unit.RATIO,
    timing="leading",
    kind="due",
    needs=RENEWAL_FIELDS,
    follows=RENEWAL_LINKS,
)
def renewal_timing_share(renewals_by_timing: Facts) -> Measure:
    """The share of the contracts renewed that were signed early, on time or late.

    Cut by `timing`, of which the shares add up to 1: `early` is more than `early_days` before the due day, `late`
    after it, `on_time` what lies between and what renewed by itself. Days are those of the reporting zone.

    Unit: share of the contracts renewed
    Formula: contracts signed at that time / contracts renewed
    Null: no contract was renewed
    Edges: without a timing asked for it is 1
    Seed: S1
    Source: opexengine-renewal, winsabove-renewal
    So what: if late bring legal and procurement in earlier, and send quotes by themselves
    By: timing
    """
    return _share(renewals_by_timing, "timing")
