"""One row for each key: identical rows become one, contradicting ones are held back, references run in no circles.

All of it is decided from the rows as a set, so neither their order nor how they are spread over files matters.
"""

from __future__ import annotations

import duckdb

from revgauge.model.fields import Entity
from revgauge.model.store import literal, quoted
from revgauge.sources.blocks import BlockRows

JUMP = 10
"""A rate that changes by more than this factor from one quote to the next is worth a look."""


class EntityRows:
    """The rows of one entity from all blocks of a source, as the scratch view `table`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, entity: Entity, blocks: list[BlockRows]) -> None:
        self.connection = connection
        self.entity = entity
        self.blocks = blocks
        self.table = f"all_{entity.name}"
        self.fields = [name for name in entity.field_names if any(name in block.fields for block in blocks)]
        selects = [
            f"SELECT {block.number} AS _block, _id, _file, _row, {block.order_column or 'NULL'} AS _order, "
            + ", ".join(quoted(name) if name in block.fields else f"NULL AS {quoted(name)}" for name in self.fields)
            + f" FROM {block.table} WHERE _id NOT IN (SELECT _id FROM problems WHERE block = {block.number} "
            "AND severity IN ('error', 'skipped') AND _id IS NOT NULL)"
            for block in blocks
        ]
        connection.execute(f"CREATE OR REPLACE VIEW {self.table} AS {' UNION ALL BY NAME '.join(selects)}")

    def settle(self) -> None:
        """Find repeats, contradictions, circles and jumps among the rows that are still whole."""
        self._repeats()
        for field in self.entity.fields:
            if (
                field.name in self.fields
                and self.entity.key
                and field.refers_to == f"{self.entity.name}.{self.entity.key[0]}"
            ):
                self._circles(field.name)
        if self.entity.name == "exchange_rates" and {"currency", "quoted_on", "rate"} <= set(self.fields):
            self._jumps()

    # ----------------------------------------------------------------------------------------------- repeated rows

    def _repeats(self) -> None:
        keyed = [name for name in self.entity.key if name in self.fields]
        columns = ", ".join(map(quoted, self.fields))
        group = ", ".join(map(quoted, keyed)) or f"hash({columns})"
        if keyed:
            repeated = f"SELECT {group} FROM {self.table} GROUP BY {group} HAVING count(*) > 1"
        else:
            repeated = f"SELECT h FROM (SELECT hash({columns}) AS h FROM {self.table}) GROUP BY h HAVING count(*) > 1"
        if self.connection.execute(f"SELECT 1 FROM ({repeated}) LIMIT 1").fetchone() is None:
            return
        match = " AND ".join(f"a.{quoted(name)} IS NOT DISTINCT FROM d.{quoted(name)}" for name in keyed)
        own = ", ".join(f"a.{quoted(name)}" for name in self.fields)
        join = f"JOIN ({repeated}) d ON {match}" if keyed else f"JOIN ({repeated}) d ON hash({own}) = d.h"
        whole = ", ".join(f"f{place} := a.{quoted(name)}" for place, name in enumerate(self.fields))
        self.connection.execute(
            f"CREATE OR REPLACE TABLE repeats AS SELECT a.*, struct_pack({whole}) AS whole FROM {self.table} a {join}"
        )
        self._drop_identical()
        if keyed:
            self._hold_back(keyed)

    def _drop_identical(self) -> None:
        """Keep the first of several rows that agree in every field; the others are skipped with a notice."""
        self.connection.execute(
            "CREATE OR REPLACE TABLE ranked AS SELECT *, row_number() OVER same AS place, "
            "first(_row) OVER same AS first_row, first(_file) OVER same AS first_file "
            "FROM repeats WINDOW same AS (PARTITION BY whole ORDER BY _file, _row, _block, _id)"
        )
        key = self.entity.key[0] if self.entity.key else self.fields[0]
        self.connection.execute(
            f"INSERT INTO problems SELECT _block, _id, _file, _row, {literal(self._shown(key))}, "
            f"CAST({quoted(key)} AS VARCHAR), "
            "'identical_row', CASE WHEN first_file = _file THEN 'the row repeats row ' || first_row || ' in every "
            "field; one was kept' "
            "ELSE 'the row repeats row ' || first_row || ' of another file in every field; one was kept' END, "
            "'Nothing to do.', 'skipped' FROM ranked WHERE place > 1"
        )
        self.connection.execute(
            "DELETE FROM repeats WHERE (_block, _id) IN (SELECT (_block, _id) FROM ranked WHERE place > 1)"
        )

    def _hold_back(self, keyed: list[str]) -> None:
        """Rows that share a key and differ: the newest is kept if the mapping says how to tell, else none is."""
        group = ", ".join(map(quoted, keyed))
        other = [name for name in self.fields if name not in keyed]
        differing = " || ".join(
            f"CASE WHEN count(DISTINCT {quoted(n)}) OVER w + (count(*) OVER w > count({quoted(n)}) OVER w)::INT > "
            f"1 THEN ', {n}' ELSE '' END"
            for n in other
        )
        shown = literal(", ".join(self._shown(name) for name in keyed))
        value = " || ', ' || ".join(f"coalesce(CAST({quoted(name)} AS VARCHAR), '')" for name in keyed)
        newest = any(block.order_column for block in self.blocks)
        if newest:
            self.connection.execute(
                f"INSERT INTO problems SELECT _block, _id, _file, _row, {shown}, {value}, 'superseded', "
                "'a newer row with the same key was kept', 'Nothing to do.', 'skipped' FROM (SELECT *, "
                f"max(_order) OVER (PARTITION BY {group}) AS newest FROM repeats) WHERE _order < newest OR _order "
                "IS NULL AND newest IS NOT NULL"
            )
            self.connection.execute(
                "DELETE FROM repeats WHERE (_block, _id) IN (SELECT (block, _id) FROM problems WHERE rule = "
                "'superseded')"
            )
        self.connection.execute(
            f"INSERT INTO problems SELECT _block, _id, _file, _row, {shown}, {value}, 'conflicting_key', "
            "'the key stands in rows ' || list_aggregate(list_sort(rows), 'string_agg', ', ') || ' with different "
            "' || ltrim(differing, ', ') "
            "|| '; none of them was loaded', 'Remove the wrong one, or state `newest_by:` with the column that "
            "tells which is newer.', "
            f"'error' FROM (SELECT *, count(*) OVER w AS n, list(_row) OVER w AS rows, {differing or literal('')} "
            "AS differing "
            f"FROM repeats WINDOW w AS (PARTITION BY {group})) WHERE n > 1"
        )

    def _shown(self, name: str) -> str:
        return next((block.shown[name] for block in self.blocks if name in block.shown), name)

    # ------------------------------------------------------------------------------------------ circles and jumps

    def _circles(self, field: str) -> None:
        """Rows that refer to themselves through others: the reference is dropped, the row loads."""
        key = self.entity.key[0]
        links = dict(
            self.connection.execute(
                f"SELECT {quoted(key)}, {quoted(field)} FROM {self.table} WHERE {quoted(field)} IS NOT NULL"
            ).fetchall()
        )
        for circle in circles(links):
            path = " -> ".join((*circle, circle[0]))
            for block in self.blocks:
                if field not in block.fields:
                    continue
                found = self.connection.execute(
                    f"SELECT _id, _file, _row, {quoted(field)} FROM {block.table} WHERE {quoted(key)} IN (SELECT "
                    "unnest(?)) ORDER BY _row",
                    [list(circle)],
                ).fetchall()
                for number, (row_id, file, row, value) in enumerate(found):
                    reason = f"{field} runs in a circle: {path}; the reference was left out"
                    told = [block.number, row_id, file, row, block.shown.get(field, field), value, "circle", reason]
                    self.connection.execute(
                        "INSERT INTO problems VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'Correct one of them in the "
                        "source.', 'warning')",
                        told,
                    )
                    if number > len(circle):
                        break
                self.connection.execute(
                    f"UPDATE {block.table} SET {quoted(field)} = NULL WHERE {quoted(key)} IN (SELECT unnest(?))",
                    [list(circle)],
                )

    def _jumps(self) -> None:
        block = self.blocks[0]
        self.connection.execute(
            f"INSERT INTO problems SELECT _block, _id, _file, _row, {literal(block.shown.get('rate', 'rate'))}, "
            "CAST(rate AS VARCHAR), "
            "'jump', 'the rate of ' || currency || ' was ' || before || ' on ' || day_before, 'Check the rate; it "
            "was loaded as it is.', "
            "'warning' FROM (SELECT *, lag(rate) OVER w AS before, lag(quoted_on) OVER w AS day_before "
            f"FROM {self.table} WINDOW w AS (PARTITION BY currency ORDER BY quoted_on)) "
            f"WHERE rate > before * {JUMP} OR rate * {JUMP} < before"
        )


def circles(links: dict[str, str]) -> list[tuple[str, ...]]:
    """The circles in which keys refer to each other, each from its smallest key on."""
    done: set[str] = set()
    found: list[tuple[str, ...]] = []
    for start in links:
        path: dict[str, int] = {}
        key = start
        while key in links and key not in done and key not in path:
            path[key] = len(path)
            key = links[key]
        if key in path:
            circle = list(path)[path[key] :]
            turn = circle.index(min(circle))
            found.append((*circle[turn:], *circle[:turn]))
        done.update(path)
    return sorted(found)
