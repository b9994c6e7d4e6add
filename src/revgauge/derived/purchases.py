"""Customers who buy without a contract: their purchases, and what a model of buying expects of them.

The model is fitted in Python, on the history of all buyers up to each closing day; what it expects of each buyer is a
table like any other, so that it can be cut, and its rows listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from ibis import _

from revgauge.catalogue.engine import MONEY, flag, times
from revgauge.catalogue.registry import derived
from revgauge.derived.billing import DIMENSIONS
from revgauge.methods.bgnbd import Parameters, alive, expected, fit
from revgauge.methods.gamma_gamma import Spending, expected_spend, fit_spending

if TYPE_CHECKING:
    import ibis.expr.types as ir

    from revgauge.catalogue.context import Context

Spend = Literal["own", "gamma_gamma"]
Array = npt.NDArray[np.float64]

FEW_PURCHASES = 3
"""With fewer purchases than these the mean spend of a buyer says little about the buyer."""

PLACES = "decimal(38, 14)"
COLUMNS = {
    "account_id": "string",
    "day": "date",
    "purchases": "int64",
    "first_on": "date",
    "last_on": "date",
    "again": "int64",
    "recency": "float64",
    "age": "float64",
    "alive": PLACES,
    "expected": PLACES,
    "mean_spend": PLACES,
    "value": PLACES,
    "few": "int64",
    "unfitted": "int64",
    "unpriced": "int64",
}
"""What is told of a buyer on a closing day; times are in units of `time_unit_days`."""


@derived(
    dimensions=DIMENSIONS,
    row_key=("account_id", "day"),
    needs=("invoices.issued_on", "invoices.amount"),
)
def purchase_days(invoices: ir.Table, context: Context) -> ir.Table:
    """The days on which each account was billed something, with what it spent, at the rates of the day.

    Several bills of a day are one purchase; credit notes are none.
    """
    bought = invoices.filter(
        (_.issued_on <= context.today()) & (_.amount > 0) & ~(_.kind == "credit_note").fill_null(False)
    )
    known = context.resolved(bought.filter(_.account_id.notnull()))
    rated = context.with_rate(known.select("account_id", "issued_on", "currency", "amount"), "currency", "issued_on")
    return rated.group_by("account_id", day=_.issued_on).aggregate(
        spent=times(_.amount, _.rate.fill_null(Decimal(0))).sum().cast(MONEY),
        unconverted=flag(_.rate.isnull()).max(),
    )


@dataclass(frozen=True)
class History:
    """All purchases in order of account and day, as arrays."""

    accounts: list[str]
    place: npt.NDArray[np.int64]
    """For each purchase the place of its account."""
    day: npt.NDArray[np.int64]
    """Its day as a number."""
    spent: Array
    unconverted: npt.NDArray[np.int64]

    @classmethod
    def of(cls, purchase_days: ir.Table, context: Context) -> History:
        """The history that a table of purchases tells."""
        rows = context.warehouse.fetch(
            purchase_days.select("account_id", "day", _.unconverted, spent=_.spent.cast("float64")).order_by(
                "account_id", "day"
            ),
            "purchases",
        )
        names = rows["account_id"].to_pylist()
        accounts = list(dict.fromkeys(names))
        places = {name: place for place, name in enumerate(accounts)}
        return cls(
            accounts,
            np.array([places[name] for name in names], dtype=np.int64),
            rows["day"].to_numpy().astype("datetime64[D]").astype(np.int64),
            rows["spent"].to_numpy().astype(np.float64),
            rows["unconverted"].to_numpy().astype(np.int64),
        )

    def until(self, closing: date) -> Buyers:
        """What is known on the closing day of everybody who has bought by then."""
        end = int(np.datetime64(closing, "D").astype(np.int64))
        here = self.day <= end
        place, day, spent = self.place[here], self.day[here], self.spent[here]
        size = len(self.accounts)
        often = np.bincount(place, minlength=size)
        first, last = np.full(size, np.iinfo(np.int64).max), np.full(size, np.iinfo(np.int64).min)
        np.minimum.at(first, place, day)
        np.maximum.at(last, place, day)
        total = np.bincount(place, spent, minlength=size)
        opening = np.bincount(place, np.where(day == first[place], spent, 0.0), minlength=size)
        unpriced = np.bincount(place, self.unconverted[here], minlength=size) > 0
        who = np.flatnonzero(often)
        return Buyers(
            accounts=[self.accounts[number] for number in who.tolist()],
            often=often[who].astype(np.int64),
            first=first[who],
            last=last[who],
            spent=total[who].astype(np.float64),
            spent_again=(total - opening)[who].astype(np.float64),
            unpriced=unpriced[who].astype(np.bool_),
            end=end,
        )


@dataclass(frozen=True)
class Buyers:
    """Who has bought by a day: how often, when first and last, for how much in all and after the first purchase."""

    accounts: list[str]
    often: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]
    spent: Array
    spent_again: Array
    unpriced: npt.NDArray[np.bool_]
    end: int

    @property
    def again(self) -> Array:
        """Purchases after the first."""
        return (self.often - 1).astype(np.float64)

    def mean_spend(self, spend: Spend) -> Array | None:
        """What each spends on a purchase: its own mean, or the gamma-gamma model's; None where that cannot be fitted.

        As published, the model is fitted to the purchases after the first of those who bought again.
        """
        if spend == "own":
            return self.spent / self.often
        repeats = self.spent_again / np.maximum(self.again, 1)
        priced = ~self.unpriced
        found: tuple[Spending, float] | None = fit_spending(self.again[priced], repeats[priced])
        return None if found is None else expected_spend(found[0], self.again, repeats)


@derived(per_period=True, dimensions=DIMENSIONS, row_key=("account_id",))
def buyer_prospects(
    purchase_days: ir.Table,
    context: Context,
    *,
    time_unit_days: int = 7,
    horizon_units: int = 52,
    bgnbd: dict[str, float] | None = None,
    spend: Spend = "own",
) -> ir.Table:
    """Everybody who has bought by each closing day, with what the BG/NBD model expects of them.

    `alive` is the chance that it still is a buyer, `expected` how often it will buy within the horizon, `value` that
    times what it spends on a purchase. Without parameters the model is fitted to all buyers of the day, whatever is
    asked for; `unfitted` marks them where that cannot be done, and `unpriced` a buyer with a purchase without a rate.
    """
    closings = sorted({period.closing for period in context.periods if period.begun})
    history = History.of(purchase_days, context)
    given = Parameters.read(dict(bgnbd)) if bgnbd else None
    rows: list[tuple[Any, ...]] = []
    fitted: Parameters | None = None
    for closing in closings:
        known = history.until(closing)
        unit = float(time_unit_days)
        x, recency, age = known.again, (known.last - known.first) / unit, (known.end - known.first) / unit
        fitted = given or _fitted(x, recency, age, fitted)
        rows += _told(known, closing, (x, recency, age), fitted, float(horizon_units), spend)
    return context.warehouse.literal_table(COLUMNS, rows)


def _fitted(x: Array, recency: Array, age: Array, start: Parameters | None) -> Parameters | None:
    """The model fitted to buyers, of whom those who are alike are taken together."""
    if not len(x):
        return None
    alike, counts = np.unique(np.stack([x, recency, age]), axis=1, return_counts=True)
    found = fit(alike[0], alike[1], alike[2], counts.astype(np.float64), start)
    return None if found is None else found[0]


def _told(
    known: Buyers,
    closing: date,
    state: tuple[Array, Array, Array],
    parameters: Parameters | None,
    horizon: float,
    spend: Spend,
) -> Iterator[tuple[Any, ...]]:
    """A row for each buyer."""
    size = len(known.accounts)
    nothing = np.zeros(size)
    chance, more = nothing, nothing
    if parameters is not None and size:
        chance, more = alive(parameters, *state), expected(parameters, *state, horizon)
    means = known.mean_spend(spend) if size else nothing
    unpriced = known.unpriced if means is not None else np.ones(size, dtype=bool)
    paid = nothing if means is None else means
    for number in range(size):
        yield (
            known.accounts[number],
            closing,
            int(known.often[number]),
            _day(known.first[number]),
            _day(known.last[number]),
            int(known.often[number]) - 1,
            *(float(column[number]) for column in state[1:]),
            *(_decimal(column[number]) for column in (chance, more, paid, more * paid)),
            int(known.often[number] < FEW_PURCHASES),
            int(parameters is None),
            int(unpriced[number]),
        )


def _day(number: Any) -> date:
    found: date = np.datetime64(int(number), "D").astype(object)
    return found


def _decimal(number: Any) -> Decimal:
    """A number of the model to fourteen places: more than the model knows."""
    return Decimal(f"{float(number):.14f}")
