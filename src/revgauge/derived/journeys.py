"""Journeys of closed deals, won and lost, and the credit of models that weigh all of them together.

Such a model looks at every journey of a period at once, so its credit is worked out for each period and for the values
of one dimension; months do not add up to their quarter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Literal

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis import _

from revgauge.catalogue.engine import MONEY
from revgauge.catalogue.registry import derived
from revgauge.derived.credit import CREDIT_DIMENSIONS, DIMENSIONS, UNATTRIBUTED, first_marks
from revgauge.methods.markov import Chain, removal_effects
from revgauge.methods.shapley import Journeys, shapley_values

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

Game = Literal["markov", "shapley"]
"""The models that weigh all journeys: a chain, or a game that is worth the share of journeys won."""

STEP, WON, LOST, UNTOUCHED = "step", "won", "lost", "untouched"
SEPARATOR = "␟"
"""Between the values of a set: the sign for a separator of units, which no name has."""
DIGITS = 50
PLACES = Decimal("1e-14")


@derived(row_key=("opportunity_id", "account_id", "place"))
def journey_steps(counted_touches: ir.Table, closed_deals: ir.Table) -> ir.Table:
    """Every step of the journeys of closed deals, on the day of the closing: from one touch to the next and to the end.

    `outcome` is `step` between touches, where an empty `from_channel` is the start; `won` or `lost` after the last,
    with the amount of a won deal; and `untouched` for a won deal without a path.
    """
    order = ibis.window(group_by="opportunity_id", order_by="place")
    deal = ("opportunity_id", "account_id", "day")
    between = counted_touches.select(
        *deal,
        "place",
        outcome=ibis.literal(STEP),
        **{f"from_{name}": _[name].lag().over(order) for name in DIMENSIONS},
        **{f"to_{name}": _[name] for name in DIMENSIONS},
        amount=ibis.literal(None).cast(MONEY),
        unconverted=ibis.literal(0).cast("int64"),
    )
    nowhere = ibis.literal(None).cast("string")
    ends = counted_touches.filter(_.place == _.touches).select(
        *deal,
        place=_.place + 1,
        outcome=ibis.ifelse(_.won, WON, LOST),
        **{f"from_{name}": _[name] for name in DIMENSIONS},
        **{f"to_{name}": nowhere for name in DIMENSIONS},
        amount=_.amount,
        unconverted=_.unconverted,
    )
    untouched = closed_deals.filter(_.won).anti_join(counted_touches, "opportunity_id")
    rest = untouched.select(
        *deal,
        place=ibis.literal(1).cast("int64"),
        outcome=ibis.literal(UNTOUCHED),
        **{f"{way}_{name}": nowhere for way in ("from", "to") for name in DIMENSIONS},
        amount=_.amount,
        unconverted=_.unconverted,
    )
    return ibis.union(between, ends, rest)


@derived(row_key=("opportunity_id", "account_id"))
def journey_sets(counted_touches: ir.Table, closed_deals: ir.Table) -> ir.Table:
    """The journeys of closed deals as sets: the different channels, campaigns and departments of each, in no order.

    `outcome` is `won`, `lost`, or `untouched` for a won deal without a path. The values of a set stand in one text.
    """
    marked = first_marks(counted_touches)
    sets = {f"{name}_set": _[name].group_concat(SEPARATOR, where=_[f"first_{name}"]) for name in DIMENSIONS}
    deal = ("opportunity_id", "account_id", "day", "won", "amount", "unconverted")
    found = marked.group_by(*deal).aggregate(**sets)
    found = found.mutate(outcome=ibis.ifelse(_.won, WON, LOST)).drop("won")
    untouched = closed_deals.filter(_.won).anti_join(counted_touches, "opportunity_id")
    nobody = {name: ibis.literal(None).cast("string") for name in sets}
    rest = untouched.select(*(name for name in deal if name != "won"), **nobody, outcome=ibis.literal(UNTOUCHED))
    return found.select(rest.columns).union(rest)


@dataclass(frozen=True)
class Credits:
    """What a model says of a period: the effect of each value, and what there is to be shared out."""

    effects: Mapping[str, float]
    worth: Mapping[str, Decimal]
    """What the won deals with a path, and those without, are worth together."""
    unconverted: Mapping[str, int]
    """How many of them are in a currency without a rate."""

    def rows(self) -> list[tuple[str, float | None, Decimal | None, int]]:
        """For each value its effect, its credit and whether that is unknown; the deals without a path last.

        Credit is the share of a value in all effects. What rounding leaves is with the largest, so that the credits add
        up to the deals to the last place.
        """
        amount, gap = self.worth[WON], bool(self.unconverted[WON])
        whole = sum(Decimal(effect) for effect in self.effects.values())
        shares = {value: Decimal(effect) / whole if whole else Decimal(0) for value, effect in self.effects.items()}
        found = {value: (amount * share).quantize(PLACES) for value, share in shares.items()}
        if whole:
            largest = max(found, key=lambda value: (abs(shares[value]), value))
            found[largest] += amount - sum(found.values())
        told = [(value, self.effects[value], None if gap else found[value], int(gap)) for value in sorted(found)]
        none = bool(self.unconverted[UNTOUCHED])
        return [*told, (UNATTRIBUTED, None, None if none else self.worth[UNTOUCHED], int(none))]


@derived(per_period=True, whole_by=DIMENSIONS, dimensions=CREDIT_DIMENSIONS, row_key=DIMENSIONS)
def journey_credits(
    journey_steps: ir.Table, journey_sets: ir.Table, context: Context, *, model: Game = "markov"
) -> ir.Table:
    """The credit of each value of the dimension that is asked for, in each period, and of `unattributed`.

    `effect` is the removal effect of a value in the chain, or its Shapley value in the game of conversion rates; credit
    is its share in all effects of what the won deals with a path are worth. `day` is the first day of the period.
    """
    name = next((name for name in DIMENSIONS if name in context.whole_by), DIMENSIONS[0])
    if model == "markov":
        found = _in_periods(journey_steps, context, f"from_{name}", f"to_{name}", "outcome")
    else:
        found = _in_periods(journey_sets, context, f"{name}_set", "outcome")
    judge = _chain if model == "markov" else _game
    starts = found["start"].to_numpy()
    rows: list[list[Any]] = []
    with localcontext(prec=DIGITS):
        for period in context.periods:
            start = np.datetime64(period.start)
            first, last = np.searchsorted(starts, start, "left"), np.searchsorted(starts, start, "right")
            inside = found.slice(first, last - first)
            for value, effect, credit, gap in judge(inside).rows():
                told = {one: value if one == name or value == UNATTRIBUTED else None for one in DIMENSIONS}
                rows.append([*told.values(), period.start, effect, credit, gap])
    kinds = dict.fromkeys(DIMENSIONS, "string")
    return context.warehouse.literal_table(
        {**kinds, "day": "date", "effect": "float64", "credit": str(MONEY), "gap": "int64"}, rows
    )


def _in_periods(journeys: ir.Table, context: Context, *columns: str) -> pa.Table:
    """Journeys counted and added up by these columns in each period, in order of its first day, `start`.

    Only the different days meet the periods, so that the cost grows with the journeys and not with periods times them.
    """
    spine = context.warehouse.literal_table(
        {"start": "date", "closing": "date"}, [(period.start, period.closing) for period in context.periods]
    )
    days = journeys.select(closed_on=_.day).distinct()
    met = days.inner_join(spine, [days.closed_on >= spine.start, days.closed_on <= spine.closing])
    placed = journeys.inner_join(met, journeys["day"] == met.closed_on)
    sums = placed.group_by("start", *columns).aggregate(
        cases=_.count(), amount=_.amount.sum().cast(MONEY), unconverted=_.unconverted.sum()
    )
    return context.warehouse.fetch(sums.order_by("start"), "journeys")


def _ends(sums: pa.Table) -> tuple[dict[str, Decimal], dict[str, int]]:
    """What the won deals with a path and those without are worth, and how many are in a currency without a rate."""
    worth, unconverted = dict.fromkeys((WON, UNTOUCHED), Decimal(0)), dict.fromkeys((WON, UNTOUCHED), 0)
    ended = sums.filter(pc.is_in(sums["outcome"], pa.array([WON, UNTOUCHED])))
    for outcome, amount, gaps in zip(
        *(ended[name].to_pylist() for name in ("outcome", "amount", "unconverted")), strict=True
    ):
        worth[outcome] += amount or 0
        unconverted[outcome] += gaps
    return worth, unconverted


def _chain(sums: pa.Table) -> Credits:
    """The removal effects of the chain of these steps."""
    source, target, outcome, *_rest = sums.column_names[1:]
    texts = pa.chunked_array([*sums[source].chunks, *sums[target].chunks], pa.string())
    states = sorted(text for text in pc.unique(texts).to_pylist() if text is not None)
    sources, targets = (_places(sums[name], states) for name in (source, target))
    cases = sums["cases"].to_numpy().astype(np.float64)
    ends = sums[outcome].to_pylist()
    won, lost, between = (np.array([end == word for end in ends], dtype=bool) for word in (WON, LOST, STEP))
    begun = between & (sources < 0)
    steps = between & (sources >= 0)

    def counted(places: Any, where: Any) -> Any:
        return np.bincount(places[where], cases[where], len(states))

    chain = Chain(
        counted(targets, begun),
        counted(sources, won),
        counted(sources, lost),
        sources[steps],
        targets[steps],
        cases[steps],
    )
    effects = removal_effects(chain).effects.tolist()
    return Credits(dict(zip(states, effects, strict=True)), *_ends(sums))


def _places(texts: pa.ChunkedArray, states: Sequence[str]) -> Any:
    """The number of each text among the states; -1 where it is empty."""
    found = pc.index_in(texts, pa.array(states, pa.string()))
    return pc.fill_null(found, -1).to_numpy().astype(np.int64)


def _game(sums: pa.Table) -> Credits:
    """The Shapley values of the game in which a set is worth the share won of the journeys inside it."""
    won, every = Counter[frozenset[str]](), Counter[frozenset[str]]()
    members, outcome, *_rest = sums.column_names[1:]
    for text, end, cases in zip(*(sums[name].to_pylist() for name in (members, outcome, "cases")), strict=True):
        if end != UNTOUCHED:
            journey = frozenset(text.split(SEPARATOR))
            every[journey] += cases
            won[journey] += cases if end == WON else 0
    ordered = sorted(every, key=sorted)
    values = shapley_values([Journeys(journey, won[journey], every[journey]) for journey in ordered])
    return Credits(values, *_ends(sums))
