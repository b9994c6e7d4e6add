"""Small companies written down in a test, and what is asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
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


@dataclass(frozen=True)
class Question:
    """A metric of a period, limited to the values of `by`."""

    metric: str
    period: str
    by: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


def values(evaluation: Evaluation, questions: Iterable[Question]) -> list[Value]:
    """One value for each question, all worked out together."""
    calendar = evaluation.context.calendar
    requests = [
        Request(one.metric, (calendar.parse(None if one.period == "all" else one.period),), one.params, (), one.by)
        for one in questions
    ]
    return [next(result.values()) for result in evaluation.results(requests)]


class Company:
    """A loaded company that answers."""

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation

    def _request(self, metric: str, period: str, by: Mapping[str, str], params: Mapping[str, Any]) -> Request:
        calendar = self.evaluation.context.calendar
        return Request(metric, (calendar.parse(None if period == "all" else period),), params, (), by)

    def value(self, metric: str, period: str, by: Mapping[str, str] | None = None, /, **params: Any) -> Value:
        """One value."""
        return self.values(Question(metric, period, by or {}, params))[0]

    def values(self, *questions: Question) -> list[Value]:
        """One value for each question, all worked out together."""
        return values(self.evaluation, questions)

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
