"""Units that a mapping may name, and how each becomes the unit of the field."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources

from revgauge.model.fields import Field


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a fraction of the field's own: value x numerator / denominator."""

    numerator: int
    denominator: int
    about: str
    types: frozenset[str] = frozenset({"money", "number", "integer"})


UNITS: dict[str, Unit] = {
    "cents": Unit(1, 100, "hundredths of the currency unit, whatever the currency"),
    "thousands": Unit(1000, 1, "thousands of the currency unit"),
    "millions": Unit(1_000_000, 1, "millions of the currency unit"),
    "annual": Unit(1, 12, "a price for a year, to a month"),
    "quarterly": Unit(1, 3, "a price for a quarter, to a month"),
    "weekly": Unit(365, 84, "a price for a week, to a month (365 / 7 / 12)"),
    "daily": Unit(365, 12, "a price for a day, to a month (365 / 12)"),
    "percent": Unit(1, 100, "a percentage, to a ratio"),
    "milliseconds": Unit(1, 60_000, "to minutes"),
    "seconds": Unit(1, 60, "to minutes"),
    "minutes": Unit(1, 1, "as it is"),
    "hours": Unit(60, 1, "to minutes"),
    "days": Unit(1440, 1, "to minutes"),
    "weeks": Unit(7, 1, "to days"),
    "years": Unit(12, 1, "to months"),
}

SPECIAL_UNITS: dict[str, tuple[str, frozenset[str]]] = {
    "minor": ("the smallest unit of the row's currency, by the table of exponents", frozenset({"money"})),
    "epoch_seconds": ("seconds since 1970-01-01 UTC", frozenset({"instant", "date"})),
    "epoch_milliseconds": ("milliseconds since 1970-01-01 UTC", frozenset({"instant", "date"})),
    "inclusive_end": ("the last day that still belongs, to the first day after it", frozenset({"date"})),
}


def allowed_for(field: Field) -> list[str]:
    """The units that make sense for that field."""
    plain = [name for name, unit in UNITS.items() if field.type in unit.types]
    return plain + [name for name, (_, types) in SPECIAL_UNITS.items() if field.type in types]


@cache
def currency_exponents() -> dict[str, int]:
    """How many decimal places the smallest unit of a currency has, where it is not two."""
    text = resources.files("revgauge.sources").joinpath("currency_exponents.csv").read_text(encoding="utf-8")
    lines = [line.split(",") for line in text.splitlines()[1:]]
    return {code: int(exponent) for code, exponent in lines}
