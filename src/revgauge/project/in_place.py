"""Entities that stand in the warehouse already: read there by a mapping, never copied."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import ibis.expr.datatypes as dt
import pyarrow as pa
import sqlglot.expressions as sge

from revgauge.catalogue.engine.base import Engine, EngineError, Place
from revgauge.model.entities import ENTITIES
from revgauge.model.fields import IBIS_TYPES, Field
from revgauge.sources.expressions import parse
from revgauge.sources.problems import RefusedError

if TYPE_CHECKING:
    from revgauge.sources.mapping import Standing, StandingField

FIELDS = "in_place_fields"
"""The table with the fields that are read in place, their rows and how many are filled."""


def standing(project: Path) -> dict[str, Standing]:
    """The entities of the project's mappings that are read in place; a mapping with mistakes is told by the load."""
    found: dict[str, Standing] = {}
    # Every command asks, and to read a mapping takes much longer than to see that it does not speak of this.
    saying = [path for path in sorted((project / "sources").glob("*.y*ml")) if _may_say(path)]
    if not saying:
        return found

    from revgauge.sources.mapping import read_mapping  # noqa: PLC0415 - slow to load, and few projects need it

    for path in saying:
        try:
            mapping = read_mapping(path, str(path.relative_to(project)))
        except RefusedError:
            continue
        found |= mapping.source.in_place if mapping is not None else {}
    return found


def _may_say(path: Path) -> bool:
    try:
        return b"in_place" in path.read_bytes()
    except OSError:
        return True  # whoever reads it tells what is wrong


def see(engine: Engine, entities: Mapping[str, Standing]) -> None:
    """Let the engine read these entities where they stand, and note which of their fields are filled.

    Raises EngineError where one cannot be read.
    """
    from revgauge.sources.mapping import StandingField  # noqa: PLC0415 - as above

    listed: list[dict[str, object]] = []
    for name, given in entities.items():
        place = Place(given.table or "", given.parquet or "")
        there = engine.columns_at(place)
        fields = given.fields
        if fields is None:
            fields = {column: StandingField(column=column) for column in there if column in ENTITIES[name].field_names}
        if lacking := [spec.column for spec in fields.values() if spec.column and spec.column not in there]:
            raise EngineError(f"{place}, where {name} stands, has no column {', '.join(lacking)}; it has {there}.")
        if missing := set(ENTITIES[name].required) - fields.keys():
            raise EngineError(
                f"{place} lacks {', '.join(sorted(missing))}, without which no row of {name} can be used."
            )
        engine.stand(name, place, {one.name: _expression(engine, one, fields) for one in ENTITIES[name].fields})
        table = engine.entity(name)
        counts = engine.fetch(table.aggregate(rows=table.count(), **{field: table[field].count() for field in fields}))
        (found,) = counts.to_pylist()
        rows = found["rows"]
        listed += [{"entity": name, "field": field, "rows": rows, "filled": found[field]} for field in fields]
    columns = [("entity", pa.string()), ("field", pa.string()), ("rows", pa.int64()), ("filled", pa.int64())]
    if listed or FIELDS in engine.tables():
        engine.replace({FIELDS: pa.Table.from_pylist(listed, schema=pa.schema(columns)).to_reader})


def _expression(engine: Engine, field: Field, fields: Mapping[str, StandingField]) -> str:
    """The value of a field, in the type that the model gives it."""
    spec = fields.get(field.name)
    value: sge.Expression = sge.Null()
    if spec is not None and spec.column is not None:
        value = sge.column(spec.column, quoted=True)
    elif spec is not None and spec.value is not None:
        value = sge.Literal.string(spec.value)
    elif spec is not None and spec.sql is not None:
        value = parse(spec.sql).transform(_quoted)
    kind = dt.dtype(IBIS_TYPES[field.type])
    cast = sge.Cast(this=value, to=engine.backend.compiler.type_mapper.from_ibis(kind))
    text: str = cast.sql(dialect=engine.backend.dialect)
    return f'{text} COLLATE "C"' if kind.is_string() and engine.name == "postgresql" else text


def _quoted(node: sge.Expression) -> sge.Expression:
    """A column by its name as it is written."""
    return sge.column(node.name, quoted=True) if isinstance(node, sge.Column) else node
