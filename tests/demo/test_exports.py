"""The exports hang together: nothing dangles, nothing lies in the future, and what was planted is all that is wrong."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.demo.exports_read import Exports, day
from tests.demo.refresh import DIGEST, digest, hashes

from revgauge.demo import create
from revgauge.demo.clock import NOW
from revgauge.demo.faults import FAULTS, REPEATED
from revgauge.model.entities import ENTITIES
from revgauge.project.own_metrics import load_own_metrics
from revgauge.project.settings import read_settings
from revgauge.sources.mapping import read_mapping
from revgauge.workspace import builtin_catalogue

pytestmark = pytest.mark.slow

_PROMISES = {"due_at"}
"""Instants that may lie ahead."""


def test_the_same_seed_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Two runs of one seed do not differ in a byte of any file, and a second run over a folder changes nothing."""
    first = hashes(folder)
    create(folder)
    create(tmp_path / "again")
    assert hashes(folder) == first
    assert hashes(tmp_path / "again") == first


def test_the_company_of_the_default_seed_is_known(folder: Path) -> None:
    """The bytes are the same on every machine and Python: this digest was taken on Linux with Python 3.11."""
    known = (Path(__file__).parent / DIGEST).read_text(encoding="utf-8").strip()
    assert digest(folder) == known, "the company has changed; if that was meant, run python -m tests.demo.refresh"


def test_another_seed_makes_another_company(folder: Path, tmp_path: Path) -> None:
    """The seed matters, and the stories can be told of any seed without an error."""
    create(tmp_path, seed=7)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") != (folder / "README.md").read_text(encoding="utf-8")


def test_the_exports_stay_small(folder: Path) -> None:
    """The folder is below 40 MB, so that it is made, copied and loaded in seconds."""
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 40_000_000


def test_every_entity_is_filled(exports: Exports) -> None:
    """Each entity and record of the model has rows, so that no later metric lacks its table here."""
    assert set(exports.entities()) == set(ENTITIES)
    assert [name for name in ENTITIES if not exports.rows(name)] == []


def test_every_field_but_the_gap_is_filled(exports: Exports) -> None:
    """Each field of each entity has a value somewhere; the waiting time of tickets is the planted gap."""
    never = {
        (name, field)
        for name, entity in ENTITIES.items()
        for field in entity.field_names
        if not any(row.get(field) for row in exports.rows(name))
    }
    assert never == {("tickets", "paused_minutes")}


def test_keys_are_unique(exports: Exports) -> None:
    """No two good rows of an entity share a key, once rows that stand twice count once."""
    for name, entity in ENTITIES.items():
        keys = Counter(tuple(row[field] for field in entity.key) for row in exports.rows(name) if entity.key)
        assert [key for key, count in keys.items() if count > 1] == [], name


def test_every_reference_has_its_row(exports: Exports) -> None:
    """Whatever a field points at is there."""
    for name, entity in ENTITIES.items():
        for field in entity.fields:
            if field.refers_to:
                other, key = field.refers_to.split(".")
                there = {row[key] for row in exports.rows(other)}
                lost = {row[field.name] for row in exports.rows(name) if row.get(field.name)} - there
                assert lost == set(), f"{name}.{field.name}"


def test_required_fields_and_order_of_ends(exports: Exports) -> None:
    """Good rows have what the model requires, and no interval ends before it starts."""
    for name, entity in ENTITIES.items():
        for row in exports.rows(name):
            assert all(row[field] for field in entity.required), (name, row)
            assert all(not row[end] or row[start][:19] <= row[end][:19] for start, end in entity.intervals), (name, row)


def test_nothing_has_happened_after_now(exports: Exports) -> None:
    """Instants lie on or before the company's day; only promises may lie ahead."""
    for name, entity in ENTITIES.items():
        for field in entity.fields:
            if field.type == "instant" and field.name not in _PROMISES:
                moments = (row[field.name] for row in exports.rows(name) if row.get(field.name))
                assert max(map(day, moments), default=NOW) <= NOW, f"{name}.{field.name}"


def test_people_act_only_while_they_are_employed(exports: Exports) -> None:
    """Whoever owns, sells, answers or is paid a quota works at the company on the day in question."""
    people = exports.by_key("people", "person_id")
    for entity, who, when in (
        ("account_assignments", "person_id", "valid_from"),
        ("lead_assignments", "person_id", "valid_from"),
        ("opportunities", "owner_id", "closed_at"),
        ("activities", "owner_id", "occurred_at"),
        ("quotas", "person_id", "period_start"),
        ("tickets", "agent_id", "opened_at"),
        ("requests", "assignee_id", "opened_at"),
        ("report_runs", "owner_id", "due_at"),
    ):
        for row in exports.rows(entity):
            if row[when]:
                person, then = people[row[who]], row[when][:10]
                assert person["hired_on"] <= then, (entity, row)
                assert not person["left_on"] or then < person["left_on"], (entity, row)


def test_each_planted_fault_stands_once(exports: Exports) -> None:
    """Each of the bad rows that the README names is in its file, with its bad value in the column named."""
    for fault in FAULTS:
        headers = [column.header for column in exports.export(fault.entity).columns]
        position = headers.index(fault.header)
        found = [line for line in exports.lines(fault.entity) if not fault.key or line[0] == fault.key]
        assert [line[position] for line in found if line[position] == fault.value] == [fault.value]


def test_only_the_planted_rows_stand_twice(exports: Exports) -> None:
    """The number of surplus lines of each file is the number that the README tells."""
    surplus = {name: len(exports.lines(name)) - len(set(exports.lines(name))) for name in ENTITIES}
    assert {name: count for name, count in surplus.items() if count} == REPEATED


def test_merged_records_name_one_that_stayed(exports: Exports) -> None:
    """`duplicate_of` points at a record that was not itself merged."""
    for name in ("accounts", "contacts", "leads", "opportunities"):
        merged = {row["duplicate_of"] for row in exports.rows(name) if row["duplicate_of"]}
        rows = exports.by_key(name, ENTITIES[name].key[0])
        assert merged
        assert all(not rows[key]["duplicate_of"] for key in merged)


def test_the_definitions_are_read_without_a_mistake(folder: Path) -> None:
    """The settings and every mapping pass the checks that a user's files go through, and cover every entity."""
    assert read_settings(folder).name == "Halden Analytics"
    filled: set[str] = set()
    for path in sorted((folder / "sources").glob("*.yml")):
        mapping = read_mapping(path, path.name)
        assert mapping is not None
        filled |= set(mapping.source.entities)
    assert filled == {name for name, entity in ENTITIES.items() if not entity.record}


def test_the_company_has_metrics_of_its_own(folder: Path) -> None:
    """`metrics.yml` has a definition of each of the three shapes, and the catalogue takes all of them."""
    catalogue = builtin_catalogue()
    known = set(catalogue.metrics)
    assert load_own_metrics(folder, catalogue) == []
    own = {"urgent_tickets", "customers_per_lead", "enterprise_win_rate", "idle_channel_activation"}
    assert set(catalogue.metrics) - known == own
