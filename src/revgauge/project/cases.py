"""Worked cases: small tables with values that were worked out by hand, checked against the catalogue."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, cast

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import DuckDB, Engine, Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.registry import Catalogue, UnknownName
from revgauge.model.period import GRAINS, PeriodError
from revgauge.sources.canonical import read_case_tables

EXPECTED = "expected.json"


class CaseFileError(ValueError):
    """A case cannot be read; the text says where and why."""


@dataclass(frozen=True)
class Check:
    """One value of a case, and what was expected of it."""

    case: str
    metric: str
    params: Mapping[str, Any]
    grain: str
    period: str | None
    by: Mapping[str, str]
    value: Decimal | None
    expected: Decimal | None
    ok: bool | None
    """None: the case gives no expected value, or the value could not be computed because the metric is not there."""
    error: str | None
    known: bool = True
    """Whether the metric is in the catalogue."""

    def as_json(self) -> dict[str, Any]:
        """The check as printed by `revgauge verify --format json`."""
        return {
            "case": self.case,
            "metric": self.metric,
            "params": self.params,
            "grain": self.grain,
            "period": self.period,
            "by": self.by,
            "value": None if self.value is None else float(self.value),
            "expected": None if self.expected is None else float(self.expected),
            "ok": self.ok,
            "error": self.error,
        }


def case_folders(paths: Sequence[Path]) -> list[Path]:
    """Every folder at or below the paths that holds a case.

    Raises CaseFileError if a path holds none.
    """
    found: list[Path] = []
    for path in paths:
        here = sorted(file.parent for file in path.rglob(EXPECTED)) if path.is_dir() else []
        if not here:
            raise CaseFileError(f"{path} holds no worked case: a case is a folder with {EXPECTED} and CSV files")
        found += here
    return list(dict.fromkeys(found))


def read_expected(folder: Path) -> dict[str, Any]:
    """The contents of a case's `expected.json`; CaseFileError if something in it is missing."""
    path = folder / EXPECTED
    try:
        case = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CaseFileError(f"{path}: {error}") from error
    lacking = [key for key in ("case", "now", "checks") if key not in case] if isinstance(case, dict) else ["an object"]
    if lacking:
        raise CaseFileError(f"{path}: {', '.join(lacking)} is missing")
    return cast("dict[str, Any]", case)


def verify(folder: Path, catalogue: Catalogue, engine: Callable[[], Engine] | None = None) -> Iterator[Check]:
    """Every check of the case in the folder; one that fails never stops the rest.

    `engine` opens the database that computes; without it that is DuckDB.
    """
    case = read_expected(folder)
    warehouse = case_warehouse(folder, engine)
    try:
        settings = Settings(
            date.fromisoformat(case["now"]), case.get("reporting_currency", "USD"), case.get("time_zone", "UTC"),
            int(case.get("fiscal_year_start", 1)),
        )  # fmt: skip
        evaluation = Evaluation(catalogue, Context(warehouse, settings))
        _prepare(case["checks"], evaluation)
        for check in case["checks"]:
            yield _check(case["case"], check, evaluation)
    finally:
        warehouse.close()


def case_warehouse(folder: Path, engine: Callable[[], Engine] | None = None) -> Warehouse:
    """The tables of a case in a database; they leave it when it is closed. CaseError lists every bad cell."""
    read = Warehouse.in_memory()
    try:
        read_case_tables(folder, read.connection)
        if engine is None:
            return Warehouse.over(read.connection)
        tables = {name: read.connection.table(name).to_arrow_table() for name in DuckDB(read.connection).tables()}
    except BaseException:
        read.close()
        raise
    read.close()
    opened = engine()
    try:
        for name, rows in tables.items():
            opened.add(name, rows)
    except BaseException:
        opened.close()
        raise
    return Warehouse(opened)


def _prepare(checks: Sequence[Mapping[str, Any]], evaluation: Evaluation) -> None:
    """Ask all that can be asked together, for a question alone takes as long as many."""
    requests: list[Request] = []
    for check in checks:
        try:
            request = _request(check, evaluation)
            evaluation.measure(request)
        except (ParamError, PeriodError, UnknownName, CaseFileError):
            continue
        requests.append(request)
    evaluation.results(requests)


def _check(case: str, check: dict[str, Any], evaluation: Evaluation) -> Check:
    metric, params = check["metric"], check.get("params") or {}
    grain, period, by = check.get("grain", "month"), check.get("period"), check.get("by") or {}
    judged = "value" in check
    expected = _decimal(check.get("value"))
    value: Decimal | None = None
    error: str | None = None
    known = True
    try:
        evaluation.catalogue.metric(metric)
    except UnknownName as problem:
        known, error = False, f"the metric is not there: {problem}"
    else:
        try:
            (result,) = evaluation.results([_request(check, evaluation)])
            found = next(iter(result.values()))
            value, error = found.value, found.reason or None
        except (ParamError, PeriodError, UnknownName, CaseFileError) as problem:
            error = str(problem)
            return Check(case, metric, params, grain, period, by, None, expected, False if judged else None, error)
    ok: bool | None = None
    if judged and known:
        ok = _agree(value, expected, _decimal(check.get("tolerance")) or Decimal(0))
    return Check(case, metric, params, grain, period, by, value, expected, ok, error, known)


def _request(check: Mapping[str, Any], evaluation: Evaluation) -> Request:
    grain = check.get("grain", "month")
    if grain not in GRAINS:
        raise CaseFileError(f"there is no grain {grain}; write one of {', '.join(GRAINS)}")
    wanted = evaluation.context.calendar.parse(check.get("period"), grain)
    return Request(check["metric"], (wanted,), check.get("params") or {}, only=check.get("by") or {})


def _decimal(value: Any) -> Decimal | None:
    if value is None:
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation as error:
        raise CaseFileError(f"{value!r} is no number") from error


def _agree(value: Decimal | None, expected: Decimal | None, tolerance: Decimal) -> bool:
    if value is None or expected is None:
        return value is None and expected is None
    return abs(value - expected) <= tolerance
