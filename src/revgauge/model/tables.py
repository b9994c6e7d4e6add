"""The tables of an entity store: one per entity that was loaded, and those that tell how the load went.

The statements here are the only place where a table of the store is declared. Names come from the entity declarations,
never from a user's data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from revgauge.model.entities import ENTITIES
from revgauge.model.fields import SQL_TYPES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from revgauge.model.fields import Entity

META_TABLES: dict[str, str] = {
    "loaded_fields": "entity VARCHAR, field VARCHAR, rows BIGINT, filled BIGINT",
    "quarantine": (
        "source VARCHAR, entity VARCHAR, file VARCHAR, sheet VARCHAR, row_number BIGINT, column_name VARCHAR, "
        "value VARCHAR, rule VARCHAR, reason VARCHAR, fix VARCHAR, severity VARCHAR, loaded_at TIMESTAMP"
    ),
    "file_loads": (
        "source VARCHAR, entity VARCHAR, file VARCHAR, rows_read BIGINT, rows_loaded BIGINT, rows_rejected BIGINT, "
        "rows_skipped BIGINT, content_hash VARCHAR, loaded_at TIMESTAMP"
    ),
}
"""What a store knows of its own loads, as column lists.

`loaded_fields` has one row for each field that some source maps: an entity without a row was never loaded, a field
without one is a gap. `quarantine` has one row for each cell or row that was left out or warned of. `file_loads` has one
row for each file and entity; its counts add up to the rows read.
"""


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def create_entity_table(connection: DuckDBPyConnection, name: str) -> Entity:
    """Create the empty table of that entity, every canonical column in the order of the declaration."""
    entity = ENTITIES[name]
    columns = ", ".join(f"{quoted(field.name)} {SQL_TYPES[field.type]}" for field in entity.fields)
    connection.execute(f"CREATE TABLE {quoted(name)} ({columns})")
    return entity


def create_meta_tables(connection: DuckDBPyConnection) -> None:
    """Create the tables that tell how the load went."""
    for name, columns in META_TABLES.items():
        connection.execute(f"CREATE TABLE {quoted(name)} ({columns})")
