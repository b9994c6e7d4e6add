"""What a field of an entity is: its type, its limits and where it points.

One declaration per field is the only place where its meaning stands. The loader's checks, the reference pages and the
JSON Schemas are all read from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

FieldType = Literal["text", "integer", "number", "money", "boolean", "date", "instant"]

SQL_TYPES: dict[FieldType, str] = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DECIMAL(18, 8)",
    "money": "DECIMAL(18, 6)",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "instant": "TIMESTAMP",
}
"""The DuckDB type in which each kind of field is stored. Instants are UTC without a zone mark."""

IBIS_TYPES: dict[FieldType, str] = {
    "text": "string",
    "integer": "int64",
    "number": "decimal(18, 8)",
    "money": "decimal(18, 6)",
    "boolean": "boolean",
    "date": "date",
    "instant": "timestamp(6)",
}

JSON_TYPES: dict[FieldType, dict[str, Any]] = {
    "text": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "money": {"type": "number"},
    "boolean": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
    "instant": {"type": "string", "format": "date-time"},
}


@dataclass(frozen=True, slots=True)
class Field:
    """One column of an entity."""

    name: str
    type: FieldType
    about: str
    required: bool = False
    allowed: tuple[str, ...] = ()
    refers_to: str | None = None
    """`entity.field` that this one points at."""
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    personal: bool = False
    """Says something of a person: may be dropped or hashed at load, and is erased on request."""

    def json_schema(self) -> dict[str, Any]:
        """The field as JSON Schema (draft 2020-12)."""
        schema: dict[str, Any] = {**JSON_TYPES[self.type], "description": self.about}
        if self.allowed:
            schema["enum"] = list(self.allowed)
        if self.minimum is not None:
            schema["minimum"] = float(self.minimum)
        if self.maximum is not None:
            schema["maximum"] = float(self.maximum)
        if not self.required:
            schema["type"] = [schema["type"], "null"]
            if self.allowed:
                schema["enum"].append(None)
        return schema


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of thing that every source is mapped onto: one row is one of it."""

    name: str
    about: str
    fields: tuple[Field, ...]
    key: tuple[str, ...] = ()
    """Fields that tell one row from another. Empty: a row is told apart by all of its values."""
    intervals: tuple[tuple[str, str], ...] = ()
    """(from, to) pairs: half-open, an end before its start is an error, an empty end is still open."""
    record: bool = False
    """Written by RevGauge itself (accountability), not by a source."""

    def field(self, name: str) -> Field:
        """The field of that name; KeyError if there is none."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(f"{self.name} has no field {name}")

    @property
    def field_names(self) -> tuple[str, ...]:
        """All field names, in the order of the declaration."""
        return tuple(field.name for field in self.fields)

    @property
    def required(self) -> tuple[str, ...]:
        """Fields without which a row cannot be used."""
        return tuple(field.name for field in self.fields if field.required)

    def json_schema(self) -> dict[str, Any]:
        """One row as JSON Schema (draft 2020-12)."""
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": self.name,
            "description": self.about,
            "type": "object",
            "properties": {field.name: field.json_schema() for field in self.fields},
            "required": list(self.required),
            "additionalProperties": False,
        }


def text(name: str, about: str, **options: Any) -> Field:
    """A word or sentence."""
    return Field(name, "text", about, **options)


def identifier(name: str, about: str) -> Field:
    """The key of its own entity: text, never trimmed of zeros, case kept."""
    return Field(name, "text", about, required=True)


def reference(name: str, refers_to: str, about: str, *, required: bool = False) -> Field:
    """A key of another row."""
    return Field(name, "text", about, required=required, refers_to=refers_to)


def choice(name: str, about: str, *allowed: str, required: bool = False) -> Field:
    """One word of a closed list."""
    return Field(name, "text", about, required=required, allowed=allowed)


def money(name: str, about: str, **options: Any) -> Field:
    """An amount in the row's `currency`, exact to a millionth."""
    return Field(name, "money", about, **options)


def currency(about: str = "The ISO 4217 code of the row's amounts; empty: the reporting currency.") -> Field:
    """The currency of the row's amounts."""
    return Field("currency", "text", about)


def number(name: str, about: str, low: str | None = None, high: str | None = None, **options: Any) -> Field:
    """A decimal number, exact to eight places."""
    return Field(
        name,
        "number",
        about,
        minimum=None if low is None else Decimal(low),
        maximum=None if high is None else Decimal(high),
        **options,
    )


def integer(name: str, about: str, low: int | None = None, high: int | None = None, **options: Any) -> Field:
    """A whole number."""
    return Field(
        name,
        "integer",
        about,
        minimum=None if low is None else Decimal(low),
        maximum=None if high is None else Decimal(high),
        **options,
    )


def boolean(name: str, about: str) -> Field:
    """True, false or not known; what is not known is not a yes."""
    return Field(name, "boolean", about)


def day(name: str, about: str, *, required: bool = False) -> Field:
    """A calendar day."""
    return Field(name, "date", about, required=required)


def instant(name: str, about: str, *, required: bool = False) -> Field:
    """A moment in UTC."""
    return Field(name, "instant", about, required=required)
