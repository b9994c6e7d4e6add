"""Small projects for the tests of loading."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from revgauge.model.store import open_store
from revgauge.sources.load import load
from revgauge.sources.outcome import LoadReport

HERE = Path(__file__).parent
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def make_project(folder: Path, mapping: str, files: dict[str, str | bytes | Path] | None = None) -> Path:
    """A project with one source, `sources/crm.yml`, and these files."""
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    (folder / "sources" / "crm.yml").write_text(mapping, encoding="utf-8")
    for name, content in (files or {}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Path):
            path.write_bytes(content.read_bytes())
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.write_text(content, encoding="utf-8")
    return folder


def load_now(project: Path, **options: Any) -> LoadReport:
    """Load at a fixed moment."""
    return load(project, loaded_at=MOMENT, **options)


def query(project: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of the published store."""
    with open_store(project) as connection:
        return connection.execute(sql).fetchall()


def same_names(entity: str, file: str, options: str = "") -> str:
    """A mapping for a file whose columns have the names of the fields."""
    return f"source: crm\nfiles:\n  data: {{path: {file}{options}}}\nentities:\n  {entity}: {{from: data}}\n"
