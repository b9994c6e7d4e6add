"""How figures are written for people, the same on a terminal, a page, a slide and in a mail.

Three significant digits with k, M and bn, a true minus sign, the unit once. What is exact stands in data, not here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext
from typing import Literal

from revgauge.catalogue.registry import Better, Metric, Unit

MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
NOTHING = "\N{EN DASH}"
"""Stands where there is no value; the reason stands beside it or in a footnote."""

BARS = "▁▂▃▄▅▆▇█"
MISSING_BAR = " "
"""A missing value breaks the line."""

Verdict = Literal["better", "worse", "same", ""]
"""What a change means by the direction of its metric; empty where the metric has none."""

_LARGE = ((Decimal(10) ** 9, "bn"), (Decimal(10) ** 6, "M"), (Decimal(10) ** 3, "k"))
_DIGITS = 3
_WORDS: dict[Unit, str] = {
    Unit.DAYS: "days",
    Unit.HOURS: "hours",
    Unit.MONTHS: "months",
    Unit.POINTS: "points",
}


@dataclass(frozen=True)
class Style:
    """How the figures of one metric are written."""

    percent: bool = False
    """A share, shown as a percentage; its changes are percentage points."""
    times: bool = False
    """A ratio that is no share of something, such as the quick ratio: 3.2 times."""
    unit: str = ""
    """What stands once beside the figures: a currency, days."""

    @property
    def described(self) -> str:
        """The unit in words, for a subtitle."""
        return "%" if self.percent else self.unit


def style_of(metric: Metric, currency: str) -> Style:
    """How the figures of a metric are written; `currency` is the reporting currency."""
    if metric.unit is Unit.RATIO:
        share = metric.sections().get("Unit", "share").startswith(("share", "percent", "ratio"))
        return Style(percent=share, times=not share)
    if metric.unit is Unit.MONEY:
        return Style(unit=currency)
    if metric.unit is Unit.MONEY_PER_DAY:
        return Style(unit=f"{currency} a day")
    return Style(unit=_WORDS.get(metric.unit, ""))


def written(value: Decimal | None, style: Style, *, exact: bool = False, signed: bool = False) -> str:
    """A figure without its unit, but with the sign that belongs to it: `33.2%`, `1.23M`.

    `exact` writes all digits in groups of three; `signed` puts a plus before what is above zero.
    """
    if value is None:
        return NOTHING
    number = value * 100 if style.percent else value
    size = _exact(abs(number)) if exact else _short(abs(number))
    is_zero = not any(digit in "123456789" for digit in size)
    sign = "" if is_zero else MINUS if number < 0 else "+" if signed else ""
    return f"{sign}{size}{'%' if style.percent else TIMES if style.times else ''}"


def with_unit(value: Decimal | None, style: Style, *, exact: bool = False) -> str:
    """A figure with its unit, for a sentence or a table of several metrics."""
    text = written(value, style, exact=exact)
    return f"{text} {style.unit}" if style.unit and value is not None else text


def change(now: Decimal | None, before: Decimal | None, style: Style) -> str:
    """The change in words: percentage points for shares, else percent; a difference where a percentage says nothing."""
    if now is None or before is None:
        return NOTHING
    difference = now - before
    if style.percent:
        return f"{written(difference * 100, Style(), signed=True)} pp"
    if before > 0 and now >= 0:
        return written(difference / before, Style(percent=True), signed=True)
    return written(difference, style, signed=True)


def verdict(now: Decimal | None, before: Decimal | None, better: Better) -> Verdict:
    """Whether a change is for the better."""
    if now is None or before is None or better in ("none", "target"):
        return ""
    gain = {"up": now - before, "down": before - now, "zero": abs(before) - abs(now)}[better]
    return "same" if gain == 0 else "better" if gain > 0 else "worse"


def sparkline(values: Sequence[Decimal | None]) -> str:
    """The shape of a series on its own scale, one character for each value; the figures beside it show the size."""
    known = [value for value in values if value is not None]
    if not known:
        return MISSING_BAR * len(values)
    low, width = min(known), max(known) - min(known)
    return "".join(MISSING_BAR if value is None else _bar(value - low, width) for value in values)


def _bar(above: Decimal, width: Decimal) -> str:
    if width == 0:
        return BARS[len(BARS) // 2 - 1]
    return BARS[min(int(above / width * len(BARS)), len(BARS) - 1)]


def plain(value: Decimal) -> str:
    """All digits up to the twelfth place, for data: no grouping, no exponent, no zeros at the end."""
    with localcontext(prec=60):
        rounded = round(value, 12)
    text = f"{rounded:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def _exact(size: Decimal) -> str:
    digits, _, places = plain(round(size, 6)).partition(".")
    grouped = f"{int(digits):,}"
    return f"{grouped}.{places:0<2}" if places else grouped


def _short(size: Decimal) -> str:
    rounded = _significant(size)
    for limit, suffix in _LARGE:
        if rounded >= limit:
            return f"{_fixed(rounded / limit)}{suffix}"
    return _fixed(rounded, whole=size == int(size))


def _significant(size: Decimal) -> Decimal:
    """The number rounded to three significant digits, halves away from zero."""
    if size == 0:
        return Decimal(0)
    step = Decimal(1).scaleb(size.adjusted() - _DIGITS + 1)
    with localcontext(prec=60, rounding=ROUND_HALF_UP):
        return (size / step).to_integral_value() * step


def _fixed(number: Decimal, *, whole: bool = False) -> str:
    """Three digits, with as many places as that needs; whole numbers have none."""
    if whole or number == 0:
        return f"{number.to_integral_value():,f}"
    return f"{number:,.{max(_DIGITS - 1 - number.adjusted(), 0)}f}"
