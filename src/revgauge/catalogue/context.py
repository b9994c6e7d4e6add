"""What a definition may ask of the evaluation: the day `now`, the zone, currencies, periods and merged records."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import ibis
from ibis import _

from revgauge.catalogue.engine import Warehouse, beside, day_literal, local_day
from revgauge.catalogue.facts import UNKNOWN, Scope
from revgauge.model.period import DAY, Calendar, Period

if TYPE_CHECKING:
    import ibis.expr.types as ir


@dataclass(frozen=True)
class Settings:
    """What a company sets once: how money and time are reported."""

    now: date
    reporting_currency: str = "USD"
    time_zone: str = "UTC"
    first_month: int = 1
    defaults: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Parameters that the project sets for a metric, by metric."""

    @property
    def calendar(self) -> Calendar:
        """How the company counts time."""
        return Calendar(self.now, self.first_month)


class Rates:
    """Exchange rates: the worth of one unit on a day is the last quote on or before it, however old."""

    def __init__(self, quotes: Sequence[tuple[str, date, Decimal]], reporting_currency: str) -> None:
        """Take quotes of (currency, day, rate)."""
        self.reporting_currency = reporting_currency
        self._days: dict[str, list[date]] = {}
        self._rates: dict[str, list[Decimal]] = {}
        for currency, day, rate in sorted(quotes):
            self._days.setdefault(currency, []).append(day)
            self._rates.setdefault(currency, []).append(rate)

    @property
    def currencies(self) -> tuple[str, ...]:
        """Currencies with a quote."""
        return tuple(self._days)

    def quotes(self, currency: str) -> list[tuple[date, Decimal]]:
        """The quotes of a currency in order of their days."""
        return list(zip(self._days.get(currency, ()), self._rates.get(currency, ()), strict=True))

    def on(self, currency: str, day: date) -> Decimal | None:
        """Units of the reporting currency for one unit on that day; None before the first quote."""
        if currency == self.reporting_currency:
            return Decimal(1)
        place = bisect_right(self._days.get(currency, ()), day)
        return self._rates[currency][place - 1] if place else None

    def step(self, currency: str, day: date) -> Decimal:
        """By how much the rate of a day differs from that of the day before; nothing where one of them is unknown."""
        before, after = self.on(currency, day - DAY), self.on(currency, day)
        return Decimal(0) if before is None or after is None else after - before

    def changes(self, currency: str, first: date, last: date) -> list[date]:
        """The days from first to last on which the rate is quoted anew."""
        days = self._days.get(currency, [])
        return list(days[bisect_left(days, first) : bisect_right(days, last)])

    def daily(self, last: date) -> list[tuple[str, date, Decimal]]:
        """Every currency's rate on every day from its first quote to `last`."""
        rows: list[tuple[str, date, Decimal]] = []
        for currency, days in self._days.items():
            for place, start in enumerate(days):
                end = min(days[place + 1] if place + 1 < len(days) else last + DAY, last + DAY)
                rate = self._rates[currency][place]
                rows += [(currency, start + timedelta(days=n), rate) for n in range((end - start).days)]
        return rows


def follow(links: Mapping[str, str]) -> dict[str, str]:
    """For every key the end of its chain of links; who is in a loop stays, who leads into one ends where it enters."""
    ends: dict[str, str] = {}
    for start in links:
        way = [start]
        while (onward := links.get(way[-1])) is not None and onward not in way:
            way.append(onward)
        ends[start] = way[-1] if onward is None else onward
    return ends


def missing_words(missing: Sequence[str]) -> str:
    """What was never loaded, in a sentence."""
    tables = [name for name in missing if "." not in name]
    fields = [name for name in missing if "." in name]
    words = []
    if tables:
        words.append(f"{' and '.join(tables)} {'was' if len(tables) == 1 else 'were'} never loaded")
    if fields:
        words.append(f"no source fills {' and '.join(fields)}")
    return "; ".join(words)


class Context:
    """The surroundings of one evaluation."""

    def __init__(self, warehouse: Warehouse, settings: Settings) -> None:
        """Look at the warehouse as it was on the day `settings.now`."""
        self.warehouse = warehouse
        self.settings = settings
        self.calendar = settings.calendar
        self.scope = Scope()
        self.asked: frozenset[str] | None = None
        self._merged: dict[tuple[str, str], dict[str, str]] = {}
        self._tables: dict[str, ir.Table] = {}
        self._holds: dict[Any, bool] = {}
        self._rates: list[Rates] = []

    def within(self, scope: Scope, asked: frozenset[str] | None = None) -> Context:
        """The same surroundings with another scope, for a table of which these costly columns are asked for."""
        other = object.__new__(Context)
        other.__dict__ = {**self.__dict__, "scope": scope, "asked": asked}
        return other

    def asks(self, column: str) -> bool:
        """Whether a costly column of the table that is being made will be read; if not, any value may stand there."""
        return self.asked is None or column in self.asked

    @property
    def now(self) -> date:
        """The last day that counts."""
        return self.settings.now

    @property
    def reporting_currency(self) -> str:
        """The currency of all results."""
        return self.settings.reporting_currency

    @property
    def periods(self) -> tuple[Period, ...]:
        """The periods that are evaluated, for tables that compare the two ends of each."""
        return self.scope.periods

    @property
    def split(self) -> frozenset[str]:
        """The dimensions by which a metric is asked for, split or limited."""
        return self.scope.split

    @property
    def whole_by(self) -> tuple[str, ...]:
        """Dimensions of which each value is treated as a company of its own."""
        return self.scope.whole_by

    def today(self) -> Any:
        """The day `now` as a literal."""
        return day_literal(self.now)

    def day(self, moment: Any) -> Any:
        """The day of an instant in the reporting time zone."""
        return local_day(moment, self.settings.time_zone)

    def known(self, moment: Any) -> Any:
        """An instant, or nothing if it lies after the day `now`."""
        return ibis.ifelse(self.has_come(moment), moment, None)

    def has_come(self, moment: Any) -> Any:
        """Whether an instant lies on the day `now` or before: told by the end of that day, so that nothing is cast."""
        return moment < self.end()

    def known_day(self, day: Any) -> Any:
        """A day, or nothing if it lies after the day `now`."""
        return ibis.ifelse(day <= self.today(), day, None)

    def end(self) -> Any:
        """The instant at which the day `now` is over, as a literal."""
        midnight = datetime.combine(self.now + DAY, time.min, ZoneInfo(self.settings.time_zone)).astimezone(UTC)
        return ibis.literal(midnight.replace(tzinfo=None).isoformat(sep=" ")).cast("timestamp")

    def missing(self, needs: Sequence[str]) -> list[str]:
        """Which of the needed `entity.field`s no source fills; a whole entity where it was never loaded."""
        found: list[str] = []
        for need in needs:
            entity, _dot, name = need.partition(".")
            if not self.warehouse.loaded(entity):
                found.append(entity)
            elif name and name not in self.warehouse.fields(entity):
                found.append(need)
        return list(dict.fromkeys(found))

    def lacking(self, *needs: str) -> str:
        """What of the needed data was never loaded, in a sentence; empty if nothing."""
        return missing_words(self.missing(needs))

    @property
    def rates(self) -> Rates:
        """The exchange rates known on the day `now`; none if none were loaded."""
        if not self._rates:
            quotes: list[tuple[str, date, Decimal]] = []
            if self.warehouse.loaded("exchange_rates"):
                table = self.warehouse.entity("exchange_rates").select("currency", "quoted_on", "rate")
                known = _.rate.notnull() & (_.quoted_on <= self.today())
                quotes = [(row[0], row[1], row[2]) for row in self.warehouse.pairs(table.filter(known))]
            self._rates.append(Rates(quotes, self.reporting_currency))
        return self._rates[0]

    def daily_rates(self) -> ir.Table:
        """A table of `rate_currency`, `rate_day`, `rate` for every day from the first quote to `now`."""
        if "daily_rates" not in self._tables:
            columns = {"rate_currency": "string", "rate_day": "date", "rate": "decimal(18, 8)"}
            rows = self.rates.daily(self.now)
            self._tables["daily_rates"] = self.warehouse.literal_table(columns, rows)
        return self._tables["daily_rates"]

    def with_rate(self, table: ir.Table, currency: str, day: str) -> ir.Table:
        """The table with a column `rate`: the worth of a unit of its currency on its day, empty if not known."""

        def rate(mine: Any, theirs: Any) -> Any:
            own = mine(currency).fill_null(self.reporting_currency) == self.reporting_currency
            return ibis.ifelse(own, ibis.literal(Decimal(1)).cast("decimal(18, 8)"), theirs("rate"))

        # A row without a currency has the reporting one, which needs no quote.
        return beside(table, self.daily_rates(), {currency: "rate_currency", day: "rate_day"}, {"rate": rate})

    def merged(self, entity: str, link: str = "duplicate_of") -> dict[str, str]:
        """For each row that was merged away, the key of its survivor."""
        if (entity, link) not in self._merged:
            links: dict[str, str] = {}
            if self.warehouse.loaded(entity):
                table = self.warehouse.entity(entity)
                key = table.columns[0]
                links = dict(self.warehouse.pairs(table.filter(table[link].notnull()).select(key, link)))
            self._merged[entity, link] = follow(links)
        return self._merged[entity, link]

    def _account_targets(self, level: str) -> dict[str, str]:
        survivors = self.merged("accounts")
        if level != "parent" or not self.warehouse.loaded("accounts"):
            return survivors
        table = self.warehouse.entity("accounts")
        rows = self.warehouse.pairs(
            table.filter(_.parent_account_id.notnull()).select("account_id", "parent_account_id")
        )
        parents = {
            survivors.get(child, child): survivors.get(parent, parent)
            for child, parent in rows
            if child not in survivors or survivors[child] == child
        }
        tops = follow({child: parent for child, parent in parents.items() if child != parent})
        every = {child: tops.get(top, top) for child, top in survivors.items()}
        return {**tops, **every}

    def resolved(self, table: ir.Table, column: str = "account_id", *, level: str = "account") -> ir.Table:
        """The table with the account of each row replaced by the one under which it counts."""
        targets = {key: end for key, end in self._account_targets(level).items() if key != end}
        if not targets:
            return table
        name = f"account_targets_{level}"
        if name not in self._tables:
            columns = {"merged_id": "string", "target_id": "string"}
            self._tables[name] = self.warehouse.literal_table(columns, targets.items())
        links = self._tables[name]

        def replaced(mine: Any, theirs: Any) -> Any:
            return ibis.coalesce(theirs("target_id"), mine(column))

        return beside(table, links, {column: "merged_id"}, {column: replaced})

    def or_unknown(self, column: Any) -> Any:
        """A dimension, with a word for what is missing."""
        return column.fill_null(UNKNOWN)

    def holds(self, expression: ir.Table) -> bool:
        """Whether an expression has any row: decides between a plain plan and one for the rare case; asked once."""
        operation = expression.op()
        if operation not in self._holds:
            self._holds[operation] = bool(self.warehouse.pairs(expression.limit(1)))
        return self._holds[operation]
