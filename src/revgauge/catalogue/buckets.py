"""Buckets: sums between the days on which spans begin or end, and the running totals that give the sum of any span.

The rows are summed by bucket in the database. Here they are laid out in a grid, a row for each bucket and a column for
each key of each cut, and added up from the first bucket on; the sum of a span is then the difference of two rows.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Sequence
from datetime import date
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import ibis
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from revgauge.catalogue.engine import day_literal
from revgauge.catalogue.exact import Exact
from revgauge.catalogue.facts import UNKNOWN
from revgauge.catalogue.spans import Days
from revgauge.model.period import DAY

Key = tuple[str, ...]
Dimensions = tuple[str, ...]
Places = npt.NDArray[np.int64]


class Summand(NamedTuple):
    """A column of sums, and the condition that rows have to meet to be among them."""

    column: str
    condition: int | None = None
    """Its place among the conditions of which the column `met` tells those that hold; none: all rows count."""


FEW = 6
"""Up to this many days a bucket is told by comparing with each of them."""


def bucket(day: Any, edges: Sequence[date]) -> Any:
    """Where between the edges a day lies: by number if they are few, else by what `days_of` makes a day of again.

    That is the number of its month, with the number of the edges within months that it has passed; or the day itself
    where such edges are many.
    """
    if not edges:
        return ibis.literal(0).cast("int64")
    if len(edges) <= FEW:
        return _passed(day, edges).cast("int64")
    odd = _within_months(edges)
    if len(odd) > FEW:
        return day
    # Year and month are read from a day faster than the first day of its month is worked out.
    month = 12 * day.year().cast("int32") + day.month().cast("int32")
    return ((len(odd) + 1) * month + _passed(day, odd) if odd else month).cast("int32")


def days_of(buckets: npt.NDArray[Any], edges: Sequence[date]) -> npt.NDArray[Any]:
    """A day that lies in each of the buckets of many edges."""
    if np.issubdtype(buckets.dtype, np.datetime64):
        return buckets.astype("datetime64[D]")
    odd = np.array(_within_months(edges), dtype="datetime64[D]")
    month, passed = np.divmod(buckets.astype(np.int64), len(odd) + 1)
    firsts = (month - 1 - 12 * 1970).astype("datetime64[M]").astype("datetime64[D]")
    latest = np.append(np.datetime64(date.min, "D"), odd)[passed]
    found: npt.NDArray[Any] = np.maximum(firsts, latest)
    return found


def _within_months(edges: Sequence[date]) -> list[date]:
    return [edge for edge in edges if edge.day != 1]


def _passed(day: Any, edges: Sequence[date]) -> Any:
    """How many of the edges a day has passed."""
    return functools.reduce(operator.add, (ibis.ifelse(day >= day_literal(edge), 1, 0) for edge in edges))


class Keyed:
    """The rows of one pass, cut by cut, each with the column of a grid in which its key stands.

    A row belongs to the cut whose dimensions are filled. The columns of a cut stand side by side, in the order of its
    keys.
    """

    def __init__(self, rows: pa.Table, cuts: Sequence[Dimensions], *, whole_of_parts: bool = False) -> None:
        """Sort the rows into the cuts; the columns `cut_n` hold the values of their dimensions.

        With `whole_of_parts` no row belongs to the whole: it is made of the rows of the cut that has the fewest.
        """
        self._table = rows
        ranked = {name: _ranked(rows[f"cut_{name}"]) for cut in cuts for name in cut}
        parts = [cut for cut in cuts if cut or not whole_of_parts]
        alone = len({frozenset(cut) for cut in parts}) == 1

        def of_cut(cut: Dimensions) -> Places:
            if alone:
                return np.arange(rows.num_rows)
            return np.flatnonzero(
                np.all([(ranks >= 0) == (name in cut) for name, (_, ranks) in ranked.items()], axis=0)
            )

        rows_of = {cut: of_cut(cut) for cut in parts}
        if whole_of_parts:
            rows_of[()] = min(rows_of.values(), key=len)
        self._keys: dict[Dimensions, list[Key]] = {}
        found: list[Places] = []
        places: list[Places] = []
        for cut in cuts:
            mine = rows_of[cut]
            keys, columns = _keys([(ranked[name][0], ranked[name][1][mine]) for name in cut], len(mine))
            found.append(mine)
            places.append(columns + sum(map(len, self._keys.values())))
            self._keys[cut] = keys
        ends = accumulate((len(keys) for keys in self._keys.values()), initial=0)
        self._columns = dict(zip(self._keys, (slice(*pair) for pair in pairwise(ends)), strict=True))
        self.index: Places = np.concatenate(found)
        """The numbers of the rows in the table."""
        self.places: Places = np.concatenate(places)
        """For each row its column of the grid."""
        self.width = sum(map(len, self._keys.values()))

    def keys(self, cut: Dimensions) -> list[Key]:
        """The different values of a cut, in order."""
        return self._keys[cut]

    def columns(self, cut: Dimensions) -> slice:
        """The columns of the grid that belong to a cut."""
        return self._columns[cut]

    def numbers(self, name: str) -> Exact:
        """A column of sums, row by row."""
        return Exact.read(self._table[name])[self.index]

    def values(self, name: str) -> npt.NDArray[Any]:
        """A column, row by row: days as NumPy has them, everything else as it came."""
        column = self._table[name]
        if pa.types.is_date(column.type):
            return self.buckets(name)
        return np.array(column.to_pylist(), dtype=object)[self.index]

    def buckets(self, name: str = "bucket") -> npt.NDArray[Any]:
        """The bucket of each row: its number, or a day that lies in it."""
        found: npt.NDArray[Any] = self._table[name].to_numpy()[self.index]
        return found.astype("datetime64[D]") if pa.types.is_temporal(self._table[name].type) else found

    def words(self, name: str) -> tuple[list[str], Places]:
        """The different values of a column of text, in order, and for each row the number of its own."""
        values, places = _ranked(self._table[name].fill_null(UNKNOWN))
        return values, places[self.index]


def _ranked(column: pa.ChunkedArray) -> tuple[list[str], Places]:
    """The different values of a column, in order, and for each row the place of its own; -1 where it is empty."""
    encoded = column.dictionary_encode().combine_chunks()
    values = encoded.dictionary.to_pylist()
    indices = encoded.indices.cast(pa.int64()).fill_null(len(values)).to_numpy(zero_copy_only=False)
    # A column that came with a dictionary need not have all of its values.
    present = np.bincount(indices, minlength=len(values) + 1)[:-1].tolist()
    ordered = sorted({value for value, rows in zip(values, present, strict=True) if rows})
    place = {value: number for number, value in enumerate(ordered)}
    ranks = np.array([*(place.get(value, -1) for value in values), -1], dtype=np.int64)
    return ordered, ranks[indices]


def _keys(dimensions: Sequence[tuple[list[str], Places]], rows: int) -> tuple[list[Key], Places]:
    """The different keys of some rows, in order, and for each row the place of its own."""
    keys: list[Key] = [()]
    places: Places = np.zeros(rows, dtype=np.int64)
    for values, ranks in dimensions:
        both, places = np.unique(places * len(values) + ranks, return_inverse=True)
        keys = [(*keys[number // len(values)], values[number % len(values)]) for number in both.tolist()]
    return keys, places


class Sums:
    """Running totals over buckets, by key and, where amounts keep their currency, by currency."""

    def __init__(self, keyed: Keyed, edges: Sequence[date], *, by_currency: bool) -> None:
        """Lay out rows that were summed by their `bucket` between the edges, and by `in_currency`."""
        self._keyed = keyed
        self._edges = np.array(edges, dtype="datetime64[D]")
        self._height = len(edges) + 1
        buckets = keyed.buckets()
        if len(edges) > FEW:
            buckets = np.searchsorted(self._edges, days_of(buckets, edges), side="right")
        self._cells = buckets * keyed.width + keyed.places
        self._first: Places = np.full(keyed.width, self._height, dtype=np.int64)
        np.minimum.at(self._first, keyed.places, buckets)
        self.currencies: list[str] = []
        """The currencies of the amounts, in order."""
        self._of_currency: dict[str, Places] = {}
        if by_currency:
            self.currencies, places = keyed.words("in_currency")
            self._of_currency = {name: np.flatnonzero(places == n) for n, name in enumerate(self.currencies)}
        self._read: dict[str, Exact] = {}
        self._met: Places | None = None
        self._running: dict[tuple[Summand, str | None], Exact] = {}

    def over(self, summand: Summand, spans: Sequence[Days], within: Places, currency: str | None = None) -> Exact:
        """The sums of a summand over each of the spans (rows) for some columns of the grid.

        A span that ends before it begins holds nothing.
        """
        firsts = np.array([days.first or date.min for days in spans], dtype="datetime64[D]")
        low = np.searchsorted(self._edges, firsts, side="right")
        high = np.maximum(self._behind([days.last for days in spans]), low)
        running = self._totals(summand, currency)
        # A column that was read has room in its words for all sums, and so for what lies between two of them.
        return Exact(running.units[np.ix_(high, within)] - running.units[np.ix_(low, within)], running.places)

    def _behind(self, last: Sequence[date]) -> Places:
        """For each day the number of the bucket that follows it."""
        ends = np.array([day + DAY for day in last], dtype="datetime64[D]")
        place = np.searchsorted(self._edges, ends, side="left")
        behind = np.append(self._edges, np.datetime64("NaT"))
        return np.where(behind[place] == ends, place + 1, self._height)

    def begun(self, last: date) -> npt.NDArray[np.bool_]:
        """For each column of the grid whether any row stands on a day or before it."""
        found: npt.NDArray[np.bool_] = self._first < self._behind([last])[0]
        return found

    def _totals(self, summand: Summand, currency: str | None) -> Exact:
        """Row n is the sum of the first n buckets."""
        if (summand, currency) not in self._running:
            if summand.column not in self._read:
                self._read[summand.column] = self._keyed.numbers(summand.column)
            numbers, cells = self._read[summand.column], self._cells
            mine = self._counting(summand, currency)
            if mine is not None:
                numbers, cells = numbers[mine], cells[mine]
            grid = np.full(self._height * self._keyed.width, 0, numbers.units.dtype)
            np.add.at(grid, cells, numbers.units)
            laid = Exact(grid.reshape(self._height, self._keyed.width), numbers.places)
            self._running[summand, currency] = laid.added_up()
        return self._running[summand, currency]

    def _counting(self, summand: Summand, currency: str | None) -> Places | None:
        """The rows that count for a summand in a currency; None: all of them."""
        mine = None if currency is None else self._of_currency[currency]
        if summand.condition is None:
            return mine
        if self._met is None:
            self._met = self._keyed.numbers("met").units
        met = (self._met >> summand.condition) & 1
        return np.flatnonzero(met) if mine is None else mine[np.flatnonzero(met[mine])]
