"""Databases that Ibis alone connects to: the same values, loads in one step, and plain words when something is refused.

None of them runs here. A PostgreSQL server that is reached by Ibis alone, as they are, stands in their place, under an
address of Trino; and every query of some worked cases is written for each of them.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import ibis
import psycopg
import pyarrow as pa
import pytest
import sqlglot
from ibis.backends.sql.compilers.bigquery import BigQueryCompiler
from ibis.backends.sql.compilers.clickhouse import ClickHouseCompiler
from ibis.backends.sql.compilers.databricks import DatabricksCompiler
from ibis.backends.sql.compilers.snowflake import SnowflakeCompiler
from ibis.backends.sql.compilers.trino import TrinoCompiler
from tests.build.company import LATE, company, published, workspace
from tests.engines.machine import LOOPBACK
from tests.engines.postgresql import PASSWORD, Server
from tests.engines.test_killed_copies import ROWS, TABLES, contents, killed
from tests.queries import noted_queries, plainly_written

from revgauge.catalogue.engine import Engine, EngineError, connect, read_address
from revgauge.catalogue.engine.connect import temporary, warehouse
from revgauge.catalogue.engine.meaning import elsewhere
from revgauge.catalogue.engine.others import OTHERS
from revgauge.catalogue.engine.through_ibis import FORGOTTEN, STANDING, ThroughIbis
from revgauge.metrics import builtin_catalogue
from revgauge.project.cases import case_folders, verify

CASES = Path(__file__).resolve().parent.parent / "cases"
CATALOGUE = builtin_catalogue()
QUICK = {"ops_edge"}
SCHEMA = "through_ibis"


@pytest.fixture
def server(postgresql: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[Any]]:
    """A server that Ibis alone connects to in the place of Trino, with an empty schema; and who administers it."""

    def connected(*, host: str, port: int, database: str, schema: str, user: str, auth: str) -> Any:
        return ibis.postgres.connect(host=host, port=port, user=user, password=auth, database=database, schema=schema)

    monkeypatch.setitem(vars(ibis), "trino", SimpleNamespace(connect=connected))
    monkeypatch.setattr(connect, "_installed", lambda module: module != "snowflake.connector")
    given: dict[str, Any] = {
        "host": LOOPBACK,
        "port": postgresql.port,
        "user": postgresql.user,
        "password": PASSWORD,
    }
    with psycopg.connect(**given, dbname=postgresql.database, autocommit=True) as administrator:
        administrator.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE".encode())
        administrator.execute(f"CREATE SCHEMA {SCHEMA}".encode())
        administrator.execute(
            f"CREATE FUNCTION {SCHEMA}.convert_timezone(text, text, timestamp) RETURNS timestamp LANGUAGE sql "
            "IMMUTABLE AS $$ SELECT timezone($2, timezone($1, $3)) $$".encode()
        )
        yield administrator


@pytest.fixture
def address(postgresql: Server, server: psycopg.Connection[Any]) -> str:  # noqa: ARG001 - it has to be there
    """Where the server is, as it would stand in revgauge.yml."""
    return f"trino://{postgresql.user}@{LOOPBACK}:{postgresql.port}/{postgresql.database}/{SCHEMA}"


@pytest.fixture
def opened(tmp_path: Path, address: str) -> Iterator[Callable[[], Engine]]:
    """What opens the tables of a project there; all are closed in the end."""
    with ExitStack() as all_of_them:

        def one_more() -> Engine:
            engine = warehouse(read_address(address), tmp_path)
            all_of_them.callback(engine.close)
            return engine

        yield one_more


def tables(server: psycopg.Connection[Any]) -> set[str]:
    """The tables of the schema."""
    found = server.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'",
        [SCHEMA],
    )
    return {name for (name,) in found}


def with_zones(address: str) -> Engine:
    """The stand-in with the function that Snowflake and Databricks convert times with, and lists for quantiles."""
    engine = temporary(read_address(address))
    engine.rules = elsewhere(zones=True, quantiles=False)
    return engine


@pytest.mark.parametrize(
    "folder",
    [
        pytest.param(folder, id=folder.name, marks=() if folder.name in QUICK else pytest.mark.slow)
        for folder in case_folders([CASES])
    ],
)
def test_a_case_has_the_values_worked_out_by_hand(folder: Path, address: str, server: psycopg.Connection[Any]) -> None:
    """Every worked case comes out right, in every zone, with medians told from lists; and nothing is left behind."""
    found = [check for check in verify(folder, CATALOGUE, lambda: with_zones(address)) if check.known]
    wrong = [f"{one.metric} {one.params} {one.period} {one.value} {one.error}" for one in found if one.ok is False]
    assert not wrong, "\n".join(wrong)
    assert tables(server) == set()


@pytest.mark.slow
def test_a_project_gives_the_same_values(tmp_path: Path, address: str, server: psycopg.Connection[Any]) -> None:
    """Loaded and built there, every published value is that of the project's own file, and others can read it."""
    plain = company(tmp_path / "plain")
    workspace(plain, LATE).build()
    folder = company(tmp_path / "there")
    settings = folder / "revgauge.yml"
    settings.write_text(settings.read_text(encoding="utf-8") + f"warehouse: {address}\n", encoding="utf-8")
    assert workspace(folder, LATE).load().ok
    workspace(folder, LATE).build()
    expected = published(plain)[1]
    assert published(folder)[1] == expected
    ((rows,),) = server.execute(f"SELECT count(*) FROM {SCHEMA}.metric_values".encode())
    assert rows == len(expected)
    path = folder / "periods.csv"
    path.write_text(path.read_text(encoding="utf-8").replace(",11,USD", ",12,USD"), encoding="utf-8")
    workspace(folder, LATE).load()
    ((rows,),) = server.execute(f"SELECT count(*) FROM {SCHEMA}.subscription_periods WHERE mrr = 11".encode())
    assert rows == 0


def numbers(engine: Engine) -> dict[str, list[int]]:
    """What stands in each table."""
    return {name: engine.fetch(engine.entity(name))["n"].to_pylist() for name in sorted(engine.tables())}


def of(number: int) -> Any:
    """A table of one number, to be opened for reading."""
    return pa.table({"n": [number]}).to_reader


def test_a_load_is_one_step(opened: Callable[[], Engine]) -> None:
    """When rows stop coming in the middle both tables are as before; who reads from before keeps to the old ones."""
    writer = opened()
    writer.replace({"one": of(1), "other": of(1)})
    reader = opened()

    def broken() -> pa.RecordBatchReader:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        writer.replace({"one": of(2), "other": broken})
    assert numbers(opened()) == {"one": [1], "other": [1]}
    opened().replace({"one": of(3)}, gone=["other"])
    assert numbers(reader) == {"one": [1], "other": [1]}
    assert numbers(opened()) == {"one": [3]}


STAND_IN = """\
import ibis
from types import SimpleNamespace
from revgauge.catalogue.engine import connect
connect._installed = lambda module: True
def connected(auth, **given):
    return ibis.postgres.connect(password=auth, **given)
vars(ibis)["trino"] = SimpleNamespace(connect=connected)
"""


@pytest.mark.slow
def test_a_load_that_is_killed(address: str, opened: Callable[[], Engine]) -> None:
    """All three tables are of the same turn, the last that was told or the one after it."""
    chance = random.Random(3)
    for _ in range(4):
        turns = killed(address, chance, STAND_IN)
        there = opened()
        found = contents([there.fetch(there.entity(name)) for name in TABLES])
        assert found <= {(ROWS, turns), (ROWS, turns + 1)}
        assert len(found) == 1


def test_what_was_left_behind_is_dropped_a_day_later(
    opened: Callable[[], Engine], server: psycopg.Connection[Any]
) -> None:
    """Tables of sessions that were killed go with a later load; young ones, those in use and those of others stay."""
    opened().replace({"one": of(1)})
    young, old = ThroughIbis.stamp_of(time.time()), ThroughIbis.stamp_of(time.time() - FORGOTTEN - 60)
    kept = {f"revgauge_{young}_days", "one_of_mine", "a__b"}
    for name in (f"revgauge_{old}_days", f"one__{old}", *kept):
        server.execute(f'CREATE TABLE {SCHEMA}."{name}" (n integer)'.encode())
    opened().replace({"one": of(2)})
    left = tables(server)
    assert kept | {STANDING} <= left
    assert not any(old in name for name in left)
    assert len([name for name in left if name.startswith("one__")]) == 2


def test_a_table_of_somebody_else_is_not_taken_over(
    opened: Callable[[], Engine], server: psycopg.Connection[Any]
) -> None:
    """A table that has the name of an entity and was made by others stays, and another schema is asked for."""
    server.execute(f"CREATE TABLE {SCHEMA}.accounts (n integer)".encode())
    with pytest.raises(EngineError, match=r"has accounts already, and RevGauge did not make it. Name a schema of its"):
        opened().replace({"accounts": of(1)})
    assert tables(server) == {"accounts"}


def test_refusals_are_told_without_the_password(
    address: str, opened: Callable[[], Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong password, a missing driver and a statement that fails are told in a sentence that says what to do."""
    engine = opened()
    with pytest.raises(EngineError, match=rf"{re.escape(str(read_address(address)))} cannot go on: .*no_such_table"):
        engine.fetch(engine.promised("no_such_table", ibis.schema({"n": "int64"})))
    with pytest.raises(EngineError, match=r"Snowflake needs the package .* `pip install 'ibis-framework\[snowflake\]'"):
        temporary(read_address("snowflake://me@org-account/sales/revgauge"))
    monkeypatch.setenv("REVGAUGE_WAREHOUSE_PASSWORD", "open sesame")
    with pytest.raises(
        EngineError, match=r"Trino at trino://.* cannot be reached: .*password in the environment"
    ) as told:
        temporary(read_address(address))
    assert "open sesame" not in str(told.value)


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("snowflake://me@org-account/sales/revgauge?warehouse=small", ("me", "org-account", "sales/revgauge")),
        ("bigquery://my-project/revgauge?location=EU", ("", "my-project", "revgauge")),
        ("trino://me@trino.example.com:8443/hive/revgauge", ("me", "trino.example.com:8443", "hive/revgauge")),
        ("clickhouse://me@ch.example.com:8443/revgauge?secure=true", ("me", "ch.example.com:8443", "revgauge")),
        ("databricks://adb.example.net/main/revgauge?http_path=/sql/1", ("", "adb.example.net", "main/revgauge")),
    ],
)
def test_addresses(written: str, parts: tuple[str, str, str]) -> None:
    """An address has the parts that its database needs, and says nothing that it should not."""
    found = read_address(written)
    assert (found.user, found.place, found.database) == parts
    assert found.kind == written.partition(":")[0]
    assert str(found) == written.partition("?")[0]


COMPILERS = {
    "snowflake": SnowflakeCompiler(),
    "bigquery": BigQueryCompiler(),
    "trino": TrinoCompiler(),
    "clickhouse": ClickHouseCompiler(),
    "databricks": DatabricksCompiler(),
}


class UnconnectedEngine(ThroughIbis):
    """One that can write queries and not run them."""

    def __init__(self, name: str, compiler: Any, rules: Any) -> None:
        """Write as the compiler of a database does."""
        self.name, self.rules = name, rules
        self.backend = SimpleNamespace(compiler=compiler, dialect=compiler.dialect)
        self._stands: dict[str, str] = {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rev_lines", "ops_funnel"])
def test_every_query_can_be_written_for_each(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each query of a worked case is written in the words of each database, as without blanks, and read as such."""
    asked = noted_queries(monkeypatch)
    list(verify(CASES / name, CATALOGUE, lambda: temporary(read_address("duckdb:"))))
    assert len(asked) > 10
    for kind, compiler in COMPILERS.items():
        rules = elsewhere(zones=OTHERS[kind].zones, quantiles=OTHERS[kind].quantiles)
        for expression in asked:
            engine = UnconnectedEngine(kind, compiler, rules)
            written = engine.written(expression, expression.schema())
            assert written == plainly_written(engine, expression)
            assert isinstance(sqlglot.parse_one(written, dialect=compiler.dialect), sqlglot.expressions.Query)
