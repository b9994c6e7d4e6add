"""Which columns an expression needs of the tables that it reads.

Databases leave out what a query does not read, but not what a table that is written down holds and nobody reads later.
So demand is followed here from the columns of an answer down to the tables at its bottom.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import ibis.expr.operations as ops

from revgauge.catalogue.engine.graph import children, in_order

if TYPE_CHECKING:
    import ibis.expr.types as ir

Demand = dict[str, set[str]]
"""Names of tables, and of their columns."""


def demand(expression: ir.Table, columns: Iterable[str] | None = None) -> Demand:
    """The columns of each database table that some columns of an expression (by default all) are made of.

    A table of which only the number of rows matters is there with no column.
    """
    root = expression.op()
    wanted: dict[Any, set[str]] = {root: set(root.schema.names if columns is None else columns)}
    found: Demand = {}
    # Whoever reads a relation comes before it, so that its demand is whole when its turn comes.
    for node in reversed(in_order(root)):
        if not isinstance(node, ops.Relation):
            continue
        names = wanted.setdefault(node, set())
        if isinstance(node, ops.PhysicalTable):
            found.setdefault(node.name, set()).update(names)
        for relation, name in _asked(node, names):
            needed = wanted.setdefault(relation, set())
            if name is None:
                needed.update(relation.schema.names)
            elif name:
                needed.add(name)
    return found


def _asked(node: Any, names: set[str]) -> Iterator[tuple[Any, str | None]]:
    """The columns of other relations that a relation reads to give these of its own; None stands for all."""
    match node:
        case ops.Project() | ops.JoinChain():
            yield from _of_values(node.values[name] for name in names)
        case ops.Aggregate():
            yield from _of_values(node.groups.values())
            yield from _of_values(node.metrics[name] for name in names if name in node.metrics)
        case ops.Filter() | ops.Sort() | ops.Limit() | ops.DropColumns() | ops.Reference():
            yield from ((node.parent, name) for name in names)
        case ops.Union() if not node.distinct:
            yield from ((side, name) for name in names for side in (node.left, node.right))
        case _:
            yield from ((child, None) for child in children(node) if isinstance(child, ops.Relation))
    match node:
        case ops.JoinChain():
            yield from _of_values(predicate for link in node.rest for predicate in link.predicates)
        case ops.Filter():
            yield from _of_values(node.predicates)
        case ops.Sort():
            yield from _of_values(node.keys)
        case ops.Limit():
            yield from _of_values(part for part in (node.n, node.offset) if isinstance(part, ops.Value))
        case _:
            pass


def _of_values(values: Iterable[Any]) -> Iterator[tuple[Any, str | None]]:
    """The columns that values are worked out from."""
    stack = list(values)
    seen = set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if isinstance(node, ops.Field):
            yield node.rel, node.name
        elif isinstance(node, ops.CountStar):
            stack += [] if node.where is None else [node.where]
        elif isinstance(node, ops.Relation):
            yield node, None  # of a subquery
        else:
            stack += children(node)
