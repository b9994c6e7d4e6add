"""Exact numbers in bulk: integers of one scale, in machine words as long as those hold them.

A database gives a sum of money as a decimal with a fixed number of places. Read as an integer of the last place it can
be added, subtracted and multiplied without rounding, thousands at a time. Only what comes out of the arithmetic is made
a decimal again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from revgauge.catalogue.engine import to_decimal
from revgauge.catalogue.series import PRECISION, ZERO, Numbers

ROOM = 2.0**62
"""Numbers whose absolute values add up to less stay within machine words, however they are added and subtracted."""


@dataclass(frozen=True)
class Exact:
    """Numbers as integers of 10 to the power of minus `places`."""

    units: npt.NDArray[Any]
    """Machine words, or Python integers where a sum of them could leave those."""
    places: int = 0

    @classmethod
    def of(cls, numbers: Sequence[Decimal]) -> Exact:
        """Decimals, at the places of the finest of them."""
        places = max((-int(number.as_tuple().exponent) for number in numbers), default=0)
        places = max(places, 0)
        with localcontext(prec=PRECISION):
            units = np.array([int(number.scaleb(places)) for number in numbers], dtype=object)
        return cls(units, places)

    @classmethod
    def read(cls, column: pa.ChunkedArray) -> Exact:
        """A column of sums from the database; nothing added up is zero.

        Floating-point numbers, of which no scale is known, stay decimals that are as wide as they need to be.
        """
        rows = column.combine_chunks()
        if pa.types.is_decimal128(rows.type):
            return cls(_integers(rows), rows.type.scale)
        if pa.types.is_signed_integer(rows.type):
            words = rows.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
            return cls(words if _roomy(words) else words.astype(object))
        numbers = [ZERO if value is None else to_decimal(value) for value in rows.to_pylist()]
        return cls(np.array(numbers, dtype=object))

    def __getitem__(self, place: Any) -> Exact:
        """Those at some places."""
        return Exact(self.units[place], self.places)

    def __add__(self, other: Exact) -> Exact:
        """The sums."""
        return Exact(*_added(self, other, 1))

    def __sub__(self, other: Exact) -> Exact:
        """The differences."""
        return Exact(*_added(self, other, -1))

    def times(self, factors: Exact) -> Exact:
        """Each row times its factor."""
        return Exact(self.units.astype(object) * factors.units[:, np.newaxis], self.places + factors.places)

    def added_up(self) -> Exact:
        """Running totals: row n is the sum of the first n rows, so there is one row more."""
        none = np.zeros_like(self.units, shape=(1, *self.units.shape[1:]))
        with localcontext(prec=PRECISION):
            return Exact(np.add.accumulate(np.concatenate([none, self.units]), axis=0), self.places)

    def decimals(self) -> Numbers:
        """The numbers as decimals."""
        found: Numbers = np.full(self.units.shape, ZERO, dtype=object)
        here = self.units != 0
        with localcontext(prec=PRECISION):
            found[here] = self.units[here].astype(object) * Decimal(1).scaleb(-self.places)
        return found


def _added(one: Exact, other: Exact, sign: int) -> tuple[npt.NDArray[Any], int]:
    places = max(one.places, other.places)
    left, right = (each.units.astype(object) for each in (one, other))
    with localcontext(prec=PRECISION):
        if one.places < places:
            left = left * 10 ** (places - one.places)
        if other.places < places:
            right = right * 10 ** (places - other.places)
        return left + right if sign > 0 else left - right, places


def _integers(rows: pa.Array) -> npt.NDArray[Any]:
    """The integers that 128-bit decimals are kept as: two words each, the lower one first."""
    words = np.frombuffer(rows.buffers()[1] or b"", dtype=np.int64, offset=16 * rows.offset, count=2 * len(rows))
    filled = rows.is_valid().to_numpy(zero_copy_only=False)
    low, high = (np.where(filled, part, 0) for part in (words[0::2], words[1::2]))
    if (high == low >> 63).all() and _roomy(low):
        return low
    wide: npt.NDArray[Any] = high.astype(object) * 2**64 + low.view(np.uint64).astype(object)
    return wide


def _roomy(words: npt.NDArray[np.int64]) -> bool:
    """Whether all sums and differences of the numbers are machine words too."""
    return bool(np.abs(words.astype(np.float64)).sum() < ROOM)
