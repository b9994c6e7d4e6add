"""Entities that stand in PostgreSQL or in Parquet already are read where they are, by a mapping."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.build.company import LATE, company, published, workspace
from tests.engines.conftest import LOCAL_SPARK
from tests.engines.machine import LOOPBACK
from tests.engines.postgresql import PASSWORD, Server

from revgauge.catalogue.engine import EngineError
from revgauge.sources.mapping import read_mapping
from revgauge.sources.problems import RefusedError

MAPPING = """\
source: billing
in_place:
  subscription_periods:
    {place}
    fields:
      subscription_id: Id
      account_id: customer
      valid_from: first_day
      valid_to: {{column: end_day}}
      mrr: {{sql: "cents / 100.0"}}
      currency: {{value: USD}}
"""

SETTINGS = "name: Small Company\nbuild: {grains: [month, quarter], dimensions: [account_id]}\n"


def rows() -> pa.Table:
    """The rows of the small company as its billing system keeps them: other names, amounts in cents, days as texts."""
    listed = [
        (f"s{account}", f"a{account}", f"2025-{month:02}-01", f"2025-{month + 1:02}-01", (10 + account + month) * 100)
        for account in range(40)
        for month in range(1, 4)
    ]
    names = ["Id", "customer", "first_day", "end_day", "cents"]
    return pa.table({name: list(column) for name, column in zip(names, zip(*listed, strict=True), strict=True)})


def project(folder: Path, warehouse: str, place: str) -> Path:
    """The small company, whose rows are nowhere but there."""
    (folder / "sources").mkdir(parents=True)
    (folder / "revgauge.yml").write_text(f"{SETTINGS}warehouse: {warehouse}\n", encoding="utf-8")
    (folder / "sources" / "billing.yml").write_text(MAPPING.format(place=place), encoding="utf-8")
    return folder


def in_postgresql(server: Server, folder: Path) -> Path:
    """The rows in a table of a schema of their own."""
    table = rows()
    with psycopg.connect(host=LOOPBACK, port=server.port, user=server.user, password=PASSWORD, dbname="postgres") as to:
        to.execute("DROP SCHEMA IF EXISTS billing CASCADE")
        to.execute("CREATE SCHEMA billing")
        to.execute('CREATE TABLE billing.periods ("Id" text, customer text, first_day text, end_day text, cents int)')
        with to.cursor().copy("COPY billing.periods FROM STDIN") as copy:
            for row in table.to_pylist():
                copy.write_row(tuple(row.values()))
    return project(folder, server.url("revgauge_in_place"), "table: billing.periods")


def in_parquet(folder: Path) -> Path:
    """The rows in a folder of Parquet files."""
    lake = folder / "lake"
    lake.mkdir()
    pq.write_table(rows(), lake / "part-1.parquet")
    return project(folder / "project", f"{LOCAL_SPARK}?folder={folder}/shared", f"parquet: {lake}")


@pytest.fixture(params=["postgresql", pytest.param("spark", marks=pytest.mark.slow)])
def standing(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Path]:
    """Makes the project on one of the engines."""
    if request.param == "spark":
        return lambda: in_parquet(tmp_path)
    server: Server = request.getfixturevalue("postgresql")
    return lambda: in_postgresql(server, tmp_path / "project")


@pytest.mark.slow
def test_rows_that_stand_there_give_the_numbers_of_loaded_ones(standing: Callable[[], Path], tmp_path: Path) -> None:
    """Renamed, cast, computed and constant fields of rows that were never loaded give every value of loaded ones."""
    folder = standing()
    here = workspace(folder, LATE)
    assert here.load().ok
    here.build()
    plain = company(tmp_path / "plain")
    workspace(plain, LATE).build()
    assert published(folder)[1] == published(plain)[1]
    # March: forty accounts at 10 + account + 3
    assert here.show("mrr", period="2025-03").values[0].value == Decimal(sum(13 + account for account in range(40)))
    found = {finding.metric.name: finding.status for finding in here.gaps()}
    assert found["mrr"] != "not computable"


def test_what_does_not_stand_there_is_told(postgresql: Server, tmp_path: Path) -> None:
    """A table or a column that is not there is named, with those that are."""
    folder = in_postgresql(postgresql, tmp_path / "project")
    path = folder / "sources" / "billing.yml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("customer", "client"), encoding="utf-8")
    with pytest.raises(EngineError, match=r"billing\.periods, where subscription_periods stands, has no column client"):
        workspace(folder, LATE).load()
    path.write_text(text.replace("billing.periods", "billing.period"), encoding="utf-8")
    with pytest.raises(EngineError, match=r"has no table billing\.period, or the user may not read it"):
        workspace(folder, LATE).load()


def test_the_embedded_database_loads_instead(tmp_path: Path) -> None:
    """Without another warehouse there is nothing to stand in, and that is said."""
    folder = project(tmp_path / "project", "'duckdb:'", "table: billing.periods")
    with pytest.raises(EngineError, match="subscription_periods can be read in place in PostgreSQL or by Spark only"):
        workspace(folder, LATE).load()


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("subscription_periods", "subscription_period", "there is no entity `subscription_period`"),
        ("mrr:", "mr:", "there is no field `mr`"),
        ("table: billing.periods", "table: a.b\n    parquet: c", "`subscription_periods` has no clear place"),
        ("      account_id: customer\n", "", "`subscription_periods` lacks account_id"),
        ("cents / 100.0", "as_number(cents)", "`as_number` is a function of loading"),
        ("cents / 100.0", "cents /", "sql"),
        ("{value: USD}", "{value: USD, column: x}", "`currency` has no clear source"),
    ],
)
def test_mistakes_in_the_mapping_are_told(old: str, new: str, told: str, tmp_path: Path) -> None:
    """Each mistake is found before anything is read, with its line."""
    path = tmp_path / "billing.yml"
    path.write_text(MAPPING.format(place="table: billing.periods").replace(old, new), encoding="utf-8")
    with pytest.raises(RefusedError) as error:
        read_mapping(path, "billing.yml")
    if told != "sql":
        assert told in "\n".join(problem.reason for problem in error.value.problems)
    assert all(problem.row for problem in error.value.problems)
