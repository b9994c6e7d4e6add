"""Values for all periods and cuts at once, exact, each null with its reason.

A series is a grid: a row for each period, a column for each value of the cut. Numbers are decimals, so that sums of
money are exact; where a number cannot be told the grid holds zero and the code of a reason.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.object_]
Codes = npt.NDArray[np.int32]

PRECISION = 50
"""Digits of a decimal in between: room for the widest sums and their quotients."""

ZERO = Decimal(0)


class Reasons:
    """Why values are null, by code; 0 is no reason: the value stands."""

    def __init__(self) -> None:
        """Start with the code of values that stand."""
        self._texts: list[str] = [""]
        self._codes: dict[str, int] = {"": 0}

    def code(self, text: str) -> int:
        """The code of a reason."""
        if text not in self._codes:
            self._codes[text] = len(self._texts)
            self._texts.append(text)
        return self._codes[text]

    def text(self, code: int) -> str:
        """The reason of a code."""
        return self._texts[code]


@dataclass
class Series:
    """Numbers and reasons for each period (rows) and value of the cut (columns)."""

    numbers: Numbers
    codes: Codes
    marks: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)

    @classmethod
    def full(cls, shape: tuple[int, int], number: Decimal) -> Series:
        """The same number everywhere."""
        return cls(np.full(shape, number, dtype=object), np.zeros(shape, dtype=np.int32))

    @classmethod
    def null(cls, shape: tuple[int, int], code: int) -> Series:
        """Null everywhere, for one reason."""
        return cls(np.full(shape, ZERO, dtype=object), np.full(shape, code, dtype=np.int32))

    def at(self, row: int, column: int) -> Decimal | None:
        """One number; None where there is none."""
        number: Decimal | None = None if self.codes[row, column] else self.numbers[row, column]
        return number

    def with_reason(self, where: npt.NDArray[np.bool_], code: int) -> Series:
        """Null where the condition holds, unless it was null already."""
        codes = np.where((self.codes == 0) & where, code, self.codes).astype(np.int32)
        return Series(self.numbers, codes, self.marks)


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {"+": operator.add, "-": operator.sub, "*": operator.mul}


def combine(sign: str, left: Series, right: Series, emptiness: int) -> Series:
    """Both joined by an operation; a divisor of zero or below gives null with the code `emptiness`."""
    codes = np.where(left.codes != 0, left.codes, right.codes).astype(np.int32)
    marks = {**left.marks, **right.marks}
    with localcontext(prec=PRECISION):
        if sign != "/":
            return Series(_OPERATIONS[sign](left.numbers, right.numbers), codes, marks)
        empty = right.numbers <= 0
        codes = np.where((codes == 0) & empty, emptiness, codes).astype(np.int32)
        safe = right.numbers.copy()
        safe[codes != 0] = Decimal(1)
        return Series(left.numbers / safe, codes, marks)


def apply(function: Callable[..., Decimal | None], parts: list[Series], emptiness: int) -> Series:
    """A function of the numbers of each cell; None gives null with the code `emptiness`."""
    codes = parts[0].codes
    for part in parts[1:]:
        codes = np.where(codes != 0, codes, part.codes).astype(np.int32)
    numbers = np.full(codes.shape, ZERO, dtype=object)
    codes = codes.copy()
    with localcontext(prec=PRECISION):
        for place in zip(*np.nonzero(codes == 0), strict=True):
            number = function(*[part.numbers[place] for part in parts])
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
    found = Series.full((len(runs), width), ZERO)
    with localcontext(prec=PRECISION):
        for row, run in enumerate(runs):
            rows = list(run)
            for column in range(width):
                codes = [int(code) for part in parts for code in part.codes[rows, column] if code]
                number = None if codes else function(*(list(part.numbers[rows, column]) for part in parts))
                if number is None:
                    found.codes[row, column] = codes[0] if codes else emptiness
                else:
                    found.numbers[row, column] = number
    return found
