"""The page of the data model: conventions, contents, and a section for each entity."""

from __future__ import annotations

from revgauge.model.entities import ENTITIES
from revgauge.model.fields import SQL_TYPES, Entity, Field, FieldType
from revgauge.reference.markdown import code, table

TYPE_MEANINGS: dict[FieldType, str] = {
    "text": "words or a key; zeros in front and capitals are kept",
    "integer": "a whole number",
    "number": "a decimal number, exact to eight places",
    "money": "an amount in the `currency` of its row, exact to six places",
    "boolean": "true or false; empty is not known, which is not a no",
    "date": "a calendar day",
    "instant": "a moment, in UTC",
}


def data_model() -> str:
    """The page."""
    from_sources = [entity for entity in ENTITIES.values() if not entity.record]
    records = [entity for entity in ENTITIES.values() if entity.record]
    parts = [
        _OPENING.format(types=_types()),
        "## Entities that sources fill\n",
        _contents(from_sources),
        "## Records that RevGauge writes\n",
        _contents(records),
        *(_section(entity) for entity in (*from_sources, *records)),
    ]
    return "\n".join(parts)


_OPENING = """\
# Data model

*Generated from the declarations in `src/revgauge/model/entities.py`; change them and run `make docs`.*

Every source is mapped onto these entities, and every metric reads only these. No source has to fill all of them: what a
metric needs and does not find is reported as a gap.

- A name that ends in `_id` is a key, in `_at` an instant, in `_on` a calendar day.
- An interval is half-open: its end is the first day or instant outside, and an empty end is still open.
- Where a `kind` tells money in from money out, the amount is given without a sign.
- Two rows with the same key are a conflict. An entity without a key tells its rows apart by all of their values.
- *Required* means that a row without the field is rejected. *Personal* marks what says something about a person.
- The JSON Schema beside each entity describes one row of it.

{types}"""


def _types() -> str:
    """The kinds of field, what they mean and how DuckDB stores them."""
    rows = [(kind, meaning, f"`{SQL_TYPES[kind]}`") for kind, meaning in TYPE_MEANINGS.items()]
    return table(("type", "meaning", "stored as"), rows)


def _contents(entities: list[Entity]) -> str:
    """A line for each entity, linked to its section."""
    return table(("entity", "one row is"), [(_link(entity.name), entity.about) for entity in entities])


def _section(entity: Entity) -> str:
    """All there is to know of one entity."""
    facts = [f"- key: {code(entity.key)}" if entity.key else "- key: none"]
    facts += [f"- interval: from `{start}` to `{end}`" for start, end in entity.intervals]
    facts.append(f"- [JSON Schema](schemas/{entity.name}.json)")
    fields = table(
        ("field", "type", "required", "meaning", "limits"),
        [
            (f"`{field.name}`", field.type, "yes" if field.required else "", field.about, _limits(field))
            for field in entity.fields
        ],
    )
    return "\n".join([f"## {entity.name}\n", f"{entity.about}\n", *facts, "", fields])


def _limits(field: Field) -> str:
    """What a value of the field has to keep to, beyond its type."""
    limits = []
    if field.refers_to:
        limits.append(f"found in {_link(field.refers_to.partition('.')[0], field.refers_to)}")
    if field.allowed:
        limits.append(f"one of {code(field.allowed)}")
    if field.minimum is not None and field.maximum is not None:
        limits.append(f"{field.minimum} to {field.maximum}")
    elif field.minimum is not None:
        limits.append(f"{field.minimum} or more")
    elif field.maximum is not None:
        limits.append(f"{field.maximum} or less")
    if field.personal:
        limits.append("personal")
    return "; ".join(limits)


def _link(entity: str, text: str = "") -> str:
    return f"[{text or entity}](#{entity})"
