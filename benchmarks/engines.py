"""PostgreSQL and Spark for the product's build: the rows copied there in bulk, as a load of a project copies them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from revgauge.catalogue.engine import Warehouse, read_address
from revgauge.catalogue.engine.connect import warehouse as connected
from revgauge.catalogue.engine.reasons import PASSWORD
from revgauge.model.entities import ENTITIES
from revgauge.model.store import batches

SERVER = "REVGAUGE_BENCH_POSTGRESQL"
"""The environment variable with the address of the server that a run has started."""

SERVER_PROCESS = "REVGAUGE_BENCH_POSTGRESQL_PROCESS"
"""The one with the number of its first process."""

SPARK = "local[2]"


@dataclass(frozen=True)
class Filled:
    """A warehouse that holds the entities of a store."""

    warehouse: Warehouse
    load_seconds: float
    """What it took to get them there; for Spark with the start of its own process."""
    processes: tuple[int, ...]
    """The processes that compute for it, beside the one that asks."""


@contextmanager
def postgresql_server() -> Iterator[dict[str, str]]:
    """A PostgreSQL server in a temporary folder, as the environment variables by which `fill` finds it.

    It is the server of the tests: set as it is installed, but for commits that do not wait for the disk.
    """
    from tests.engines.postgresql import server

    with server() as running:
        process = (running.folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0]
        yield {PASSWORD: running.password, SERVER: running.url("benchmark"), SERVER_PROCESS: process}


def fill(engine_name: str, store: Path, folder: Path, memory_limit: str | None = None) -> Filled:
    """Copy the entities of a store into an engine, `postgresql` or `spark`, and open them there."""
    address = read_address(os.environ[SERVER] if engine_name == "postgresql" else f"{SPARK}?folder={folder}")
    began = time.perf_counter()
    engine = connected(address, folder, memory_limit=memory_limit)
    with duckdb.connect(str(store), read_only=True) as connection:
        held = {str(name) for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        engine.replace({name: batches(connection, name) for name in sorted(held & {*ENTITIES, "loaded_fields"})})
    engine.close()
    load_seconds = time.perf_counter() - began
    engine = connected(address, folder, memory_limit=memory_limit, steady=True)
    return Filled(Warehouse(engine), load_seconds, _processes(engine))


def _processes(engine: Any) -> tuple[int, ...]:
    if engine.name == "postgresql":
        # What parallel workers used is added to the first process of the server when they end.
        return engine.connection.info.backend_pid, int(os.environ[SERVER_PROCESS])
    return (engine.session.sparkContext._gateway.proc.pid,)  # noqa: SLF001 - has no public name
