"""SQL over one row, as mappings use it: parsed to a tree, checked against a list of pure functions, written anew.

The text of a user never reaches the engine. What reaches it is the tree, with every column replaced by a cell of ours.
A column inside arithmetic is read as a number and `cast(column as date)` as a day by the same rules as any other cell,
so a value that cannot be read is reported with its row instead of becoming empty.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Literal

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

CellKind = Literal["text", "number", "day", "instant", "boolean", "same"]
"""How a column is read. `same` is the number of rows of the input that have the same value in it."""

CellOf = Callable[[str, CellKind], str]
"""Gives the name of the cell that holds a column, read as that kind; LookupError for a column that is not there."""

_NODES = frozenset(
    """
    Abs Add And Anonymous Between Boolean Case Cast Ceil Coalesce Column Concat ConcatWs Contains DataType DataTypeParam
    Date DateAdd DateDiff DateFromParts DateSub DateTrunc Day DayOfMonth DPipe EQ EndsWith Extract Floor GT GTE Greatest
    Identifier If ILike In Interval Is JSONArrayLength LT LTE LastDay Least Left Length Like Literal Lower Mod Month Mul
    Div Neg NEQ Not Null Nullif Or Paren Pow Quarter RegexpExtract RegexpILike RegexpLike RegexpReplace Replace Right
    Round Sign SplitPart StartsWith StrPosition Sub Substring TimestampTrunc Trim TryCast TsOrDsToDate Upper Var Year
    """.split()  # noqa: SIM905 - one word a node reads better than a column of strings
)

_FUNCTIONS = frozenset(
    """
    as_number as_day as_instant as_boolean rows_with_same json_text json_array_length from_epoch_seconds to_seconds
    to_minutes to_hours to_days to_months to_years replace split_part starts_with ends_with prefix suffix concat_ws
    regexp_matches regexp_full_match contains last_day make_date lpad rpad ltrim rtrim
    """.split()  # noqa: SIM905 - the same
)

_TYPES = {
    exp.DataType.Type.DATE: "day",
    exp.DataType.Type.TIMESTAMP: "instant",
    exp.DataType.Type.TIMESTAMPTZ: "instant",
    exp.DataType.Type.TIMESTAMPNTZ: "instant",
    exp.DataType.Type.DECIMAL: "number",
    exp.DataType.Type.INT: "number",
    exp.DataType.Type.BIGINT: "number",
    exp.DataType.Type.DOUBLE: "number",
    exp.DataType.Type.BOOLEAN: "boolean",
}
_TEXT_TYPES = {exp.DataType.Type.VARCHAR, exp.DataType.Type.TEXT}

_READERS: dict[str, CellKind] = {
    "as_number": "number",
    "as_day": "day",
    "as_instant": "instant",
    "as_boolean": "boolean",
    "rows_with_same": "same",
}

_SCALED = "CAST(CAST({} AS DECIMAL(38, 8)) * 100000000 AS HUGEINT)"
_UNSCALED = "CAST(CAST({} AS DECIMAL(30, 0)) * 0.00000001::DECIMAL(8, 8) AS DECIMAL(38, 8))"
_A, _B = _SCALED.format("a"), _SCALED.format("b")
_ROUNDED = "CASE WHEN (n < 0) = (d < 0) THEN 1 ELSE -1 END * ((2 * abs(n) + abs(d)) // (2 * abs(d)))"
_PRODUCT = _UNSCALED.format(f"round_scaled({_A} * {_B}, 100000000)")
_QUOTIENT = _UNSCALED.format(f"round_scaled({_A} * 100000000, {_B})")

MACROS = (
    f"CREATE TEMP MACRO round_scaled(n, d) AS {_ROUNDED}",
    f"CREATE TEMP MACRO num_mul(a, b) AS TRY({_PRODUCT})",
    f"CREATE TEMP MACRO num_div(a, b) AS TRY(CASE WHEN b <> 0 THEN {_QUOTIENT} END)",
    "CREATE TEMP MACRO from_epoch_seconds(seconds) AS make_timestamp(TRY_CAST(seconds AS BIGINT) * 1000000)",
    "CREATE TEMP MACRO json_text(json, path) AS json_extract_string(TRY_CAST(json AS JSON), path)",
)
"""Exact arithmetic for expressions: decimals are multiplied and divided as whole numbers and rounded half away from
zero at the eighth place, because the engine's own division goes through floats."""


class Steps:
    """Intermediate values of expressions, each computed once as a column of its own.

    The exact arithmetic uses its operands several times, so a product of products written as one formula would grow
    with every factor; as steps it stays as long as the expression is.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._depth: dict[str, int] = {}

    def add(self, sql: str) -> str:
        """The column that will hold that value; a column or a number stands for itself."""
        if re.fullmatch(r'"?\w+"?|\d+(\.\d+)?', sql):
            return sql
        if sql not in self._names:
            name = f'"step{len(self._names)}"'
            inside = [self._depth[found] for found in re.findall(r'"step\d+"', sql)]
            self._names[sql] = name
            self._depth[name] = 1 + max(inside, default=0)
        return self._names[sql]

    def multiplied(self, left: str, right: str) -> str:
        """The exact product of two values."""
        return self.add(f"num_mul({self.add(left)}, {self.add(right)})")

    def divided(self, left: str, right: str) -> str:
        """The exact quotient of two values; null for a divisor of 0."""
        return self.add(f"num_div({self.add(left)}, {self.add(right)})")

    def relation(self, table: str) -> str:
        """The table with all steps beside its columns."""
        for depth in range(1, max(self._depth.values(), default=0) + 1):
            level = [f"{sql} AS {name}" for sql, name in self._names.items() if self._depth[name] == depth]
            table = f"(SELECT *, {', '.join(level)} FROM {table})"
        return table


class ExpressionError(ValueError):
    """An expression that cannot be used; the text says what is wrong in it."""


def parse(text: str) -> exp.Expression:
    """The expression as a tree of allowed nodes. Raises ExpressionError."""
    try:
        tree = sqlglot.parse_one(text, read="duckdb")
    except SqlglotError as error:
        first = str(error).splitlines()[0].replace("\x1b[4m", "").replace("\x1b[0m", "")
        raise ExpressionError(f"this is not an SQL expression: {first}") from error
    if not isinstance(tree, exp.Expression):
        raise ExpressionError("this is not an SQL expression")
    for node in tree.walk():
        kind = type(node).__name__
        if isinstance(node, exp.Anonymous):
            if node.name.lower() not in _FUNCTIONS:
                raise ExpressionError(f"the function `{node.name.lower()}` is not allowed in a mapping")
        elif kind not in _NODES:
            raise ExpressionError(f"`{node.sql(dialect='duckdb')}` is not allowed in a mapping ({kind})")
        elif isinstance(node, exp.Cast) and _type(node) not in _TYPES and _type(node) not in _TEXT_TYPES:
            raise ExpressionError(
                f"cast to {node.args['to'].sql()} is not allowed; use date, timestamp, decimal or varchar"
            )
    return tree


def column_name(node: exp.Column) -> str:
    """The column as written, with the name of its input before it where that stands there."""
    return ".".join(part.name for part in node.parts)


def compile_expression(text: str, cell_of: CellOf, steps: Steps, *, lenient: bool = False) -> str:
    """The expression as SQL over cells and steps.

    Raises ExpressionError; LookupError for a column that is not there. A `lenient` expression does without those
    arguments of coalesce() whose columns are not there.
    """
    tree = parse(text)
    return _compiled(_without_absent(tree, cell_of) if lenient else tree, cell_of, steps).sql(dialect="duckdb")


def _without_absent(tree: exp.Expression, cell_of: CellOf) -> exp.Expression:
    """The tree without those arguments of coalesce() whose columns are not there, as long as one is left."""
    for node in list(tree.find_all(exp.Coalesce)):
        arguments = [node.this, *node.expressions]
        there = [argument for argument in arguments if _is_there(argument, cell_of)]
        if there and len(there) < len(arguments):
            node.set("this", there[0])
            node.set("expressions", there[1:])
    return tree


def _is_there(tree: exp.Expression, cell_of: CellOf) -> bool:
    try:
        for column in tree.find_all(exp.Column):
            cell_of(column_name(column), "text")
    except LookupError:
        return False
    return True


def columns_of(text: str) -> list[str]:
    """The columns that an expression names."""
    return list(dict.fromkeys(column_name(node) for node in parse(text).find_all(exp.Column)))


def _compiled(node: exp.Expression, cell_of: CellOf, steps: Steps) -> exp.Expression:
    """The node with columns replaced by cells and arithmetic by its exact form, from the leaves up."""
    if isinstance(node, exp.Column):
        return _cell(node, "text", cell_of)
    if isinstance(node, exp.Anonymous) and node.name.lower() in _READERS:
        return _read(node, cell_of)
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Column) and _type(node) in _TYPES:
        kind: CellKind = _TYPES[_type(node)]  # type: ignore[assignment] # the table holds these words only
        cell = _cell(node.this, kind, cell_of)
        return cell if kind in {"day", "instant"} else exp.TryCast(this=cell, to=node.args["to"].copy())
    kind_inside = _kind_inside(node)
    new = node.copy()
    for key, value in node.args.items():
        if isinstance(value, exp.Expression):
            inside: CellKind = "text" if isinstance(node, exp.If) and key != "this" else kind_inside
            new.set(key, _child(value, cell_of, steps, inside))
        elif isinstance(value, list):
            new.set(key, [_child(v, cell_of, steps, "text") if isinstance(v, exp.Expression) else v for v in value])
    if isinstance(node, exp.Mul | exp.Div):
        left, right = new.this.sql(dialect="duckdb"), new.expression.sql(dialect="duckdb")
        found = steps.multiplied(left, right) if isinstance(node, exp.Mul) else steps.divided(left, right)
        return exp.column(exp.to_identifier(found.strip('"'), quoted=True))
    if isinstance(new, exp.Cast):
        return exp.TryCast(this=new.this, to=new.args["to"])
    return new


def _kind_inside(node: exp.Expression) -> CellKind:
    """How a column is read that stands directly in this node."""
    parts = list(node.iter_expressions())
    numeric = isinstance(
        node, exp.Add | exp.Sub | exp.Mul | exp.Div | exp.Mod | exp.Neg | exp.Abs | exp.Round | exp.Floor | exp.Ceil
    )
    if numeric and any(isinstance(part, exp.Interval) for part in parts):
        if any(isinstance(part, exp.Column) for part in parts):
            shown = node.sql(dialect="duckdb")
            raise ExpressionError(f"`{shown}`: write as_day(column) or as_instant(column) to add an interval")
        return "text"
    compared = isinstance(node, exp.EQ | exp.NEQ | exp.GT | exp.GTE | exp.LT | exp.LTE | exp.Between)
    if numeric or (compared and any(isinstance(part, exp.Literal) and not part.is_string for part in parts)):
        return "number"
    return "boolean" if _asks_yes(node) else "text"


def _asks_yes(node: exp.Expression) -> bool:
    """Whether a column standing directly in this node is asked for yes or no."""
    if isinstance(node, exp.Not | exp.And | exp.Or | exp.If):
        return True
    truth = isinstance(node, exp.EQ | exp.NEQ | exp.Is)
    return truth and any(isinstance(part, exp.Boolean) for part in node.iter_expressions())


def _child(node: exp.Expression, cell_of: CellOf, steps: Steps, kind: CellKind) -> exp.Expression:
    if isinstance(node, exp.DataType | exp.Var | exp.Interval):
        return node.copy()
    if isinstance(node, exp.Column):
        return _cell(node, kind, cell_of)
    return _compiled(node, cell_of, steps)


def _read(node: exp.Anonymous, cell_of: CellOf) -> exp.Expression:
    name = node.name.lower()
    arguments = node.expressions
    if len(arguments) != 1 or not isinstance(arguments[0], exp.Column):
        raise ExpressionError(f"{name}() takes one column; for anything else use cast(... as ...)")
    return _cell(arguments[0], _READERS[name], cell_of)


def _cell(node: exp.Column, kind: CellKind, cell_of: CellOf) -> exp.Expression:
    return exp.column(exp.to_identifier(cell_of(column_name(node), kind), quoted=True))


def _type(node: exp.Expression) -> Any:
    return node.args["to"].this
