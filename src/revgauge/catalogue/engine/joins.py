"""Tables beside each other, row by row, where columns of both are equal.

Ibis looks up where a column comes from through all tables below it, for each column and each join anew, which makes
joins the dearest part of a definition. Where the columns are named, there is nothing to look up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

import ibis.expr.operations as ops
import ibis.expr.types as ir

if TYPE_CHECKING:
    from collections.abc import Iterable

How = Literal["left", "inner"]

Taken = Mapping[str, str | Callable[[Any, Any], Any]]
"""By their new names columns of the other table, or what is made of both: a function of two, which give a column of
the table and of the other one by its name."""


def beside(table: Any, other: ir.Table, on: Mapping[str, str], take: Taken | None = None, *, how: How = "left") -> Any:
    """The rows of a table with columns of the rows of another one that are equal in some columns.

    `on` pairs columns of the table with those of the other one. All columns of the table are kept, and of the other one
    those that are named, by default all that are not paired. Whatever the table has no match for is empty with `left`,
    and left out with `inner`.
    """
    return _chained(table, other, on, how, _taken(other, on) if take is None else take)


def with_match(table: Any, other: ir.Table, on: Mapping[str, str]) -> Any:
    """The rows of a table that are equal in some columns to a row of another one."""
    return _chained(table, other, on, "semi", {})


def without_match(table: Any, other: ir.Table, on: Mapping[str, str]) -> Any:
    """The rows of a table that are equal in some columns to no row of another one."""
    return _chained(table, other, on, "anti", {})


def _taken(other: ir.Table, on: Mapping[str, str]) -> dict[str, str]:
    paired: Iterable[str] = set(on.values())
    return {name: name for name in other.columns if name not in paired}


def _chained(table: Any, other: ir.Table, on: Mapping[str, str], how: str, take: Taken) -> Any:
    chain = table.op()
    if isinstance(chain, ops.JoinChain) and all(link.how == "left" for link in chain.rest) and how == "left":
        first, rest, here = chain.first, chain.rest, dict(chain.values)
    else:
        first, rest = ops.JoinReference(chain, identifier=0), ()
        here = {name: ops.Field(first, name) for name in chain.schema.names}
    there = ops.JoinReference(other.op(), identifier=len(rest) + 1)
    equal = tuple(ops.Equals(here[mine], ops.Field(there, theirs)) for mine, theirs in on.items())

    def mine(name: str) -> Any:
        return here[name].to_expr()

    def theirs(name: str) -> Any:
        return ops.Field(there, name).to_expr()

    taken = {
        name: ops.Field(there, told) if isinstance(told, str) else told(mine, theirs).op()
        for name, told in take.items()
    }
    link = ops.JoinLink(how, there, equal)
    return ir.Table(ops.JoinChain(first, (*rest, link), {**here, **taken}))
