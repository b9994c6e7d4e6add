"""The operations of an expression in an order: what Ibis has for that takes several times as long."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import ibis.expr.operations as ops

_CHILDREN: WeakKeyDictionary[ops.Node, tuple[Any, ...]] = WeakKeyDictionary()
"""What operations are made of. Ibis looks for it anew each time, and expressions share most of their operations."""


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
            stack += [(child, False) for child in children(node)]
    return found


def children(node: ops.Node) -> tuple[Any, ...]:
    """The operations that an operation is made of directly."""
    found = _CHILDREN.get(node)
    if found is None:
        found = _CHILDREN[node] = node.__children__
    return found
