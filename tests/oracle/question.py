"""One question to the reference calculation: which tables, which period, which slice, as known on which day."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from .money import Rates
from .periods import DAY, Period, local_day, midnight
from .tables import Accounts, Tables


@dataclass(frozen=True)
class Question:
    """What is asked of a metric."""

    tables: Tables
    period: Period
    now: date
    reporting_currency: str
    time_zone: str
    params: dict[str, Any] = field(default_factory=dict)
    by: dict[str, str] = field(default_factory=dict)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The reporting time zone."""
        return ZoneInfo(self.time_zone)

    @cached_property
    def rates(self) -> Rates:
        """Exchange rates as known on `now`."""
        return Rates(self.tables, self.reporting_currency, self.now)

    @cached_property
    def accounts(self) -> Accounts:
        """Merges, groups and attributes of accounts."""
        return Accounts(self.tables)

    @property
    def closing_day(self) -> date:
        """The last day of the period, or `now` if that comes first."""
        return min(self.period.end - DAY, self.now)

    @property
    def opening_day(self) -> date:
        """The day before the period."""
        return self.period.start - DAY

    @property
    def start(self) -> datetime:
        """The first instant of the period."""
        return midnight(self.period.start, self.zone)

    @property
    def until(self) -> datetime:
        """T: the first instant after the period or after the day `now`, whichever is earlier."""
        return midnight(self.closing_day + DAY, self.zone)

    @property
    def known_until(self) -> datetime:
        """The first instant after `now`: from here on nothing has happened yet."""
        return midnight(self.now + DAY, self.zone)

    def known(self, instant: datetime | None) -> datetime | None:
        """The instant if it has happened by `now`, else None."""
        return instant if instant is not None and instant < self.known_until else None

    def within(self, instant: datetime | None) -> bool:
        """Whether an instant lies in the period and not after `now`."""
        return instant is not None and self.start <= instant < self.until

    def day_of(self, instant: datetime) -> date:
        """The reporting day of an instant."""
        return local_day(instant, self.zone)

    def asking(self, **changes: Any) -> Question:
        """The same question with something changed."""
        return replace(self, **changes)
