"""Work: measures worked out for all periods and keys of a cut, from what was found for their leaves."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt

from revgauge.catalogue.buckets import Key
from revgauge.catalogue.engine import to_decimal
from revgauge.catalogue.exact import PRECISION, ZERO, Exact, Numbers
from revgauge.catalogue.measures import (
    Arithmetic,
    At,
    Constant,
    Curve,
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
from revgauge.catalogue.series import Reasons, Series, apply, combine, over_runs
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
                return self._of_periods(measure, periods)
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
        marks = {**marked.marks, mark: (part.codes == 0) & (part.decimals >= limit)}
        return Series(marked.numbers, marked.codes, marks)

    def _uncut(self, measure: Uncut, inner: Measure, periods: Run) -> Series:
        """The values for the keys without the dimensions that do not matter, each given to all keys that share it."""
        cut = self.cut.without(measure)
        kept = [place for place, name in enumerate(self.cut.dimensions) if name in cut.dimensions]
        shared = [tuple(key[place] for place in kept) for key in self.keys]
        keys = sorted(set(shared))
        if cut not in self._wider:
            self._wider[cut] = Work(self.answers, self.reasons, cut, keys)
        found = self._wider[cut].series(inner, periods)
        place = {key: column for column, key in enumerate(keys)}
        return found[:, [place[key] for key in shared]]

    def _history(self, measure: History, periods: Run) -> Series:
        every = looked_at(measure, periods)
        place = {period: row for row, period in enumerate(every)}
        parts = [self.series(part, every) for part in measure.of]
        runs = [[place[one] for one in measure.periods(period)] for period in periods]
        return over_runs(measure.function, parts, runs, len(self.keys), self.reasons.code(measure.emptiness))

    def _of_periods(self, measure: OfPeriod, periods: Run) -> Series:
        found = [measure.number(period) for period in periods]
        numbers = Exact.of([ZERO if number is None else number for number in found])
        codes = [self.reasons.code(measure.emptiness) if number is None else 0 for number in found]
        of_one_key = Series(numbers[:, np.newaxis], np.array(codes, dtype=np.int32)[:, np.newaxis])
        return of_one_key[:, np.zeros(len(self.keys), dtype=np.int64)]

    def _places(self, keys: list[Key]) -> tuple[list[int], list[int]]:
        where = {key: place for place, key in enumerate(self.keys)}
        both = [(place, where[key]) for place, key in enumerate(keys) if key in where]
        return [there for there, _ in both], [here for _, here in both]

    def _leaf(self, leaf: Leaf, periods: Run) -> Series:
        shape = (len(periods), len(self.keys))
        answer = self.answers[id(leaf), self.cut]
        if answer.missing:
            return Series.null(shape, self.reasons.code(answer.missing))
        assert answer.numbers is not None  # noqa: S101 - only a spread and a curve have none
        there, here = self._places(answer.keys)
        found = answer.rows_of(periods.days(leaf)), there
        codes = np.zeros(shape, dtype=np.int32)
        if answer.gaps is not None and isinstance(leaf, Total):
            codes[:, here] = np.where(answer.gaps[found], self.reasons.code(leaf.gap_reason), 0)
        if isinstance(answer.numbers, Exact):
            units = _laid(answer.numbers.units[found], shape, here, 0)
            return Series(Exact(units, answer.numbers.places), codes)
        return Series(_laid(answer.numbers[found], shape, here, ZERO), codes)

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
            parts = {name: part[answer.rows[days]] for name, part in answer.extras.items()}
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
        numbers = self.statistics(leaf, periods)[leaf.statistic].copy()
        unknown = np.array([[number is None for number in row] for row in numbers], dtype=bool).reshape(shape)
        numbers[unknown] = ZERO
        codes = np.where(unknown, self.reasons.code("no case ended in the period"), 0).astype(np.int32)
        if "gaps" in answer.extras:
            there, here = self._places(answer.keys)
            found = answer.rows_of(periods.days(leaf)), there
            gaps = answer.extras["gaps"][found].astype(bool)
            codes[:, here] = np.where(gaps, self.reasons.code(leaf.gap_reason), codes[:, here])
        return Series(numbers, codes)

    def _curve(self, leaf: Curve, periods: Run) -> Series:
        shape = (len(periods), len(self.keys))
        answer = self.answers[id(leaf), self.cut]
        if answer.missing:
            return Series.null(shape, self.reasons.code(answer.missing))
        numbers = np.full(shape, ZERO, dtype=object)
        codes = np.full(shape, self.reasons.code(leaf.emptiness), dtype=np.int32)
        for row, period in enumerate(periods):
            for column, key in enumerate(self.keys):
                columns = answer.parts[leaf.days(period)].get(key)
                number = None if columns is None else leaf.function(period, *columns)
                if number is not None:
                    numbers[row, column], codes[row, column] = number, 0
        return Series(numbers, codes)


def _laid(
    found: npt.NDArray[Any], shape: tuple[int, int], columns: Sequence[int], nothing: int | Decimal
) -> npt.NDArray[Any]:
    """A grid with what was found in some columns, and nothing in the others."""
    grid = np.full(shape, nothing, found.dtype)
    grid[:, columns] = found
    return grid
