"""Intervals and small numbers: how far a share or a mean can be trusted."""

from __future__ import annotations

from decimal import Decimal
from math import sqrt
from statistics import NormalDist

FEW_CASES = 30
"""Below this many cases a value is marked as few."""

_Z = NormalDist().inv_cdf(0.975)

_T_975 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
"""Student's t at 97.5 % for 1 to 30 degrees of freedom."""


def student(degrees: int) -> float:
    """Student's t at 97.5 %: from the table up to 30 degrees, beyond by its expansion around the normal."""
    if degrees <= len(_T_975):
        return _T_975[degrees - 1]
    z = _Z
    return z + (z**3 + z) / (4 * degrees) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * degrees**2)


def wilson(part: Decimal, whole: Decimal) -> tuple[Decimal, Decimal] | None:
    """Wilson's 95 % interval of a share of counts; None where it is no share."""
    if whole <= 0 or part < 0 or part > whole:
        return None
    n, share = float(whole), float(part / whole)
    centre = share + _Z**2 / (2 * n)
    reach = _Z * sqrt(share * (1 - share) / n + _Z**2 / (4 * n * n))
    scale = 1 + _Z**2 / n
    low, high = max(0.0, (centre - reach) / scale), min(1.0, (centre + reach) / scale)
    return Decimal(repr(round(low, 12))), Decimal(repr(round(high, 12)))


def mean_interval(mean: Decimal | None, deviation: Decimal | None, cases: Decimal) -> tuple[Decimal, Decimal] | None:
    """Student's 95 % interval of a mean; None below two cases."""
    if mean is None or deviation is None or cases < 2:
        return None
    reach = Decimal(repr(student(int(cases) - 1))) * deviation / cases.sqrt()
    return mean - reach, mean + reach


def few(cases: Decimal) -> list[str]:
    """The mark of a value that rests on few cases."""
    return ["few"] if cases < FEW_CASES else []
