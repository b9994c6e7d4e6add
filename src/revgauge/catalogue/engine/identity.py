"""What an expression is, in a short text: the same whenever it asks the same of the same rows, in any process.

Two expressions have one identity if they are built of the same operations, values and types over tables of the same
identity. It tells whether a result of an earlier build is still what would come out now.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ibis.expr.operations as ops

from revgauge.catalogue.engine.graph import in_order

if TYPE_CHECKING:
    import ibis.expr.types as ir
    import pyarrow as pa


def digest(*parts: str) -> str:
    """A short text that stands for these."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:32]


def of_rows(rows: pa.Table) -> str:
    """The identity of rows that were given from here."""
    return digest(str(rows.schema), repr(rows.to_pydict()))


def of_expression(expression: ir.Table, tables: Mapping[str, str]) -> str | None:
    """The identity of an expression, given that of every table it reads; None if one of them has none."""
    return of_nodes(expression, lambda node: tables.get(node.name) if isinstance(node, ops.PhysicalTable) else None)


def of_nodes(expression: ir.Table, known: Callable[[ops.PhysicalTable | ops.Literal], str | None]) -> str | None:
    """The identity of an expression, given what is `known` of its tables and of such of its values as have another one.

    None if of a table nothing is known.
    """
    found: dict[Any, str] = {}
    references: dict[Any, int] = {}
    for node in in_order(expression.op()):
        leaf = known(node) if isinstance(node, ops.PhysicalTable | ops.Literal) else None
        if isinstance(node, ops.PhysicalTable):
            if leaf is None:
                return None
            found[node] = digest("table", leaf, repr(node.schema))
        elif leaf is not None:
            found[node] = digest("value", leaf)
        elif isinstance(node, ops.Reference):
            # The number that tells two references to a table apart is counted anew in every process.
            place = references.setdefault(node, len(references))
            found[node] = digest(type(node).__name__, str(place), found[node.parent])
        else:
            told = (
                f"{name}={_told(value, found)}" for name, value in zip(node.__argnames__, node.__args__, strict=True)
            )
            found[node] = digest(type(node).__qualname__, *told)
    return found[expression.op()]


def _told(value: Any, found: Mapping[Any, str]) -> str:
    """A part of an operation in words."""
    if isinstance(value, ops.Node):
        return found[value]
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_told(key, found)}:{_told(item, found)}" for key, item in value.items()) + "}"
    if isinstance(value, frozenset):
        return "{" + ",".join(sorted(_told(item, found) for item in value)) + "}"
    if isinstance(value, tuple):
        return "(" + ",".join(_told(item, found) for item in value) + ")"
    return f"{type(value).__name__}:{value!r}"
