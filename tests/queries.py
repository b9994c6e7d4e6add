"""Which expressions DuckDB is made to write as queries."""

from __future__ import annotations

from typing import Any

import pytest

from revgauge.catalogue.engine.base import Engine, Texts
from revgauge.catalogue.engine.duck import DuckDB


def noted_queries(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A list of the expressions that are written from now on; what the process wrote before is forgotten meanwhile."""
    written: list[Any] = []
    plain = DuckDB.query

    def noted(engine: DuckDB, expression: Any) -> Any:
        written.append(expression)
        return plain(engine, expression)

    monkeypatch.setattr(DuckDB, "query", noted)
    monkeypatch.setattr(Engine, "_texts", Texts())
    return written
