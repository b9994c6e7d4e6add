"""Work: measures worked out for all periods and keys of a cut, from what was found for their leaves."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext

import numpy as np

from revgauge.catalogue.buckets import Key
from revgauge.catalogue.engine import to_decimal
from revgauge.catalogue.measures import (
    Arithmetic,
    At,
    Constant,
    Curve,
    Distinct,
    Explained,
    History,
    Leaf,
    Measure,
    Named,
    Noted,
    OfPeriod,
    Spread,
    Total,
    Uncut,
    Unknown,
    Worked,
    cut_leaves,
)
from revgauge.catalogue.series import PRECISION, ZERO, Numbers, Reasons, Series, apply, combine, over_runs
from revgauge.catalogue.spans import Days, Span
from revgauge.catalogue.tasks import Answers, Cut
from revgauge.model.period import Period


class Run(tuple[Period, ...]):  # noqa: SLOT001 - it keeps what follows from the periods
    """Periods for which something is worked out, with what follows from them kept: many measures share them."""

    def __init__(self, _periods: Iterable[Period] = ()) -> None:
        """Take the periods in their order."""
        self._hash = super().__hash__()
        self._days: dict[Span, list[Days]] = {}

    def __hash__(self) -> int:
        """That of the periods, told once."""
        return self._hash

    def days(self, leaf: Leaf) -> list[Days]:
        """The days that a leaf reads in each of the periods."""
        if leaf.span not in self._days:
            self._days[leaf.span] = [leaf.days(period) for period in self]
        return self._days[leaf.span]


def looked_at(history: History, periods: Iterable[Period]) -> Run:
    """Every period that a history looks at, once and in order."""
    return Run(sorted({one for period in periods for one in history.periods(period)}))


class Work:
    """Works measures out for the keys of one cut from what was found for their leaves."""

    def __init__(self, answers: Answers, reasons: Reasons, cut: Cut, keys: list[Key]) -> None:
        """Take the answers by the identity of their leaf and the cut."""
        self.answers = answers
        self.reasons = reasons
        self.cut = cut
        self.keys = keys
        self._known: dict[tuple[int, Run], Series] = {}
        self._statistics: dict[tuple[int, Run], dict[str, Numbers]] = {}
        self._wider: dict[Cut, Work] = {}

    def series(self, measure: Measure, periods: Iterable[Period]) -> Series:
        """The values of a measure in the periods."""
        run = periods if isinstance(periods, Run) else Run(periods)
        if not run:
            return Series.full((0, len(self.keys)), ZERO)
        key = (id(measure), run)
        if key not in self._known:
            self._known[key] = self._series(measure, run)
        return self._known[key]

    def _series(self, measure: Measure, periods: Run) -> Series:  # noqa: C901, PLR0911, PLR0912 - a kind each
        shape = (len(periods), len(self.keys))
        match measure:
            case Constant(value):
                return Series.full(shape, value)
            case Unknown(reason):
                return Series.null(shape, self.reasons.code(reason))
            case Arithmetic(operation, left, right, emptiness):
                code = self.reasons.code(emptiness or "there is nothing to divide by: the denominator is not above 0")
                return combine(operation, self.series(left, periods), self.series(right, periods), code)
            case Named(_, inner) | Explained(inner):
                return self.series(inner, periods)
            case At(inner, when):
                return self.series(inner, Run(when(period) for period in periods))
            case Uncut(inner):
                return self._uncut(measure, inner, periods)
            case History():
                return self._history(measure, periods)
            case OfPeriod():
                return self._of_periods(measure, periods, shape)
            case Worked(function, of, emptiness):
                return apply(function, [self.series(part, periods) for part in of], self.reasons.code(emptiness))
            case Noted(inner, mark, share, limit):
                return self._noted(self.series(inner, periods), mark, share, limit, periods)
            case Curve():
                return self._curve(measure, periods)
            case Spread():
                return self._spread(measure, periods)
            case Leaf():
                return self._leaf(measure, periods)
        raise TypeError(f"{type(measure).__name__} is no measure")

    def _noted(self, marked: Series, mark: str, share: Measure, limit: Decimal, periods: Run) -> Series:
        if any((id(leaf), self.cut.without(*uncut)) not in self.answers for leaf, uncut in cut_leaves(share)):
            return marked  # only the value was asked for, as by a listing of rows
        part = self.series(share, periods)
        return Series(marked.numbers, marked.codes, {**marked.marks, mark: (part.codes == 0) & (part.numbers >= limit)})

    def _uncut(self, measure: Uncut, inner: Measure, periods: Run) -> Series:
        """The values for the keys without the dimensions that do not matter, each given to all keys that share it."""
        cut = self.cut.without(measure)
        kept = [place for place, name in enumerate(self.cut.dimensions) if name in cut.dimensions]
        shared = [tuple(key[place] for place in kept) for key in self.keys]
        keys = sorted(set(shared))
        if cut not in self._wider:
            self._wider[cut] = Work(self.answers, self.reasons, cut, keys)
        found = self._wider[cut].series(inner, periods)
        columns = [keys.index(key) for key in shared]
        marks = {mark: grid[:, columns] for mark, grid in found.marks.items()}
        return Series(found.numbers[:, columns], found.codes[:, columns], marks)

    def _history(self, measure: History, periods: Run) -> Series:
        every = looked_at(measure, periods)
        place = {period: row for row, period in enumerate(every)}
        parts = [self.series(part, every) for part in measure.of]
        runs = [[place[one] for one in measure.periods(period)] for period in periods]
        return over_runs(measure.function, parts, runs, len(self.keys), self.reasons.code(measure.emptiness))

    def _of_periods(self, measure: OfPeriod, periods: Run, shape: tuple[int, int]) -> Series:
        series = Series.full(shape, ZERO)
        for row, period in enumerate(periods):
            found = measure.number(period)
            if found is None:
                series.codes[row] = self.reasons.code(measure.emptiness)
            else:
                series.numbers[row] = found
        return series

    def _places(self, keys: list[Key]) -> tuple[list[int], list[int]]:
        where = {key: place for place, key in enumerate(self.keys)}
        both = [(place, where[key]) for place, key in enumerate(keys) if key in where]
        return [there for there, _ in both], [here for _, here in both]

    def _leaf(self, leaf: Leaf, periods: Run) -> Series:
        shape = (len(periods), len(self.keys))
        answer = self.answers[id(leaf), self.cut]
        if answer.missing:
            return Series.null(shape, self.reasons.code(answer.missing))
        series = Series.full(shape, ZERO)
        there, here = self._places(answer.keys)
        spans = periods.days(leaf)
        found = np.stack([answer.numbers[days] for days in spans])[:, there]
        if isinstance(leaf, Distinct):  # counts come as they are, and none where a span has no row
            found = np.array([[Decimal(number or 0) for number in row] for row in found], dtype=object)
        series.numbers[:, here] = found
        if answer.gaps and isinstance(leaf, Total):
            gone = np.stack([answer.gaps[days] for days in spans])[:, there].astype(bool)
            series.codes[:, here] = np.where(gone, self.reasons.code(leaf.gap_reason), 0)
        return series

    def statistics(self, leaf: Spread, periods: Run) -> dict[str, Numbers]:
        """Mean, median, p90, deviation and number of cases of a spread, by period and key; None if not asked for."""
        key = (id(leaf), periods)
        if key not in self._statistics:
            with localcontext(prec=PRECISION):
                self._statistics[key] = self._of_spread(leaf, periods)
        return self._statistics[key]

    def _of_spread(self, leaf: Spread, periods: Run) -> dict[str, Numbers]:
        answer = self.answers[id(leaf), self.cut]
        shape = (len(periods), len(self.keys))
        measured = ("median", "p90", "deviation")
        found: dict[str, Numbers] = {name: np.full(shape, None, dtype=object) for name in ("mean", *measured, "cases")}
        there, here = self._places(answer.keys)
        found["cases"][:, here] = ZERO
        for row, days in enumerate(periods.days(leaf)):
            parts = {name: part[days] for name, part in answer.extras.items()}
            for place, column in zip(there, here, strict=True):
                if cases := parts["cases"][place]:
                    found["cases"][row, column] = Decimal(cases)
                    if "total" in parts:
                        found["mean"][row, column] = to_decimal(parts["total"][place]) / Decimal(cases)
                    for name in measured:
                        number = parts[name][place] if name in parts else None
                        if number is not None and number == number:  # noqa: PLR0124 - not a number is no number
                            found[name][row, column] = to_decimal(number)
        return found

    def _spread(self, leaf: Spread, periods: Run) -> Series:
        shape = (len(periods), len(self.keys))
        answer = self.answers[id(leaf), self.cut]
        if answer.missing:
            return Series.null(shape, self.reasons.code(answer.missing))
        series = Series.null(shape, self.reasons.code("no case ended in the period"))
        grid = self.statistics(leaf, periods)[leaf.statistic]
        known = np.array([[number is not None for number in row] for row in grid], dtype=bool).reshape(shape)
        series.numbers[known], series.codes[known] = grid[known], 0
        if "gaps" in answer.extras:
            there, here = self._places(answer.keys)
            gaps = np.stack([answer.extras["gaps"][days] for days in periods.days(leaf)])[:, there].astype(bool)
            series.codes[:, here] = np.where(gaps, self.reasons.code(leaf.gap_reason), series.codes[:, here])
        return series

    def _curve(self, leaf: Curve, periods: Run) -> Series:
        shape = (len(periods), len(self.keys))
        answer = self.answers[id(leaf), self.cut]
        if answer.missing:
            return Series.null(shape, self.reasons.code(answer.missing))
        series = Series.null(shape, self.reasons.code(leaf.emptiness))
        for row, period in enumerate(periods):
            for column, key in enumerate(self.keys):
                columns = answer.parts[leaf.days(period)].get(key)
                number = None if columns is None else leaf.function(period, *columns)
                if number is not None:
                    series.numbers[row, column], series.codes[row, column] = number, 0
        return series
