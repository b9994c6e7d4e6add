"""Values for all periods and cuts at once, exact, each null with its reason.

A series is a grid: a row for each period, a column for each value of the cut. Sums of money, their products and their
quotients are kept as integers; what comes out of other arithmetic are decimals. Where a number cannot be told the grid
holds any number, and the code of a reason.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from revgauge.catalogue.exact import PRECISION, ZERO, Exact, Numbers, Quotient

Codes = npt.NDArray[np.int32]

_ONE = np.array(Decimal(1), dtype=object)


class Reasons:
    """Why values are null, by code; 0 is no reason: the value stands."""

    def __init__(self) -> None:
        """Start with the code of values that stand."""
        self.texts: list[str] = [""]
        """The texts, by code."""
        self._codes: dict[str, int] = {"": 0}

    def code(self, text: str) -> int:
        """The code of a reason."""
        if text not in self._codes:
            self._codes[text] = len(self.texts)
            self.texts.append(text)
        return self._codes[text]

    def text(self, code: int) -> str:
        """The reason of a code."""
        return self.texts[code]


@dataclass(frozen=True)
class Series:
    """Numbers and codes of reasons, each for each period (rows) and value of the cut (columns)."""

    numbers: Exact | Quotient | Numbers
    codes: Codes
    marks: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)

    @classmethod
    def full(cls, shape: tuple[int, int], number: Decimal) -> Series:
        """The same number everywhere."""
        return cls(Exact.full(shape, number), np.zeros(shape, dtype=np.int32))

    @classmethod
    def null(cls, shape: tuple[int, int], code: int) -> Series:
        """Null everywhere, for one reason."""
        return cls(Exact.full(shape, ZERO), np.full(shape, code, dtype=np.int32))

    @cached_property
    def decimals(self) -> Numbers:
        """The numbers as decimals."""
        return self.numbers if isinstance(self.numbers, np.ndarray) else self.numbers.decimals()

    def at(self, row: int, column: int) -> Decimal | None:
        """One number; None where there is none."""
        number: Decimal | None = None if self.codes[row, column] else self.decimals[row, column]
        return number

    def __getitem__(self, place: Any) -> Series:
        """The same for some periods and values of the cut."""
        return Series(self.numbers[place], self.codes[place], {mark: grid[place] for mark, grid in self.marks.items()})

    def with_reason(self, where: npt.NDArray[np.bool_], code: int) -> Series:
        """Null where the condition holds, unless it was null already."""
        codes = np.where((self.codes == 0) & where, code, self.codes).astype(np.int32)
        return Series(self.numbers, codes, self.marks)

    def column(self, kind: pa.Decimal128Type) -> pa.Array:
        """The numbers, period by period, as a column that has them rounded once, half to even."""
        missing = self.codes != 0
        if not isinstance(self.numbers, np.ndarray):
            return self.numbers.column(kind, missing)
        places = Decimal(1).scaleb(-kind.scale)
        listed = zip(self.numbers.ravel().tolist(), missing.ravel().tolist(), strict=True)
        with localcontext(prec=PRECISION, rounding=ROUND_HALF_EVEN):
            return pa.array([None if gone else number.quantize(places) for number, gone in listed], kind)


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


def combine(sign: str, left: Series, right: Series, emptiness: int) -> Series:
    """Both joined by an operation; a divisor of zero or below gives null with the code `emptiness`."""
    codes = np.where(left.codes != 0, left.codes, right.codes)
    marks = {**left.marks, **right.marks}
    one: Any = left.numbers
    other: Any = right.numbers
    exact = isinstance(one, Exact) and isinstance(other, Exact)
    if not exact and (sign not in "+-" or {type(one), type(other)} != {Exact, Quotient}):
        one, other = left.decimals, right.decimals
    with localcontext(prec=PRECISION):
        if sign == "/":
            empty = (other.units if exact else other) <= 0
            codes = np.where((codes == 0) & empty, np.int32(emptiness), codes)
            # Whatever stands where there is nothing to divide by, a quotient has to be worked out.
            other = Exact(np.where(empty, 1, other.units), other.places) if exact else np.where(empty, _ONE, other)
        return Series(_OPERATIONS[sign](one, other), codes, marks)


def apply(function: Callable[..., Decimal | None], parts: list[Series], emptiness: int) -> Series:
    """A function of the numbers of each cell; None gives null with the code `emptiness`."""
    codes = parts[0].codes
    for part in parts[1:]:
        codes = np.where(codes != 0, codes, part.codes)
    numbers = np.full(codes.shape, ZERO, dtype=object)
    codes = codes.copy()
    grids = [part.decimals for part in parts]
    with localcontext(prec=PRECISION):
        for place in zip(*np.nonzero(codes == 0), strict=True):
            number = function(*[grid[place] for grid in grids])
            if number is None:
                codes[place] = emptiness
            else:
                numbers[place] = number
    return Series(numbers, codes)


def over_runs(
    function: Callable[..., Decimal | None],
    parts: Sequence[Series],
    runs: Sequence[Sequence[int]],
    width: int,
    emptiness: int,
) -> Series:
    """For each run of rows a function of what the parts hold in them; None gives null with the code `emptiness`.

    A number that is null in the run makes the value null for the same reason.
    """
    numbers = np.full((len(runs), width), ZERO, dtype=object)
    reasons = np.zeros(numbers.shape, dtype=np.int32)
    with localcontext(prec=PRECISION):
        for row, run in enumerate(runs):
            rows = list(run)
            for column in range(width):
                codes = [int(code) for part in parts for code in part.codes[rows, column] if code]
                number = None if codes else function(*(list(part.decimals[rows, column]) for part in parts))
                if number is None:
                    reasons[row, column] = codes[0] if codes else emptiness
                else:
                    numbers[row, column] = number
    return Series(numbers, reasons)
