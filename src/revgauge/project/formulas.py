"""Own metrics that are arithmetic of other metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from revgauge.catalogue.measures import Arithmetic, Constant, Measure

_SIGNS: dict[type[exp.Expression], Literal["+", "-", "*", "/"]] = {
    exp.Add: "+",
    exp.Sub: "-",
    exp.Mul: "*",
    exp.Div: "/",
}
_NODES = (*_SIGNS, exp.Column, exp.Identifier, exp.Literal, exp.Neg, exp.Paren)
_MOST_NODES = 500


class FormulaError(ValueError):
    """A formula that cannot be read; the text says why."""


@dataclass(frozen=True)
class Formula:
    """A formula as a tree."""

    text: str
    tree: exp.Expression

    @property
    def names(self) -> tuple[str, ...]:
        """The metrics that it names, each once."""
        return tuple(dict.fromkeys(node.name.lower() for node in self.tree.find_all(exp.Column)))

    def measure(self, parts: Mapping[str, Measure]) -> Measure:
        """The formula over the measures of its metrics, by the names it uses."""
        return _measure(self.tree, parts)


def read_formula(text: str) -> Formula:
    """The formula. Raises FormulaError if it is more than arithmetic of names and numbers."""
    try:
        trees = sqlglot.parse(text)
    except (SqlglotError, RecursionError) as error:
        raise FormulaError(f"`{text}` is no formula") from error
    tree = trees[0]
    if len(trees) != 1 or not isinstance(tree, exp.Expression):
        raise FormulaError(f"`{text}` is not one formula")
    nodes = list(tree.walk())
    wrong = [node for node in nodes if type(node) not in _NODES or (isinstance(node, exp.Column) and node.table)]
    wrong += [node for node in nodes if isinstance(node, exp.Literal) and node.is_string]
    if wrong or len(nodes) > _MOST_NODES:
        raise FormulaError(f"`{(wrong or nodes)[0].sql()[:60]}` is not possible in a formula")
    formula = Formula(text, tree)
    if not formula.names:
        raise FormulaError(f"`{text}` names no metric")
    return formula


def _measure(node: exp.Expression, parts: Mapping[str, Measure]) -> Measure:
    if isinstance(node, exp.Paren):
        return _measure(node.this, parts)
    if isinstance(node, exp.Column):
        return parts[node.name.lower()]
    if isinstance(node, exp.Literal):
        return Constant(Decimal(node.name))
    if isinstance(node, exp.Neg):
        return Arithmetic("-", Constant(Decimal(0)), _measure(node.this, parts))
    left, right = _measure(node.this, parts), _measure(node.expression, parts)
    divisor = node.expression.unnest().sql()
    return Arithmetic(_SIGNS[type(node)], left, right, f"there is nothing to divide by: {divisor} is not above 0")
