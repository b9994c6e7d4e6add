"""Accuracy: how far forecasts and plans were from what came.

Each metric takes the name of the metric that was forecast or planned. Only target periods that lie inside the period
asked for and are over count, each with the forecast that was the latest in time, or with its plan.
"""

from __future__ import annotations

from decimal import Decimal

from ibis import _

from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import Measure, Noted, Worked, count, ratio, total
from revgauge.catalogue.params import MetricName
from revgauge.catalogue.registry import Unit, metric

KNOWN = _.is_known == 1
ALL_ZERO = "every actual is 0, so there is nothing to weigh the misses by"
ONE, ZERO = Decimal(1), Decimal(0)


def _sum(pairs: Facts, column: str) -> Measure:
    return total(pairs, column, where=KNOWN)


def _over_pairs(pairs: Facts, what: str, part: Measure, whole: Measure, empty: str) -> Measure:
    """A quotient of sums over pairs, if there is a pair at all; with a mark if the actual of a target is not known."""
    number = count(pairs, where=KNOWN)
    nothing = f"there is no {what} of the metric for a period inside this one that is over and has a value"
    there = Worked(lambda pairs: ONE if pairs else None, (number,), nothing)
    return Noted(ratio(there * part, whole, empty), "some actuals unknown", count(pairs, where=_.is_known == 0), ONE)


def _mape(pairs: Facts, what: str) -> Measure:
    told = KNOWN & (_.actual != 0)
    relative, number = total(pairs, "relative", where=told), count(pairs, where=told)
    return _over_pairs(pairs, what, relative, number, "every actual is 0")


def _wape(pairs: Facts, what: str) -> Measure:
    return _over_pairs(pairs, what, _sum(pairs, "miss"), _sum(pairs, "size"), ALL_ZERO)


def _bias(pairs: Facts, what: str) -> Measure:
    return _over_pairs(pairs, what, _sum(pairs, "excess"), _sum(pairs, "size"), ALL_ZERO)


def _smape(pairs: Facts, what: str) -> Measure:
    return _over_pairs(pairs, what, _sum(pairs, "symmetric"), count(pairs, where=KNOWN), "")


def _accuracy(wape: Measure) -> Measure:
    return Worked(lambda error: max(ZERO, 1 - error), (wape,))


# -- forecasts --------------------------------------------------------------------------------------------------------


@metric(label="Forecast error, mean percentage", unit=Unit.RATIO, better="down", kind="ratio")
def forecast_mape(forecast_pairs: Facts, *, metric: MetricName, horizon_days: int | None = None) -> Measure:  # noqa: ARG001 - the pairs take both
    """The mean of how far each forecast was from its actual, as a share of the actual.

    A target whose actual is 0 is left out, and one near 0 weighs as much as any: for amounts of different size read
    the weighted error instead.

    Unit: share of the actual
    Formula: mean of |actual - forecast| / |actual| over targets with an actual other than 0
    Null: nothing was forecast for a period inside this one that is over; every actual is 0
    Edges: the latest forecast of an author made on or before the first day of its target counts, or, with
        `horizon_days`, made that many days before its end; of two made on one day the larger; without a forecast of
        the company those of people are added up; without `category` only forecasts without one count
    Seed: S0
    Source: hyndman-koehler, forecastio
    So what: can capacity and cash be planned; percentage errors break near zero, hence WAPE beside it
    By: `person_id` holds a person's forecast against the accounts that the person owns
    """
    return _mape(forecast_pairs, "forecast")


@metric(label="Forecast error, weighted", unit=Unit.RATIO, better="down", kind="ratio")
def forecast_wape(forecast_pairs: Facts, *, metric: MetricName, horizon_days: int | None = None) -> Measure:  # noqa: ARG001 - the pairs take both
    """How far forecasts were from their actuals in all, as a share of all actuals.

    The error by which forecasts are judged here: it stays sound where an actual is small. Read it at several horizons,
    for it must fall as the end of the period comes near.

    Unit: share of the actuals
    Formula: sum of |actual - forecast| / sum of |actual|
    Null: nothing was forecast for a period inside this one that is over; every actual is 0
    Edges: which forecast counts is as for forecast_mape
    Seed: S0
    Source: hyndman-koehler, forecastio
    So what: can capacity and cash be planned; an error without bias is noise, so look at data and horizon
    Benchmark: 79 % of sales organisations miss by more than 10 % (siriusdecisions, relayed)
    By: `person_id` holds a person's forecast against the accounts that the person owns
    """
    return _wape(forecast_pairs, "forecast")


@metric(label="Forecast bias", unit=Unit.RATIO, better="zero", kind="ratio")
def forecast_bias(forecast_pairs: Facts, *, metric: MetricName, horizon_days: int | None = None) -> Measure:  # noqa: ARG001 - the pairs take both
    """By how much forecasts were too high in all, as a share of all actuals; below 0 they were too low.

    Highs and lows cancel out, so a bias of 0 says nothing of the error.

    Unit: share of the actuals, positive or negative
    Formula: sum of (forecast - actual) / sum of |actual|
    Null: nothing was forecast for a period inside this one that is over; every actual is 0
    Edges: which forecast counts is as for forecast_mape
    Seed: S0
    Source: hyndman-koehler, forecastio
    So what: above 0 is optimism: firmer rules for stages, discipline in what is committed
    By: `person_id` holds a person's forecast against the accounts that the person owns
    """
    return _bias(forecast_pairs, "forecast")


@metric(label="Forecast error, symmetric", unit=Unit.RATIO, better="down", kind="ratio")
def forecast_smape(forecast_pairs: Facts, *, metric: MetricName, horizon_days: int | None = None) -> Measure:  # noqa: ARG001 - the pairs take both
    """The mean of how far each forecast was from its actual, as a share of the mean of both.

    It is defined also where actuals are 0: a forecast against 0 scores 2, the most there is, and 0 against 0 scores 0.

    Unit: share of the mean of forecast and actual, from 0 to 2
    Formula: mean of 2 x |forecast - actual| / (|actual| + |forecast|)
    Null: nothing was forecast for a period inside this one that is over
    Edges: which forecast counts is as for forecast_mape
    Seed: S0
    Source: hyndman-koehler, forecastio
    So what: compares forecasts of metrics of different size, as forecasting competitions do
    By: `person_id` holds a person's forecast against the accounts that the person owns
    """
    return _smape(forecast_pairs, "forecast")


@metric(label="Forecast accuracy", unit=Unit.RATIO, kind="formula")
def forecast_accuracy(forecast_wape: Measure) -> Measure:
    """One less the weighted error of forecasts; 0 where the error is above 1.

    Unit: share of the actuals that was foreseen
    Formula: the larger of 0 and 1 - weighted error
    Null: nothing was forecast for a period inside this one that is over; every actual is 0
    Seed: S0
    Source: hyndman-koehler, forecastio
    So what: can capacity and cash be planned; read bias beside it
    Benchmark: 79 % of sales organisations miss by more than 10 % (siriusdecisions, relayed)
    By: `person_id` holds a person's forecast against the accounts that the person owns
    """
    return _accuracy(forecast_wape)


# -- plans ------------------------------------------------------------------------------------------------------------


@metric(label="Plan error, mean percentage", unit=Unit.RATIO, better="down", kind="ratio")
def plan_mape(plan_pairs: Facts, *, metric: MetricName) -> Measure:  # noqa: ARG001 - the pairs take it
    """The mean of how far each plan was from its actual, as a share of the actual.

    A target whose actual is 0 is left out.

    Unit: share of the actual
    Formula: mean of |actual - plan| / |actual| over targets with an actual other than 0
    Null: nothing was planned for a period inside this one that is over; every actual is 0
    Edges: of two plans for one target the larger counts; without `segment` only plans of the company count
    Seed: S0
    Source: hyndman-koehler, forecastio
    So what: how firm the plan is on which money and people were committed
    By: `segment` holds the plan of a segment against the value of the segment
    """
    return _mape(plan_pairs, "plan")


@metric(label="Plan error, weighted", unit=Unit.RATIO, better="down", kind="ratio")
def plan_wape(plan_pairs: Facts, *, metric: MetricName) -> Measure:  # noqa: ARG001 - the pairs take it
    """How far plans were from their actuals in all, as a share of all actuals.

    Unit: share of the actuals
    Formula: sum of |actual - plan| / sum of |actual|
    Null: nothing was planned for a period inside this one that is over; every actual is 0
    Edges: which plan counts is as for plan_mape
    Seed: S0
    Source: hyndman-koehler, forecastio
    So what: how firm the plan is on which money and people were committed
    By: `segment` holds the plan of a segment against the value of the segment
    """
    return _wape(plan_pairs, "plan")


@metric(label="Plan bias", unit=Unit.RATIO, better="zero", kind="ratio")
def plan_bias(plan_pairs: Facts, *, metric: MetricName) -> Measure:  # noqa: ARG001 - the pairs take it
    """By how much plans were too high in all, as a share of all actuals; below 0 they were too low.

    Unit: share of the actuals, positive or negative
    Formula: sum of (plan - actual) / sum of |actual|
    Null: nothing was planned for a period inside this one that is over; every actual is 0
    Edges: which plan counts is as for plan_mape
    Seed: S0
    Source: hyndman-koehler, forecastio
    So what: above 0 the plan is a wish; for a metric where lower is better it is the other way round
    By: `segment` holds the plan of a segment against the value of the segment
    """
    return _bias(plan_pairs, "plan")


@metric(label="Plan error, symmetric", unit=Unit.RATIO, better="down", kind="ratio")
def plan_smape(plan_pairs: Facts, *, metric: MetricName) -> Measure:  # noqa: ARG001 - the pairs take it
    """The mean of how far each plan was from its actual, as a share of the mean of both.

    Unit: share of the mean of plan and actual, from 0 to 2
    Formula: mean of 2 x |plan - actual| / (|actual| + |plan|)
    Null: nothing was planned for a period inside this one that is over
    Edges: a plan against 0 scores 2, and 0 against 0 scores 0; which plan counts is as for plan_mape
    Seed: S0
    Source: hyndman-koehler, forecastio
    So what: compares plans of metrics of different size
    By: `segment` holds the plan of a segment against the value of the segment
    """
    return _smape(plan_pairs, "plan")


@metric(label="Plan accuracy", unit=Unit.RATIO, kind="formula")
def plan_accuracy(plan_wape: Measure) -> Measure:
    """One less the weighted error of plans; 0 where the error is above 1.

    Unit: share of the actuals that was planned
    Formula: the larger of 0 and 1 - weighted error
    Null: nothing was planned for a period inside this one that is over; every actual is 0
    Seed: S0
    Source: hyndman-koehler, forecastio
    So what: how firm the plan is on which money and people were committed; read attainment beside it
    By: `segment` holds the plan of a segment against the value of the segment
    """
    return _accuracy(plan_wape)


@metric(label="Plan attainment", unit=Unit.RATIO, kind="ratio")
def plan_attainment(plan_pairs: Facts, *, metric: MetricName) -> Measure:  # noqa: ARG001 - the pairs take it
    """What came, as a share of what was planned; it can pass 1.

    Unit: share of the plan
    Formula: sum of actuals / sum of plans
    Null: nothing was planned for a period inside this one that is over; the plans add up to 0 or less
    Edges: which plan counts is as for plan_mape; for a metric where lower is better, below 1 is good
    Seed: S0
    Source: hyndman-koehler, forecastio
    So what: below 1 decide by segment whether to act or to plan anew
    By: `segment` holds the plan of a segment against the value of the segment
    """
    actual, plan = _sum(plan_pairs, "actual"), _sum(plan_pairs, "foreseen")
    return _over_pairs(plan_pairs, "plan", actual, plan, "the plans add up to 0 or less")
