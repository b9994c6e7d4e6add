"""Buyers: customers who buy without a contract, who stop without saying so."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ibis import _

from revgauge.catalogue.facts import Facts
from revgauge.catalogue.measures import Measure, Noted, Total, Worked, count, ratio
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.registry import Unit, metric
from revgauge.catalogue.spans import OnClosing
from revgauge.derived.costs import Basis, margin_known
from revgauge.methods.bgnbd import Parameters

UNFITTED = (
    "the BG/NBD model cannot be fitted to these purchases: too few have bought again; give its parameters with bgnbd"
)
UNPRICED = (
    "what a buyer spends cannot be told: a purchase is in a currency without a rate, or the gamma-gamma model has no "
    "mean"
)
NOBODY = "nobody has bought anything yet"
FEW = "rests on few purchases: spend = gamma_gamma"
MOST = Decimal("0.5")
"""A value is marked while at least this share of the buyers has made few purchases."""


def _checked(bgnbd: dict[str, float] | None, horizon_units: int, time_unit_days: int) -> None:
    wrong = [
        f"{name} = {number} is not possible: it takes 1 or more"
        for name, number in (("horizon_units", horizon_units), ("time_unit_days", time_unit_days))
        if number < 1
    ]
    if bgnbd is not None:
        try:
            Parameters.read(bgnbd)
        except ValueError as problem:
            wrong.append(str(problem))
    if wrong:
        raise ParamError("; ".join(wrong))


def _sum(buyer_prospects: Facts, column: str, gap: Any, reason: str) -> Total:
    return Total(buyer_prospects, span=OnClosing(), value=column, gap=gap, gap_reason=reason)


@metric(
    label="Expected purchases", unit=Unit.COUNT, timing="leading", kind="stock", on_request=True, fixed={"spend": "own"}
)
def expected_purchases(
    buyer_prospects: Facts, *, horizon_units: int = 52, time_unit_days: int = 7, bgnbd: dict[str, float] | None = None
) -> Measure:
    """How many purchases the buyers will make within the horizon, by the BG/NBD model of buyers without contracts.

    A buyer is told by how often it bought again, when last, and since when it is known: its days of purchase are the
    days on which it was billed. The model is fitted to all buyers up to the closing day, whatever is asked for, unless
    its four parameters are given with `bgnbd`. Times are in units of `time_unit_days`, by default weeks.

    Unit: purchases
    Formula: sum over buyers of E[Y(t) | x, t_x, T], the published expectation of the BG/NBD model
    Null: the model cannot be fitted, as where nobody has bought twice
    Edges: two bills of a day are one purchase, a credit note is none; loaded but nobody bought is 0
    Seed: S2 (shops and services without a fixed price)
    Source: fader-hardie-lee-2005, btyd, lifetimes
    So what: whom to wake up
    """
    _checked(bgnbd, horizon_units, time_unit_days)
    return _sum(buyer_prospects, "expected", _.unfitted, UNFITTED)


@metric(
    label="Probability of being alive",
    unit=Unit.RATIO,
    timing="leading",
    kind="ratio",
    on_request=True,
    fixed={"spend": "own"},
)
def probability_alive(
    buyer_prospects: Facts, *, horizon_units: int = 52, time_unit_days: int = 7, bgnbd: dict[str, float] | None = None
) -> Measure:
    """The chance that a buyer still is one on the closing day, on average over the buyers, by the BG/NBD model.

    Who has bought once only counts as alive: the model sees no departure without a repeat.

    Unit: probability
    Formula: mean over buyers of P(alive | x, t_x, T)
    Null: nobody has bought, or the model cannot be fitted
    Seed: S2
    Source: fader-hardie-lee-2005, btyd, lifetimes
    So what: if it falls for somebody, contact them now
    """
    _checked(bgnbd, horizon_units, time_unit_days)
    return ratio(_sum(buyer_prospects, "alive", _.unfitted, UNFITTED), count(buyer_prospects, span=OnClosing()), NOBODY)


@metric(
    label="Lifetime value of buyers without contracts",
    unit=Unit.MONEY,
    timing="leading",
    kind="formula",
    on_request=True,
)
def lifetime_value_bgnbd(
    buyer_prospects: Facts,
    mrr_earnings: Facts,
    booked_expenses: Facts,
    *,
    horizon_units: int = 52,
    time_unit_days: int = 7,
    bgnbd: dict[str, float] | None = None,
    basis: Basis = "margin",
    gross_margin: Decimal | None = None,
) -> Measure:
    """What a buyer without a contract leaves over within the horizon, on average: expected purchases times mean spend.

    The mean spend is the buyer's own, for each day of purchase. Where most have bought once or twice their means say
    little: the value is marked, and `spend = gamma_gamma` draws each mean towards that of all, the more the fewer
    purchases it rests on. That model is fitted to the purchases after the first, and takes what a buyer spends not to
    depend on how often it buys.

    Unit: money for a buyer
    Formula: mean over buyers of mean spend x gross margin x expected purchases
    Null: nobody has bought, a model cannot be fitted, no margin is known, or a purchase is in a currency without a rate
    Seed: S2
    Source: fader-hardie-lee-2005, fader-hardie-2013, btyd, lifetimes
    So what: what a buyer may cost; whom to wake up first
    """
    _checked(bgnbd, horizon_units, time_unit_days)
    here = count(buyer_prospects, span=OnClosing())
    expected = _sum(buyer_prospects, "expected", _.unfitted, UNFITTED)
    value = _sum(buyer_prospects, "value", _.unpriced, UNPRICED)
    predicted = ratio(Worked(lambda _expected, value: value, (expected, value)), here, NOBODY)
    margin = margin_known(mrr_earnings, booked_expenses, basis=basis, gross_margin=gross_margin)
    few = ratio(count(buyer_prospects, where=_.few == 1, span=OnClosing()), here)
    return Noted(predicted * margin, FEW, few, MOST)
