"""Where a warehouse is: one line of text, never with a password."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

Kind = Literal["duckdb", "postgresql", "spark"]

POSSIBLE = (
    "Write `duckdb:`, `duckdb:path/to/entities.duckdb`, `postgresql://user@host/database?schema=name`, "
    "`spark://host:7077` or `local[*]`."
)

OPTIONS: dict[Kind, tuple[str, ...]] = {
    "duckdb": (),
    "postgresql": ("schema", "sslmode", "sslrootcert", "connect_timeout"),
    "spark": ("folder",),
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
    """A path for DuckDB, host and port for PostgreSQL, the master for Spark."""
    user: str = ""
    database: str = ""
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
        if self.kind == "postgresql":
            who = f"{self.user}@" if self.user else ""
            return f"postgresql://{who}{self.place}/{self.database}"
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
        return _postgresql(base, query)
    if word.startswith("spark://"):
        return _spark(base, query)
    raise AddressError(f"`{_without_password(word)}` is no warehouse. {POSSIBLE}")


def _postgresql(base: str, query: str) -> Address:
    try:
        split = urlsplit(base)
        place = split.netloc.rpartition("@")[2]
        _ = split.port
    except ValueError as error:
        raise AddressError(f"`{_without_password(base)}` is no address of a server. {POSSIBLE}") from error
    if split.password is not None:
        raise AddressError(
            "the address of the warehouse has a password in it, where everybody who can read the file would see it. "
            "Write it without, as in postgresql://user@host/database, and put the password into the environment "
            "variable REVGAUGE_WAREHOUSE_PASSWORD or into ~/.pgpass; change the one that stood there."
        )
    if not place or not split.path.strip("/"):
        raise AddressError(f"`{base}` lacks the host or the database. {POSSIBLE}")
    options = _options("postgresql", query)
    return Address("postgresql", place, unquote(split.username or ""), unquote(split.path.strip("/")), options)


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
