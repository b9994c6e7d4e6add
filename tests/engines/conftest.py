"""Real servers for the tests, each started when the first test asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.engines.machine import with_java
from tests.engines.postgresql import Server, server

from revgauge.catalogue.engine import Engine, read_address
from revgauge.catalogue.engine.connect import temporary
from revgauge.catalogue.engine.reasons import PASSWORD

LOCAL_SPARK = "local[2]"

JAVA = "spark.driver.extraJavaOptions"
QUICK = {
    # Each of some hundred small queries would wait for its own code to be made, and for the code that makes it.
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    JAVA: "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.default.parallelism": "2",
}
"""Spark for tables of a few rows."""


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server; its password stands where the product looks for it."""
    with server() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv(PASSWORD, running.password)
        yield running


def opener(kind: str, request: pytest.FixtureRequest) -> Callable[[], Engine]:
    """What opens one of the engines for the tables of a session."""
    if kind == "duckdb":
        return lambda: temporary(read_address("duckdb:"))
    if kind == "spark":
        with_java()
        return lambda: temporary(read_address(LOCAL_SPARK), options=QUICK)
    running: Server = request.getfixturevalue("postgresql")
    return lambda: temporary(read_address(running.url()))
