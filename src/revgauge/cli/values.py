"""`revgauge show`: values of a metric as a table for the eye, as JSON and as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from revgauge.catalogue.evaluation import Value
from revgauge.catalogue.registry import Metric
from revgauge.cli.asking import Question, check_dimensions, find_metric, warn_of_empty_limits
from revgauge.cli.terminal import (
    BETTER,
    QUIET,
    WORSE,
    Cell,
    Column,
    Footnotes,
    Format,
    Styled,
    counted,
    prose,
    table,
    width,
    write,
    write_csv,
    write_json,
)
from revgauge.figures import Style, Verdict, change, plain, sparkline, style_of, verdict, with_unit, written
from revgauge.model.period import Calendar, Period
from revgauge.workspace import Show, Workspace

MOST_ROWS = 30
"""How many values of a dimension the table shows; data formats have all."""

FIGURE_WIDTH = 10
FEW = "n: the number of cases, where it is below 30"
MARK_WORDS = {
    "few": "few: the value rests on fewer than 30 cases",
    "provisional": "provisional: it rests on a period that is not over",
    "to date": "to date: the period is not over",
}
_COLOURS: dict[Verdict, str] = {"better": BETTER, "worse": WORSE, "same": QUIET, "": ""}
_SHAPES: dict[Verdict, str] = {"better": " ✓ better", "worse": " ✗ worse", "same": " = same", "": ""}


def show(project: Workspace, question: Question, *, form: Format, exact: bool = False) -> int:
    """Print the values of a metric; the exit code."""
    find_metric(project, question.metric)
    check_dimensions(project, (*question.split, *question.only))
    grain = question.in_grain(project)
    shown = project.show(
        question.metric,
        grain=grain,
        period=question.period,
        by=question.split,
        only=question.only,
        params=question.params,
    )
    if question.only and not any(value.value for value in shown.values):
        warn_of_empty_limits(project, question, list(dict.fromkeys(value.period for value in shown.values)))
    if form == "json":
        write_json(as_json(project, shown))
    elif form == "csv":
        write_csv(*as_csv(shown))
    else:
        _Table(project, shown, question, exact=exact).write()
    return 0


# -- data -------------------------------------------------------------------------------------------------------------


def as_json(project: Workspace, shown: Show) -> dict[str, Any]:
    """Values and all that belongs to them, as documented in the reference of the command line."""
    return {
        "metric": metric_json(shown.metric),
        "params": {name: param_json(value) for name, value in shown.params.items()},
        "by": list(shown.by),
        "reporting_currency": shown.reporting_currency,
        "as_of": project.now.isoformat(),
        "values": [value_json(value) for value in shown.values],
    }


def metric_json(metric: Metric) -> dict[str, Any]:
    """What a metric is, beside each number."""
    return {
        "name": metric.name,
        "label": metric.label or metric.name,
        "family": metric.family,
        "unit": metric.unit.value,
        "better": metric.better,
        "definition": metric.sections()["definition"],
        "definition_version": metric.version,
        "origin": metric.origin,
    }


def param_json(value: Any) -> Any:
    """A parameter as JSON: numbers and words as they are, days as text, lists as lists."""
    if isinstance(value, tuple | list):
        return [param_json(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str | Mapping):
        return value
    return float(value) if isinstance(value, Decimal) else str(value)


def number_json(value: Decimal | None) -> float | None:
    """The nearest number that JSON can carry."""
    return None if value is None else float(value)


def period_json(period: Period) -> dict[str, Any]:
    """A period: its name, and its days from the first to the one after the last."""
    return {
        "label": period.label,
        "grain": period.grain,
        "start": period.start.isoformat(),
        "end": period.end.isoformat(),
        "partial": period.partial,
    }


def value_json(value: Value) -> dict[str, Any]:
    """One value; `value_exact` has all digits, up to the twelfth place, as text."""
    low, high = value.interval or (None, None)
    return {
        "period": period_json(value.period),
        "dimensions": dict(value.dimensions),
        "value": number_json(value.value),
        "value_exact": None if value.value is None else plain(value.value),
        "reason": value.reason or None,
        "marks": list(value.marks),
        "numerator": number_json(value.numerator),
        "denominator": number_json(value.denominator),
        "interval": None if low is None or high is None else [float(low), float(high)],
        "statistics": {name: number_json(number) for name, number in value.statistics.items()},
        "factors": {name: number_json(number) for name, number in value.factors.items()},
    }


def as_csv(shown: Show) -> tuple[list[str], list[list[Any]]]:
    """One line for each value, and the header."""
    dimensions = list(dict.fromkeys(name for value in shown.values for name in value.dimensions))
    header = ["metric", "grain", "period", "start", "end", *dimensions, "value", "unit", "currency", "reason", "marks"]
    header += ["numerator", "denominator", "low", "high", "definition_version"]
    is_money = shown.metric.unit.value.startswith("money")
    rows: list[list[Any]] = []
    for value in shown.values:
        period, (low, high) = value.period, value.interval or (None, None)
        row: list[Any] = [value.metric, period.grain, period.label, period.start, period.end]
        row += [value.dimensions.get(name, "") for name in dimensions]
        row += [exact_cell(value.value), shown.metric.unit.value, shown.reporting_currency if is_money else ""]
        row += [value.reason, ", ".join(value.marks), exact_cell(value.numerator), exact_cell(value.denominator)]
        rows.append([*row, exact_cell(low), exact_cell(high), shown.metric.version])
    return header, rows


def exact_cell(value: Decimal | None) -> Decimal | None:
    """A number with its digits up to the twelfth place."""
    return None if value is None else Decimal(plain(value))


# -- the table --------------------------------------------------------------------------------------------------------


def judged(now: Value, before: Value | None, metric: Metric, style: Style) -> Styled:
    """A change with its sign, and in words and a mark whether it is for the better."""
    if now.value is None or before is None or before.value is None or now.period.partial:
        return Styled("")  # to compare a part of a period with a whole one would mislead
    meaning = verdict(now.value, before.value, metric.better)
    return Styled(change(now.value, before.value, style) + _SHAPES[meaning], _COLOURS[meaning])


def subtitle(project: Workspace, metric: Metric, params: Mapping[str, Any], *parts: str) -> str:
    """What is shown, in which unit, under which variants, as of which day."""
    known = project.catalogue.params(metric)
    style = style_of(metric, project.settings.reporting_currency)
    variants = [f"{name} = {_said(value)}" for name, value in params.items() if value != known[name].default]
    direction = {"down": "lower is better", "zero": "zero is best"}.get(metric.better, "")
    pieces = (style.described, *parts, *variants, direction, f"as of {project.now}")
    return " · ".join(piece for piece in pieces if piece)


def _said(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


@dataclass
class _Table:
    """Values for the eye: periods down where there is one series, periods across where there are several."""

    project: Workspace
    shown: Show
    question: Question
    exact: bool
    notes: Footnotes = field(default_factory=Footnotes)

    def __post_init__(self) -> None:
        """Sort the values into series."""
        self.metric = self.shown.metric
        self.style = style_of(self.metric, self.shown.reporting_currency)
        self.calendar: Calendar = self.project.settings.evaluation(self.project.now).calendar
        self.periods = list(dict.fromkeys(value.period for value in self.shown.values))
        self.series: dict[tuple[str, ...], dict[Period, Value]] = {}
        for value in self.shown.values:
            key = tuple(value.dimensions[name] for name in self.shown.by)
            self.series.setdefault(key, {})[value.period] = value

    def write(self) -> None:
        """Print title, finding, table, trend and footnotes."""
        write(f"{self.metric.label or self.metric.name} ({self.metric.name})")
        grain = self.periods[0].grain if self.periods else "month"
        limits = [f"{name} = {value}" for name, value in self.question.only.items()]
        split = [f"by {' and '.join(self.shown.by)}"] if self.shown.by else []
        spell = "all time" if grain == "all" else f"by {grain}"
        write(subtitle(self.project, self.metric, self.shown.params, spell, *split, *limits))
        write()
        if not self.series:
            write("No row falls into these periods, so there is nothing to split.")
        elif self.shown.by:
            self._across()
        else:
            self._down()
        if notes := self.notes.lines():
            write()
            for note in notes:
                prose(note)

    def _figure(self, value: Value) -> str:
        """The figure of a cell with the number of cases where they are few, and the numbers of its footnotes."""
        if value.value is None:
            return written(None, self.style) + self.notes.mark(value.reason)
        text = written(value.value, self.style, exact=self.exact)
        cases = value.statistics.get("cases") or value.denominator
        if "few" in value.marks and value.statistics and not self.shown.by:
            return text  # the number of cases has a column of its own
        if "few" in value.marks and cases is not None:
            self.notes.legend(FEW)
            return f"{text} (n {written(cases, Style())})"
        return text

    def _down(self) -> None:
        (series,) = self.series.values()
        values = [series[period] for period in self.periods]
        self._finding(values)
        unit = f"value, {self.style.unit}" if self.style.unit else "value"
        columns = [Column("period"), Column(unit, right=True)]
        spread = [name for name in ("mean", "median", "p90", "cases") if _adds(name, values)]
        columns += [Column(name, right=True, style=QUIET) for name in spread]
        moves = len(values) > 1
        columns += [Column(f"Δ {self.periods[0].grain}"), Column("Δ year")] if moves else []
        columns.append(Column("note"))
        lines = [self._line(series, place, spread, moves=moves) for place in range(len(values))]
        used = [place for place in range(len(columns)) if place < 2 or any(_text(line[place]) for line in lines)]
        table([columns[place] for place in used], [[line[place] for place in used] for line in lines])
        if moves:
            write()
            write(f"trend  {_shape(values)}")
        self._factors(values)

    def _factors(self, values: Sequence[Value]) -> None:
        """What the last value that names its factors is made of."""
        made = [value for value in values if any(number is not None for number in value.factors.values())]
        if not made:
            return
        last = made[-1]
        write()
        write(f"{last.period.label} is made of")
        rows = [(name, written(number, Style(), exact=self.exact)) for name, number in last.factors.items()]
        table([Column("factor"), Column("value", right=True)], rows, indent=2)

    def _line(self, series: Mapping[Period, Value], place: int, spread: Sequence[str], *, moves: bool) -> list[Cell]:
        period = self.periods[place]
        value = series[period]
        line: list[Cell] = [period.label, self._figure(value)]
        line += [written(value.statistics.get(name), Style() if name == "cases" else self.style) for name in spread]
        if moves:
            before = series.get(self.periods[place - 1]) if place else None
            year = series.get(self.calendar.year_before(period)) if period.grain not in ("year", "all") else None
            line += [judged(value, other, self.metric, self.style) for other in (before, year)]
        return [*line, ", ".join(mark for mark in value.marks if mark != "few")]

    def _finding(self, values: Sequence[Value]) -> None:
        """The last complete value in a sentence."""
        complete = [value for value in values if not value.period.partial and value.value is not None]
        if len(values) < 2 or not complete:
            return
        last = complete[-1]
        place = values.index(last)
        words = [f"{last.period.label}: {with_unit(last.value, self.style, exact=self.exact)}"]
        if place and (before := values[place - 1]).value is not None:
            words.append(f"{self._moved(last, before)} on {before.period.label}")
        prose(", ".join(words) + ".")
        write()

    def _moved(self, last: Value, before: Value) -> str:
        meaning = verdict(last.value, before.value, self.metric.better)
        return change(last.value, before.value, self.style) + (f" ({meaning})" if meaning else "")

    def _across(self) -> None:
        ordered = sorted(self.series, key=self._by_size)
        names = [max(map(len, (name, *(key[place] for key in ordered)))) for place, name in enumerate(self.shown.by)]
        trend = len(self.periods) > 1
        room = width() - sum(names) - 3 * len(names) - (len(self.periods) + 3 if trend else 0)
        visible = self.periods[-max(room // (FIGURE_WIDTH + 3), 1) :]
        columns = [Column(name) for name in self.shown.by]
        for period in visible:
            noted = self.notes.mark(MARK_WORDS["to date"]) if period.partial else ""
            columns.append(Column(period.label + noted, right=True))
        columns += [Column("trend")] if trend else []
        rows: list[list[Cell]] = []
        for key in ordered[:MOST_ROWS]:
            series = self.series[key]
            line: list[Cell] = [*key, *(self._noted(series[period]) for period in visible)]
            rows.append([*line, _shape([series[period] for period in self.periods])] if trend else line)
        table(columns, rows)
        hidden = (
            [counted(len(self.periods) - len(visible), "earlier period")] if len(visible) < len(self.periods) else []
        )
        hidden += [counted(len(ordered) - MOST_ROWS, "smaller value")] if len(ordered) > MOST_ROWS else []
        if hidden:
            write()
            prose(f"Not shown: {' and '.join(hidden)}; --format csv has all.")

    def _noted(self, value: Value) -> str:
        others = [mark for mark in value.marks if mark not in MARK_WORDS]
        return self._figure(value) + self.notes.mark(*others)

    def _by_size(self, key: tuple[str, ...]) -> tuple[bool, Decimal, tuple[str, ...]]:
        last = self.series[key][self.periods[-1]].value
        return (last is None, -(last or Decimal(0)), key)


def _adds(name: str, values: Sequence[Value]) -> bool:
    """Whether a statistic tells something that the values themselves do not."""
    return any(value.statistics.get(name) not in (None, value.value) for value in values)


def _shape(values: Sequence[Value]) -> str:
    """The shape of the complete periods: the part of one that is not over would look like a fall."""
    return sparkline([value.value for value in values if not value.period.partial])


def _text(cell: Cell) -> str:
    return cell.text if isinstance(cell, Styled) else cell
