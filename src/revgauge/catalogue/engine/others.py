"""Databases that are reached through Ibis alone: what each calls the parts of an address, and what it needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Other:
    """How a database is connected to; the names are those of the arguments that Ibis takes for it."""

    title: str
    driver: str
    """The package that Ibis imports for it."""
    host: str
    database: str
    schema: str = ""
    """Empty where a database has no schemas below it."""
    port: str = ""
    user: str = ""
    secret: str = ""
    """What takes the password; empty where the machine's own credentials are used."""
    options: tuple[str, ...] = ()
    """What may follow the question mark of an address."""
    zones: bool = False
    """Whether it has the function `convert_timezone`; without it time is counted in UTC."""
    quantiles: bool = True
    """Whether Ibis has exact quantiles for it; without them they are told from lists of all numbers."""

    @property
    def form(self) -> str:
        """What an address is made of, behind the name of the database."""
        who = "user@" if self.user else ""
        port = ":port" if self.port else ""
        return f"//{who}{self.host}{port}/{self.database}" + (f"/{self.schema}" if self.schema else "")


OTHERS = {
    "snowflake": Other(
        "Snowflake",
        "snowflake.connector",
        "account",
        "database",
        "schema",
        user="user",
        secret="password",  # noqa: S106
        options=("warehouse", "role", "authenticator"),
        zones=True,
    ),
    "bigquery": Other(
        "BigQuery", "google.cloud.bigquery", "project_id", "dataset_id", options=("location",), quantiles=False
    ),
    "trino": Other(
        "Trino",
        "trino",
        "host",
        "database",
        "schema",
        port="port",
        user="user",
        secret="auth",  # noqa: S106 - a name
        options=("http_scheme",),
        quantiles=False,
    ),
    "clickhouse": Other(
        "ClickHouse",
        "clickhouse_connect",
        "host",
        "database",
        port="port",
        user="user",
        secret="password",  # noqa: S106 - a name
        options=("secure",),
    ),
    "databricks": Other(
        "Databricks",
        "databricks.sql",
        "server_hostname",
        "catalog",
        "schema",
        secret="access_token",  # noqa: S106 - a name
        options=("http_path",),
        zones=True,
    ),
}
"""By the first word of an address."""
