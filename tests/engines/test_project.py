"""A project whose warehouse is PostgreSQL or Spark: loaded in bulk and in one step, built there, published there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from tests.build.company import LATE, company, published, workspace
from tests.engines.conftest import LOCAL_SPARK
from tests.engines.postgresql import Server

from revgauge.catalogue.engine import Engine, EngineError, read_address
from revgauge.catalogue.engine.connect import warehouse
from revgauge.model.store import StoreError, store_path
from revgauge.project.warehouses import STATE, bring

SCHEMA = "small_company"


@pytest.fixture
def addresses(postgresql: Server, tmp_path: Path) -> dict[str, str]:
    """A place of its own on each engine."""
    schema = f"{SCHEMA}_{tmp_path.name}"[:60]
    return {
        "duckdb": "duckdb:shared/entities.duckdb",
        "postgresql": postgresql.url(schema),
        "spark": f"{LOCAL_SPARK}?folder={tmp_path / 'shared'}",
    }


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[object, ...]]:
    """What a build over the project's own file publishes."""
    folder = company(tmp_path_factory.mktemp("plain"))
    workspace(folder, LATE).build()
    return published(folder)[1]


def moved(folder: Path, address: str) -> Path:
    """The company with another warehouse, loaded."""
    folder.mkdir(exist_ok=True)
    company(folder)
    settings = folder / "revgauge.yml"
    settings.write_text(settings.read_text(encoding="utf-8") + f"warehouse: {address}\n", encoding="utf-8")
    assert workspace(folder, LATE).load().ok
    return folder


def open_there(folder: Path, address: str) -> Engine:
    """The tables of the warehouse."""
    return warehouse(read_address(address), folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["duckdb", "postgresql", "spark"])
def test_a_project_gives_the_same_values_on_every_warehouse(
    kind: str, tmp_path: Path, addresses: dict[str, str], expected: list[tuple[object, ...]]
) -> None:
    """Loaded and built there, every published value is the one that the project's own file gives."""
    folder = moved(tmp_path / "project", addresses[kind])
    workspace(folder, LATE).build()
    assert published(folder)[1] == expected
    if kind == "duckdb":
        assert (folder / "shared" / "entities.duckdb").stat().st_size == store_path(folder).stat().st_size
        return
    there = open_there(folder, addresses[kind])
    assert {"subscription_periods", "source_loads", "quarantine", "metric_values"} <= there.tables()
    assert there.fetch(there.entity("metric_values")).num_rows == len(expected)
    facts = {row["name"]: row["value"] for row in there.fetch(there.entity("build")).to_pylist()}
    assert facts == published(folder)[0]
    there.close()


@pytest.mark.parametrize("kind", ["duckdb", "postgresql", pytest.param("spark", marks=pytest.mark.slow)])
def test_only_what_changed_is_copied(kind: str, tmp_path: Path, addresses: dict[str, str]) -> None:
    """What is there already stays; after a load of other rows their table and the log of loads are copied."""
    folder = moved(tmp_path / "project", addresses[kind])
    address = read_address(addresses[kind])
    assert bring(folder, address) == []
    path = folder / "periods.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",11,USD", ",12,USD"), encoding="utf-8")
    workspace(folder, LATE).load()
    assert bring(folder, address) == []
    if kind != "duckdb":
        there = open_there(folder, addresses[kind])
        amounts = there.fetch(there.entity("subscription_periods"))["mrr"].to_pylist()
        there.close()
        assert 11 not in amounts
        assert len(amounts) == 120  # forty accounts, three months


@pytest.mark.parametrize("kind", ["postgresql", pytest.param("spark", marks=pytest.mark.slow)])
def test_a_copy_that_fails_changes_nothing(kind: str, tmp_path: Path, addresses: dict[str, str]) -> None:
    """When rows stop coming in the middle of the second table, both tables are as before, and the next try works."""
    address = addresses[kind]
    there = open_there(tmp_path, address)
    there.replace({name: pa.table({"n": [1]}).to_reader for name in ("one", "other")})

    def broken() -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            yield pa.record_batch({"n": [2]})
            raise OSError("the disk is gone")

        return pa.RecordBatchReader.from_batches(pa.schema({"n": pa.int64()}), batches())

    with pytest.raises(OSError, match="the disk is gone"):
        there.replace({"one": pa.table({"n": [2]}).to_reader, "other": broken})
    there.close()
    there = open_there(tmp_path, address)
    assert [there.fetch(there.entity(name))["n"].to_pylist() for name in ("one", "other")] == [[1], [1]]
    assert there.tables() == {"one", "other"}
    there.replace({"one": pa.table({"n": [3]}).to_reader}, gone=["other"])
    there.close()
    there = open_there(tmp_path, address)
    assert there.tables() == {"one"}
    assert there.fetch(there.entity("one"))["n"].to_pylist() == [3]
    there.close()


def test_a_reader_sees_one_load_from_beginning_to_end(tmp_path: Path, addresses: dict[str, str]) -> None:
    """While a build reads, a load waits with giving the new tables their names; then the next reader sees them all."""
    address = read_address(addresses["postgresql"])
    writer = warehouse(address, tmp_path)
    writer.replace({name: pa.table({"n": [1]}).to_reader for name in ("one", "other")})
    reader = warehouse(address, tmp_path, steady=True)
    load = threading.Thread(
        target=writer.replace, args=({name: pa.table({"n": [2]}).to_reader for name in ("one", "other")},)
    )
    assert reader.fetch(reader.entity("one"))["n"].to_pylist() == [1]
    load.start()
    load.join(0.5)
    assert load.is_alive()
    assert reader.fetch(reader.entity("other"))["n"].to_pylist() == [1]
    reader.close()
    load.join(10)
    assert not load.is_alive()
    assert writer.fetch(writer.entity("other"))["n"].to_pylist() == [2]
    writer.close()


@pytest.mark.slow
def test_a_copy_that_was_missed_is_made_up_for(
    tmp_path: Path, addresses: dict[str, str], expected: list[tuple[object, ...]]
) -> None:
    """A load that cannot reach the warehouse says so and keeps what it read; the next build copies it and goes on."""
    folder = company(tmp_path)
    settings = folder / "revgauge.yml"
    plain = settings.read_text(encoding="utf-8")
    away = addresses["postgresql"].replace("127.0.0.1", "no-such-host.invalid")
    settings.write_text(f"{plain}warehouse: {away}\n", encoding="utf-8")
    with pytest.raises(EngineError, match="the next `revgauge load` or `revgauge build` copies it"):
        workspace(folder, LATE).load()
    settings.write_text(f"{plain}warehouse: {addresses['postgresql']}\n", encoding="utf-8")
    workspace(folder, LATE).build()
    assert published(folder)[1] == expected


def test_tables_of_others_are_left_alone(tmp_path: Path, addresses: dict[str, str]) -> None:
    """A table that somebody else made in the schema is still there after a load, and ours are listed."""
    there = open_there(tmp_path, addresses["postgresql"])
    there.replace({"notes_of_somebody": pa.table({"n": [1]}).to_reader})
    there.close()
    folder = moved(tmp_path / "project", addresses["postgresql"])
    there = open_there(folder, addresses["postgresql"])
    assert "notes_of_somebody" in there.tables()
    listed = {row["name"] for row in there.fetch(there.entity(STATE)).to_pylist()}
    assert "subscription_periods" in listed
    assert "notes_of_somebody" not in listed
    there.close()


def test_a_warehouse_that_was_never_loaded_says_so(tmp_path: Path, addresses: dict[str, str]) -> None:
    """Asking a project without rows of its own, whose warehouse has none either, is told what to do."""
    (tmp_path / "revgauge.yml").write_text(f"name: Empty\nwarehouse: {addresses['postgresql']}\n", encoding="utf-8")
    with pytest.raises(StoreError, match=r"nothing was loaded into postgresql://.* run `revgauge load` first"):
        workspace(tmp_path, LATE).show("mrr")


def test_questions_do_not_wait_for_a_server(tmp_path: Path, addresses: dict[str, str]) -> None:
    """With a warehouse that cannot be reached what was loaded and published is shown; without rows here it is asked."""
    folder = moved(tmp_path / "project", addresses["postgresql"])
    shown = [value.value for value in workspace(folder, LATE).show("mrr").values]
    settings = folder / "revgauge.yml"
    settings.write_text(settings.read_text().replace("127.0.0.1", "no-such-host.invalid"), encoding="utf-8")
    assert [value.value for value in workspace(folder, LATE).show("mrr").values] == shown
    settings.write_text(settings.read_text().replace("no-such-host.invalid", "127.0.0.1"), encoding="utf-8")
    store_path(folder).unlink()
    assert [value.value for value in workspace(folder, LATE).show("mrr").values] == shown
