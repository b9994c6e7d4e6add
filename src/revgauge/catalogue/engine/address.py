"""Where a warehouse is: one line of text, never with a password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from revgauge.catalogue.engine.others import OTHERS

Kind = Literal["duckdb", "postgresql", "spark", "snowflake", "bigquery", "trino", "clickhouse", "databricks"]

POSSIBLE = (
    "Write `duckdb:`, `duckdb:path/to/entities.duckdb`, `postgresql://user@host/database?schema=name`, "
    f"`spark://host:7077` or `local[*]`, or name a database of {', '.join(OTHERS)}."
)

OPTIONS: dict[Kind, tuple[str, ...]] = {
    "duckdb": (),
    "postgresql": ("schema", "sslmode", "sslrootcert", "connect_timeout"),
    "spark": ("folder",),
    **{kind: OTHERS[kind].options for kind in get_args(Kind) if kind in OTHERS},
}
"""What may follow the question mark. Other options of a driver can read files or run code, so there are none."""

SCHEMA = "revgauge"
"""The schema of a PostgreSQL database in which the tables stand, if the address names none."""


class AddressError(ValueError):
    """An address cannot be understood or must not stand there; the text says what to write."""


@dataclass(frozen=True)
class Address:
    """A warehouse."""

    kind: Kind = "duckdb"
    place: str = ""
    """A path for DuckDB, the master for Spark, host and port of every other server."""
    user: str = ""
    database: str = ""
    """With the schema behind a slash where Ibis alone connects."""
    options: dict[str, str] = field(default_factory=dict)

    @property
    def local(self) -> bool:
        """Whether the entities stand in the store of the project and nowhere else."""
        return self.kind == "duckdb" and not self.place

    @property
    def schema(self) -> str:
        """The schema of a PostgreSQL database."""
        return self.options.get("schema", SCHEMA)

    @property
    def host(self) -> str:
        """The name or number of the machine, without a port."""
        return self._authority[0]

    @property
    def port(self) -> int | None:
        """The port, if one is given."""
        return self._authority[1]

    @property
    def _authority(self) -> tuple[str, int | None]:
        split = urlsplit(f"//{self.place.removeprefix('spark://')}")
        return split.hostname or "", split.port

    def __str__(self) -> str:
        """The address in words for people."""
        if self.database:
            who = f"{self.user}@" if self.user else ""
            return f"{self.kind}://{who}{self.place}/{self.database}"
        return self.place or "duckdb:"


def read_address(text: str) -> Address:
    """The warehouse that a line of text names; `duckdb`, `postgresql` and `spark` alone stand for the usual one.

    Raises AddressError.
    """
    word = text.strip()
    if word in ("duckdb", "duckdb:"):
        return Address()
    if word.startswith("duckdb:"):
        return Address("duckdb", word.removeprefix("duckdb:").removeprefix("//"))
    base, _, query = word.partition("?")
    if re.fullmatch(r"local(\[(\*|[1-9]\d*)\])?", base):
        return Address("spark", base, options=_options("spark", query))
    if word.startswith(("postgresql://", "postgres://")):
        return _of_server("postgresql", base, query)
    if word.startswith("spark://"):
        return _spark(base, query)
    for kind in get_args(Kind):
        if kind in OTHERS and word.startswith(f"{kind}:"):
            return _of_server(kind, base, query)
    raise AddressError(f"`{_without_password(word)}` is no warehouse. {POSSIBLE}")


def _of_server(kind: Kind, base: str, query: str) -> Address:
    """A database of a server; the schema stands behind it, but for PostgreSQL, where it is an option."""
    try:
        split = urlsplit(base)
        place = split.netloc.rpartition("@")[2]
        _ = split.port
    except ValueError as error:
        raise AddressError(f"`{_without_password(base)}` is no address of a server. {POSSIBLE}") from error
    if split.password is not None:
        home = " or into ~/.pgpass" if kind == "postgresql" else ""
        raise AddressError(
            "the address of the warehouse has a password in it, where everybody who can read the file would see it. "
            f"Write it without, as in {kind}://user@host/database, and put the password into the environment "
            f"variable REVGAUGE_WAREHOUSE_PASSWORD{home}; change the one that stood there."
        )
    database, user = unquote(split.path.strip("/")), unquote(split.username or "")
    if kind in OTHERS:
        _fits(kind, base, Address(kind, place, user, database))
    elif not place or not database:
        raise AddressError(f"`{base}` lacks the host or the database. {POSSIBLE}")
    return Address(kind, place, user, database, _options(kind, query))


def _fits(kind: str, base: str, found: Address) -> None:
    """Raise AddressError if the address of a database that Ibis connects to lacks a part or has one too many."""
    other = OTHERS[kind]
    parts = found.database.split("/") if found.database else []
    wanted = 2 if other.schema else 1
    odd = (found.user and not other.user) or (found.port is not None and not other.port)
    if not found.place or len(parts) != wanted or not all(parts) or odd:
        raise AddressError(f"`{base}` is no address of {other.title}. Write `{kind}:{other.form}`.")


def _spark(base: str, query: str) -> Address:
    try:
        split = urlsplit(base)
        good = bool(split.hostname and split.port)
    except ValueError:
        good = False
    if not good:
        raise AddressError(f"`{base}` lacks the host or the port of the cluster's master. {POSSIBLE}")
    return Address("spark", base, options=_options("spark", query))


def _options(kind: Kind, query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    if "password" in options:
        raise AddressError(
            "the address of the warehouse has a password in it. Take it out, put it into the environment variable "
            "REVGAUGE_WAREHOUSE_PASSWORD and change it, since it stood in a file."
        )
    if unknown := [name for name in options if name not in OPTIONS[kind]]:
        raise AddressError(f"the address has no option {', '.join(unknown)}; possible are {', '.join(OPTIONS[kind])}.")
    return options


def _without_password(text: str) -> str:
    return re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:...@", text)
