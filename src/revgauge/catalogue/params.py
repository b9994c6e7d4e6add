"""Parameters: the variants of a definition, read off the keyword-only arguments of its function.

The annotation says what is allowed, the default is the documented one. A wrong name or value is answered with what is
possible and what was probably meant.
"""

from __future__ import annotations

import difflib
import json
import types
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, Union, get_args, get_origin

REQUIRED: Any = object()
"""The default of a parameter that has none: the caller must give it."""


class MetricName(str):
    """The type of a parameter that names a metric; it takes short forms too."""

    __slots__ = ()


class ParamError(ValueError):
    """A parameter that the definition does not know, or a value that it does not take."""


@dataclass(frozen=True)
class Param:
    """One parameter of a definition."""

    name: str
    annotation: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is REQUIRED

    @property
    def allowed(self) -> tuple[str, ...]:
        """The words it takes, if they are listed."""
        for kind in _alternatives(self.annotation):
            if get_origin(kind) is Literal:
                return tuple(str(word) for word in get_args(kind))
        return ()

    def describe(self) -> str:
        """What it takes, in words."""
        if self.allowed:
            return " | ".join(self.allowed)
        kinds = [_KIND_WORDS.get(get_origin(kind) or kind, "") for kind in _alternatives(self.annotation)]
        return " or ".join(word for word in kinds if word) or "any value"

    def read(self, value: Any) -> Any:
        """The value in the parameter's own type; text is read as it is written on a command line.

        Raises ParamError if it is not one.
        """
        for kind in _alternatives(self.annotation):
            try:
                return _convert(value, kind)
            except (ValueError, TypeError, ArithmeticError):
                continue
        hint = ""
        if self.allowed and (near := difflib.get_close_matches(str(value), self.allowed, 1)):
            hint = f"; did you mean {near[0]}?"
        raise ParamError(f"{self.name} = {value!r} is not possible: it takes {self.describe()}{hint}")


_KIND_WORDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    bool: "true or false",
    str: "text",
    MetricName: "the name of a metric",
    date: "a day such as 2025-03-31",
    tuple: "a list such as a,b",
    dict: "a mapping",
    type(None): "",
}


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, types.UnionType):
        return get_args(annotation)
    return (annotation,)


def _convert(value: Any, kind: Any) -> Any:  # noqa: C901, PLR0911, PLR0912 - one return for each kind reads best
    if kind is type(None):
        if value is None or value in ("none", ""):
            return None
        raise ValueError(value)
    origin = get_origin(kind)
    if origin is Literal:
        words = get_args(kind)
        for word in words:
            if value == word or str(value).lower() == str(word).lower():
                return word
        raise ValueError(value)
    if origin is tuple:
        items = value.split(",") if isinstance(value, str) else list(value)
        (inner, *_) = get_args(kind)
        return tuple(_convert(item.strip() if isinstance(item, str) else item, inner) for item in items)
    if origin is dict or kind is dict:
        return dict(json.loads(value) if isinstance(value, str) else value)
    if kind is bool:
        if isinstance(value, bool):
            return value
        word = str(value).lower()
        if word in ("true", "yes", "false", "no"):
            return word in ("true", "yes")
        raise ValueError(value)
    if kind is int:
        if isinstance(value, bool) or Decimal(str(value)) != int(Decimal(str(value))):
            raise ValueError(value)
        return int(Decimal(str(value)))
    if kind is date:
        return value if isinstance(value, date) else date.fromisoformat(str(value))
    if (kind is Decimal or kind is float) and (number := Decimal(str(value))).is_finite():
        return number
    if kind in (str, MetricName) and isinstance(value, str):
        return kind(value)
    raise ValueError(value)


def read_params(name: str, known: Mapping[str, Param], given: Mapping[str, Any]) -> dict[str, Any]:
    """Every given parameter in its own type.

    Raises ParamError that lists all that is wrong at once.
    """
    read: dict[str, Any] = {}
    wrong: list[str] = []
    for key, value in given.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, 1)
            options = f"it has {', '.join(sorted(known))}" if known else "it has none"
            wrong.append(f"{name} has no parameter {key}" + (f"; did you mean {near[0]}?" if near else f"; {options}"))
            continue
        try:
            read[key] = known[key].read(value)
        except ParamError as problem:
            wrong.append(str(problem))
    if wrong:
        raise ParamError("; ".join(wrong))
    return read
