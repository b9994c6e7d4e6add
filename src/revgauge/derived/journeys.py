"""Journeys of closed deals, won and lost, and the credit of models that weigh all of them together.

Such a model looks at every journey of a period at once, so its credit is worked out for each period and for the values
of one dimension; months do not add up to their quarter.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Literal

import ibis
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


@dataclass
class Worth:
    """What deals are worth together, and how many of them are in a currency without a rate."""

    amount: Decimal = Decimal(0)
    unconverted: int = 0

    def add(self, amount: Decimal | None, unconverted: int) -> None:
        """Take in the sums of more deals."""
        self.amount += amount or 0
        self.unconverted += unconverted


@dataclass
class Credits:
    """What a model says of a period: the effect of each value, and what there is to be shared out."""

    effects: Mapping[str, float]
    touched: Worth = field(default_factory=Worth)
    untouched: Worth = field(default_factory=Worth)

    def rows(self) -> list[tuple[str, float | None, Decimal | None, int]]:
        """For each value its effect, its credit and whether that is unknown; the deals without a path last.

        Credit is the share of a value in all effects. What rounding leaves is with the largest, so that the credits add
        up to the deals to the last place.
        """
        whole = sum(Decimal(effect) for effect in self.effects.values())
        shares = {value: Decimal(effect) / whole if whole else Decimal(0) for value, effect in self.effects.items()}
        found = {value: (self.touched.amount * share).quantize(PLACES) for value, share in shares.items()}
        if whole:
            largest = max(found, key=lambda value: (abs(shares[value]), value))
            found[largest] += self.touched.amount - sum(found.values())
        gap, rest = bool(self.touched.unconverted), self.untouched
        told = [(value, self.effects[value], None if gap else found[value], int(gap)) for value in sorted(found)]
        return [*told, (UNATTRIBUTED, None, None if rest.unconverted else rest.amount, int(bool(rest.unconverted)))]


@derived(per_period=True, whole_by=DIMENSIONS, dimensions=CREDIT_DIMENSIONS, row_key=DIMENSIONS)
def journey_credits(
    journey_steps: ir.Table, journey_sets: ir.Table, context: Context, *, model: Game = "markov"
) -> ir.Table:
    """The credit of each value of the dimension that is asked for, in each period, and of `unattributed`.

    `effect` is the removal effect of a value in the chain, or its Shapley value in the game of conversion rates; credit
    is its share in all effects of what the won deals with a path are worth. `day` is the first day of the period.
    """
    name = next((name for name in DIMENSIONS if name in context.whole_by), DIMENSIONS[0])
    chain = model == "markov"
    columns = (f"from_{name}", f"to_{name}", "outcome") if chain else (f"{name}_set", "outcome")
    journeys, judge = (journey_steps, _chain) if chain else (journey_sets, _game)
    sums = journeys.group_by("day", *columns).aggregate(
        cases=_.count(), amount=_.amount.sum().cast(MONEY), unconverted=_.unconverted.sum()
    )
    found = context.warehouse.fetch(sums, "journeys").to_pydict()
    order = sorted(range(len(found["day"])), key=lambda row: found["day"][row])
    days: list[date] = [found["day"][row] for row in order]
    lines = [tuple(found[column][row] for column in (*columns, "cases", "amount", "unconverted")) for row in order]
    rows: list[list[Any]] = []
    with localcontext(prec=DIGITS):
        for period in context.periods:
            inside = lines[bisect_left(days, period.start) : bisect_right(days, period.closing)]
            for value, effect, credit, gap in judge(inside).rows():
                told = {one: value if one == name or value == UNATTRIBUTED else None for one in DIMENSIONS}
                rows.append([*told.values(), period.start, effect, credit, gap])
    kinds = dict.fromkeys(DIMENSIONS, "string")
    return context.warehouse.literal_table(
        {**kinds, "day": "date", "effect": "float64", "credit": str(MONEY), "gap": "int64"}, rows
    )


def _chain(steps: Sequence[tuple[Any, ...]]) -> Credits:
    """The removal effects of the chain of these steps."""
    starts, between, won, lost = Counter[str](), Counter[tuple[str, str]](), Counter[str](), Counter[str]()
    touched, untouched = Worth(), Worth()
    for source, target, outcome, cases, amount, unconverted in steps:
        if outcome == UNTOUCHED:
            untouched.add(amount, unconverted)
        elif outcome == WON:
            won[source] += cases
            touched.add(amount, unconverted)
        elif outcome == LOST:
            lost[source] += cases
        elif source is None:
            starts[target] += cases
        else:
            between[source, target] += cases
    return Credits(removal_effects(Chain(starts, between, won, lost)).effects, touched, untouched)


def _game(sets: Sequence[tuple[Any, ...]]) -> Credits:
    """The Shapley values of the game in which a set is worth the share won of the journeys inside it."""
    won, every = Counter[frozenset[str]](), Counter[frozenset[str]]()
    touched, untouched = Worth(), Worth()
    for members, outcome, cases, amount, unconverted in sets:
        if outcome == UNTOUCHED:
            untouched.add(amount, unconverted)
            continue
        journey = frozenset(members.split(SEPARATOR))
        every[journey] += cases
        if outcome == WON:
            won[journey] += cases
            touched.add(amount, unconverted)
    ordered = sorted(every, key=sorted)
    return Credits(shapley_values([Journeys(one, won[one], every[one]) for one in ordered]), touched, untouched)
