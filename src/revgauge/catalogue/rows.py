"""The rows behind a number: those that count, those left out and why, added up again to the number.

Every leaf of a measure has its rows. A flow lists the rows of its days; a balance lists what each account, contract or
deal adds to it. Adding the listed contributions up again, by the same arithmetic, must give the number: the listing
says whether it does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, localcontext
from statistics import fmean
from typing import TYPE_CHECKING, Any

import ibis
import numpy as np
from ibis import _

from revgauge.catalogue.accruals import PARTS, Earnings
from revgauge.catalogue.engine import day_literal, to_decimal
from revgauge.catalogue.evaluation import Evaluation, Request, Value
from revgauge.catalogue.exact import PRECISION, ZERO, Exact, Numbers
from revgauge.catalogue.measures import (
    Accrual,
    Arithmetic,
    At,
    Curve,
    Distinct,
    Explained,
    History,
    Leaf,
    Measure,
    Named,
    Noted,
    Revaluation,
    Spread,
    Total,
    Uncut,
    Unknown,
)
from revgauge.catalogue.registry import Metric
from revgauge.catalogue.resolver import NotComputable
from revgauge.catalogue.tasks import Answer, Answers, Cut, column_of, narrowed
from revgauge.catalogue.work import Work
from revgauge.model.period import DAY, Period

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.spans import Days

CONTRIBUTION = "contribution"
"""The column of a listing with what its row adds to the part."""


@dataclass
class Part:
    """One ingredient of a number with its rows."""

    name: str
    """Where it stands in the formula: the numerator, the denominator, a metric."""
    facts: str
    rows: list[dict[str, Any]]
    total: Decimal | None
    left_out: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Listing:
    """A number, its parts and their rows, and the number added up again from the rows."""

    value: Value
    metric: Metric
    params: Mapping[str, Any]
    parts: list[Part]
    added: Decimal | None
    """The number worked out from the listed rows alone."""

    @property
    def agrees(self) -> bool:
        """Whether the rows give the number: exactly for money and counts, to 1e-9 for quotients."""
        if self.value.value is None or self.added is None:
            return self.value.value is None and self.added is None
        return abs(self.value.value - self.added) <= Decimal("1e-9") * max(Decimal(1), abs(self.added))


class RowFinder:
    """Lists rows for one evaluation."""

    def __init__(self, evaluation: Evaluation) -> None:
        """List rows of what the evaluation computes."""
        self.evaluation = evaluation
        self.context = evaluation.context

    def listing(self, request: Request) -> Listing:
        """The rows behind the number of a request for one period."""
        (period,) = request.periods
        metric, params, measure = self.evaluation.measure(request)
        (result,) = self.evaluation.results([request])
        value = next(iter(result.values()))
        cut = Cut((), tuple(sorted(request.only.items())))
        answers: Answers = {}
        parts: list[Part] = []
        if period.begun or metric.looks_ahead:
            for name, leaf, when, mine in _leaves(measure, period, metric.name, cut):
                answer = answers.setdefault((id(leaf), mine), Answer([()]))
                part = self._part(name, leaf, when, mine, answer)
                if not any(_same(part, other) for other in parts):
                    parts.append(part)
        added = None
        if (period.begun or metric.looks_ahead) and not isinstance(measure, Unknown):
            series = Work(answers, self.evaluation.reasons, cut, [()]).series(measure, [period])
            added = series.at(0, 0)
        return Listing(value, metric, params, parts, added)

    def _part(self, name: str, leaf: Leaf, period: Period, cut: Cut, answer: Answer) -> Part:
        cut = narrowed(cut, leaf)
        self.evaluation.resolver.ask(leaf.facts, None)
        try:
            table = self.evaluation.planner.prepared(leaf.facts, cut)
        except NotComputable as problem:
            answer.missing = str(problem)
            return Part(name, leaf.facts.name, [], None)
        days = leaf.days(period)
        if leaf.where is not None:
            table = table.filter(column_of(table, leaf.where).fill_null(False))
        table = table.filter(table[leaf.at] <= day_literal(days.last))
        if days.first is not None and not isinstance(leaf, Accrual):
            table = table.filter(table[leaf.at] >= day_literal(days.first))
        keys = [key for key in self._row_key(leaf) if key in table.columns]
        if isinstance(leaf, Revaluation):
            rows = self._revalued(leaf, period, cut, keys)
        elif isinstance(leaf, Accrual):
            rows = self._accrued(table, leaf, days, keys)
        elif isinstance(leaf, Total) and days.first is None:
            rows = self._balances(table, leaf, period, cut, keys)
        else:
            rows = self._plain(table, leaf, keys)
        total = _add_up(leaf, rows, days, period, answer)
        return Part(name, leaf.facts.name, rows, total, self._left_out(leaf, days, cut))

    def _row_key(self, leaf: Leaf) -> tuple[str, ...]:
        definition = self.evaluation.catalogue.derived.get(leaf.facts.name)
        return definition.row_key if definition else ()

    def _plain(self, table: ir.Table, leaf: Leaf, keys: list[str]) -> list[dict[str, Any]]:
        """Rows as they stand in the facts, the key first."""
        contribution: dict[str, Any] = {}
        if isinstance(leaf, Total | Spread):
            contribution = {CONTRIBUTION: 1 if leaf.value is None else column_of(table, leaf.value)}
            if leaf.gap is not None:
                contribution["_gap"] = column_of(table, leaf.gap)
        elif isinstance(leaf, Distinct):
            contribution = {CONTRIBUTION: column_of(table, leaf.of)}
        others = [name for name in table.columns if name not in keys and not name.startswith("cut_")]
        expression = table.select(*keys, *others, **contribution) if contribution else table.select(*keys, *others)
        if isinstance(leaf, Spread):
            expression = expression.filter(_[CONTRIBUTION].notnull())
        return self._fetched(expression, keys)

    def _balances(
        self, table: ir.Table, leaf: Total, period: Period, cut: Cut, keys: list[str]
    ) -> list[dict[str, Any]]:
        """What each row key adds to the balance: its changes added up, where they do not cancel out.

        Where the facts name the stays behind them, the stays of that day are listed instead.
        """
        value = 1 if leaf.value is None else column_of(table, leaf.value)
        group = [*keys, *([leaf.currency] if leaf.currency else [])]
        changes = table.mutate(**{CONTRIBUTION: value})
        summed = {CONTRIBUTION: _[CONTRIBUTION].sum()}
        counts = _[CONTRIBUTION] != 0
        if leaf.gap is not None:
            changes = changes.mutate(_gap=column_of(table, leaf.gap))
            summed["_gap"] = _["_gap"].sum()
            counts = counts | (_["_gap"] != 0)
        netted = changes.group_by(*group).aggregate(**summed).filter(counts)
        definition = self.evaluation.catalogue.derived.get(leaf.facts.name)
        if definition is not None and definition.stays and leaf.value == "amount":
            rows = self._stays(definition.stays, netted, leaf, period, cut, keys)
        else:
            rows = self._fetched(netted, keys)
        if leaf.currency:
            on = leaf.convert_on(period) if leaf.convert_on else leaf.days(period).last
            with localcontext(prec=PRECISION):
                for row in rows:
                    rate = self.context.rates.on(row[leaf.currency], on)
                    row["in_currency"], row["rate"] = row[CONTRIBUTION], rate
                    row["_gap"] = int(rate is None)
                    row[CONTRIBUTION] = None if rate is None else to_decimal(row[CONTRIBUTION]) * rate
        elif leaf.gap is not leaf.value:  # where they are the same, what is counted is what is not known
            rows = [{**row, CONTRIBUTION: None if row.get("_gap") else row[CONTRIBUTION]} for row in rows]
        return rows

    def _stays(
        self, name: str, netted: ir.Table, leaf: Total, period: Period, cut: Cut, keys: list[str]
    ) -> list[dict[str, Any]]:
        """The stays that cover the day of the balance, of those who have one."""
        resolver = self.evaluation.resolver
        stays = resolver.table(resolver.facts(name, leaf.facts.params_dict(), leaf.facts.scope))
        on = day_literal(leaf.days(period).last)
        here = stays.filter((_.start <= on) & (_.stop.isnull() | (_.stop > on)) & (_.mrr != 0))
        whole = [key for key in (*keys, *leaf.facts.scope.whole_by) if key in here.columns]
        mine = here.semi_join(netted, [(key, key) for key in whole if key in netted.columns])
        for dimension, wanted in cut.only:
            if dimension in leaf.facts.scope.whole_by:
                mine = mine.filter(mine[dimension] == wanted)
        columns = [
            name for name in ("subscription_id", "product", "plan", "quantity", "start", "stop") if name in mine.columns
        ]
        return self._fetched(mine.select(*keys, *columns, str(leaf.currency), **{CONTRIBUTION: _.mrr}), keys)

    def _revalued(self, leaf: Revaluation, period: Period, cut: Cut, keys: list[str]) -> list[dict[str, Any]]:
        """For each change of a rate, what the balance of the day before gained or lost."""
        rows: list[dict[str, Any]] = []
        rates = self.context.rates
        held = self.evaluation.planner.prepared(leaf.facts, cut)
        for currency in rates.currencies:
            if currency == rates.reporting_currency:
                continue
            for day in rates.changes(currency, period.start, period.closing):
                before, after = rates.on(currency, day - DAY), rates.on(currency, day)
                balance = held.filter((held[leaf.currency or ""] == currency) & (held[leaf.at] < day_literal(day)))
                netted = balance.group_by(*keys).aggregate(held=column_of(balance, leaf.value).sum())
                for row in self._fetched(netted.filter(_.held != 0), keys):
                    gain = None
                    if before is not None and after is not None:
                        with localcontext(prec=PRECISION):
                            gain = to_decimal(row["held"]) * (after - before)
                    rows.append(
                        {**row, "currency": currency, "day": day, "rate_before": before, "rate": after,
                         CONTRIBUTION: gain, "_gap": int(gain is None)}
                    )  # fmt: skip
        return rows

    def _accrued(self, table: ir.Table, leaf: Accrual, days: Days, keys: list[str]) -> list[dict[str, Any]]:
        """For each stretch of days with the same balance what it earned."""
        currency = str(leaf.currency)
        changes = table.mutate(_change=column_of(table, leaf.value), _on=table[leaf.at])
        daily = changes.group_by(*keys, currency, "_on").aggregate(_change=_["_change"].sum())
        order = ibis.window(group_by=[*keys, currency], order_by="_on")
        running = ibis.window(group_by=[*keys, currency], order_by="_on", preceding=None, following=0)
        stretches = daily.mutate(balance=_["_change"].sum().over(running), _until=_["_on"].lead().over(order))
        first = days.first or date.min
        stretches = stretches.filter((_.balance != 0) & (_["_until"].isnull() | (_["_until"] > day_literal(first))))
        earnings = Earnings(self.context.rates, leaf.pace)
        rows = []
        for row in self._fetched(stretches.select(*keys, currency, "balance", "_on", "_until"), keys):
            since, until = max(row.pop("_on"), first), row.pop("_until")
            last = days.last if until is None else min(days.last, until - DAY)
            unrated = earnings.unrated(row[currency], last) - earnings.unrated(row[currency], since - DAY)
            with localcontext(prec=PRECISION):
                parts = earnings.earned(row[currency], last) - earnings.earned(row[currency], since - DAY)
                earned = to_decimal(row["balance"]) * parts / PARTS[leaf.pace]
            rows.append({**row, "from": since, "to": last, CONTRIBUTION: earned, "_gap": int(unrated > 0)})
        return rows

    def _left_out(self, leaf: Leaf, days: Days, cut: Cut) -> list[dict[str, Any]]:
        """Rows that might be expected and do not count, with the reason."""
        catalogue = self.evaluation.catalogue
        definition = catalogue.derived.get(leaf.facts.name)
        name = (definition.left_out if definition else None) or f"{leaf.facts.name}_left_out"
        if name not in catalogue.derived:
            return []
        resolver = self.evaluation.resolver
        facts = resolver.facts(name, leaf.facts.params_dict(), leaf.facts.scope)
        here = catalogue.derived[name].dimensions
        kept = Cut((), tuple(pair for pair in cut.only if pair[0] in here))
        table = self.evaluation.planner.prepared(facts, kept)
        table = table.filter(table["day"] <= day_literal(days.last))
        if days.first is not None:
            table = table.filter(table["day"] >= day_literal(days.first))
        return self._fetched(table.drop(*[name for name in table.columns if name.startswith("cut_")]), [])

    def _fetched(self, expression: ir.Table, keys: list[str]) -> list[dict[str, Any]]:
        order = [name for name in dict.fromkeys((*keys, "day")) if name in expression.columns]
        ordered = expression.order_by(order) if order else expression
        return list(self.context.warehouse.fetch(ordered, "rows").to_pylist())


Place = tuple[str, Leaf, Period, Cut]


def _leaves(measure: Measure, period: Period, name: str, cut: Cut) -> list[Place]:  # noqa: PLR0911 - one for each kind
    """Every leaf with its place in the formula, the period for which it is read and how it is cut."""
    match measure:
        case Leaf():
            return [(name, measure, period, cut)]
        case Named(inner_name, inner):
            _, at, when = name.partition(" at ")
            told = f"{name}: {inner_name}" if "numerator" in name else f"{inner_name}{at}{when}"
            return _leaves(inner, period, told, cut)
        case At(inner, to):
            moved = to(period)
            return _leaves(inner, moved, f"{name} at {moved.label}", cut)
        case Uncut(inner):
            return _leaves(inner, period, name, cut.without(measure))
        case Noted(inner) | Explained(inner):
            return _leaves(inner, period, name, cut)
        case History(of=of):
            moved_parts = ((moved, part) for moved in measure.periods(period) for part in of)
            return [
                found for moved, part in moved_parts for found in _leaves(part, moved, f"{name} at {moved.label}", cut)
            ]
        case Arithmetic("/", left, right):
            above = _leaves(left, period, f"{name}, numerator", cut)
            return above + _leaves(right, period, f"{name}, denominator", cut)
        case _:
            return [found for part in measure.parts() for found in _leaves(part, period, name, cut)]


def _same(one: Part, other: Part) -> bool:
    return one.name == other.name and one.facts == other.facts and one.rows == other.rows


def _add_up(leaf: Leaf, rows: list[dict[str, Any]], days: Days, period: Period, answer: Answer) -> Decimal | None:
    """The value of the leaf from its rows alone, and the answer from which the formula is worked out again."""
    gaps = sum(int(bool(row.pop("_gap", 0))) for row in rows)
    if isinstance(leaf, Curve):
        columns = [np.array([row[name] for row in rows], dtype=object) for name in leaf.columns]
        counts = np.ones(len(rows), dtype=object)
        answer.parts[days] = {(): [*columns, counts]} if rows else {}
        return None if not rows else leaf.function(period, *columns, counts)
    if isinstance(leaf, Distinct):
        number = Decimal(len({row[CONTRIBUTION] for row in rows if row[CONTRIBUTION] is not None}))
        _tell(answer, days, number)
        return number
    found = [to_decimal(row[CONTRIBUTION]) for row in rows if row[CONTRIBUTION] is not None]
    with localcontext(prec=PRECISION):
        added = sum(found, ZERO)
    if isinstance(leaf, Spread):
        return _spread(leaf, found, added, gaps, days, answer)
    _tell(answer, days, added, gaps)
    return None if gaps else added


def _tell(answer: Answer, days: Days, number: Decimal, gaps: int = 0, extras: Mapping[str, Any] | None = None) -> None:
    """Put what was found for one more span into an answer of one key."""
    if days in answer.rows:
        return  # the same rows again, as another part of the measure
    answer.rows[days] = len(answer.rows)
    assert not isinstance(answer.numbers, Exact)  # noqa: S101 - it is told here alone
    answer.numbers = _below(answer.numbers, number)
    answer.gaps = _below(answer.gaps, gaps)
    for name, found in (extras or {}).items():
        answer.extras[name] = _below(answer.extras.get(name), found)


def _below(grid: Numbers | None, cell: Any) -> Numbers:
    """A grid of one column with one cell more."""
    row = np.array([[cell]], dtype=object)
    return row if grid is None else np.concatenate([grid, row])


def _spread(
    leaf: Spread, found: list[Decimal], added: Decimal, gaps: int, days: Days, answer: Answer
) -> Decimal | None:
    numbers = [float(number) for number in found]
    parts = {
        "total": added,
        "cases": len(found),
        "median": float(np.quantile(numbers, 0.5)) if numbers else None,
        "p90": float(np.quantile(numbers, 0.9)) if numbers else None,
        "deviation": float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
    }
    _tell(answer, days, added, gaps, {**parts, "gaps": gaps})
    if not found or gaps:
        return None
    chosen = fmean(numbers) if leaf.statistic == "mean" else parts[leaf.statistic]
    return Decimal(repr(chosen))
