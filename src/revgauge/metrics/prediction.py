"""Prediction: the recurring revenue of a month from what is known at the close of the month before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal

from ibis import _

from revgauge.catalogue.context import Context
from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import (
    At,
    Constant,
    Explained,
    History,
    Measure,
    Named,
    Noted,
    OfPeriod,
    Unknown,
    Worked,
    balance,
    count,
    ratio,
    total,
)
from revgauge.catalogue.registry import Unit, metric
from revgauge.derived.retention import opening_day
from revgauge.derived.revenue import recurring_revenue
from revgauge.methods.outliers import without_outliers
from revgauge.methods.seasonality import seasonal_factor
from revgauge.model.period import Calendar, Period

Method = Literal["churn_and_activation", "retained_growth", "mom", "yoy", "run_rate"]
Churn = Literal["logo", "revenue"]
Activation = Literal["leads", "new_mrr"]
Outliers = Literal["keep", "remove"]
Factors = tuple[tuple[str, Measure], ...]

ONE, ZERO = Decimal(1), Decimal(0)
OPENED = {
    "customers": "opening_customers",
    "lost": "lost_customers",
    "opening": "opening_mrr",
    "gross": "kept_mrr",
    "net": "kept_and_grown_mrr",
}
"""What a listing calls the sums over the customers who opened a month."""


def base_month(calendar: Calendar, period: Period) -> Period:
    """The month before the one that is predicted."""
    return calendar.shift(calendar.containing(period.start, "month"), -1)


def months_up_to(calendar: Calendar, month: Period, number: int) -> tuple[Period, ...]:
    """So many months in order, the last of them the one given."""
    run = [month]
    while len(run) < number:
        run.insert(0, calendar.shift(run[0], -1))
    return tuple(run)


def _compared(calendar: Calendar, period: Period, params: Mapping[str, Any]) -> Sequence[Period]:
    return months_up_to(calendar, base_month(calendar, period), max(int(params["history_months"]), 1))


def _mean(values: Sequence[Decimal]) -> Decimal | None:
    return sum(values) / Decimal(len(values)) if values else None


def _sums(values: Sequence[Decimal], others: Sequence[Decimal]) -> list[Decimal]:
    """Month by month."""
    return [value + other for value, other in zip(values, others, strict=True)]


def _quotients(above: Sequence[Decimal], below: Sequence[Decimal]) -> list[Decimal]:
    """Month by month, without the months in which there is nothing to divide by."""
    return [part / whole for part, whole in zip(above, below, strict=True) if whole > 0]


@metric(
    label="Predicted MRR",
    unit=Unit.MONEY,
    timing="leading",
    kind="formula",
    looks_ahead=True,
    compares=_compared,
    fixed={"window_months": None, "fx": "constant", "netting": "day"},
)
def predicted_mrr(  # noqa: PLR0913 - the facts of every method, and the six parameters that choose among them
    mrr_changes: Facts,
    mrr_movements: Facts,
    retained_mrr: Facts,
    created_leads: Facts,
    mrr_earnings: Facts,
    context: Context,
    *,
    method: Method = "churn_and_activation",
    churn: Churn = "logo",
    activation: Activation = "leads",
    outliers: Outliers = "keep",
    seasonality: bool = False,
    history_months: int = 3,
) -> Measure:
    """What recurring revenue a month will close with, foreseen at the close of the month before.

    The base is MRR of the month before. By default it is lowered by the mean monthly churn of customers, and what new
    customers bring is added: leads a month, times the share of them that become customers, times the MRR of a new
    customer. `churn = revenue` takes the share of revenue that is lost in place of customers; `activation = new_mrr`
    adds the mean of new and reactivation MRR and needs no leads. The method `retained_growth` puts mean monthly net
    retention in place of what churn leaves, where clients can spend more. `mom` grows the base by the mean growth of a
    month; `yoy` takes the same month a year ago and grows it as the base has grown in a year; `run_rate` takes the
    revenue of a day of the base for each day of the month. With `seasonality` the result is multiplied by how the
    month usually grows against all months; with `outliers = remove` values too far from the median of their series are
    left out of its mean. Nothing that happened after the base month is looked at.

    Unit: money a month
    Formula: MRR of the base x (1 - churn) + leads a month x activation x MRR of a new customer; means of
        `history_months` months up to the base
    Null: no lead was created in these months; no month of them opened with a customer; with seasonality there are
        fewer than 12 monthly ratios, or none of the month; the base has not begun; the period is no month
    Edges: while the base is not over the value is provisional; a month without leads is left out of activation and one
        without customers out of churn; fewer than 3 values keep their outliers, and so does a series of which most are
        the same; the ratios of the seasons keep theirs, since a season is one
    Seed: S2
    Source: S2, hampel
    So what: a miss is seen a month ahead; if below plan pull renewals and expansion forward
    Benchmark: judge it by its own forecast_wape, against that of the method run_rate
    """
    if history_months < 1:
        return Unknown("history_months counts the months that are looked at: it must be at least 1")
    reads = _Reads(mrr_changes, mrr_movements, retained_mrr, created_leads, mrr_earnings)
    window = _Window(reads, context, history_months, outliers)
    if method == "mom":
        predicted, factors = window.by_month()
    elif method == "yoy":
        predicted, factors = window.by_year()
    elif method == "run_rate":
        predicted, factors = window.by_run_rate()
    else:
        kept, share = window.kept(method, churn)
        gained, gains = window.gained(activation)
        predicted, factors = window.base * kept + gained, (("base_mrr", window.base), *share, *gains)
    if seasonality:
        predicted = predicted * window.season
        factors = (*factors, ("seasonal_factor", window.season))
    if outliers == "remove":
        factors = (*factors, ("outliers_removed", window.removed))
    return Explained(window.gated(predicted), factors)


@dataclass(frozen=True)
class _Reads:
    """The facts that a prediction is made from."""

    mrr_changes: Facts
    mrr_movements: Facts
    retained_mrr: Facts
    created_leads: Facts
    mrr_earnings: Facts


class _Window:
    """The months up to the base, and each factor of the prediction as they give it."""

    def __init__(self, reads: _Reads, context: Context, history_months: int, outliers: Outliers) -> None:
        """Look at so many months."""
        self.reads = reads
        self.context = context
        self.history_months = history_months
        self.outliers = outliers
        self._months: dict[Period, tuple[Period, ...]] = {}
        self._averaged: list[tuple[Callable[..., list[Decimal]], tuple[Measure, ...]]] = []

    # -- which months -------------------------------------------------------------------------------------------------

    def of(self, period: Period) -> Period:
        """The base of a period."""
        return base_month(self.context.calendar, period)

    def months(self, period: Period) -> tuple[Period, ...]:
        """The months that are looked at."""
        if period not in self._months:
            self._months[period] = months_up_to(self.context.calendar, self.of(period), self.history_months)
        return self._months[period]

    def gated(self, predicted: Measure) -> Measure:
        """The prediction of a month whose base has begun, provisional while that is not over."""
        is_month = OfPeriod(
            lambda period: ONE if period.grain == "month" else None, "it foresees one month: ask for a month"
        )
        begun = OfPeriod(
            lambda period: ONE if self.of(period).begun else None,
            f"the month before, from which it starts, has not begun on {self.context.now}",
        )
        unfinished = OfPeriod(lambda period: ONE if self.of(period).partial else ZERO)
        return Noted(is_month * begun * predicted, "provisional", unfinished, ONE)

    # -- means of the window ------------------------------------------------------------------------------------------

    def _mean(self, emptiness: str, series: Callable[..., list[Decimal]], *of: Measure) -> Measure:
        """The mean of a monthly series worked out from measures, without outliers if they are to be removed."""
        self._averaged.append((series, of))
        if self.outliers == "keep":
            return History(lambda *values: _mean(series(*values)), of, self.months, emptiness)
        return History(lambda *values: _mean(without_outliers(series(*values))), of, self.months, emptiness)

    @property
    def removed(self) -> Measure:
        """How many monthly values were left out of the means so far."""

        def dropped(series: Callable[..., list[Decimal]]) -> Callable[..., Decimal]:
            return lambda *values: Decimal(len(series(*values)) - len(without_outliers(series(*values))))

        counts = [History(dropped(series), of, self.months) for series, of in self._averaged]
        return Worked(lambda *numbers: sum(numbers, ZERO), tuple(counts)) if counts else Constant(ZERO)

    def _opened(self, column: str, window_months: int | None) -> Measure:
        """A sum over the customers who opened a month, at the rates of that day."""
        facts = self.reads.retained_mrr
        params = {**facts.params_dict(), "window_months": window_months}
        summed = balance(
            replace(facts, params=tuple(sorted(params.items()))),
            column,
            currency=None if column in ("customers", "lost") else "currency",
            convert_on=lambda period: opening_day(period, window_months),
        )
        return Named(OPENED[column], summed)

    # -- the base -----------------------------------------------------------------------------------------------------

    @cached_property
    def mrr(self) -> Measure:
        """Recurring revenue."""
        return Named("mrr", balance(self.reads.mrr_changes, "amount", currency="currency"))

    @cached_property
    def base(self) -> Measure:
        """MRR at the close of the month before."""
        return At(self.mrr, self.of)

    def by_run_rate(self) -> tuple[Measure, Factors]:
        """Revenue of a day of the base for each day of the month."""
        passed = OfPeriod(lambda period: Decimal(self.of(period).days))
        daily = At(Named("revenue", recurring_revenue(self.reads.mrr_earnings)), self.of) / passed
        days = OfPeriod(lambda period: Decimal((period.end - period.start).days))
        return daily * days, (("revenue_per_day", daily), ("days", days))

    def by_year(self) -> tuple[Measure, Factors]:
        """The same month a year ago, grown as the base has grown in a year."""
        before = self.context.calendar.year_before
        then = At(self.mrr, before)
        growth = ratio(
            self.base, At(self.mrr, lambda period: before(self.of(period))), "there was no MRR a year before the base"
        )
        return then * growth, (("same_month_last_year_mrr", then), ("growth_since_last_year", growth - 1))

    def by_month(self) -> tuple[Measure, Factors]:
        """The base, grown by the mean growth of a month."""

        def growth(values: list[Decimal], before: list[Decimal]) -> list[Decimal]:
            return [quotient - 1 for quotient in _quotients(values, before)]

        previous = At(self.mrr, lambda period: self.context.calendar.shift(period, -1))
        mean = self._mean("no month of those looked at opened with recurring revenue", growth, self.mrr, previous)
        return self.base * (1 + mean), (("base_mrr", self.base), ("monthly_growth", mean))

    # -- what stays ---------------------------------------------------------------------------------------------------

    def kept(self, method: Method, churn: Churn) -> tuple[Measure, Factors]:
        """The share of the base that is there a month later."""
        nobody = "no month of those looked at opened with a customer"
        nothing = "no month of those looked at opened with recurring revenue"
        if method == "retained_growth":
            net = self._mean(nothing, _quotients, self._opened("net", 1), self._opened("opening", 1))
            return net, (("net_retention", net),)
        if churn == "logo":
            lost = self._mean(nobody, _quotients, self._opened("lost", None), self._opened("customers", None))
            return 1 - lost, (("customer_churn", lost),)

        def churned(gross: list[Decimal], opening: list[Decimal]) -> list[Decimal]:
            return [1 - quotient for quotient in _quotients(gross, opening)]

        lost = self._mean(nothing, churned, self._opened("gross", 1), self._opened("opening", 1))
        return 1 - lost, (("revenue_churn", lost),)

    # -- what is gained -----------------------------------------------------------------------------------------------

    def _moved(self, kind: str) -> Measure:
        """Recurring revenue of the movements of a kind."""
        movements = self.reads.mrr_movements
        return Named(f"{kind}_mrr", total(movements, "amount", where=_.kind == kind, gap=_.unconverted))

    def gained(self, activation: Activation) -> tuple[Measure, Factors]:
        """What new customers add to the base, and what that is made of."""
        new = self._moved("new")
        if activation == "new_mrr":
            mean = self._mean("", _sums, new, self._moved("reactivation"))
            return mean, (("new_and_reactivation_mrr", mean),)
        customers = Named("new_customers", count(self.reads.mrr_movements, where=_.kind == "new"))
        leads = Named("leads", count(self.reads.created_leads))
        monthly = self._mean("", list, leads)
        share = self._mean("no lead was created in the months that are looked at", _quotients, customers, leads)
        worth = History(
            lambda amounts, numbers: sum(amounts, ZERO) / (sum(numbers) or ONE), (new, customers), self.months
        )
        gained = monthly * share * worth
        return gained, (
            ("leads_per_month", monthly),
            ("activation_rate", share),
            ("mrr_per_new_customer", worth),
            ("activated_mrr", gained),
        )

    # -- the season ---------------------------------------------------------------------------------------------------

    @cached_property
    def _first_day(self) -> date | None:
        """The first day of recurring revenue."""
        warehouse = self.context.warehouse
        if not warehouse.loaded("subscription_periods"):
            return None
        rows = warehouse.entity("subscription_periods")
        found: date | None = warehouse.pairs(rows.aggregate(first=rows.valid_from.min()))[0][0]
        return found

    @cached_property
    def season(self) -> Measure:
        """How the month usually grows against how all months do; null where history is too short to say."""
        calendar = self.context.calendar

        def every_month(period: Period) -> tuple[Period, ...]:
            base = self.of(period)
            first = min(self._first_day or base.start, base.start)
            return calendar.spine(first, base.start, "month")

        return History(
            seasonal_factor,
            (self.mrr,),
            every_month,
            "the season is not known: it takes 12 months of growth without one that opens at 0",
        )
