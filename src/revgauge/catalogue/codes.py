"""Codes: small numbers in place of words, while rows are grouped.

Rows that are cut by fields of their account are grouped by words, and to tell words apart costs more than to add the
numbers up. A table in which fields are looked up has few rows beside those that look there, so its words are numbered
once, rows are grouped by the numbers, and the answer has words again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ibis
import pyarrow as pa

from revgauge.catalogue.engine import beside
from revgauge.catalogue.facts import UNKNOWN, Scope
from revgauge.catalogue.resolver import Resolver

if TYPE_CHECKING:
    import ibis.expr.types as ir

MOST = 30_000
"""How many words are numbered at most: as many as a number of two bytes can tell apart, with some to spare."""


@dataclass(frozen=True)
class Coded:
    """A lookup table with numbers for words."""

    table: ir.Table
    """The `key`, and the number of the word of each field."""
    words: Mapping[str, tuple[str, ...]]
    """The words of each field by their number; the first is the one for what is not known."""

    def code(self, field: str, word: str) -> int:
        """The number of a word; one that nothing has, if it does not occur."""
        return self.words[field].index(word) if word in self.words[field] else -1


class Codes:
    """The coded tables of one evaluation, each made when first asked for."""

    def __init__(self, resolver: Resolver) -> None:
        """Take lookup tables from the resolver."""
        self._resolver = resolver
        self._coded: dict[str, Coded | None] = {}

    def of(self, lookup: str) -> Coded | None:
        """A lookup table with numbers for words; None where there are too many words."""
        if lookup not in self._coded:
            self._coded[lookup] = self._code(lookup)
        return self._coded[lookup]

    def _code(self, lookup: str) -> Coded | None:
        table = self._resolver.table(self._resolver.facts(lookup, {}, Scope()))
        fields = [name for name in table.columns if name != "key"]
        table = table.select("key", **{name: table[name].cast("string").fill_null(UNKNOWN) for name in fields})
        listed = [table.select(field=ibis.literal(name), word=table[name]) for name in fields]
        warehouse = self._resolver.context.warehouse
        found = warehouse.pairs(ibis.union(*listed, distinct=True))
        if len(found) > MOST:
            return None
        words = {
            name: (UNKNOWN, *sorted(word for field, word in found if field == name and word != UNKNOWN))
            for name in fields
        }
        columns = {"field": "string", "word": "string", "code": "int16"}
        rows = [(name, word, code) for name in fields for code, word in enumerate(words[name])]
        numbers = warehouse.literal_table(columns, rows)
        for name in fields:
            table = beside(table, numbers.filter(numbers.field == name), {name: "word"}, {f"code_{name}": "code"})
        coded = table.select("key", **{name: table[f"code_{name}"] for name in fields})
        return Coded(warehouse.keep(f"{lookup}_codes", coded, lasting=True), words)


def worded(rows: pa.Table, words: Mapping[str, tuple[str, ...]]) -> pa.Table:
    """The rows with words in place of the numbers of some columns; what is empty stays empty."""
    for place, name in enumerate(rows.column_names):
        if name in words:
            numbers = rows[name].combine_chunks()
            found = pa.DictionaryArray.from_arrays(numbers, pa.array(words[name], pa.string()))
            rows = rows.set_column(place, name, found)
    return rows
