"""Drawn worlds and what is asked of them: all questions of a world are answered in one evaluation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.oracle.generate import REPORTING_CURRENCY, World, now_of, write_tables, zone_of

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request, Value
from revgauge.catalogue.registry import Catalogue
from revgauge.metrics import builtin_catalogue
from revgauge.model.period import Calendar, Grain, Period
from revgauge.sources.canonical import read_case_tables

CLOSE = Decimal("1e-6")
"""Money is exact but for the division that splits a change into price and volume."""

Answers = dict[str, Decimal | None]


def close(one: Decimal, other: Decimal) -> bool:
    """Equal but for the last places of a division."""
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=float(CLOSE))


@dataclass(frozen=True)
class Cells:
    """Values by metric, parameters, period and cut."""

    calendar: Calendar
    values: Mapping[tuple[str, str, Period, str], Value]

    def cuts(self, dimension: str) -> list[str]:
        """Every value of a dimension by which something was split."""
        prefix = f"{dimension}="
        return sorted({cut for *_, cut in self.values if cut.startswith(prefix)})

    def get(self, metric: str, period: Period, cut: str = "", **params: Any) -> Decimal | None:
        """One number; 0 where a split has no rows for the value, as nothing moved there."""
        value = self.values.get((metric, _text(params), period, cut))
        if value is not None:
            return value.value
        if (metric, _text(params)) not in {key[:2] for key in self.values} or not cut:
            raise KeyError(f"{metric} {params} {period.label} {cut} was not asked")
        return Decimal(0)

    def answers(self) -> Answers:
        """Every number by the words of its question."""
        return {
            " ".join(word for word in (metric, period.label, cut, params) if word): value.value
            for (metric, params, period, cut), value in self.values.items()
        }


def _text(params: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={given}" for name, given in sorted(params.items()))


@dataclass
class Look:
    """A world on a day, and what is asked of it."""

    world: World
    seed: int
    now: date | None = None
    """The last day that counts; without it the one that belongs to the seed."""
    catalogue: Catalogue = field(default_factory=builtin_catalogue)
    requests: list[Request] = field(default_factory=list)

    @property
    def settings(self) -> Settings:
        """How the company of this world reports."""
        now = self.now or date.fromisoformat(now_of(self.seed))
        return Settings(now, REPORTING_CURRENCY, zone_of(self.seed))

    def last(self, count: int, grain: Grain = "month", *, complete: bool = False) -> tuple[Period, ...]:
        """The last periods of a grain up to `now`, in order; with `complete`, only those that are over."""
        calendar = self.settings.calendar
        period = calendar.containing(calendar.now, grain)
        if complete and not period.complete:
            period = calendar.shift(period, -1)
        return tuple(calendar.shift(period, -back) for back in reversed(range(count)))

    def ask(self, metrics: Iterable[str], periods: Sequence[Period], by: str = "", **params: Any) -> None:
        """Ask for metrics in periods, in all or by a dimension."""
        self.requests += [Request(name, tuple(periods), params, (by,) if by else ()) for name in metrics]

    def cells(self) -> Cells:
        """Every answer."""
        with TemporaryDirectory() as folder:
            write_tables(self.world, Path(folder))
            warehouse = Warehouse.in_memory()
            try:
                read_case_tables(Path(folder), warehouse.connection)
                evaluation = Evaluation(self.catalogue, Context(Warehouse.over(warehouse.connection), self.settings))
                found = evaluation.results(self.requests)
                return Cells(
                    self.settings.calendar,
                    {
                        (value.metric, _text(result.request.params), value.period, _text(value.dimensions)): value
                        for result in found
                        for value in result.values()
                    },
                )
            finally:
                warehouse.close()


def differences(one: Answers, other: Answers, factors: Mapping[str, int] | None = None) -> list[str]:
    """The questions to which two worlds give different answers; `factors` are what multiplies a metric of the first."""
    wrong = [f"{question} is asked of one world only" for question in one.keys() ^ other.keys()]
    for question in one.keys() & other.keys():
        before, after = one[question], other[question]
        factor = (factors or {}).get(question.split(" ", 1)[0], 1)
        agree = before is after if before is None or after is None else close(before * factor, after)
        if not agree:
            wrong.append(f"{question}: {before} became {after}")
    return wrong
