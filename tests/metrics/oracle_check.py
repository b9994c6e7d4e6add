"""Asks the product and the reference calculation the same questions about the same drawn world."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.oracle import Tables, evaluate
from tests.oracle.generate import REPORTING_CURRENCY, Asked, World, now_of, write_tables, zone_of

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.metrics import builtin_catalogue
from revgauge.sources.canonical import read_case_tables

CATALOGUE = builtin_catalogue()


def differences(world: World, asked: list[Asked], seed: int, folder: Path) -> Iterator[str]:
    """Every question whose answers differ by more than a millionth of a cent or of the value, in words."""
    write_tables(world, folder)
    now = date.fromisoformat(now_of(seed))
    warehouse = Warehouse.in_memory()
    read_case_tables(folder, warehouse.connection)
    warehouse = Warehouse.over(warehouse.connection)
    settings = Settings(now, REPORTING_CURRENCY, zone_of(seed))
    evaluation = Evaluation(CATALOGUE, Context(warehouse, settings))
    calendar = settings.calendar
    requests = [
        Request(one.metric, (calendar.parse(one.period, one.grain),), one.params, only=one.by)  # type: ignore[arg-type] # drawn as text
        for one in asked
    ]
    tables = Tables(world)
    for one, result in zip(asked, evaluation.results(requests), strict=True):
        (value,) = result.values()
        expected = evaluate(
            tables, one.metric, one.params, one.grain, one.period, one.by, now, REPORTING_CURRENCY, zone_of(seed)
        )
        if not _agree(value.value, expected):
            yield f"seed {seed}: {one} gives {value.value} ({value.reason}), the reference {expected}"
    warehouse.close()


def _agree(value: Decimal | None, expected: Decimal | Any) -> bool:
    if value is None or expected is None:
        return value is None and expected is None
    return math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-8)
