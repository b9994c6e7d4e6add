"""The settings of a project: `revgauge.yml`."""

from __future__ import annotations

import difflib
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from revgauge.catalogue.context import Settings
from revgauge.catalogue.engine import Address, read_address
from revgauge.model.period import GRAINS, Grain
from revgauge.sources.problems import Problem, RefusedError
from revgauge.sources.yaml_text import YamlText, read_yaml

FILE = "revgauge.yml"


class BuildSettings(BaseModel):
    """What a build publishes."""

    model_config = ConfigDict(extra="forbid")

    grains: tuple[Grain, ...] = Field(("month", "quarter", "year"), description="Grains of the published values.")
    dimensions: tuple[str, ...] | None = Field(
        None, description="Dimensions to cut by; without it all that a source fills but those of very many values."
    )
    first_day: date | None = Field(None, description="First day of the published values; without it the earliest data.")


class ProjectSettings(BaseModel):
    """The settings of a project, each with its default."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Name of the company, as it stands on reports.")
    reporting_currency: str = Field("USD", pattern="^[A-Z]{3}$", description="ISO 4217 code of all results.")
    time_zone: str = Field("UTC", description="Zone in which instants are placed on days, such as Europe/Berlin.")
    fiscal_year_start: int = Field(1, ge=1, le=12, description="Month in which the fiscal year begins.")
    as_of: date | None = Field(
        None, description="The last day that counts; without it the day on which a command runs."
    )
    warehouse: str = Field(
        "duckdb:",
        description="The database that holds and computes: `duckdb:`, `postgresql://user@host/database?schema=name`, "
        "`spark://host:7077` or `local[*]`; a password never stands here.",
    )
    memory_limit: str | None = Field(
        None, pattern=r"^\d+(\.\d+)? ?[KMG]i?B$", description="Most memory that computing may take, such as 4GB."
    )
    build: BuildSettings = Field(
        default_factory=lambda: BuildSettings.model_validate({}), description="What a build publishes."
    )
    defaults: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Parameters that the company sets for a metric, by metric."
    )

    @field_validator("time_zone")
    @classmethod
    def _zone_exists(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{zone} is no time zone; write one such as Europe/Berlin or UTC") from error
        return zone

    @field_validator("warehouse")
    @classmethod
    def _warehouse_is_somewhere(cls, text: str) -> str:
        read_address(text)
        return text

    @property
    def address(self) -> Address:
        """Where the warehouse is."""
        return read_address(self.warehouse)

    def evaluation(self, now: date) -> Settings:
        """The settings of an evaluation on that day."""
        return Settings(now, self.reporting_currency, self.time_zone, self.fiscal_year_start, self.defaults)


def read_settings(folder: Path) -> ProjectSettings:
    """The settings of the project in the folder.

    Raises RefusedError that lists every mistake with its line.
    """
    path = folder / FILE
    if not path.exists():
        fix = "Run `revgauge init` there, or `revgauge demo` for a sample company."
        raise RefusedError([Problem(FILE, "no_project", f"{folder} is no project: it has no {FILE}", fix)])
    text = read_yaml(path, FILE)
    try:
        return ProjectSettings.model_validate(text.data)
    except ValidationError as error:
        raise RefusedError([mistake(text, found, ProjectSettings) for found in error.errors()]) from error


def mistake(text: YamlText, found: Any, model: type[BaseModel]) -> Problem:
    """What is wrong in a definition file, with its line and the nearest right spelling."""
    path = tuple(part for part in found["loc"] if isinstance(part, str | int))
    key = str(path[-1]) if path else None
    if found["type"] == "extra_forbidden":
        known = _keys_at(model, path[:-1])
        near = difflib.get_close_matches(key or "", known, 1)
        fix = f"Write {near[0]}." if near else f"Possible are {', '.join(known)}."
        return Problem(text.name, "unknown_key", f"there is no setting {key}", fix, row=text.line(path), column=key)
    if found["type"] == "missing":
        return Problem(text.name, "missing", f"{key} is missing", f"Add {key}.", row=text.line(path), column=key)
    reason = str(found["msg"]).removeprefix("Value error, ")
    # An address may have a password in it, which must not be said again.
    hidden = key == "warehouse" or isinstance(found.get("input"), dict | list)
    value = None if hidden else str(found.get("input"))
    return Problem(text.name, "not_possible", reason, "", row=text.line(path), column=key, value=value)


def _keys_at(model: type[BaseModel], path: tuple[str | int, ...]) -> list[str]:
    for part in path:
        field = model.model_fields.get(str(part))
        annotation = field.annotation if field else None
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return list(model.model_fields)


def json_schema() -> dict[str, Any]:
    """`revgauge.yml` as JSON Schema."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ProjectSettings.model_json_schema()}


__all__ = ["GRAINS", "BuildSettings", "ProjectSettings", "json_schema", "mistake", "read_settings"]
