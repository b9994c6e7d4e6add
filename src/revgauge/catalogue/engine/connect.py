"""Connect to a warehouse; what goes wrong is told in a sentence that says what to do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revgauge.catalogue.engine.address import Address
from revgauge.catalogue.engine.base import Engine, EngineError
from revgauge.catalogue.engine.meaning import elsewhere
from revgauge.catalogue.engine.others import OTHERS
from revgauge.catalogue.engine.reasons import PASSWORD, PASSWORD_FILE, PATIENCE, masked, told, unreachable
from revgauge.model.store import HOME

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JAVA = 17


def temporary(address: Address, *, options: Mapping[str, str] | None = None) -> Engine:
    """A place for tables of a session, which leaves nothing behind: for worked cases. Raises EngineError."""
    match address.kind:
        case "postgresql":
            from revgauge.catalogue.engine.postgres import PostgreSQL  # noqa: PLC0415 - an extra

            return PostgreSQL(_to_postgresql(address), address)
        case "spark":
            from revgauge.catalogue.engine.spark import Spark  # noqa: PLC0415 - an extra

            return Spark(_to_spark(address, options))
        case "duckdb":
            import duckdb  # noqa: PLC0415 - as the others

            from revgauge.catalogue.engine.duck import DuckDB  # noqa: PLC0415 - as the others

            return DuckDB(duckdb.connect(), "temp")  # what is added to it are temporary tables
    return _through_ibis(address, project=False)


def warehouse(address: Address, project: Path, *, memory_limit: str | None = None, steady: bool = False) -> Engine:
    """The engine over the tables of a project's warehouse.

    While a `steady` one is open its tables cannot be replaced. Raises EngineError.
    """
    match address.kind:
        case "postgresql":
            from revgauge.catalogue.engine.postgres import PostgreSQL  # noqa: PLC0415 - an extra

            connection = _to_postgresql(address)
            try:
                return PostgreSQL(connection, address, address.schema, steady=steady)
            except BaseException:
                connection.close()
                raise
        case "spark":
            from revgauge.catalogue.engine.spark import Spark  # noqa: PLC0415 - an extra

            options = {"spark.driver.memory": _java_size(memory_limit)} if memory_limit else {}
            place = project / address.options.get("folder", f"{HOME}/spark")
            return Spark(_to_spark(address, options), place.absolute())
        case "duckdb":
            from revgauge.catalogue.engine.duck import DuckDB  # noqa: PLC0415 - as the others

            return DuckDB.open(project / address.place, memory_limit=memory_limit)
    return _through_ibis(address, project=True)


def _java_size(text: str) -> str:
    """A size such as 4GB as Java writes it."""
    return text.replace(" ", "").replace("iB", "").replace("B", "").lower()


def _needs(module: str, address: Address, extra: str) -> None:
    if not _installed(module):
        raise EngineError(
            f"{address.kind} needs the package {module}, which is not installed here. Run `pip install "
            f"'revgauge[{extra}]'`, or take it out of `warehouse` to work with the embedded DuckDB."
        )


# ------------------------------------------------------------------------------------------------------ PostgreSQL


def _password() -> str | None:
    """The password of the warehouse from the environment or the file that it names; None if there is none."""
    if word := os.environ.get(PASSWORD):
        return word
    name = os.environ.get(PASSWORD_FILE)
    if not name:
        return None
    path = Path(name)
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise EngineError(f"{path} can be read by others. Run `chmod 600 {path}`, so that only you can read it.")
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        reason = (error.strerror or "cannot be read").lower()
        raise EngineError(f"{path}, which {PASSWORD_FILE} names, cannot be used: {reason}.") from error


def _to_postgresql(address: Address) -> Any:
    _needs("psycopg", address, "postgres")
    import psycopg  # noqa: PLC0415 - an extra

    options = {name: value for name, value in address.options.items() if name != "schema"}
    given: dict[str, Any] = {"connect_timeout": str(PATIENCE), "application_name": "revgauge", **options}
    if address.user:
        given["user"] = address.user
    if (password := _password()) is not None:
        given["password"] = password
    with told(address):
        return psycopg.connect(host=address.host, port=address.port, dbname=address.database, **given)


# ----------------------------------------------------------------------------------------------------------- Spark

_QUIET = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}
_JAVA = "spark.driver.extraJavaOptions"
LOGGING = Path(__file__).with_name("spark-log4j2.properties")


def _to_spark(address: Address, options: Mapping[str, str] | None) -> SparkSession:
    """A Spark session of its own; the connection to the cluster is made once for the process."""
    _needs("pyspark", address, "spark")
    _needs_java()
    if address.place.startswith("spark://"):
        _answers(address)
    from pyspark import SparkContext  # noqa: PLC0415 - an extra, and slow to import
    from pyspark.sql import SparkSession  # noqa: PLC0415 - the same

    here = {}
    running = SparkContext._active_spark_context  # noqa: SLF001 - has no public name
    if running is not None and running.master != address.place:
        raise EngineError(f"this process works with Spark at {running.master}; {address} needs another process.")
    if not address.place.startswith("spark://"):
        here["spark.sql.shuffle.partitions"] = str(os.cpu_count() or 2)
    if address.place.startswith("local") or address.host in ("localhost", "127.0.0.1", "::1"):
        here |= {"spark.driver.host": "localhost", "spark.driver.bindAddress": "127.0.0.1"}

    given = {**_QUIET, **here, **(options or {})}
    given[_JAVA] = " ".join([f"-Dlog4j2.configurationFile={LOGGING.as_uri()}", *filter(None, [given.get(_JAVA)])])
    builder = SparkSession.builder.master(address.place).appName("revgauge")
    for name, value in given.items():
        builder = builder.config(name, value)
    try:
        made: SparkSession = builder.getOrCreate()
    except Exception as error:
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise EngineError(f"Spark at {address} does not start: {first.strip()}") from error
    made.sparkContext.setLogLevel("ERROR")
    return made.newSession()


def _needs_java() -> None:
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=str(Path(home) / "bin") if home else None)
    fix = f"Install Java {JAVA} or later (on Debian or Ubuntu `apt-get install openjdk-17-jre-headless`)"
    if java is None:
        where = f"JAVA_HOME is {home}, and there is no bin/java in it" if home else "there is no `java` on PATH"
        raise EngineError(f"Spark needs Java: {where}. {fix}, or set JAVA_HOME to where it is.")
    told_version = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603 - found on PATH
    digits = told_version.partition('version "')[2].partition('"')[0].split(".")[0]
    if digits.isdigit() and int(digits) < JAVA:
        raise EngineError(f"Spark needs Java {JAVA} or later, and {java} is Java {digits}. {fix}, and set JAVA_HOME.")


def _answers(address: Address) -> None:
    """Spark itself would try for a minute and then tell a long story."""
    try:
        socket.create_connection((address.host, address.port or 7077), timeout=PATIENCE).close()
    except OSError as error:
        reason = unreachable(str(error))
        raise EngineError(
            f"the Spark master {address} cannot be reached: {reason}. Is the address right, is the master running, "
            "and does a firewall let this machine through?"
        ) from error


# ------------------------------------------------------------------------------------------------- through Ibis alone


def _through_ibis(address: Address, *, project: bool) -> Engine:
    from revgauge.catalogue.engine.through_ibis import ThroughIbis  # noqa: PLC0415 - as the others

    other, secret = OTHERS[address.kind], _password() or ""
    if not _installed(other.driver):
        raise EngineError(
            f"{other.title} needs the package {other.driver}, which is not installed here. Run `pip install "
            f"'ibis-framework[{address.kind}]'`, or take it out of `warehouse` to work with the embedded DuckDB."
        )
    database, _, schema = address.database.partition("/")
    options: dict[str, Any] = {**address.options}
    if "secure" in options:
        options["secure"] = options["secure"].lower() in ("1", "true", "yes")
    given = {
        other.host: address.host if other.port else address.place,
        other.database: database,
        other.schema: schema,
        other.port: address.port,
        other.user: address.user,
        other.secret: secret,
        **options,
    }
    import ibis  # noqa: PLC0415 - as the others

    try:
        backend = getattr(ibis, address.kind).connect(
            **{name: value for name, value in given.items() if name and value}
        )
    except Exception as error:
        said = masked((str(error).splitlines() or [type(error).__name__])[0].rstrip("."), secret)
        raise EngineError(
            f"{other.title} at {address} cannot be reached: {said}. Is the address right, is the password in the "
            f"environment variable {PASSWORD}, and does a firewall let this machine through?"
        ) from error
    rules = elsewhere(zones=other.zones, quantiles=other.quantiles)
    try:
        return ThroughIbis(backend, address, rules, project=project, secret=secret)
    except BaseException:
        backend.disconnect()
        raise


def _installed(module: str) -> bool:
    """Whether a package is there, without importing more of it than is above it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
