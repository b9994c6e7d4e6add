"""The form of `metrics.yml`: three shapes of a definition, checked key by key."""

from __future__ import annotations

import difflib
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from revgauge.catalogue.registry import Better, Timing, Unit
from revgauge.sources.problems import Problem
from revgauge.sources.yaml_text import YamlPath, YamlText

Aggregate = Literal["sum", "count", "distinct", "mean", "median", "p90"]

FAMILY = "own_metrics"
"""The family of all metrics of the file."""

SHAPE_KEYS = ("rows", "formula", "metric")
"""The key that tells one shape from the others."""


def _one_line(text: str) -> str:
    if not (line := " ".join(text.split())):
        raise ValueError("it is empty")
    return line


Line = Annotated[str, AfterValidator(_one_line)]


class Card(BaseModel):
    """What every definition says of itself."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(
        pattern="^[a-z][a-z0-9_]*$", description="Name of the metric: small letters, digits and underscores."
    )
    label: Line = Field(description="Title on pages.")
    definition: Line = Field(description="What the number means, in one sentence.")
    better: Better = Field("up", description="Which way is better.")
    timing: Timing = Field("lagging", description="Whether it shows what is coming or what has been.")
    aliases: tuple[Line, ...] = Field((), description="Other names.")

    @field_validator("aliases")
    @classmethod
    def _small(cls, aliases: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(alias.lower() for alias in aliases))


class OfRows(Card):
    """An aggregate of the rows of one entity."""

    unit: Unit = Field(description="Of what it is a number.")
    rows: str = Field(description="The entity whose rows count, such as opportunities.")
    when: str = Field(description="The date or instant that places a row in a period, such as closed_at.")
    where: Line | None = Field(None, description="Condition on a row, as an SQL fragment; without it all rows count.")
    aggregate: Aggregate = Field(description="How the rows become one number.")
    value: Line | None = Field(None, description="What is aggregated, as an SQL fragment; left out for count.")
    by: tuple[str, ...] = Field((), description="Fields of the entity by which it can be cut.")


class OfMetrics(Card):
    """Arithmetic of other metrics."""

    unit: Unit = Field(description="Of what it is a number.")
    formula: Line = Field(description="Names of metrics and numbers with + - * / and parentheses.")


class Narrowed(Card):
    """Another metric, limited to values of dimensions or with parameters of its own."""

    better: Better | None = Field(None, description="Which way is better; without it as the metric.")  # type: ignore[assignment] # a shape may leave it to the metric
    timing: Timing | None = Field(None, description="What it shows; without it as the metric.")  # type: ignore[assignment] # the same
    metric: str = Field(description="The metric that is limited.")
    where: dict[str, str] = Field(default_factory=dict, description="Dimensions and the value of each.")
    params: dict[str, Any] = Field(default_factory=dict, description="Parameters of the metric that are fixed.")


class MetricsFile(BaseModel):
    """A company's own metrics."""

    model_config = ConfigDict(extra="forbid")

    metrics: tuple[OfRows | OfMetrics | Narrowed, ...] = Field((), description="One block for each metric.")


SHAPES: dict[str, type[OfRows | OfMetrics | Narrowed]] = {"rows": OfRows, "formula": OfMetrics, "metric": Narrowed}


def json_schema() -> dict[str, Any]:
    """`metrics.yml` as JSON Schema."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **MetricsFile.model_json_schema()}


def read_blocks(text: YamlText) -> tuple[list[tuple[YamlPath, OfRows | OfMetrics | Narrowed]], list[Problem]]:
    """The definitions of a file that are well formed, each with its place in the file; and what is wrong elsewhere."""
    if not isinstance(text.data, dict):
        return [], [_problem(text, (), "not_possible", "the file must begin with `metrics:`", "Put `metrics:` above.")]
    found: list[tuple[YamlPath, OfRows | OfMetrics | Narrowed]] = []
    problems = [_unknown(text, (key,), "the file", ["metrics"]) for key in text.data if key != "metrics"]
    blocks = text.data.get("metrics") or []
    if not isinstance(blocks, list):
        fix = "Begin each definition with a dash: `- id: ...`."
        return [], [*problems, _problem(text, ("metrics",), "not_possible", "`metrics` must be a list", fix)]
    for number, block in enumerate(blocks):
        path: YamlPath = ("metrics", number)
        if not isinstance(block, dict):
            problems.append(_problem(text, path, "not_possible", "a definition must have keys", "Write `- id: ...`."))
            continue
        shape, wrong = _shape(text, path, block)
        problems += wrong
        if shape is None or wrong:
            continue
        try:
            found.append((path, shape.model_validate(block)))
        except ValidationError as error:
            problems += [_mistake(text, path, block, mistake, shape) for mistake in error.errors()]
    return found, problems


def names(text: YamlText) -> list[tuple[YamlPath, str]]:
    """The ids of all definitions of a file, well formed or not, and where they stand."""
    blocks = text.data.get("metrics") if isinstance(text.data, dict) else None
    listed = enumerate(blocks) if isinstance(blocks, list) else ()
    return [
        (("metrics", number), str(block["id"]))
        for number, block in listed
        if isinstance(block, dict) and block.get("id")
    ]


def _name(block: dict[str, Any]) -> str:
    return f"metric {block['id']}" if block.get("id") else "a metric without id"


def _shape(
    text: YamlText, path: YamlPath, block: dict[str, Any]
) -> tuple[type[OfRows | OfMetrics | Narrowed] | None, list[Problem]]:
    """The shape of a block, and the keys that do not belong to it."""
    given = [key for key in SHAPE_KEYS if key in block]
    if len(given) == 1:
        shape = SHAPES[given[0]]
        known = list(shape.model_fields)
        return shape, [_unknown(text, (*path, key), _name(block), known, given[0]) for key in block if key not in known]
    every = list(dict.fromkeys(key for shape in SHAPES.values() for key in shape.model_fields))
    problems = [_unknown(text, (*path, key), _name(block), every) for key in block if key not in every]
    if len(given) > 1:
        reason = f"{_name(block)}: it has {' and '.join(given)}"
        problems.append(_problem(text, (*path, given[1]), "shape", reason, "Keep one of them."))
    elif not problems:
        fix = "Add `rows` (an aggregate of an entity), `formula` (of metrics) or `metric` (another one, limited)."
        problems.append(_problem(text, path, "shape", f"{_name(block)}: it does not say what it computes", fix))
    return None, problems


def _problem(text: YamlText, path: YamlPath, rule: str, reason: str, fix: str, value: str | None = None) -> Problem:
    key = path[-1] if path and isinstance(path[-1], str) else None
    return Problem(text.name, rule, reason, fix, row=text.line(path), column=key, value=value)


def _unknown(text: YamlText, path: YamlPath, who: str, known: list[str], shape: str | None = None) -> Problem:
    key = str(path[-1])
    near = difflib.get_close_matches(key, known, 1)
    elsewhere = any(key in other.model_fields for other in SHAPES.values())
    if shape and elsewhere:
        reason = f"{who}: `{key}` has no place beside `{shape}`"
        return _problem(text, path, "unknown_key", reason, f"Remove it; possible are {', '.join(known)}.")
    fix = f"Write {near[0]}." if near else f"Possible are {', '.join(known)}."
    return _problem(text, path, "unknown_key", f"{who}: there is no key `{key}`", fix)


def _mistake(
    text: YamlText, path: YamlPath, block: dict[str, Any], found: Any, shape: type[OfRows | OfMetrics | Narrowed]
) -> Problem:
    """A mistake of form, with its line and what is possible there."""
    inside = tuple(part for part in found["loc"] if isinstance(part, str | int))
    key, value = str(inside[0]), found.get("input")
    place = (*path, *inside)
    about = (shape.model_fields[key].description or "").rstrip(".")
    fix = f"Write here: {about[0].lower()}{about[1:]}."
    if found["type"] == "missing":
        return _problem(text, (*path, key), "missing", f"{_name(block)}: {key} is missing", f"Add {key}: {about}.")
    if value is None:
        return _problem(text, place, "missing", f"{_name(block)}: {key} is empty", fix)
    if found["type"] in ("literal_error", "enum"):
        options = [option.strip(" '") for option in str(found["ctx"]["expected"]).replace(" or ", ",").split(",")]
        near = difflib.get_close_matches(str(value), options, 1)
        fix = f"Write {near[0]}." if near else f"Write one of {', '.join(options)}."
        return _problem(text, place, "not_possible", f"{_name(block)}: {key} cannot be {value}", fix, str(value))
    kinds = {"tuple_type": "a list, such as [one, two]", "dict_type": "keys with values", "string_type": "one text"}
    wanted = kinds.get(found["type"])
    shown = value if isinstance(value, str) else None
    reason = f"{_name(block)}: {key} must be {wanted}" if wanted else f"{_name(block)}: {key} is not possible"
    return _problem(text, place, "not_possible", reason, fix, shown)
