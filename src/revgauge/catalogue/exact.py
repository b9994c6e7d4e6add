"""Exact numbers in bulk: integers of one scale, in machine words as long as those hold them.

A database gives a sum of money as a decimal with a fixed number of places. Read as an integer of the last place it can
be added, subtracted and multiplied without rounding, thousands at a time, and be published as it is; even a quotient of
two such integers is rounded with integers. A decimal is made only for what asks for one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from revgauge.catalogue.engine import to_decimal

Numbers = npt.NDArray[np.object_]
"""Decimals."""

PRECISION = 50
"""Digits of a decimal in between: room for the widest sums and their quotients."""

ZERO = Decimal(0)

WORD, HALF = 2**64 - 1, 2**32 - 1
"""All bits of a machine word, and those of its lower half."""

BILLION = 10**9
"""The largest power of ten that leaves room for itself in a half of a machine word."""

ROOM = 2.0**62
"""Two numbers of a smaller absolute value can be added and subtracted within machine words."""


@dataclass(frozen=True)
class Exact:
    """Numbers as integers of 10 to the power of minus `places`."""

    units: npt.NDArray[Any]
    """Machine words, or Python integers where those are too short."""
    places: int = 0

    @classmethod
    def of(cls, numbers: Sequence[Decimal]) -> Exact:
        """Decimals, at the places of the finest of them."""
        places = max((-int(number.as_tuple().exponent) for number in numbers), default=0)
        places = max(places, 0)
        with localcontext(prec=PRECISION):
            units = np.array([int(number.scaleb(places)) for number in numbers], dtype=object)
        return cls(units.astype(np.int64) if np.abs(units).sum() < ROOM else units, places)

    @classmethod
    def full(cls, shape: tuple[int, int], number: Decimal) -> Exact:
        """The same number everywhere."""
        one = cls.of([number])
        return cls(np.full(shape, one.units[0], one.units.dtype), one.places)

    @classmethod
    def read(cls, column: pa.ChunkedArray) -> Exact:
        """A column of sums from the database, which can be added up in any order; nothing added up is zero.

        Floating-point numbers, of which no scale is known, are the shortest decimals that stand for them.
        """
        rows = column.combine_chunks()
        if pa.types.is_decimal128(rows.type):
            return cls(*_read(rows))
        if pa.types.is_signed_integer(rows.type):
            words = rows.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
            return cls(words if _roomy(words) else words.astype(object))
        return cls.of([ZERO if value is None else to_decimal(value) for value in rows.to_pylist()])

    def __getitem__(self, place: Any) -> Exact:
        """Those at some places."""
        return Exact(self.units[place], self.places)

    def __neg__(self) -> Exact:
        """The same with the other sign."""
        return Exact(-self.units, self.places)

    def __add__(self, other: Exact) -> Exact:
        """The sums."""
        if not isinstance(other, Exact):
            return NotImplemented
        left, right = _aligned(self, other)
        return Exact(left + right, max(self.places, other.places))

    def __sub__(self, other: Exact) -> Exact:
        """The differences."""
        if not isinstance(other, Exact):
            return NotImplemented
        left, right = _aligned(self, other)
        return Exact(left - right, max(self.places, other.places))

    def __mul__(self, other: Exact) -> Exact:
        """The products."""
        left, right = self.units, other.units
        if _reach(left) * _reach(right) >= ROOM:
            left = left.astype(object)
        return Exact(left * right, self.places + other.places)

    def __truediv__(self, other: Exact) -> Quotient:
        """The quotients; divisors are above zero."""
        return Quotient(self, other)

    def added_up(self) -> Exact:
        """Running totals: row n is the sum of the first n rows, so there is one row more."""
        units = self.units if self.units.dtype == object or _roomy(self.units) else self.units.astype(object)
        none = np.zeros_like(units, shape=(1, *units.shape[1:]))
        return Exact(np.add.accumulate(np.concatenate([none, units]), axis=0), self.places)

    def decimals(self) -> Numbers:
        """The numbers as decimals."""
        found: Numbers = np.full(self.units.shape, ZERO, dtype=object)
        here = self.units != 0
        with localcontext(prec=PRECISION):
            found[here] = self.units[here].astype(object) * Decimal(1).scaleb(-self.places)
        return found

    def rounded(self, places: int) -> Exact:
        """The numbers with no more than these places, half to even."""
        if self.places <= places:
            return self
        divisor = 10 ** (self.places - places)
        units = self.units if divisor < ROOM else self.units.astype(object)
        return Exact(_half_to_even(*_divided(units, divisor), divisor), places)

    def column(self, kind: pa.Decimal128Type, missing: npt.NDArray[np.bool_]) -> pa.Array:
        """The numbers one after the other as a column, rounded half to even; empty where one is missing."""
        found = self.rounded(kind.scale)
        units = np.where(missing, 0, found.units).ravel()
        wanting = kind.scale - found.places
        units = _scaled(units, 10 ** max(wanting - 9, 0))
        words = _double(units, 10 ** min(wanting, 9))
        valid = pa.py_buffer(np.packbits(~missing, bitorder="little")) if missing.any() else None
        column = pa.Array.from_buffers(kind, units.size, [valid, pa.py_buffer(words)])
        if units.dtype == object:
            column.validate(full=True)
        return column


@dataclass(frozen=True)
class Quotient:
    """Numbers divided by numbers above zero, and what is added to that."""

    above: Exact
    below: Exact
    plus: Exact | None = None

    def __getitem__(self, place: Any) -> Quotient:
        """Those at some places."""
        return Quotient(self.above[place], self.below[place], None if self.plus is None else self.plus[place])

    def __add__(self, other: Exact) -> Quotient:
        """The sums with exact numbers."""
        return Quotient(self.above, self.below, other if self.plus is None else self.plus + other)

    __radd__ = __add__

    def __sub__(self, other: Exact) -> Quotient:
        """The differences."""
        return self + -other

    def __rsub__(self, other: Exact) -> Quotient:
        """Exact numbers without these."""
        return Quotient(-self.above, self.below, other if self.plus is None else other - self.plus)

    def decimals(self) -> Numbers:
        """The numbers as decimals."""
        with localcontext(prec=PRECISION):
            found: Numbers = self.above.decimals() / self.below.decimals()
            return found if self.plus is None else found + self.plus.decimals()

    def rounded(self, places: int) -> Exact:
        """The numbers with no more than these places, half to even: a long division, many digits at a time."""
        dividend = self.above if self.plus is None else self.above + self.plus * self.below
        above, below = _aligned(dividend, self.below)
        step = int(math.log10(ROOM / _reach(below))) if above.dtype == below.dtype == np.int64 else 0
        if step == 0:  # Python integers have room for all digits at once
            above, below, step = above.astype(object), below.astype(object), max(places, 1)
        whole, rest = _divided(above, below)
        digits = np.zeros_like(rest)
        for begin in range(0, places, step):
            power = 10 ** min(step, places - begin)
            more, rest = _divided(rest * power, below)
            digits = digits * power + more
        return Exact(whole) + Exact(_half_to_even(digits, rest, below), places)

    def column(self, kind: pa.Decimal128Type, missing: npt.NDArray[np.bool_]) -> pa.Array:
        """The numbers one after the other as a column, rounded half to even; empty where one is missing."""
        return self.rounded(kind.scale).column(kind, missing)


def _aligned(one: Exact, other: Exact) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """The integers of both at the same places, in words where they can be added and subtracted in those."""
    places = max(one.places, other.places)
    return _scaled(one.units, 10 ** (places - one.places)), _scaled(other.units, 10 ** (places - other.places))


def _scaled(units: npt.NDArray[Any], factor: int) -> npt.NDArray[Any]:
    return (units if _reach(units) * factor < ROOM else units.astype(object)) * factor


def _divided(above: npt.NDArray[Any], below: Any) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Quotients rounded down, and what they leave: `divmod`, which NumPy has for machine words alone."""
    whole = above // below
    return whole, above - whole * below


def _half_to_even(whole: npt.NDArray[Any], rest: npt.NDArray[Any], divisor: Any) -> npt.NDArray[Any]:
    """What a division gave, one more where what it left is more than a half, or a half beside an odd number."""
    over = divisor - rest
    found: npt.NDArray[Any] = whole + ((rest > over) | ((rest == over) & (whole % 2 == 1)))
    return found


def _read(rows: pa.Array) -> tuple[npt.NDArray[Any], int]:
    """The integers that 128-bit decimals are kept as, without places that none of them uses, and the places left.

    Sums are kept wider than amounts and rates mostly are, and what has few places has room in machine words.
    """
    words = np.frombuffer(rows.buffers()[1] or b"", dtype=np.int64, offset=16 * rows.offset, count=2 * len(rows))
    filled = rows.is_valid().to_numpy(zero_copy_only=False)
    low, high = (np.where(filled, part, 0) for part in (words[0::2], words[1::2]))
    short = bool((high == low >> 63).all())
    common = int(np.gcd.reduce(low if short else _long_division(low, high, BILLION)[1]))
    spare = next(spare for spare in range(min(9, rows.type.scale), -1, -1) if common % 10**spare == 0)
    divisor, places = 10**spare, rows.type.scale - spare
    if short:
        units = low // divisor
        return units if _roomy(units) else units.astype(object), places
    if np.abs(high * 2.0**64 / divisor).sum() + len(rows) * 2.0**64 / divisor < ROOM:
        return _long_division(low, high, divisor)[0], places
    return (high.astype(object) * 2**64 + low.view(np.uint64).astype(object)) // divisor, places


def _double(units: npt.NDArray[Any], factor: int) -> npt.NDArray[np.int64]:
    """Integers, times one of up to a billion, in two words each: as 128-bit decimals are kept."""
    words = np.empty((units.size, 2), dtype=np.int64)
    if units.dtype == object:
        wide = units * factor
        words[:, 0] = (wide & WORD).astype(np.uint64).view(np.int64)
        words[:, 1] = wide >> 64
    else:
        lower = (units & HALF) * factor
        upper = (units >> 32) * factor + (lower >> 32)
        words[:, 0] = upper << 32 | lower & HALF
        words[:, 1] = upper >> 32
    return words


def _long_division(
    low: npt.NDArray[np.int64], high: npt.NDArray[np.int64], divisor: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Integers of two words, divided by one of up to a billion: the lower words of the quotients, and the remainders.

    By halves of a word, as on paper by digits: what is left of one goes before the next.
    """
    _, rest = _divided(high, divisor)
    upper, rest = _divided(rest << 32 | low >> 32 & HALF, divisor)
    lower, rest = _divided(rest << 32 | low & HALF, divisor)
    return upper << 32 | lower, rest


def _roomy(words: npt.NDArray[np.int64]) -> bool:
    """Whether all sums and differences of the numbers are machine words too."""
    return bool(np.abs(words.astype(np.float64)).sum() < ROOM)


def _reach(units: npt.NDArray[Any]) -> float:
    """The largest absolute value, at least 1; without bound for Python integers, of which it is not asked."""
    return math.inf if units.dtype == object else float(np.abs(units.astype(np.float64)).max(initial=1.0))
