"""What a server refuses, in sentences that say what to do. None of them repeats a password."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from revgauge.catalogue.engine.address import Address
from revgauge.catalogue.engine.base import EngineError

PASSWORD = "REVGAUGE_WAREHOUSE_PASSWORD"  # noqa: S105 - the name of a variable
PASSWORD_FILE = "REVGAUGE_WAREHOUSE_PASSWORD_FILE"  # noqa: S105 - the same
PATIENCE = 10
"""Seconds to wait for a server."""


@contextmanager
def told(address: Address) -> Iterator[None]:
    """Tell what PostgreSQL refuses while the block runs."""
    import psycopg  # noqa: PLC0415 - an extra

    try:
        yield
    except psycopg.Error as error:
        raise EngineError(_reason(error, address)) from error


def _reason(error: Any, address: Address) -> str:
    import psycopg  # noqa: PLC0415 - an extra

    text = " ".join(str(error).split())
    who = f"user {address.user}" if address.user else "the user"
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return _not_allowed(error.diag.message_primary or text, who, address)
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        return (
            f"{address} can only be read: it is a standby, or {who} is set to read only. Name the primary server, or "
            f"let an administrator run `ALTER ROLE {address.user or '...'} SET default_transaction_read_only = off`."
        )
    if not isinstance(error, psycopg.OperationalError) or error.sqlstate is not None:
        return f"PostgreSQL at {address} cannot go on: {error.diag.message_primary or text}."
    return _not_connected(text, who, address)


def _not_allowed(detail: str, who: str, address: Address) -> str:
    if "temporary" in detail:
        kind, grant = "temporary tables", f"GRANT TEMPORARY ON DATABASE {address.database}"
    elif "for database" in detail:
        kind, grant = f"the schema {address.schema}", f"GRANT CREATE ON DATABASE {address.database}"
    else:
        kind, grant = f"tables in the schema {address.schema}", f"GRANT ALL ON SCHEMA {address.schema}"
    return (
        f"{who} may not make {kind} at {address} ({detail}). Let an administrator run `{grant} TO "
        f"{address.user or '...'}`, or name another schema behind ?schema= in `warehouse`."
    )


def _not_connected(text: str, who: str, address: Address) -> str:
    found = text.rpartition("FATAL:")[2].strip()
    places = f"the environment variable {PASSWORD}, into the file that {PASSWORD_FILE} names, or into ~/.pgpass"
    if "password authentication failed" in text:
        return f"PostgreSQL at {address} refuses the password of {who}. Put the right one into {places}."
    if "no password supplied" in text:
        return f"PostgreSQL at {address} wants a password and none was given. Put it into {places}."
    if "FATAL" in text:
        return f"PostgreSQL at {address} refuses the connection: {found}. Correct `warehouse`, or let it be made there."
    return (
        f"PostgreSQL at {address} cannot be reached: {unreachable(text)}. Is the host right, is the server running, "
        "and does a firewall let this machine through?"
    )


def masked(text: str, secret: str) -> str:
    """What a driver says, without a password that it may repeat."""
    return text.replace(secret, "...") if secret else text


def unreachable(text: str) -> str:
    """Why a server cannot be reached, from what the system says."""
    for sign, words in (
        ("refused", "nothing answers at that host and port"),
        ("timeout", f"no answer within {PATIENCE} seconds"),
        ("translate host name", "there is no host of that name"),
        ("resolve", "there is no host of that name"),
        ("Name or service", "there is no host of that name"),
    ):
        if sign in text:
            return words
    return text.rstrip(".")
