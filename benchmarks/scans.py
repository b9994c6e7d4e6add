"""How often each table of the store is read: counted from the plans of every statement that DuckDB is given.

In a process of its own the connection class is dressed so that each statement is explained before it runs. Nobody who
computes has to take part in the counting, so it is the same for all of them.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import duckdb

_PLANNED = ("SELECT", "WITH", "CREATE", "INSERT", "COPY", "FROM")


@contextlib.contextmanager
def counted(database: str) -> Iterator[Counter[str]]:
    """Count the scans of the tables of an attached database in all that runs inside the block."""
    found: Counter[str] = Counter()
    saved = {name: getattr(duckdb.DuckDBPyConnection, name) for name in ("execute", "sql", "query")}

    def dressed(name: str) -> Any:
        def run(connection: duckdb.DuckDBPyConnection, query: Any, *rest: Any, **named: Any) -> Any:
            found.update(_scans(saved["execute"], connection, query, database))
            return saved[name](connection, query, *rest, **named)

        return run

    for name in saved:
        setattr(duckdb.DuckDBPyConnection, name, dressed(name))
    try:
        yield found
    finally:
        for name, method in saved.items():
            setattr(duckdb.DuckDBPyConnection, name, method)


def _scans(execute: Any, connection: duckdb.DuckDBPyConnection, query: Any, database: str) -> Iterator[str]:
    if not isinstance(query, str) or not query.lstrip(" \n(").upper().startswith(_PLANNED):
        return
    if len(connection.extract_statements(query)) > 1:
        return  # only the first would be explained, and the rest run; nothing that reads tables is sent like that
    try:
        rows = execute(connection, f"EXPLAIN (FORMAT json) {query}").fetchall()
    except duckdb.Error:
        return  # a statement that has no plan: a view, a schema, a macro
    for kind, plan in rows:
        if kind == "physical_plan":
            for node in json.loads(plan):
                yield from _tables(node, database)


def _tables(node: dict[str, Any], database: str) -> Iterator[str]:
    table = str(node.get("extra_info", {}).get("Table", ""))
    if node["name"].strip() == "SEQ_SCAN" and table.startswith(f"{database}."):
        yield table.rsplit(".", 1)[-1]
    for child in node.get("children", ()):
        yield from _tables(child, database)
