"""The part of the reference that is read from the code: pages and JSON Schemas, so that they cannot fall behind it.

`python -m revgauge.reference docs/reference tests/cases` (or `make docs`) writes them anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from revgauge.metrics import builtin_catalogue
from revgauge.model.entities import ENTITIES
from revgauge.model.fields import Entity
from revgauge.project import metrics_yml, settings
from revgauge.reference.data_model import data_model
from revgauge.reference.metric_pages import metric_pages
from revgauge.reference.rules import rules
from revgauge.reference.settings_page import settings_page
from revgauge.reference.source_page import source_page
from revgauge.reference.worked import worked_values
from revgauge.sources import mapping

OWNED = ("schemas/*.json", "metrics/*.md")
"""Folders of which every file is generated: what is no longer written there goes."""


def files(cases: Path) -> dict[str, str]:
    """Every generated file: its path below the reference folder, and its text.

    `cases` is the folder of the worked cases, from which the pages of the metrics take their examples.
    """
    catalogue = builtin_catalogue()
    return {
        "data-model.md": data_model(),
        "rules.md": rules(),
        "project-file.md": settings_page(),
        "sources.md": source_page(catalogue),
        "metrics-yml.json": as_json(metrics_yml.json_schema()),
        "revgauge-yml.json": as_json(settings.json_schema()),
        "sources-yml.json": as_json(mapping.json_schema()),
        **metric_pages(catalogue, worked_values(cases, catalogue)),
        **{f"schemas/{entity.name}.json": schema(entity) for entity in ENTITIES.values()},
    }


def write(folder: Path, cases: Path) -> None:
    """Write all generated files into the folder, and remove those that an earlier run wrote and this one does not."""
    generated = files(cases)
    present = {path.relative_to(folder).as_posix() for pattern in OWNED for path in folder.glob(pattern)}
    for stale in present - generated.keys():
        (folder / stale).unlink()
    for name, text in generated.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")


def schema(entity: Entity) -> str:
    """The JSON Schema of one row, as it stands in its file."""
    return as_json(entity.json_schema())


def as_json(data: Mapping[str, Any]) -> str:
    """Data as it stands in a file."""
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
