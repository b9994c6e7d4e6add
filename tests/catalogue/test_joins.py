"""Tables beside each other by named columns: the rows that joins of Ibis give."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from ibis import _
from ibis.common.graph import Graph

from revgauge.catalogue.engine import Warehouse, beside, with_match, without_match
from revgauge.catalogue.engine.graph import in_order

PEOPLE = [("Ada", "red", 3), ("Bo", "blue", 4), ("Cy", None, 5), ("Di", "green", 6)]
TEAMS = [("red", "Ulm", 1), ("blue", "Jena", 2), ("blue", "Bonn", 9)]
TOWNS = [("Ulm", 7), ("Jena", 8)]


@pytest.fixture(scope="module")
def tables() -> tuple[Warehouse, Any, Any, Any]:
    """People with teams, teams with towns (one has two, none has no name), and towns."""
    warehouse = Warehouse.in_memory()
    people = warehouse.literal_table({"name": "string", "team": "string", "n": "int64"}, PEOPLE)
    teams = warehouse.literal_table({"colour": "string", "town": "string", "n": "int64"}, TEAMS)
    return warehouse, people, teams, warehouse.literal_table({"place": "string", "size": "int64"}, TOWNS)


def rows(warehouse: Warehouse, table: Any) -> set[tuple[Any, ...]]:
    """The rows of a table in any order; each is there once."""
    found = warehouse.pairs(table)
    assert len(set(found)) == len(found)
    return set(found)


def test_columns_of_the_other_table_by_name(tables: tuple[Warehouse, Any, Any, Any]) -> None:
    """Every row of the table, once for each match; what has none is empty, an empty key has none."""
    warehouse, people, teams, _towns = tables
    told = beside(people, teams, {"team": "colour"}, {"of_team": "n"})
    assert told.columns == ("name", "team", "n", "of_team")
    assert rows(warehouse, told) == {
        ("Ada", "red", 3, 1),
        ("Bo", "blue", 4, 2),
        ("Bo", "blue", 4, 9),
        ("Cy", None, 5, None),
        ("Di", "green", 6, None),
    }
    assert rows(warehouse, beside(people, teams, {"team": "colour"}, {"of_team": "n"}, how="inner")) == {
        ("Ada", "red", 3, 1),
        ("Bo", "blue", 4, 2),
        ("Bo", "blue", 4, 9),
    }


def test_all_columns_but_the_keys_by_default(tables: tuple[Warehouse, Any, Any, Any]) -> None:
    """What is paired is there already under the table's own name; one of the same name takes its place."""
    _warehouse, people, teams, _towns = tables
    assert beside(people, teams, {"team": "colour"}).columns == ("name", "team", "n", "town")
    assert beside(people, teams, {"team": "colour", "n": "n"}).columns == ("name", "team", "n", "town")


def test_what_is_made_of_both(tables: tuple[Warehouse, Any, Any, Any]) -> None:
    """A function of a column of each gives a new column, or takes the place of one."""
    warehouse, people, teams, _towns = tables

    def sum_of(mine: Any, theirs: Any) -> Any:
        return mine("n") + theirs("n").fill_null(0)

    told = beside(people, teams, {"team": "colour"}, {"n": sum_of}).select("name", "n")
    assert rows(warehouse, told) == {("Ada", 4), ("Bo", 6), ("Bo", 13), ("Cy", 5), ("Di", 6)}


def test_one_after_the_other(tables: tuple[Warehouse, Any, Any, Any]) -> None:
    """A second table is looked up by what the first gave, whichever way, and with a filter between."""
    warehouse, people, teams, towns = tables
    expected = {("Ada", 7), ("Bo", 8), ("Bo", None), ("Cy", None), ("Di", None)}
    chained = beside(beside(people, teams, {"team": "colour"}), towns, {"town": "place"})
    assert rows(warehouse, chained.select("name", "size")) == expected
    inner = beside(beside(people, teams, {"team": "colour"}, how="inner"), towns, {"town": "place"})
    assert rows(warehouse, inner.select("name", "size")) == {("Ada", 7), ("Bo", 8), ("Bo", None)}
    between = beside(beside(people, teams, {"team": "colour"}).filter(_.town.notnull()), towns, {"town": "place"})
    assert rows(warehouse, between.select("name", "size")) == {("Ada", 7), ("Bo", 8), ("Bo", None)}
    only = beside(beside(people, teams, {"team": "colour"}), towns, {"town": "place"}, how="inner")
    assert rows(warehouse, only.select("name", "size")) == {("Ada", 7), ("Bo", 8)}


def test_with_and_without_a_match(tables: tuple[Warehouse, Any, Any, Any]) -> None:
    """Each row once, however many matches it has; one without a key has none."""
    warehouse, people, teams, _towns = tables
    assert rows(warehouse, with_match(people, teams, {"team": "colour"})) == set(PEOPLE[:2])
    assert rows(warehouse, without_match(people, teams, {"team": "colour"})) == set(PEOPLE[2:])


def test_the_same_table_beside_itself(tables: tuple[Warehouse, Any, Any, Any]) -> None:
    """A table is looked up in itself: both sides stay apart."""
    warehouse, people, _teams, _towns = tables
    told = beside(people, people, {"n": "n"}, {"again": "name"}).filter(_.name == _.again)
    assert len(rows(warehouse, told)) == len(PEOPLE)


def test_operations_come_after_those_that_they_read(tables: tuple[Warehouse, Any, Any, Any]) -> None:
    """The order holds every operation once, as the graph of Ibis does, and each after all that it reads."""
    _warehouse, people, teams, towns = tables
    told = beside(beside(people, teams, {"team": "colour"}), towns, {"town": "place"})
    root = told.group_by("team").aggregate(n=_["size"].sum()).filter(_.n > 1).op()
    found: list[Any] = in_order(root)
    assert set(found) == set(Graph.from_bfs(root))
    assert len(found) == len(set(found))
    place = {node: number for number, node in enumerate(found)}

    def read_by(node: Any) -> Iterable[Any]:
        return node.__children__  # type: ignore[no-any-return]

    assert all(place[read] < place[node] for node in found for read in read_by(node))
