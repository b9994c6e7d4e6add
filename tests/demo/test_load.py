"""The real loader accepts the sample company: what is good loads, what was planted lands in quarantine."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from tests.demo.exports_read import Exports

from revgauge.demo.faults import FAULTS, REPEATED
from revgauge.model.entities import ENTITIES
from revgauge.sources.load import load
from revgauge.sources.outcome import LoadReport

pytestmark = pytest.mark.slow

_LOADED_AT = datetime(2026, 1, 14, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def loaded(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LoadReport]:
    """A copy of the project folder with its sources loaded, and the report of the load."""
    project = tmp_path_factory.mktemp("loaded") / "company"
    shutil.copytree(folder, project)
    return project, load(project, loaded_at=_LOADED_AT)


def test_every_source_loads_every_entity(loaded: tuple[Path, LoadReport], exports: Exports) -> None:
    """No source is refused, and each entity has exactly the good rows of its exports."""
    _, report = loaded
    assert report.ok
    assert report.refused == []
    expected = {name: len(exports.rows(name)) for name, entity in ENTITIES.items() if not entity.record}
    assert {entity.entity: entity.rows_loaded for entity in report.entities} == expected


def test_every_row_is_accounted_for(loaded: tuple[Path, LoadReport]) -> None:
    """Loaded, rejected and skipped rows add up to those read; skipped are the rows that stand twice."""
    _, report = loaded
    for entity in report.entities:
        assert entity.rows_loaded + entity.rows_rejected + entity.rows_skipped == entity.rows_read, entity.entity
    skipped = {entity.entity: entity.rows_skipped for entity in report.entities if entity.rows_skipped}
    assert skipped == REPEATED


def test_the_planted_rows_are_in_quarantine_and_no_others(loaded: tuple[Path, LoadReport]) -> None:
    """Each rejected row is a planted one: the same entities, as often as the README names them."""
    project, report = loaded
    rejected = {entity.entity: entity.rows_rejected for entity in report.entities if entity.rows_rejected}
    assert rejected == Counter(fault.entity for fault in FAULTS)
    with duckdb.connect(str(project / ".revgauge" / "entities.duckdb"), read_only=True) as store:
        found = store.execute("SELECT entity, column_name FROM quarantine WHERE severity = 'error'").fetchall()
    assert Counter(found) == Counter((fault.entity, fault.header) for fault in FAULTS)


def test_the_gap_is_the_waiting_time_of_tickets(loaded: tuple[Path, LoadReport]) -> None:
    """All fields of all entities are mapped but one, so that `revgauge gaps` has this gap to tell."""
    project, _ = loaded
    with duckdb.connect(str(project / ".revgauge" / "entities.duckdb"), read_only=True) as store:
        mapped = set(store.execute("SELECT entity, field FROM loaded_fields").fetchall())
    known = {(name, field) for name, entity in ENTITIES.items() if not entity.record for field in entity.field_names}
    assert known - mapped == {("tickets", "paused_minutes")}
