"""The operations of an expression in an order: what Ibis has for that takes several times as long."""

from __future__ import annotations

from typing import Any

import ibis.expr.operations as ops


def in_order(root: ops.Node) -> list[Any]:
    """All operations that an operation is made of, and itself last: each comes after those that it reads."""
    found: list[Any] = []
    seen: set[Any] = set()
    stack: list[tuple[Any, bool]] = [(root, False)]
    while stack:
        node, has_all = stack.pop()
        if has_all:
            found.append(node)
        elif node not in seen:
            seen.add(node)
            stack.append((node, True))
            stack += [(child, False) for child in node.__children__]
    return found
