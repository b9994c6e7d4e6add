"""`revgauge rows`: the rows that count, those left out with the reason, and the number added up again from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from revgauge.catalogue.rows import CONTRIBUTION, Listing, Part
from revgauge.cli.asking import Question, check_dimensions, find_metric, warn_of_empty_limits
from revgauge.cli.failures import CallError
from revgauge.cli.terminal import Column, Format, counted, prose, table, width, write, write_csv, write_json
from revgauge.cli.values import exact_cell, metric_json, number_json, param_json, subtitle, value_json
from revgauge.figures import NOTHING, Style, plain, style_of, with_unit, written
from revgauge.workspace import Workspace

FIRST_ROWS = 20
"""How many rows of each part the table shows unless told; data formats have all."""

WIDEST_CELL = 28


def rows(project: Workspace, question: Question, *, form: Format, limit: int | None) -> int:
    """Print the rows behind a number; the exit code, which is 1 if they do not add up to it."""
    metric = find_metric(project, question.metric)
    check_dimensions(project, (*question.split, *question.only))
    if question.split:
        (name, *_) = question.split
        raise CallError(f"rows are of one number: write --by {name}=VALUE to be limited to one value of {name}")
    if limit is not None and limit < 0:
        raise CallError("--limit takes a number of rows, 0 for all")
    listing = project.rows(
        metric.name, grain=question.grain, period=question.period, only=question.only, params=question.params
    )
    if form == "json":
        write_json(as_json(project, listing, limit or None))
    elif form == "csv":
        write_csv(*as_csv(listing, limit or None))
    else:
        _write(project, listing, question, FIRST_ROWS if limit is None else limit or None)
    return 0 if listing.agrees else 1


# -- data -------------------------------------------------------------------------------------------------------------


def as_json(project: Workspace, listing: Listing, limit: int | None) -> dict[str, Any]:
    """The number, its parts with their rows, and the number added up again."""
    return {
        "metric": metric_json(listing.metric),
        "params": {name: param_json(value) for name, value in listing.params.items()},
        "reporting_currency": project.settings.reporting_currency,
        "as_of": project.now.isoformat(),
        "value": value_json(listing.value),
        "added_up": number_json(listing.added),
        "added_up_exact": None if listing.added is None else plain(listing.added),
        "agrees": listing.agrees,
        "parts": [
            {
                "name": part.name,
                "facts": part.facts,
                "total": number_json(part.total),
                "rows_that_count": len(part.rows),
                "rows_left_out": len(part.left_out),
                "rows": part.rows[:limit],
                "left_out": part.left_out[:limit],
            }
            for part in listing.parts
        ],
    }


def as_csv(listing: Listing, limit: int | None) -> tuple[list[str], list[list[Any]]]:
    """One line for each row of each part: the part, whether it counts, and its columns."""
    lists = [(part, counts, row) for part in listing.parts for counts, row in _both(part, limit)]
    columns = list(dict.fromkeys(name for _, _, row in lists for name in row))
    header = ["part", "facts", "counts", *columns]
    return header, [
        [part.name, part.facts, counts, *(_exact(row.get(name)) for name in columns)] for part, counts, row in lists
    ]


def _both(part: Part, limit: int | None) -> list[tuple[bool, dict[str, Any]]]:
    return [(True, row) for row in part.rows[:limit]] + [(False, row) for row in part.left_out[:limit]]


def _exact(cell: Any) -> Any:
    return exact_cell(cell) if isinstance(cell, Decimal) else cell


# -- the table --------------------------------------------------------------------------------------------------------


def _write(project: Workspace, listing: Listing, question: Question, limit: int | None) -> None:
    metric, value = listing.metric, listing.value
    style = style_of(metric, project.settings.reporting_currency)
    limits = [f"{name} = {word}" for name, word in question.only.items()]
    write(f"{metric.label or metric.name} ({metric.name}), {value.period.label}")
    write(subtitle(project, metric, listing.params, *limits, *value.marks))
    write()
    if value.value is None:
        prose(f"There is no value: {value.reason}.")
    else:
        prose(_sum_up(listing, style))
    for part in listing.parts:
        write()
        _write_part(part, limit)
    if value.value == 0 and question.only and not any(part.rows for part in listing.parts):
        warn_of_empty_limits(project, question, [value.period])


def _sum_up(listing: Listing, style: Style) -> str:
    value = listing.value
    figure = with_unit(value.value, style, exact=True)
    parts = ""
    if value.numerator is not None and value.denominator is not None:
        whole = Style()
        parts = f" = {written(value.numerator, whole, exact=True)} / {written(value.denominator, whole, exact=True)}"
    if not any(part.rows for part in listing.parts):
        return f"{figure}{parts}; no row counts."
    if listing.agrees:
        return f"{figure}{parts}; the rows below add up to it."
    return (
        f"{figure}{parts}; but the rows below give {with_unit(listing.added, style, exact=True)}. Please report this."
    )


def _write_part(part: Part, limit: int | None) -> None:
    total = "" if part.total is None else f", total {written(part.total, Style(), exact=True)}"
    write(f"{part.name}: {counted(len(part.rows), 'row')} of {part.facts}{total}")
    _write_rows(part.rows, limit)
    if part.left_out:
        write()
        write(f"{part.name}: {counted(len(part.left_out), 'row')} left out")
        _write_rows(part.left_out, limit, first=("reason",))


def _write_rows(rows: Sequence[Mapping[str, Any]], limit: int | None, first: tuple[str, ...] = (CONTRIBUTION,)) -> None:
    if not rows:
        return
    shown = rows[:limit]
    names = [
        name
        for name in dict.fromkeys(name for row in rows for name in row)
        if any(row.get(name) is not None for row in shown)
    ]
    cells = {name: [_cell(row.get(name), whole=name == "reason") for row in shown] for name in names}
    chosen, dropped = _fitting(cells, first)
    right = {name for name in chosen if any(isinstance(row.get(name), int | float | Decimal) for row in shown)}
    columns = [Column(name, right=name in right, wraps=name == "reason") for name in chosen]
    table(columns, zip(*(cells[name] for name in chosen), strict=True), indent=2)
    more = [f"{counted(len(rows) - len(shown), 'more row')} (--limit 0)"] if len(shown) < len(rows) else []
    more += [f"columns {', '.join(dropped)} (--format csv)"] if dropped else []
    if more:
        prose(f"Not shown: {'; '.join(more)}", "  ")


def _fitting(cells: Mapping[str, Sequence[str]], first: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns that fit beside each other, in their order, and those that do not; `first` come in any case."""
    room = width() - 2
    order = list(cells)
    # The first column names the row, so it is as needed as what the row adds.
    wanted = [name for name in dict.fromkeys((*order[:1], *first, *order)) if name in cells]
    chosen: list[str] = []
    for name in wanted:
        size = max(len(name), *map(len, cells[name])) + 3
        if name in first or name == order[0] or size <= room:
            chosen.append(name)
            room -= min(size, WIDEST_CELL) if name == "reason" else size
    return [name for name in order if name in chosen], [name for name in order if name not in chosen]


def _cell(cell: Any, *, whole: bool = False) -> str:
    if cell is None:
        return NOTHING
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d %H:%M}"
    if isinstance(cell, Decimal | int):
        return written(Decimal(cell), Style(), exact=True)
    if isinstance(cell, float):
        return written(Decimal(repr(cell)), Style(), exact=True)
    text = " ".join(str(cell).split())
    return text if whole or len(text) <= 60 else f"{text[:59]}…"
