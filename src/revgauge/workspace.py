"""The facade: a project folder and everything that can be asked of it.

The command line, notebooks and later the web use this and nothing below it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from revgauge.catalogue.build import Scope, build, first_day
from revgauge.catalogue.context import Context
from revgauge.catalogue.engine import Address, Forms, Recall, Step
from revgauge.catalogue.evaluation import Evaluation, Request, Result, Value
from revgauge.catalogue.gaps import Finding, GapFinder
from revgauge.catalogue.published import Built, Published, publish
from revgauge.catalogue.quotes import QuoteGap, quote_gaps
from revgauge.catalogue.registry import Catalogue, Metric
from revgauge.catalogue.rows import Listing, RowFinder
from revgauge.metrics import builtin_catalogue
from revgauge.model.period import Grain, Period
from revgauge.model.store import HOME, QUERIES, project_lock, store_path
from revgauge.project.in_place import standing
from revgauge.project.own_metrics import load_own_metrics
from revgauge.project.settings import ProjectSettings, read_settings
from revgauge.project.warehouses import bring, open_warehouse, publish_there
from revgauge.sources.problems import Problem

if TYPE_CHECKING:
    from revgauge.sources.outcome import LoadReport

VALUES = "values.duckdb"
"""The file of published values in the project's own folder."""

ANSWERS = "answers"
"""The folder, beside it, of what a build computed and the next one need not."""

RECENT = 14
"""How many periods are shown when none is named: the one that runs, a year, and the same period before it."""

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BuildReport:
    """What a build did."""

    build_id: str
    metrics: int
    values: int
    not_computable: Mapping[str, str]
    seconds: float
    steps: Sequence[Step] = ()


@dataclass(frozen=True)
class Show:
    """Values of one metric, and where they come from."""

    metric: Metric
    params: Mapping[str, Any]
    values: tuple[Value, ...]
    by: tuple[str, ...]
    reporting_currency: str


@dataclass
class Workspace:
    """A project folder."""

    folder: Path
    as_of: date | None = None
    """The last day that counts, if it is not the project's own or today."""
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    """Tells the present moment; a test gives its own."""

    @cached_property
    def settings(self) -> ProjectSettings:
        """The project's settings; RefusedError lists every mistake in them."""
        return read_settings(self.folder)

    @cached_property
    def _definitions(self) -> tuple[Catalogue, tuple[Problem, ...]]:
        catalogue = builtin_catalogue()
        return catalogue, tuple(load_own_metrics(self.folder, catalogue))

    @property
    def catalogue(self) -> Catalogue:
        """The built-in metrics and the project's own."""
        return self._definitions[0]

    @property
    def definition_problems(self) -> tuple[Problem, ...]:
        """Mistakes in the project's own definitions; those without mistakes are in the catalogue."""
        return self._definitions[1]

    @property
    def now(self) -> date:
        """The last day that counts: as asked for, as the project says, or today in the reporting zone."""
        if self.as_of is not None:
            return self.as_of
        return self.settings.as_of or self.clock().astimezone(ZoneInfo(self.settings.time_zone)).date()

    @property
    def published(self) -> Published:
        """The last published build."""
        return Published(self.folder / HOME / VALUES)

    @contextmanager
    def evaluation(self, *, at_warehouse: bool = False) -> Iterator[Evaluation]:
        """An evaluation over what was loaded; StoreError or FileNotFoundError if nothing was.

        A build computes at the warehouse. Questions are answered from the project's own store, which holds the same
        rows, so that nobody waits for a cluster; where it does not, at the warehouse as well.
        """
        own = not at_warehouse and store_path(self.folder).exists() and not standing(self.folder)
        address = Address() if own else self.settings.address
        warehouse = open_warehouse(self.folder, address, self.settings.memory_limit)
        warehouse.engine.forms = Forms(self.folder / HOME / QUERIES)
        try:
            yield Evaluation(self.catalogue, Context(warehouse, self.settings.evaluation(self.now)))
        finally:
            warehouse.close()

    # -- doing --------------------------------------------------------------------------------------------------------

    def load(self, *, allow_shrink: bool = False, progress: Progress = lambda _: None) -> LoadReport:
        """Read the sources into the entities; bad rows go to quarantine."""
        from revgauge.sources.load import load

        report = load(self.folder, loaded_at=self.clock(), allow_shrink=allow_shrink, progress=progress)
        with project_lock(self.folder, "revgauge load", self.clock()):
            if not self.settings.address.local:
                progress(f"copying into {self.settings.address}")
            bring(self.folder, self.settings.address)
        return report

    def gaps(self) -> list[Finding]:
        """What can be computed, what cannot, and what is missing."""
        with self.evaluation() as evaluation:
            return list(GapFinder(evaluation).findings())

    def quote_gaps(self) -> list[QuoteGap]:
        """Currencies in use that have no exchange rate, or an old one."""
        with self.evaluation() as evaluation:
            return quote_gaps(evaluation.context)

    def build(self, progress: Progress = lambda _: None) -> BuildReport:
        """Compute every metric and publish the values in one step; what still holds is not computed again."""
        began = self.clock()
        with project_lock(self.folder, "revgauge build", began):
            bring(self.folder, self.settings.address)
            with self.evaluation(at_warehouse=True) as evaluation:
                warehouse, recall = evaluation.context.warehouse, Recall(self.folder / HOME / ANSWERS)
                warehouse.remember(recall)
                warehouse.frugal = True
                chosen = self.settings.build
                built = build(evaluation, Scope(chosen.grains, chosen.dimensions, chosen.first_day), progress)
                built.not_computable |= {
                    finding.metric.name: finding.reason
                    for finding in GapFinder(evaluation).findings()
                    if finding.status == "not computable"
                }
            name = f"{began:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"
            facts = self._facts(name, began)
            publish_there(self.folder, self.settings.address, built, facts)
            publish(built, self.folder / HOME / VALUES, facts)
            recall.forget_others()
            return self._report(name, built, began, warehouse.journal.steps)

    def _facts(self, name: str, began: datetime) -> dict[str, str]:
        return {
            "build_id": name,
            "built_at": began.isoformat(),
            "as_of": self.now.isoformat(),
            "store": self._store_stamp(),
            "reporting_currency": self.settings.reporting_currency,
        }

    def _store_stamp(self) -> str:
        """What tells one load from the next: the store is replaced as a whole."""
        state = store_path(self.folder).stat()
        return f"{state.st_ino}-{state.st_mtime_ns}-{state.st_size}"

    def _report(self, name: str, built: Built, began: datetime, steps: Sequence[Step]) -> BuildReport:
        seconds = (self.clock() - began).total_seconds()
        return BuildReport(name, built.metrics, built.values.num_rows, built.not_computable, seconds, tuple(steps))

    # -- asking -------------------------------------------------------------------------------------------------------

    def periods(self, grain: Grain, period: str | None, first: date | None) -> tuple[Period, ...]:
        """The period asked for, or the last few up to now."""
        calendar = self.settings.evaluation(self.now).calendar
        if period is not None or grain == "all":
            return (calendar.parse(period, grain),)
        last = calendar.containing(self.now, grain)
        spine = [last]
        while len(spine) < RECENT and (first is None or spine[0].start > first):
            spine.insert(0, calendar.shift(spine[0], -1))
        return tuple(spine)

    def show(
        self,
        metric: str,
        *,
        grain: Grain = "month",
        period: str | None = None,
        by: Sequence[str] = (),
        only: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Show:
        """Values of a metric, computed now from what was loaded last."""
        definition = self.catalogue.metric(metric)
        with self.evaluation() as evaluation:
            first = first_day(evaluation) if period is None else None
            periods = self.periods(grain, period, first)
            request = Request(definition.name, periods, params or {}, tuple(by), only or {})
            (result,) = evaluation.results([request])
            return Show(definition, result.params, tuple(result.values()), tuple(by), self.settings.reporting_currency)

    def results(self, requests: Sequence[Request]) -> list[Result]:
        """Several requests, planned together."""
        with self.evaluation() as evaluation:
            return evaluation.results(requests)

    def rows(
        self,
        metric: str,
        *,
        grain: Grain | None = None,
        period: str | None,
        only: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
    ) -> Listing:
        """The rows behind a number, those left out, and the number added up again."""
        definition = self.catalogue.metric(metric)
        wanted = self.settings.evaluation(self.now).calendar.parse(period, grain)
        with self.evaluation() as evaluation:
            return RowFinder(evaluation).listing(Request(definition.name, (wanted,), params or {}, (), only or {}))


__all__ = ["BuildReport", "Show", "Workspace", "builtin_catalogue"]
