"""Small companies written down in a test, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.oracle.generate import World, write_tables

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request, Value
from revgauge.catalogue.rows import Listing, RowFinder
from revgauge.metrics import builtin_catalogue
from revgauge.sources.canonical import read_case_tables

CATALOGUE = builtin_catalogue()


class Company:
    """A loaded company that answers."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation

    def _request(self, metric: str, period: str, by: Mapping[str, str], params: Mapping[str, Any]) -> Request:
        calendar = self.evaluation.context.calendar
        return Request(metric, (calendar.parse(None if period == "all" else period),), params, (), by)

    def value(self, metric: str, period: str, by: Mapping[str, str] | None = None, /, **params: Any) -> Value:
        """One value."""
        (result,) = self.evaluation.results([self._request(metric, period, by or {}, params)])
        return next(iter(result.values()))

    def rows(self, metric: str, period: str, by: Mapping[str, str] | None = None, /, **params: Any) -> Listing:
        """The rows behind a value."""
        return RowFinder(self.evaluation).listing(self._request(metric, period, by or {}, params))


@contextmanager
def company(world: World, now: str, time_zone: str = "UTC") -> Iterator[Company]:
    """The company of these tables, as it is known on that day."""
    with TemporaryDirectory() as folder:
        write_tables(world, Path(folder))
        warehouse = Warehouse.in_memory()
        try:
            read_case_tables(Path(folder), warehouse.connection)
            settings = Settings(date.fromisoformat(now), "USD", time_zone)
            yield Company(Evaluation(CATALOGUE, Context(Warehouse.over(warehouse.connection), settings)))
        finally:
            warehouse.close()
