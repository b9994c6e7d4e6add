"""Mapping templates: the tables that Fivetran and Airbyte leave of a system, and the records of its own API.

A template is a mapping file but for the place of its tables, which is filled in when a project takes it over. A table
or column that a team does not have becomes a gap in the data, never an error and never a guess.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib import resources


@dataclass(frozen=True, slots=True)
class Template:
    """One shipped mapping and how its tables are told."""

    name: str
    system: str
    sign: str
    """A table that is there wherever the template fits."""
    mark: str
    """A column of that table which the loader adds, so that the dialect is known."""


TEMPLATES: dict[str, Template] = {
    template.name: template
    for template in (
        Template("salesforce_fivetran", "salesforce", "opportunity", "_fivetran_synced"),
        Template("stripe_fivetran", "stripe", "charge", "_fivetran_synced"),
        Template("stripe_api", "stripe", "charges", "_airbyte_extracted_at"),
    )
}

_PLACE = re.compile(r"place: (\w+)")


def template_text(
    name: str,
    *,
    database: str | None = None,
    schema: str = "main",
    parquet: str | None = None,
    json_folder: str | None = None,
) -> str:
    """The template as the text of a mapping file, its tables in a DuckDB file, in Parquet or in JSON files of a folder.

    Raises KeyError for an unknown template, ValueError unless exactly one place is given.
    """
    template = TEMPLATES[name]
    if sum(place is not None for place in (database, parquet, json_folder)) != 1:
        raise ValueError("give one of database, parquet and json_folder")
    text = resources.files(__name__).joinpath(f"{template.name}.yml").read_text(encoding="utf-8")
    if json_folder is not None:
        text = text.replace("\ntables:\n", "\nfiles:\n")
        return _PLACE.sub(lambda found: f"path: {json.dumps(f'{json_folder}/{found[1]}.json*')}", text)
    if parquet is not None:
        return _PLACE.sub(lambda found: f"parquet: {json.dumps(f'{parquet}/{found[1]}*.parquet')}", text)
    where = f"database: {json.dumps(database)}, schema: {json.dumps(schema)}"
    return _PLACE.sub(lambda found: f"{where}, table: {found[1]}", text)
