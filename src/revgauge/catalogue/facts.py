"""Facts: the tables that measures read, and the dimensions by which they can be cut.

A `Facts` is a name for a table that has not been computed yet: which derived table, with which parameters. Metric
functions pass it on to their measures; the planner computes it once, however many measures read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from revgauge.model.period import Period

UNKNOWN = "unknown"
"""The value of a dimension where the field is empty."""


WHOLE_DIMENSIONS = ("product", "plan")
"""Dimensions of recurring revenue whose values are treated as companies of their own."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """A way to cut: a column of the facts, or a field of the row that a column of them points at."""

    name: str
    column: str
    """The column of the facts that holds it, or that holds the key."""
    lookup: str | None = None
    """The derived table in which the key is looked up; its key column is `key`."""
    about: str = ""
    field: str = ""
    """The `entity.field` that fills it; empty where it may come from several places or is never empty."""

    @property
    def looked_up(self) -> bool:
        """Whether the value stands in another table."""
        return self.lookup is not None


def own(*names: str) -> dict[str, Dimension]:
    """Dimensions that are columns of the facts themselves."""
    return {name: Dimension(name, name) for name in names}


def of_account(*names: str, column: str = "account_id") -> dict[str, Dimension]:
    """Dimensions that are fields of the account as it is now."""
    return {name: Dimension(name, column, "account_attributes", field=f"accounts.{name}") for name in names}


def of_person(*names: str, column: str = "owner_id") -> dict[str, Dimension]:
    """Dimensions that are fields of a person, such as the owner's team."""
    return {name: Dimension(name, column, "person_attributes", field=f"people.{name}") for name in names}


def of_subscription(*names: str) -> dict[str, Dimension]:
    """Dimensions that are fields of a row's subscription and stand in the facts themselves."""
    return {name: Dimension(name, name, field=f"subscriptions.{name}") for name in names}


@dataclass(frozen=True, slots=True)
class Scope:
    """What beside parameters decides a derived table: which values stand for whole companies, and which periods."""

    whole_by: tuple[str, ...] = ()
    """Dimensions of which each value is treated as a company of its own (product, plan)."""
    periods: tuple[Period, ...] = ()
    """The periods, for the tables that compare two ends of each."""
    split: frozenset[str] = frozenset()
    """The dimensions that are asked for, for the metrics that mean something else by one of them."""


@dataclass(frozen=True)
class Facts:
    """A derived table with its parameters, computed when it is first read."""

    name: str
    params: tuple[tuple[str, Any], ...] = ()
    scope: Scope = field(default_factory=Scope)

    def params_dict(self) -> dict[str, Any]:
        """The parameters by name."""
        return dict(self.params)


def freeze(value: Any) -> Any:
    """A value that can stand in a key: lists as tuples, mappings as sorted pairs."""
    if isinstance(value, Mapping):
        return tuple(sorted((key, freeze(item)) for key, item in value.items()))
    if isinstance(value, list | tuple | set):
        return tuple(freeze(item) for item in value)
    return value
