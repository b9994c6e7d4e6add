"""Which expressions DuckDB is made to write as queries, and how a query is written without blanks."""

from __future__ import annotations

from typing import Any

import pytest

from revgauge.catalogue.engine.base import Engine, grouped
from revgauge.catalogue.engine.duck import DuckDB
from revgauge.catalogue.engine.forms import Blanks, Forms, Wording


def noted_queries(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A list of the expressions that are written from now on; what the process wrote before is forgotten meanwhile."""
    written: list[Any] = []
    plain = DuckDB.query

    def noted(engine: DuckDB, expression: Any, blanks: Any) -> Any:
        written.append(expression)
        return plain(engine, expression, blanks)

    monkeypatch.setattr(DuckDB, "query", noted)
    monkeypatch.setattr(Forms, "_known", {})
    return written


def plainly_written(engine: Engine, expression: Any, sets: Any = ()) -> str:
    """The query of an expression as Ibis writes it, nothing filled in."""
    query = engine.query(expression, NoBlanks(Wording("", (), ())))
    return engine.text(engine.typed(grouped(query, sets), expression.schema()))


class NoBlanks(Blanks):
    """Days and tables as they are."""

    def instead(self, node: Any, parts: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - any is as it is
        """The parts themselves."""
        return parts
