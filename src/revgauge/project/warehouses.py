"""The warehouse of a project: brought up to date from the store, opened, and given the published values.

Loading always fills the store of the project first, one file that is replaced as a whole. What changed in it is then
copied in bulk into the warehouse, in one step. Where that step fails or is killed the warehouse keeps what it had, and
the next load or build makes up for it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

import pyarrow as pa

from revgauge.catalogue.engine import Address, EngineError, Warehouse
from revgauge.catalogue.engine.base import Engine, Rows
from revgauge.catalogue.engine.connect import warehouse as connected
from revgauge.catalogue.published import PLAIN, Built
from revgauge.model.store import StoreError, batches, contents, open_store, store_path
from revgauge.project.in_place import see, standing

STATE = "table_versions"
"""The table that says which content each of our tables in a warehouse has."""


def open_warehouse(project: Path, address: Address, memory_limit: str | None) -> Warehouse:
    """The entities of a project where its warehouse is, steady while it is open.

    Raises FileNotFoundError or StoreError if nothing was ever loaded there, and EngineError.
    """
    if address.local:
        return Warehouse.open(store_path(project), memory_limit=memory_limit)
    if address.kind == "duckdb":
        return Warehouse.open(_file(project, address), memory_limit=memory_limit)
    engine = connected(address, project, memory_limit=memory_limit, steady=True)
    if "loaded_fields" not in engine.tables():
        engine.close()
        raise StoreError(f"nothing was loaded into {address} yet: run `revgauge load` first.")
    return Warehouse(engine)


def bring(project: Path, address: Address) -> list[str]:
    """Copy into the warehouse what the store has and it has not; the names of the tables that were copied.

    Raises EngineError; the warehouse then holds what it held before.
    """
    entities = standing(project)
    if address.kind == "duckdb" and entities:
        raise EngineError(
            f"{', '.join(entities)} can be read in place in PostgreSQL or by Spark only. Set `warehouse` to one of "
            "them, or load it as a table of the source."
        )
    if address.local or not store_path(project).exists():
        return []
    if address.kind == "duckdb":
        return _bring_file(store_path(project), _file(project, address))
    try:
        engine = connected(address, project)
        try:
            copied = _bring_tables(project, engine, entities)
            see(engine, entities)
            return copied
        finally:
            engine.close()
    except EngineError as error:
        raise EngineError(
            f"{error} The warehouse holds what it held before; what the sources gave is kept in the project, and the "
            "next `revgauge load` or `revgauge build` copies it."
        ) from error


def _file(project: Path, address: Address) -> Path:
    return project / address.place


def _bring_file(store: Path, file: Path) -> list[str]:
    """A copy of the store, put in place with a rename."""
    state = store.stat()
    if file.exists() and (file.stat().st_mtime_ns, file.stat().st_size) == (state.st_mtime_ns, state.st_size):
        return []
    beside = file.with_name(f"{file.name}.{os.getpid()}.new")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(store, beside)
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        reason = (error.strerror or "it cannot be written").lower()
        raise EngineError(f"{file}, the `warehouse` of revgauge.yml, cannot be written: {reason}.") from error
    return [file.name]


def _bring_tables(project: Path, engine: Engine, in_place: Collection[str]) -> list[str]:
    held = _versions(engine)
    with open_store(project) as connection:
        wanted = {name: content for name, content in contents(connection).items() if name not in in_place}
        changed = {name: version for name, version in wanted.items() if held.get(name) != version}
        gone = held.keys() - wanted.keys() - set(in_place)
        if not changed and not gone:
            return []
        tables: dict[str, Rows] = {name: batches(connection, name) for name in changed}
        listed = pa.table({"name": list(wanted), "version": list(wanted.values())})
        engine.replace({**tables, STATE: listed.to_reader}, gone)
    return sorted(changed)


def _versions(engine: Engine) -> Mapping[str, str]:
    if STATE not in engine.tables():
        return {}
    return {row["name"]: row["version"] for row in engine.fetch(engine.entity(STATE)).to_pylist()}


def publish_there(project: Path, address: Address, built: Built, facts: Mapping[str, str]) -> None:
    """Put the values of a build into the warehouse, where that is not the project's own file."""
    if address.kind == "duckdb":
        return
    missing = built.not_computable
    tables = {
        "metric_values": built.values.cast(PLAIN),
        "build": pa.table({"name": list(facts), "value": list(facts.values())}),
        "not_computable": pa.table(
            {"metric": pa.array(missing, pa.string()), "reason": pa.array(missing.values(), pa.string())}
        ),
    }
    engine = connected(address, project)
    try:
        engine.replace({name: table.to_reader for name, table in tables.items()})
    finally:
        engine.close()
