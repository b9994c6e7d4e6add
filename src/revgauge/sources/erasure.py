"""Persons who are to stay erased: their rows no longer load, and only hashes tell who they are."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import duckdb

from revgauge.model.store import HOME, QUERIES, literal, quoted
from revgauge.sources.blocks import BlockRows

_ERASED = "erased"


def register_erasure(project: Path, entity: str, value: str) -> None:
    """Note that a person is to stay erased: rows of that entity with this key or e-mail address no longer load.

    Only a hash is kept; queries are forgotten, since somebody may have asked for the person by name.
    """
    home = project / HOME
    shutil.rmtree(home / QUERIES, ignore_errors=True)
    home.mkdir(exist_ok=True)
    with (home / _ERASED).open("a", encoding="utf-8") as register:
        register.write(f"{entity} {hashlib.sha256(value.strip().lower().encode()).hexdigest()}\n")


def erased_hashes(project: Path) -> dict[str, set[str]]:
    """For each entity the hashes of the keys and e-mail addresses that are to stay away."""
    path = project / HOME / _ERASED
    hashes: dict[str, set[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        entity, _, digest = line.partition(" ")
        hashes.setdefault(entity, set()).add(digest)
    return hashes


def leave_out_erased(connection: duckdb.DuckDBPyConnection, rows: BlockRows, erased: dict[str, set[str]]) -> None:
    """Take the rows of erased persons out of what loads, and count them as skipped."""
    digests = erased.get(rows.entity.name)
    if not digests:
        return
    names = [name for name in (*rows.entity.key, "email") if name in rows.fields]
    listed = ", ".join(map(literal, sorted(digests)))
    condition = " OR ".join(f"sha256(lower(trim({quoted(name)}))) IN ({listed})" for name in names) or "false"
    connection.execute(
        f"DELETE FROM problems WHERE block = {rows.number} AND _id IN (SELECT _id FROM {rows.table} WHERE {condition})"
    )
    connection.execute(
        f"INSERT INTO problems SELECT {rows.number}, _id, _file, _row, NULL, NULL, 'erased', "
        f"'the record was erased on request and stays erased', 'Nothing to do.', 'skipped' FROM {rows.table} WHERE "
        f"{condition}"
    )
