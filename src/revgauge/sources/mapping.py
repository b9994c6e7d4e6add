"""The mapping language: how the files and tables of one source become entities.

A file in `sources/` is read into the models below. All mistakes of a file are found before anything is loaded and told
together, each with its line and, where there is one, the nearest right word.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from sqlglot import exp

from revgauge.model.entities import ENTITIES
from revgauge.model.fields import Entity
from revgauge.model.fields import Field as EntityField
from revgauge.sources.expressions import ExpressionError, parse
from revgauge.sources.problems import Problem, RefusedError
from revgauge.sources.units import allowed_for
from revgauge.sources.yaml_text import YamlPath, YamlText, read_yaml


def _as_list(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


def _as_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str | list) else value


def _as_column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


Words = Annotated[list[str], BeforeValidator(_as_list)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, protected_namespaces=())


class FileInput(_Model):
    """Files of one kind; anything not said is detected, and what could be read two ways is asked about."""

    path: Words = Field(description="A path or glob below the project folder, or a list of them.")
    sheet: str | None = Field(default=None, description="The sheet of a workbook.")
    header_row: int | None = Field(default=None, ge=1, description="The row with the names of the columns.")
    encoding: str | None = Field(default=None, description="Such as utf-8, windows-1252 or utf-16.")
    separator: str | None = Field(default=None, description="The character between fields; `tab` for a tab.")
    decimal: Literal[".", ","] | None = Field(default=None, description="The decimal mark of its numbers.")
    date_format: str | None = Field(default=None, description="How its days are written, as in %d/%m/%Y.")
    time_zone: str | None = Field(
        default=None, description="The zone of times that stand without one, such as Europe/Berlin."
    )
    null_words: list[str] = Field(default=[], description="Words that mean empty, beside the usual ones.")
    records: str | None = Field(default=None, description="The key that holds the list of records in a JSON file.")
    each: str | None = Field(
        default=None, description="A list inside each record that becomes one row per item, named `item`."
    )
    max_unpacked_mb: int = Field(default=200, ge=1, description="The most that a packed file may unpack to.")


class TableInput(_Model):
    """A table that already stands in a DuckDB file or in Parquet."""

    database: str | None = Field(default=None, description="Path of a DuckDB file.")
    schema_: str = Field(default="main", alias="schema", description="The schema in the database.")
    table: str | None = Field(default=None, description="The table or view in the database.")
    parquet: Words | None = Field(default=None, description="A Parquet file, a folder of them, or a glob.")
    time_zone: str | None = Field(default=None, description="The zone of timestamps that stand without one.")
    decimal: Literal[".", ","] | None = Field(default=None, description="The decimal mark of numbers kept as text.")
    date_format: str | None = Field(default=None, description="How days kept as text are written.")
    null_words: list[str] = Field(default=[], description="Words that mean empty, beside the usual ones.")
    each: str | None = Field(
        default=None, description="A JSON list in each row that becomes one row per item, named `item`."
    )


class Join(_Model):
    """A lookup: each row of the block may match one row of another input."""

    with_: str = Field(alias="with", description="The input to look up in.")
    on: dict[str, str] = Field(description="Column of this side: column of the other side.")


class FieldSpec(_Model):
    """Where the value of a field comes from: one of column, value or sql."""

    column: str | None = Field(default=None, description="A column, as the header names it.")
    value: str | None = Field(default=None, description="The same value for every row.")
    sql: str | None = Field(default=None, description="An SQL expression over the row.")
    unit: Words = Field(default=[], description="What the column is in, where the field is in something else.")
    format: str | None = Field(default=None, description="How a day or time is written, as in %d/%m/%Y %H:%M.")
    time_zone: str | None = Field(default=None, description="The zone of times that stand without one.")
    decimal: Literal[".", ","] | None = Field(default=None, description="The decimal mark.")
    map: dict[str, str | None] | None = Field(default=None, description="Value found: value to load.")
    otherwise: str | None = Field(
        default=None,
        description="For a value that `map` does not name: a value, `null`, `keep`, or `warn` (empty, with a warning).",
    )
    null_words: list[str] = Field(default=[], description="Words that mean empty in this column.")
    default: str | None = Field(default=None, description="What to load where the column is empty.")


class Block(_Model):
    """One way to fill an entity."""

    from_: Words | None = Field(default=None, alias="from", description="The input, or several with the same columns.")
    join: list[Join] = Field(default=[], description="Lookups in other inputs.")
    where: str | None = Field(default=None, description="Only rows for which this SQL expression is true.")
    fields: dict[str, Annotated[FieldSpec, BeforeValidator(_as_column)]] | None = Field(
        default=None, description="Field: column. Left out: every column that has the name of a field."
    )
    note: str | None = Field(
        default=None, description="A sentence for the load report, such as that figures are estimates."
    )
    newest_by: str | None = Field(
        default=None, description="Where a key repeats, keep the row with the greatest value of this field or column."
    )


class StandingField(_Model):
    """Where the value of a field comes from, for an entity that is read where it stands: one of column, value, sql."""

    column: str | None = Field(default=None, description="A column of the table.")
    value: str | None = Field(default=None, description="The same value for every row.")
    sql: str | None = Field(default=None, description="An SQL expression over the row, of standard operators.")


class Standing(_Model):
    """An entity that already stands in the warehouse, clean, and is read there without being loaded."""

    table: str | None = Field(default=None, description="A table or view of the warehouse's database: schema.table.")
    parquet: str | None = Field(default=None, description="A Parquet file or folder that all workers of Spark see.")
    fields: dict[str, Annotated[StandingField, BeforeValidator(_as_column)]] | None = Field(
        default=None, description="Field: column. Left out: every column that has the name of a field."
    )


class SourceFile(_Model):
    """One source: its inputs and the entities they fill."""

    source: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Name of the source: small letters, digits, _.")
    master: bool = Field(
        default=False, description="Its keys are used as they are where several sources fill one entity."
    )
    absent_columns: Literal["error", "gap"] = Field(
        default="error", description="A mapped column that is not there: refuse the source, or note a gap in the data."
    )
    time_zone: str | None = Field(default=None, description="The zone of times that stand without one, for all inputs.")
    files: dict[str, Annotated[FileInput, BeforeValidator(_as_path)]] = Field(default={}, description="Named files.")
    tables: dict[str, TableInput] = Field(default={}, description="Named tables.")
    entities: dict[str, Annotated[list[Block], BeforeValidator(_as_list)]] = Field(
        default={}, description="Entity: how it is filled."
    )
    in_place: dict[str, Standing] = Field(
        default={}, description="Entity: where it stands in the warehouse already, to be read there and not loaded."
    )


class Mapping:
    """A checked source file, with the lines of its parts for messages."""

    def __init__(self, text: YamlText, source: SourceFile) -> None:
        self.file = text.name
        self.source = source
        self.notices = text.notices
        self._text = text

    def line(self, *path: str | int) -> int:
        """The line of a part of the file."""
        return self._text.line(path)

    def field_line(self, entity: str, block: int, field: str) -> int:
        """The line of a field's mapping, whether its entity has one block or a list of them."""
        blocks = self._text.data["entities"][entity]
        inner: YamlPath = ("entities", entity, block) if isinstance(blocks, list) else ("entities", entity)
        return self._text.line((*inner, "fields", field))


def read_mapping(path: Path, name: str) -> Mapping | None:
    """Read and check one source file; None if it defines nothing.

    Raises RefusedError with every mistake.
    """
    text = read_yaml(path, name)
    if not text.data:
        return None
    if not isinstance(text.data, dict):
        raise RefusedError(
            [
                Problem(
                    name,
                    "not_a_mapping",
                    "the file should hold keys such as `source:`",
                    "See `docs/reference/mapping.md`.",
                    row=1,
                )
            ]
        )
    try:
        source = SourceFile.model_validate(text.data)
    except ValidationError as error:
        raise RefusedError([_told(text, found) for found in error.errors()]) from error
    mapping = Mapping(text, source)
    if problems := list(_checked(mapping, text)):
        raise RefusedError(problems)
    return mapping


def json_schema() -> dict[str, Any]:
    """The mapping language as JSON Schema, for editors."""
    schema = SourceFile.model_json_schema(by_alias=True)
    parts = schema["$defs"]
    word = {"type": "string"}
    parts["FileInput"] = {"anyOf": [word, {"type": "array", "items": word}, parts["FileInput"]]}
    parts["FieldSpec"] = {"anyOf": [word, parts["FieldSpec"]]}
    for part in (*parts.values(), schema):
        for options in part.get("anyOf", [part]):
            for about in options.get("properties", {}).values():
                if about.get("type") == "array" and about.get("items") == word:
                    about.update(type=["array", "string"])
    entities = schema["properties"]["entities"]
    blocks = {"anyOf": [parts_ref := {"$ref": "#/$defs/Block"}, {"type": "array", "items": parts_ref}]}
    entities.pop("additionalProperties", None)
    entities["properties"] = {name: blocks for name, entity in ENTITIES.items() if not entity.record}
    entities["additionalProperties"] = False
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


_MODELS: dict[str, type[_Model]] = {"files": FileInput, "tables": TableInput}


def _model_at(path: YamlPath) -> type[_Model]:
    """The model that the keys at that place belong to."""
    if len(path) < 2:
        return SourceFile
    if path[0] in _MODELS:
        return _MODELS[str(path[0])]
    if "fields" in path:
        return FieldSpec
    return Join if "join" in path else Block


def _told(text: YamlText, error: Any) -> Problem:
    """A mistake that pydantic found, as a problem with its line."""
    path: YamlPath = tuple(error["loc"])
    key = str(path[-1]) if path else None
    line = text.line(_yaml_path(text, path))
    if error["type"] == "extra_forbidden":
        known = [info.alias or name for name, info in _model_at(path).model_fields.items()]
        near = nearest(key or "", known)
        fix = f"Did you mean `{near}`?" if near else f"Known here are {', '.join(known)}."
        return Problem(text.name, "unknown_key", f"there is no key `{key}` here", fix, row=line, column=key)
    if error["type"] == "missing":
        return Problem(text.name, "missing_key", f"the key `{key}` is missing", "Add it.", row=line, column=key)
    value = error.get("input")
    shown = value if isinstance(value, str) else None
    return Problem(
        text.name,
        "wrong_value",
        f"`{key}`: {error['msg'][0].lower()}{error['msg'][1:]}",
        "Correct the value.",
        row=line,
        column=key,
        value=shown,
    )


def _yaml_path(text: YamlText, path: YamlPath) -> YamlPath:
    """The path in the file: a single block or a short form has no list or key around it there."""
    steps: list[str | int] = []
    data = text.data
    for step in path:
        keyed = isinstance(data, dict) and step in data
        listed = isinstance(data, list) and isinstance(step, int) and step < len(data)
        if keyed or listed:
            data = data[step]
            steps.append(step)
    return tuple(steps)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like this one, if any does."""
    by_small = {name.lower(): name for name in known}
    found = difflib.get_close_matches(word.lower(), by_small, n=1, cutoff=0.6)
    return by_small[found[0]] if found else None


def _unknown(mapping: Mapping, line: int, what: str, word: str, known: Iterable[str]) -> Problem:
    names = list(known)
    near = nearest(word, names)
    fix = f"Did you mean `{near}`?" if near else f"There are: {', '.join(names)}."
    return Problem(
        mapping.file, f"unknown_{what}", f"there is no {what} `{word}`", fix, row=line, column=word, value=word
    )


def _checked(mapping: Mapping, text: YamlText) -> Iterable[Problem]:
    """Every mistake that the shape of the file alone does not show."""
    source = mapping.source
    inputs = [*source.files, *source.tables]
    for name in source.tables.keys() & source.files.keys():
        yield Problem(
            mapping.file,
            "repeated_input",
            f"`{name}` is both a file and a table",
            "Rename one.",
            row=mapping.line("tables", name),
        )
    for name, table in source.tables.items():
        if bool(table.database) == bool(table.parquet) or bool(table.database) != bool(table.table):
            fix = "Give `database:` with `table:`, or `parquet:`."
            yield Problem(
                mapping.file,
                "table_place",
                f"the table `{name}` has no clear place",
                fix,
                row=mapping.line("tables", name),
                column=name,
            )
    zones: list[tuple[YamlPath, str | None]] = [(("time_zone",), source.time_zone)]
    zones += [(("files", name, "time_zone"), item.time_zone) for name, item in source.files.items()]
    zones += [(("tables", name, "time_zone"), item.time_zone) for name, item in source.tables.items()]
    for path, zone in zones:
        yield from _zone(mapping, mapping.line(*path), zone)
    for name, blocks in source.entities.items():
        if name not in ENTITIES or ENTITIES[name].record:
            known = [entity.name for entity in ENTITIES.values() if not entity.record]
            yield _unknown(mapping, mapping.line("entities", name), "entity", name, known)
            continue
        for number, block in enumerate(blocks):
            listed = isinstance(text.data["entities"][name], list)
            place: YamlPath = ("entities", name, number) if listed else ("entities", name)
            yield from _block(mapping, place, ENTITIES[name], block, inputs)
    for name, standing in source.in_place.items():
        yield from _standing(mapping, name, standing)


def _standing(mapping: Mapping, name: str, standing: Standing) -> Iterable[Problem]:
    """Mistakes in what is read where it stands."""
    line = mapping.line("in_place", name)
    if name not in ENTITIES or ENTITIES[name].record:
        yield _unknown(mapping, line, "entity", name, [one.name for one in ENTITIES.values() if not one.record])
        return
    if name in mapping.source.entities:
        reason, fix = f"`{name}` is loaded and read in place", "Take it out of `entities` or of `in_place`."
        yield Problem(mapping.file, "standing_twice", reason, fix, row=line, column=name)
    if bool(standing.table) == bool(standing.parquet):
        reason, fix = f"`{name}` has no clear place", "Give `table: schema.table` or `parquet: folder`."
        yield Problem(mapping.file, "table_place", reason, fix, row=line, column=name)
    for field, spec in (standing.fields or {}).items():
        row = mapping.line("in_place", name, "fields", field)
        if field not in ENTITIES[name].field_names:
            yield _unknown(mapping, row, "field", field, ENTITIES[name].field_names)
        if sum(given is not None for given in (spec.column, spec.value, spec.sql)) != 1:
            reason, fix = f"`{field}` has no clear source", "Give one of `column`, `value` and `sql`."
            yield Problem(mapping.file, "field_source", reason, fix, row=row, column=field)
        if spec.sql is not None:
            yield from _standard_sql(mapping, row, field, spec.sql)
    if standing.fields is not None and (lacking := set(ENTITIES[name].required) - standing.fields.keys()):
        reason = f"`{name}` lacks {', '.join(sorted(lacking))}, without which a row cannot be used"
        yield Problem(mapping.file, "missing_field", reason, "Map them.", row=line, column=name)


def _standard_sql(mapping: Mapping, row: int, field: str, text: str) -> Iterable[Problem]:
    """Mistakes in an expression that another database will compute."""
    try:
        own = [node.name for node in parse(text).find_all(exp.Anonymous)]
    except ExpressionError as error:
        yield Problem(mapping.file, "expression", str(error), "Correct it.", row=row, column=field, value=text)
        return
    if own:
        reason = f"`{own[0]}` is a function of loading, which other databases do not have"
        yield Problem(mapping.file, "expression", reason, "Use standard SQL.", row=row, column=field, value=text)


def _zone(mapping: Mapping, line: int, zone: str | None) -> Iterable[Problem]:
    if zone is None:
        return
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield Problem(
            mapping.file,
            "time_zone",
            f"there is no time zone `{zone}`",
            "Use a name such as Europe/Berlin or UTC.",
            row=line,
            column="time_zone",
            value=zone,
        )


def _block(mapping: Mapping, place: YamlPath, entity: Entity, block: Block, inputs: list[str]) -> Iterable[Problem]:
    if block.from_ is None and len(inputs) != 1:
        yield Problem(
            mapping.file,
            "no_input",
            f"{entity.name} does not say which input it is filled from",
            "Add `from:`.",
            row=mapping.line(*place),
            column="from",
        )
    for name in block.from_ or []:
        if name not in inputs:
            yield _unknown(mapping, mapping.line(*place, "from"), "input", name, inputs)
    for number, join in enumerate(block.join):
        line = mapping.line(*place, "join", number)
        if join.with_ not in inputs:
            yield _unknown(mapping, line, "input", join.with_, inputs)
        if not join.on:
            yield Problem(
                mapping.file,
                "empty_join",
                "the lookup names no columns",
                "Write `on: {column: column}`.",
                row=line,
                column="on",
            )
    if block.where is not None:
        yield from _expression(mapping, mapping.line(*place, "where"), "where", block.where)
    for name, spec in (block.fields or {}).items():
        line = mapping.line(*place, "fields", name)
        if name not in entity.field_names:
            yield _unknown(mapping, line, "field", name, entity.field_names)
            continue
        yield from _field(mapping, line, entity.field(name), spec)


def _field(mapping: Mapping, line: int, field: EntityField, spec: FieldSpec) -> Iterable[Problem]:
    given = [key for key in ("column", "value", "sql") if getattr(spec, key) is not None]
    if len(given) != 1:
        reason = f"{field.name} needs exactly one of `column`, `value` and `sql`, found {' and '.join(given) or 'none'}"
        yield Problem(mapping.file, "field_source", reason, "Keep one of them.", row=line, column=field.name)
    for unit in spec.unit:
        if unit not in allowed_for(field):
            known = allowed_for(field)
            near = nearest(unit, known)
            hint = f"Did you mean `{near}`?" if near else f"For {field.name} there are: {', '.join(known) or 'none'}."
            yield Problem(
                mapping.file,
                "unknown_unit",
                f"{field.name} has no unit `{unit}`",
                hint,
                row=line,
                column="unit",
                value=unit,
            )
    yield from _zone(mapping, line, spec.time_zone)
    if spec.sql is not None:
        yield from _expression(mapping, line, field.name, spec.sql)
    words = [*(spec.map or {}).values(), spec.value, spec.default, spec.otherwise]
    for word in dict.fromkeys(word for word in words if word not in {None, "null", "keep", "warn"}):
        if field.allowed and word not in field.allowed:
            near = nearest(str(word), field.allowed)
            hint = f"Did you mean `{near}`? " if near else ""
            fix = f"{hint}{field.name} may be: {', '.join(field.allowed)}."
            yield Problem(
                mapping.file,
                "not_allowed",
                f"{field.name} cannot be `{word}`",
                fix,
                row=line,
                column=field.name,
                value=word,
            )


def _expression(mapping: Mapping, line: int, key: str, text: str) -> Iterable[Problem]:
    try:
        parse(text)
    except ExpressionError as error:
        yield Problem(
            mapping.file, "expression", f"`{key}`: {error}", "Correct the expression.", row=line, column=key, value=text
        )
