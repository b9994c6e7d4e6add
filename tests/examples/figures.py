"""Tables of figures: which metric gives each reference value of an example, and which values no metric gives.

A figure is written as its place in the reference file, such as `by_close_month/{month}/won`. What stands in braces is
a grain (the label of a period), a parameter of the metric or a dimension, and takes every value that is there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from revgauge.catalogue.evaluation import Request, Value
from revgauge.catalogue.registry import Unit
from revgauge.model.period import Grain, Period
from revgauge.workspace import Workspace

HERE = Path(__file__).parent
GRAIN_NAMES: tuple[Grain, ...] = ("month", "quarter", "year")
NAMES_OF_ITEMS = ("month", "landing_page_id")
"""What tells the items of a list in a reference file apart."""

CENT = Decimal("0.005")
"""How far money may be off: less than half a cent."""
MILLIONTH = Decimal("0.000001")
"""How far shares and days may be off: reference values have ten significant digits."""


@dataclass(frozen=True)
class Figure:
    """A row of a table: reference values, and where RevGauge has them."""

    figure: str
    metric: str
    period: str = "all"
    """The period that is meant where the place of the figure names none."""
    params: Mapping[str, Any] = field(default_factory=dict)
    only: Mapping[str, str] = field(default_factory=dict)
    """A value of a dimension to which the figure is limited."""
    read: str = "value"
    """The value itself, its `numerator` or `denominator`, the `rest` (what the numerator leaves of the denominator),
    or one of its statistics."""

    def places(self, table: Table) -> Iterator[tuple[str, dict[str, str]]]:
        """The reference values that the row is about, with what stands in the braces."""
        pattern = _pattern(self.figure)
        for place in table.values:
            if (found := pattern.fullmatch(place)) and not table.is_apart(place):
                yield place, found.groupdict()


@dataclass(frozen=True)
class Table:
    """What is known of the reference values of one example."""

    rows: Sequence[Figure]
    apart: Mapping[str, str]
    """Figures that no metric gives, with the reason."""
    ids: Sequence[str]
    values: Mapping[str, Decimal | None]
    """Place: reference value. A value that no metric gives is left out, but not its id."""

    def is_apart(self, place: str) -> bool:
        """Whether the table says why no metric gives that value."""
        return any(matches(figure, place) for figure in self.apart)

    @property
    def unexplained(self) -> list[str]:
        """Reference values that no row is about and no reason is given for."""
        places = {*self.values, *(name for name in self.ids if not any(p.split("/")[0] == name for p in self.values))}
        told = {place for row in self.rows for place, _ in row.places(self)}
        return sorted(place for place in places - told if not self.is_apart(place))


@dataclass(frozen=True)
class Asked:
    """One reference value, and the answer that it is to be compared with."""

    row: Figure
    place: str
    expected: Decimal | None
    key: tuple[str, tuple[tuple[str, Any], ...], tuple[str, ...], Grain]
    """Metric, parameters, dimensions and grain: figures with the same key are one request."""
    period: Period
    dimensions: Mapping[str, str]


def read_table(example: str) -> Table:
    """The table of figures of an example and its reference values."""
    table = YAML(typ="safe").load((HERE / f"{example}.yml").read_text(encoding="utf-8"))
    reference = json.loads((HERE / f"{example}_expected.json").read_text(encoding="utf-8"), parse_float=Decimal)
    values: dict[str, Decimal | None] = {}
    for item in reference["values"]:
        values.update(_flat(item["id"], item.get("value", {})))
    rows = [Figure(**row) for row in table["figures"]]
    return Table(rows, table["apart"], [item["id"] for item in reference["values"]], values)


def matches(figure: str, place: str) -> bool:
    """Whether a figure as tables write it, with names in braces, is the one at that place."""
    return _pattern(figure).fullmatch(place) is not None


@cache
def _pattern(figure: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", figure)
    return re.compile("".join(f"(?P<{p}>[^/]+?)" if i % 2 else re.escape(p) for i, p in enumerate(parts)))


def _flat(place: str, value: Any) -> Iterator[tuple[str, Decimal | None]]:
    """Every number below a place; texts only name things."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(f"{place}/{key}", item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            named = [item[name] for name in NAMES_OF_ITEMS if name in item] if isinstance(item, dict) else [number]
            yield from _flat(f"{place}/{named[0]}", item)
    elif not isinstance(value, str):
        yield place, None if value is None else Decimal(value)


def differences(workspace: Workspace, table: Table) -> list[str]:
    """Where RevGauge says otherwise than the reference values, one line each."""
    asked = [item for row in table.rows for item in _asked(row, table, workspace)]
    periods: dict[Any, set[Period]] = {}
    for item in asked:
        periods.setdefault(item.key, set()).add(item.period)
    requests = [
        Request(metric, tuple(sorted(spine, key=lambda period: period.start)), dict(params), by)
        for (metric, params, by, _), spine in periods.items()
    ]
    answers: dict[Any, Value] = {}
    for key, result in zip(periods, workspace.results(requests), strict=True):
        for value in result.values():
            answers[key, value.period, frozenset(value.dimensions.items())] = value
    told = []
    for item in asked:
        answer = answers.get((item.key, item.period, frozenset(item.dimensions.items())))
        number = None if answer is None else _read(answer, item.row.read)
        tolerance = _tolerance(workspace.catalogue.metric(item.row.metric).unit, item.row.read)
        if not _agree(number, item.expected, tolerance):
            reason = "there is no such value" if answer is None else answer.reason
            told.append(f"{item.place}: expected {item.expected}, {item.row.metric} gives {number} {reason}".rstrip())
    return told


def _asked(row: Figure, table: Table, workspace: Workspace) -> Iterator[Asked]:
    calendar = workspace.settings.evaluation(workspace.now).calendar
    known = workspace.catalogue.params(workspace.catalogue.metric(row.metric))
    for place, named in row.places(table):
        grain = next((name for name in GRAIN_NAMES if name in named), None)
        label = re.sub(r"(\d)Q", r"\1-Q", named.pop(grain)) if grain else row.period
        period = calendar.parse(label, grain)
        params = {**row.params, **{name: value for name, value in named.items() if name in known}}
        cut = {**{name: value for name, value in named.items() if name not in known}, **row.only}
        key = (row.metric, tuple(sorted(params.items())), tuple(cut), period.grain)
        yield Asked(row, place, table.values[place], key, period, cut)


def _read(answer: Value, what: str) -> Decimal | None:
    if what == "value":
        return answer.value
    if what == "numerator":
        return answer.numerator
    if what == "denominator":
        return answer.denominator
    if what == "rest":
        parts = answer.numerator, answer.denominator
        return None if parts[0] is None or parts[1] is None else parts[1] - parts[0]
    return answer.statistics[what]


def _tolerance(unit: Unit, what: str) -> Decimal:
    if unit is Unit.COUNT or (unit is Unit.RATIO and what != "value"):
        return Decimal(0)
    return CENT if unit in (Unit.MONEY, Unit.MONEY_PER_DAY) else MILLIONTH


def _agree(number: Decimal | None, expected: Decimal | None, tolerance: Decimal) -> bool:
    if number is None or expected is None:
        return number is None and expected is None
    return abs(number - expected) <= tolerance
