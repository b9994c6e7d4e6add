"""`revgauge forecast`: which method would have been best on a series, by how much, and what it says of what comes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from revgauge.cli.asking import Question, check_dimensions, find_metric
from revgauge.cli.failures import CallError
from revgauge.cli.terminal import Column, Format, counted, prose, say, table, write, write_csv, write_json
from revgauge.cli.values import metric_json, param_json, period_json, subtitle
from revgauge.figures import Style, style_of, written
from revgauge.forecasting import HorizonError, Outlook, Outlooks, Step, forecast
from revgauge.methods.backtest import Errors, Judged
from revgauge.methods.forecasting import LEVELS
from revgauge.workspace import Workspace

SHARE = Style(percent=True)
TIMES = Style(times=True)


def foreseen(project: Workspace, question: Question, *, step: Step, horizon: int, form: Format) -> int:
    """Print the forecasts of a metric; the exit code."""
    metric = find_metric(project, question.metric)
    check_dimensions(project, (*question.split, *question.only))
    try:
        outlooks = forecast(
            project,
            metric.name,
            grain=step,
            horizon=horizon,
            by=question.split,
            only=question.only,
            params=question.params,
        )
    except HorizonError as problem:
        raise CallError(str(problem)) from None
    if outlooks.absent:
        names = " and ".join(method.name for method in outlooks.absent)
        say(f"Left out: {names}. They need a library that is not installed: pip install 'revgauge[forecast]'")
    if form == "json":
        write_json(as_json(project, outlooks))
    elif form == "csv":
        write_csv(*as_csv(outlooks))
    else:
        _Page(project, question, outlooks).write()
    return 0


# -- data -------------------------------------------------------------------------------------------------------------


def as_json(project: Workspace, outlooks: Outlooks) -> dict[str, Any]:
    """Every series with the methods, their errors and what they foresee."""
    return {
        "metric": metric_json(outlooks.metric),
        "params": {name: param_json(value) for name, value in outlooks.params.items()},
        "by": list(outlooks.by),
        "reporting_currency": project.settings.reporting_currency,
        "as_of": project.now.isoformat(),
        "grain": outlooks.grain,
        "horizon": outlooks.horizon,
        "season": outlooks.season,
        "methods_left_out": [method.name for method in outlooks.absent],
        "series_left_out": outlooks.left_out,
        "series": [_series_json(outlook) for outlook in outlooks.series],
    }


def _series_json(outlook: Outlook) -> dict[str, Any]:
    history = outlook.history
    return {
        "dimensions": dict(outlook.dimensions),
        "history": {
            "periods": len(history),
            "first": history[0].period.label if history else None,
            "last": history[-1].period.label if history else None,
        },
        "refused": outlook.refused or None,
        "best": outlook.best.method.name if outlook.best else None,
        "beats_naive": outlook.beats_naive,
        "prediction": _errors_json(outlook.prediction) if outlook.prediction else None,
        "methods": [_method_json(outlook, judged) for judged in outlook.judged],
    }


def _method_json(outlook: Outlook, judged: Judged) -> dict[str, Any]:
    steps = [
        {"step": place, **_errors_json(errors)} for place, errors in enumerate(judged.by_step, 1)
    ]  # fmt: skip
    return {
        "name": judged.method.name,
        "about": judged.method.about,
        "errors": {
            **_errors_json(judged.overall),
            "held": {f"{level:.0%}": held for level, held in judged.held.items()},
        },
        "errors_by_step": steps,
        "forecast": [_step_json(outlook, judged, place) for place in range(len(outlook.ahead))],
    }


def _errors_json(errors: Errors) -> dict[str, Any]:
    return {
        "cases": errors.cases,
        "wape": errors.wape,
        "mase": errors.mase,
        "smape": errors.smape,
        "bias": errors.bias,
    }


def _ends(outlook: Outlook, judged: Judged, place: int) -> Mapping[float, tuple[float, float]]:
    intervals = outlook.forecasts[judged.method.name].intervals
    return {level: (float(low[place]), float(high[place])) for level, (low, high) in intervals.items()}


def _step_json(outlook: Outlook, judged: Judged, place: int) -> dict[str, Any]:
    ends = _ends(outlook, judged, place)
    return {
        "period": period_json(outlook.ahead[place]),
        "value": float(outlook.forecasts[judged.method.name].values[place]),
        "intervals": {f"{level:.0%}": list(both) for level, both in ends.items()},
    }


def as_csv(outlooks: Outlooks) -> tuple[list[str], list[list[Any]]]:
    """One line for each series, method and step, and the header."""
    dimensions = list(dict.fromkeys(name for outlook in outlooks.series for name in outlook.dimensions))
    ends = [f"{side}_{level:.0%}".rstrip("%") for level in LEVELS for side in ("low", "high")]
    header = ["metric", *dimensions, "method", "rank", "step", "period", "start", "end", "value", *ends]
    header += ["cases", "wape", "mase", "smape", "bias", "refused"]
    return header, [
        [outlooks.metric.name, *(outlook.dimensions.get(name, "") for name in dimensions), *line]
        for outlook in outlooks.series
        for line in _lines(outlook)
    ]


def _lines(outlook: Outlook) -> Iterator[list[Any]]:
    if outlook.refused:
        yield [*[None] * (7 + 2 * len(LEVELS) + 5), outlook.refused]
    for rank, judged in enumerate(outlook.judged, 1):
        for place, period in enumerate(outlook.ahead):
            ends, errors = _ends(outlook, judged, place), judged.by_step[place]
            value = float(outlook.forecasts[judged.method.name].values[place])
            sides = [end for level in LEVELS for end in ends.get(level, (None, None))]
            line: list[Any] = [judged.method.name, rank, place + 1, period.label, period.start, period.end, value]
            yield [*line, *sides, errors.cases, errors.wape, errors.mase, errors.smape, errors.bias, ""]


# -- the page ---------------------------------------------------------------------------------------------------------


class _Page:
    """The answer for the eye."""

    def __init__(self, project: Workspace, question: Question, outlooks: Outlooks) -> None:
        self.project = project
        self.question = question
        self.outlooks = outlooks
        self.style = style_of(outlooks.metric, project.settings.reporting_currency)

    def write(self) -> None:
        """Title, then each series: the finding, the methods, the forecast."""
        metric, outlooks = self.outlooks.metric, self.outlooks
        write(f"Forecast of {metric.label or metric.name} ({metric.name})")
        limits = [f"{name} = {value}" for name, value in self.question.only.items()]
        split = [f"by {' and '.join(outlooks.by)}"] if outlooks.by else []
        write(subtitle(self.project, metric, outlooks.params, f"by {outlooks.grain}", *split, *limits))
        for outlook in outlooks.series:
            write()
            self._series(outlook)
        if outlooks.left_out:
            write()
            prose(f"Not forecast: {counted(outlooks.left_out, 'smaller value')} of {' and '.join(outlooks.by)}.")

    def _series(self, outlook: Outlook) -> None:
        if self.outlooks.by:
            write(", ".join(f"{name} = {outlook.dimensions[name]}" for name in self.outlooks.by))
        if outlook.best is None or outlook.naive is None:
            prose(f"No forecast: {outlook.refused}.")
            return
        prose(self._finding(outlook, outlook.best, outlook.naive))
        if outlook.prediction is not None:
            prose(self._beside_prediction(outlook, outlook.prediction))
        write()
        self._methods(outlook)
        write()
        self._forecast(outlook, outlook.best)

    def _finding(self, outlook: Outlook, best: Judged, naive: Judged) -> str:
        """Which method was best and what that is worth, in two sentences."""
        history = outlook.history
        grain, horizon = self.outlooks.grain, self.outlooks.horizon
        tried = best.by_step[0].cases
        told = (
            f"{counted(len(history), f'complete {grain}')} from {history[0].period.label} to "
            f"{history[-1].period.label}; tried {counted(tried, 'time')}, up to {counted(horizon, grain)} ahead."
        )
        if not outlook.beats_naive:
            return f"{told} No method beats naive, which misses by {_share(naive.overall.wape)} of what came."
        return (
            f"{told} {best.method.name} would have been best: it misses by {_share(best.overall.wape)} of what came, "
            f"naive by {_share(naive.overall.wape)}."
        )

    def _beside_prediction(self, outlook: Outlook, prediction: Errors) -> str:
        """How the metric that foresees MRR did against the methods, one step ahead."""
        first = {judged.method.name: judged.by_step[0] for judged in outlook.judged}
        best = min(first, key=lambda name: first[name].wape or 0)
        return (
            f"One month ahead the metric predicted_mrr misses by {_share(prediction.wape)}, {best} by "
            f"{_share(first[best].wape)}."
        )

    def _methods(self, outlook: Outlook) -> None:
        shown = sorted({1, (self.outlooks.horizon + 1) // 2, self.outlooks.horizon})
        columns = [Column("method"), Column("WAPE", right=True), Column("MASE", right=True)]
        columns += [Column("sMAPE", right=True), Column("bias", right=True)]
        columns += [Column(f"+{step}", right=True) for step in shown]
        columns += [Column("held", right=True)]
        rows = [
            [
                judged.method.name,
                _share(judged.overall.wape),
                written(_decimal(judged.overall.mase), TIMES),
                _share(judged.overall.smape),
                written(_decimal(judged.overall.bias), SHARE, signed=True),
                *(_share(judged.by_step[step - 1].wape) for step in shown),
                _share(judged.held.get(LEVELS[-1])),
            ]
            for judged in outlook.judged
        ]
        table(columns, rows)
        steps = ", ".join(f"+{step}" for step in shown)
        prose(
            f"{steps}: WAPE so many {self.outlooks.grain}s ahead. held: the share of what came that lay within the "
            f"{LEVELS[-1]:.0%} interval.".replace("%", " %")
        )

    def _forecast(self, outlook: Outlook, best: Judged) -> None:
        write(f"What {best.method.name} says")
        unit = f"value, {self.style.unit}" if self.style.unit else "value"
        columns = [Column(self.outlooks.grain), Column(unit, right=True)]
        columns += [Column(f"{level:.0%} interval".replace("%", " %"), right=True) for level in LEVELS]
        rows = []
        for place, period in enumerate(outlook.ahead):
            ends = _ends(outlook, best, place)
            value = Decimal(repr(float(outlook.forecasts[best.method.name].values[place])))
            cells = [self._between(*ends[level]) if level in ends else "" for level in LEVELS]
            rows.append([period.label, written(value, self.style), *cells])
        table(columns, rows, indent=2)

    def _between(self, low: float, high: float) -> str:
        return f"{written(_decimal(low), self.style)} to {written(_decimal(high), self.style)}"


def _decimal(number: float | None) -> Decimal | None:
    return None if number is None else Decimal(repr(number))


def _share(number: float | None) -> str:
    return written(_decimal(number), SHARE)
