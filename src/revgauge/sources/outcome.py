"""What a load gave: of each source the rows that load, and what is told of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from revgauge.sources import problems as problem_reports
from revgauge.sources.blocks import BlockRows
from revgauge.sources.keys import EntityRows
from revgauge.sources.mapping import Mapping
from revgauge.sources.problems import Problem


@dataclass(frozen=True, slots=True)
class EntityLoad:
    """How one entity was filled from one source."""

    source: str
    entity: str
    rows_read: int
    rows_loaded: int
    rows_rejected: int
    rows_skipped: int


@dataclass(slots=True)
class LoadReport:
    """What a load did. The same facts stand in the store, complete."""

    loaded_at: datetime
    entities: list[EntityLoad] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    """Sources of which nothing was loaded; what they gave before stays."""
    problems: list[Problem] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    """Severity: how many problems there are in all."""

    @property
    def ok(self) -> bool:
        """Whether every source could be loaded, be it with rows left out."""
        return not self.refused

    def text(self) -> str:
        """The report in words, with the first problems of each kind."""
        lines = []
        for entity in self.entities:
            parts = [f"{entity.rows_loaded:,} loaded"]
            if entity.rows_rejected:
                parts.append(f"{entity.rows_rejected:,} rejected")
            if entity.rows_skipped:
                parts.append(f"{entity.rows_skipped:,} skipped")
            lines.append(f"{entity.source}: {entity.entity}: {entity.rows_read:,} rows read, {', '.join(parts)}")
        lines += [f"{source}: not loaded; what was loaded from it before stays" for source in self.refused]
        if self.problems:
            lines += ["", problem_reports.report(self.problems)]
        hidden = sum(self.counts.values()) - len(self.problems)
        if hidden > 0:
            lines.append(f"... and {hidden:,} more; all of them are in the table `quarantine`")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class FileLoad:
    """What became of the rows of one file for one entity; the last three counts add up to the first."""

    entity: str
    file: str
    content_hash: str
    read: int
    loaded: int
    rejected: int
    skipped: int


@dataclass(slots=True)
class Outcome:
    """What a source gave: entity by entity the rows that load, and everything to be told."""

    source: str
    mapping: Mapping | None
    entities: dict[str, EntityRows] = field(default_factory=dict)
    blocks: list[BlockRows] = field(default_factory=list)
    files: list[FileLoad] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    """What concerns files and the mapping; problems of rows stand in the scratch table `problems_<source>`."""
    refused: bool = False

    def drop(self) -> None:
        """Refuse the source: nothing of it loads."""
        self.refused = True
        self.entities, self.blocks, self.files = {}, [], []
