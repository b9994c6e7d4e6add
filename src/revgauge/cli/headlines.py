"""The headline metrics of the last complete month: value, change on the month and the year before, and the shape."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from revgauge.catalogue.evaluation import Request, Value
from revgauge.catalogue.registry import Metric
from revgauge.cli.terminal import Cell, Column, Footnotes, prose, table, write
from revgauge.cli.values import MARK_WORDS, judged, metric_json, period_json, value_json
from revgauge.figures import Style, plain, sparkline, style_of, verdict, written
from revgauge.model.period import Period
from revgauge.workspace import Workspace

HEADLINES = (
    "mrr",
    "net_new_mrr",
    "active_customers",
    "average_revenue_per_account",
    "net_revenue_retention",
    "gross_revenue_retention",
    "logo_churn_rate",
    "quick_ratio",
    "lead_count",
    "lead_to_opportunity_rate",
    "activation_rate",
    "win_rate",
    "average_deal_value",
    "sales_cycle_days",
    "sales_velocity",
)
MONTHS = 13
"""A year and the same month before it."""


@dataclass(frozen=True)
class Headline:
    """One metric over the months that are shown, the last of them complete."""

    metric: Metric
    style: Style
    values: tuple[Value, ...]

    @property
    def last(self) -> Value:
        """The month that is reported."""
        return self.values[-1]

    @property
    def before(self) -> Value:
        """The month before it."""
        return self.values[-2]

    @property
    def year(self) -> Value:
        """The same month a year earlier."""
        return self.values[0]

    @property
    def numbers(self) -> list[Decimal | None]:
        """The series."""
        return [value.value for value in self.values]


def headlines(project: Workspace) -> list[Headline]:
    """Every headline metric that the catalogue has, planned together."""
    currency = project.settings.reporting_currency
    metrics = [project.catalogue.metrics[name] for name in HEADLINES if name in project.catalogue.metrics]
    periods = last_months(project)
    results = project.results([Request(metric.name, periods) for metric in metrics])
    return [
        Headline(metric, style_of(metric, currency), tuple(result.values()))
        for metric, result in zip(metrics, results, strict=True)
    ]


def last_months(project: Workspace) -> tuple[Period, ...]:
    """Thirteen months up to the last that is complete."""
    calendar = project.settings.evaluation(project.now).calendar
    last = calendar.containing(project.now, "month")
    if last.partial:
        last = calendar.shift(last, -1)
    return tuple(calendar.shift(last, -back) for back in reversed(range(MONTHS)))


def as_json(headline: Headline) -> dict[str, Any]:
    """A headline with its changes and its series, oldest month first."""
    return {
        "metric": metric_json(headline.metric),
        **value_json(headline.last),
        "month_before": _change_json(headline, headline.before),
        "year_before": _change_json(headline, headline.year),
        "series": [
            {"period": value.period.label, "value": None if value.value is None else float(value.value)}
            for value in headline.values
        ],
    }


def _change_json(headline: Headline, before: Value) -> dict[str, Any]:
    now = headline.last.value
    known = now is not None and before.value is not None
    return {
        "period": period_json(before.period)["label"],
        "value": None if before.value is None else float(before.value),
        "difference_exact": plain(now - before.value)
        if known and now is not None and before.value is not None
        else None,
        "verdict": verdict(now, before.value, headline.metric.better) or None,
    }


def write_scorecard(project: Workspace, found: Sequence[Headline]) -> None:
    """Print the headlines as a table by family, with reasons and marks below."""
    notes = Footnotes()
    month = found[0].last.period.label
    write(f"{project.settings.name} · {month} · as of {project.now}")
    write()
    columns = [Column("metric", wraps=True), Column(month, right=True), Column("Δ month"), Column("Δ year")]
    columns.append(Column(f"{MONTHS} months"))
    table(columns, [_line(headline, notes) for headline in found], gap=2)
    if lines := notes.lines():
        write()
        for line in lines:
            prose(line)


def _line(headline: Headline, notes: Footnotes) -> list[Cell]:
    metric, style, last = headline.metric, headline.style, headline.last
    label = metric.label or metric.name
    marks = [MARK_WORDS.get(mark, mark) for mark in last.marks]
    figure = written(last.value, style) + notes.mark(last.reason, *marks)
    return [
        f"{label}, {style.unit}" if style.unit else label,
        figure,
        judged(last, headline.before, metric, style),
        judged(last, headline.year, metric, style),
        sparkline(headline.numbers),
    ]
