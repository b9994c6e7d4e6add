"""Values of any metric, for tables that are made of them: the actuals that a forecast or a plan is held against.

Such a table is made in the middle of an evaluation, so the values come from an evaluation of their own over the same
tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from revgauge.catalogue.params import ParamError
from revgauge.catalogue.registry import Catalogue, UnknownName
from revgauge.model.period import Period


@dataclass(frozen=True)
class Known:
    """A value, or the reason for which there is none."""

    value: Decimal | None
    reason: str = ""


class Answered(Protocol):
    """What an evaluation says of one period and cut."""

    @property
    def period(self) -> Period:
        """Of which period."""

    @property
    def dimensions(self) -> Mapping[str, str]:
        """Of which cut."""

    @property
    def value(self) -> Decimal | None:
        """The value."""

    @property
    def reason(self) -> str:
        """Why there is none."""


Ask = Callable[[str, tuple[Period, ...], tuple[str, ...], Mapping[str, str]], Iterable[Answered]]
"""Asks for a metric in periods of one grain, split by dimensions, limited to values of them."""


@dataclass
class ValuesOf:
    """Values of metrics under their default parameters."""

    catalogue: Catalogue
    ask: Ask
    _asked: set[str] = field(default_factory=set)

    def names(self, metric: str) -> tuple[str, ...]:
        """The name of a metric and its short forms, in small letters; UnknownName if there is no such metric."""
        name = self.catalogue.metric(metric).name
        return (name, *(alias for alias, meant in self.catalogue.aliases.items() if meant == name))

    def of(self, metric: str, periods: Iterable[Period]) -> dict[Period, Known]:
        """The value of a metric in each of the periods."""
        return {
            one.period: Known(one.value, one.reason)
            for run in _runs(list(periods))
            for one in self._answers(metric, run, (), {})
        }

    def by(
        self, metric: str, periods: Iterable[Period], dimension: str, values: Iterable[str]
    ) -> dict[tuple[str, Period], Known]:
        """The value of a metric in each of the periods for each of these values of a dimension."""
        wanted = list(dict.fromkeys(values))
        known: dict[tuple[str, Period], Known] = {}
        for run in _runs(list(periods)):
            found = self._answers(metric, run, (dimension,), {})
            known |= {(one.dimensions[dimension], one.period): Known(one.value, one.reason) for one in found}
            absent = [value for value in wanted if (value, run[0]) not in known]
            if absent:  # no row of the run has them, so what holds for one holds for all
                alike = self._answers(metric, run, (), {dimension: absent[0]})
                known |= {(value, one.period): Known(one.value, one.reason) for value in absent for one in alike}
        return known

    def _answers(
        self, metric: str, periods: tuple[Period, ...], by: tuple[str, ...], only: Mapping[str, str]
    ) -> list[Answered]:
        if metric in self._asked:
            return _none(periods, only, f"{metric} is defined by itself")
        self._asked.add(metric)
        try:
            return list(self.ask(metric, periods, by, only))
        except (UnknownName, ParamError) as problem:
            return [] if by else _none(periods, only, str(problem))
        finally:
            self._asked.discard(metric)


@dataclass(frozen=True)
class _Nothing:
    period: Period
    dimensions: Mapping[str, str]
    reason: str
    value: Decimal | None = None


def _none(periods: Sequence[Period], only: Mapping[str, str], reason: str) -> list[Answered]:
    return [_Nothing(period, only, reason) for period in periods]


def _runs(periods: Sequence[Period]) -> list[tuple[Period, ...]]:
    """The periods in groups that can be asked for together: of one grain, in order, none overlapping another."""
    runs: list[list[Period]] = []
    for period in sorted(set(periods), key=lambda one: (one.grain, one.start, one.end)):
        fitting = (run for run in runs if run[-1].grain == period.grain and run[-1].end <= period.start)
        run = next(fitting, None)
        if run is None:
            runs.append([period])
        else:
            run.append(period)
    return [tuple(run) for run in runs]
