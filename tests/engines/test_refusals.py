"""What a warehouse refuses is told in a sentence with what to do, and a password is never said."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.build.company import company
from tests.engines.machine import LOOPBACK
from tests.engines.postgresql import PASSWORD, Server

from revgauge.catalogue.engine import AddressError, read_address
from revgauge.catalogue.engine.reasons import PASSWORD as VARIABLE
from revgauge.catalogue.engine.reasons import PASSWORD_FILE
from revgauge.cli import main

CASES = Path(__file__).resolve().parent.parent / "cases"
CASE = str(CASES / "rev_arpu_users")


def refused(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 1) -> str:
    """What the command line says when it cannot go on."""
    assert main(words) == code
    told = capsys.readouterr()
    assert PASSWORD not in told.out + told.err
    assert "Traceback" not in told.err
    return " ".join(told.err.split())


def verified(engine: str, capsys: pytest.CaptureFixture[str], code: int = 1) -> str:
    """What `verify` says on an engine."""
    return refused(["verify", CASE, "--engine", engine], capsys, code)


def administrator(server: Server) -> psycopg.Connection[Any]:
    """A connection that may do everything."""
    return psycopg.connect(
        host=LOOPBACK, port=server.port, user=server.user, password=PASSWORD, dbname="postgres", autocommit=True
    )


def test_a_wrong_password(
    postgresql: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server refuses it; where the right one belongs is said, the wrong one is not."""
    monkeypatch.setenv(VARIABLE, "open sesame")
    told = verified(postgresql.url(), capsys)
    assert f"PostgreSQL at postgresql://revgauge@127.0.0.1:{postgresql.port}/postgres refuses the password of" in told
    assert f"Put the right one into the environment variable {VARIABLE}" in told
    assert "open sesame" not in told


def test_no_password(postgresql: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the server wants one and none was given, that is said, and where to put it."""
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("PGPASSFILE", "/nowhere/pgpass")
    assert "wants a password and none was given. Put it into the environment" in verified(postgresql.url(), capsys)


def test_a_password_in_a_file(
    postgresql: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that the environment names serves, if nobody else can read it; if others can, it is refused."""
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv(PASSWORD_FILE, str(secret))
    secret.chmod(0o644)
    assert f"{secret} can be read by others. Run `chmod 600 {secret}`" in verified(postgresql.url(), capsys)
    secret.chmod(0o600)
    assert main(["verify", CASE, "--engine", postgresql.url()]) == 0
    capsys.readouterr()
    monkeypatch.setenv(PASSWORD_FILE, str(tmp_path / "lost"))
    assert "which REVGAUGE_WAREHOUSE_PASSWORD_FILE names, cannot be used: no such file" in verified(
        postgresql.url(), capsys
    )


def test_a_host_that_cannot_be_reached(postgresql: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing answers at the port, or there is no such host: both are told apart."""
    told = verified("postgresql://somebody@127.0.0.1:1/warehouse", capsys)
    assert "cannot be reached: nothing answers at that host and port. Is the host right" in told
    told = verified(postgresql.url(host="no-such-host.invalid"), capsys)
    assert "cannot be reached: there is no host of that name" in told
    told = verified("spark://127.0.0.1:1", capsys)
    assert "the Spark master spark://127.0.0.1:1 cannot be reached: nothing answers" in told


def test_a_database_that_is_not_there(postgresql: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """The server's own word for it is passed on."""
    told = verified(postgresql.url().replace("/postgres", "/warehouse"), capsys)
    assert 'refuses the connection: database "warehouse" does not exist. Correct `warehouse`' in told


@pytest.mark.parametrize(
    ("engine", "module", "extra"),
    [("postgresql://a@localhost/b", "psycopg", "postgres"), ("local[2]", "pyspark", "spark")],
)
def test_a_driver_that_is_not_installed(
    engine: str, module: str, extra: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The package that is missing is named, and how to install it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == module else object())
    told = verified(engine, capsys)
    assert f"needs the package {module}, which is not installed here. Run `pip install 'revgauge[{extra}]'`" in told


def test_no_java(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Java, with a wrong JAVA_HOME or with an old Java, that is said, and which one is needed."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "Spark needs Java: there is no `java` on PATH. Install Java 17 or later" in verified("local[2]", capsys)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert f"JAVA_HOME is {tmp_path}, and there is no bin/java in it" in verified("local[2]", capsys)
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n", encoding="utf-8")
    java.chmod(0o755)
    assert f"Spark needs Java 17 or later, and {java} is Java 11." in verified("local[2]", capsys)


@pytest.fixture
def reader(postgresql: Server) -> str:
    """A user who may read, and nothing else."""
    with administrator(postgresql) as connection:
        for command in (
            "DROP SCHEMA IF EXISTS closed CASCADE",
            "CREATE SCHEMA closed",
            "DROP ROLE IF EXISTS reader",
            f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'",
            "GRANT USAGE ON SCHEMA closed TO reader",
            "REVOKE TEMPORARY ON DATABASE postgres FROM PUBLIC",
        ):
            connection.execute(command.encode())
    return postgresql.url("closed", user="reader")


def moved(folder: Path, address: str) -> Path:
    """A project with that warehouse."""
    company(folder)
    settings = folder / "revgauge.yml"
    settings.write_text(settings.read_text(encoding="utf-8") + f"warehouse: {address}\n", encoding="utf-8")
    return folder


def test_a_schema_that_can_only_be_read(reader: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Loading says what the user may not do, what lets it, and that nothing is lost."""
    told = refused(["load", "--project", str(moved(tmp_path, reader))], capsys)
    assert "user reader may not make tables in the schema closed" in told
    assert "`GRANT ALL ON SCHEMA closed TO reader`" in told
    assert "The warehouse holds what it held before; what the sources gave is kept in the project" in told
    told = refused(["load", "--project", str(moved(tmp_path, reader.replace("closed", "new")))], capsys)
    assert "user reader may not make the schema new" in told
    assert "`GRANT CREATE ON DATABASE postgres TO reader`" in told


def test_a_server_that_can_only_be_read(
    postgresql: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A standby, or a user set to read only, is named as such."""
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    told = refused(["load", "--project", str(moved(tmp_path, postgresql.url("closed")))], capsys)
    assert "can only be read: it is a standby, or user revgauge is set to read only" in told


def test_no_temporary_tables(reader: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Worked cases stand in temporary tables; a user who may not make any is told who can help."""
    told = verified(reader, capsys)
    assert "user reader may not make temporary tables" in told
    assert "`GRANT TEMPORARY ON DATABASE postgres TO reader`" in told


@pytest.mark.parametrize(
    "address", ["postgresql://u:correct%20horse@host/db", "postgresql://u@host/db?password=correct%20horse"]
)
def test_a_password_in_the_project_file(address: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is refused with the line and where it belongs instead, and not said again."""
    told = refused(["load", "--project", str(moved(tmp_path, address))], capsys)
    assert "revgauge.yml, row 3" in told
    assert "has a password in it" in told
    assert VARIABLE in told
    assert "correct%20horse" not in told
    told = verified(address, capsys, code=2)
    assert "has a password in it" in told
    assert "correct%20horse" not in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mysql://host/db", "`mysql://host/db` is no warehouse. Write `duckdb:`"),
        ("mysql://u:secret@host/db", "`mysql://u:...@host/db` is no warehouse"),
        ("postgresql://host", "lacks the host or the database"),
        ("postgresql://u@host/db?options=-c", "has no option options; possible are schema, sslmode"),
        ("spark://host", "lacks the host or the port"),
        ("local[0]", "`local[0]` is no warehouse"),
        ("snowflake://me@org-account/sales", "Write `snowflake://user@account/database/schema`"),
        ("bigquery://me@my-project/revgauge", "Write `bigquery://project_id/dataset_id`"),
        ("databricks://adb.example.net:443/main/revgauge", "Write `databricks://server_hostname/catalog/schema`"),
        ("trino://me:secret@trino.example.com/hive/revgauge", "put the password into the environment variable"),
        ("trino://me@host/hive/revgauge?source=x", "possible are http_scheme"),
        ("oracle://me@host/sales", "or name a database of snowflake, bigquery, trino, clickhouse, databricks"),
    ],
)
def test_an_address_that_is_none(text: str, told: str) -> None:
    """What cannot be understood, lacks a part or has one too many is answered with what can be written."""
    with pytest.raises(AddressError) as error:
        read_address(text)
    assert told in str(error.value)
    assert "secret" not in str(error.value)


def test_the_name_of_an_engine_needs_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    """`--engine postgresql` alone says how the server can be named."""
    told = verified("postgresql", capsys, code=2)
    assert "--engine postgresql needs to know where the server is" in told
    assert "REVGAUGE_POSTGRESQL" in told
