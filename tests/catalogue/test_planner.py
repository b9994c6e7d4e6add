"""The planner: few passes over the rows, however many metrics, periods, grains and cuts are asked for.

Queries are counted in the journal of the warehouse. Values of what is planned together are compared with the same
questions asked one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import ibis
import pytest
from tests.catalogue.worlds import NOW, evaluation_over
from tests.oracle.generate import sales_world, subscription_world

from revgauge.catalogue.context import Settings
from revgauge.catalogue.evaluation import Evaluation, Request, Result
from revgauge.catalogue.facts import Facts, own
from revgauge.catalogue.measures import (
    At,
    Curve,
    Distinct,
    Measure,
    OfPeriod,
    Spread,
    Worked,
    balance,
    count,
    ratio,
    spread,
    total,
)
from revgauge.catalogue.registry import Catalogue, Unit, derived, metric
from revgauge.catalogue.spans import TrailingDays, UpToClosing, UpToOpening
from revgauge.model.period import Grain, Period

DAYS = ["2025-01-05", "2025-01-31", "2025-02-01", "2025-02-28", "2025-03-01", "2025-03-31", "2025-04-01"]
INVOICES = [
    {
        "invoice_id": f"i{number}",
        "account_id": "ab"[number % 2],
        "issued_on": day,
        "due_on": day,
        "amount": str(2**number),
        "currency": ("USD", "")[number % 3 == 2],
        "kind": "invoice",
    }
    for number, day in enumerate(DAYS)
]
"""Amounts are powers of two, so that a sum tells which rows are in it: 1, 2 in January, 4, 8 in February, 16, 32 in
March; the 64 of April lie after `now`."""


@derived(dimensions=own("account_id", "currency"), row_key=("invoice_id",))
def billed(invoices: Any) -> Any:
    """Invoices by the day on which they were issued."""
    return invoices.mutate(day=invoices.issued_on)


@metric(label="Billed", unit=Unit.MONEY)
def billed_amount(billed: Facts) -> Measure:
    """What was billed."""
    return total(billed, "amount")


@metric(label="Bills", unit=Unit.COUNT)
def bills(billed: Facts) -> Measure:
    """How many bills there were."""
    return count(billed)


@metric(label="Billed so far", unit=Unit.MONEY)
def billed_so_far(billed: Facts) -> Measure:
    """All that was ever billed."""
    return balance(billed, "amount")


@metric(label="Billed before", unit=Unit.MONEY)
def billed_before(billed: Facts) -> Measure:
    """All that was billed before the period."""
    return balance(billed, "amount", span=UpToOpening())


@metric(label="Billed in 45 days", unit=Unit.MONEY)
def billed_lately(billed: Facts) -> Measure:
    """What was billed in the 45 days before the close."""
    return total(billed, "amount", span=TrailingDays(45))


@metric(label="Bill", unit=Unit.MONEY)
def average_bill(billed_amount: Measure, bills: Measure) -> Measure:
    """An average bill."""
    return ratio(billed_amount, bills, "nothing was billed")


@metric(label="Billed", unit=Unit.MONEY)
def billed_in_the_period_before(billed_amount: Measure, context: Any) -> Measure:
    """What was billed in the period before."""
    return At(billed_amount, lambda period: context.calendar.shift(period, -1))


@metric(label="Accounts billed", unit=Unit.COUNT)
def accounts_billed(billed: Facts) -> Measure:
    """How many accounts were billed."""
    return Distinct(billed)


@metric(label="Median bill", unit=Unit.MONEY)
def median_bill(billed: Facts) -> Measure:
    """The bill in the middle."""
    return spread(billed, "amount", "median")


@metric(label="Median so far", unit=Unit.MONEY)
def median_so_far(billed: Facts) -> Measure:
    """The bill in the middle of all that there were."""
    return Spread(billed, span=UpToClosing(), value="amount", statistic="median")


def _days(_period: Period, days: Any, counts: Any) -> Decimal:
    """How many bills there are, and a tenth of how many days with one."""
    return Decimal(int(counts.sum())) + Decimal(len(set(days.tolist()))) / 10


@metric(label="Bills and days", unit=Unit.COUNT)
def days_billed(billed: Facts) -> Measure:
    """Bills, and days with one, of the period."""
    return Curve(billed, columns=("due_on",), function=_days)


@metric(label="Bills and days so far", unit=Unit.COUNT)
def days_so_far(billed: Facts) -> Measure:
    """Bills, and days with one, of all that there were."""
    return Curve(billed, span=UpToClosing(), columns=("due_on",), function=_days)


@metric(label="Billed a day", unit=Unit.MONEY_PER_DAY)
def billed_per_day(billed_amount: Measure) -> Measure:
    """What was billed on a day, as long as more than one has passed."""
    days = OfPeriod(lambda period: Decimal(period.days) if period.days > 1 else None)
    return Worked(lambda amount, passed: amount / passed, (billed_amount, days))


SUMS = (billed_amount, bills, billed_so_far, billed_before, billed_lately, average_bill, billed_in_the_period_before)
OTHERS = (accounts_billed, median_bill, median_so_far, days_billed, days_so_far, billed_per_day)


def catalogue() -> Catalogue:
    """The metrics of this module."""
    return Catalogue(function.__dict__["definition"] for function in (billed, *SUMS, *OTHERS))


def names(functions: Iterable[Any]) -> list[str]:
    """The metrics that the functions define."""
    return [function.__name__ for function in functions]


@pytest.fixture
def evaluation() -> Evaluation:
    """The invoices, looked at on 31 March 2025."""
    return evaluation_over({"invoices": INVOICES}, catalogue())


def spine(evaluation: Evaluation, grain: Grain, count: int) -> tuple[Period, ...]:
    """The last periods of a grain."""
    calendar = evaluation.context.calendar
    last = calendar.containing(NOW, grain)
    return tuple(calendar.shift(last, -back) for back in reversed(range(count)))


def numbers(evaluation: Evaluation, name: str, *periods: str, by: tuple[str, ...] = ()) -> list[Decimal | None]:
    """The values of a metric in periods."""
    wanted = tuple(evaluation.context.calendar.parse(period) for period in periods)
    (result,) = evaluation.results([Request(name, wanted, by=by)])
    return [value.value for value in result.values()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("billed_amount", [3, 12, 48]),
        ("bills", [2, 2, 2]),
        ("billed_so_far", [3, 15, 63]),
        ("billed_before", [0, 3, 15]),
        ("billed_lately", [3, 2 + 4 + 8, 8 + 16 + 32]),
        ("average_bill", [Decimal("1.5"), 6, 24]),
        ("billed_in_the_period_before", [0, 3, 12]),
        ("accounts_billed", [2, 2, 2]),
        ("median_bill", [Decimal("1.5"), 6, 24]),
        ("median_so_far", [Decimal("1.5"), 3, 6]),
        ("days_billed", [Decimal("2.2"), Decimal("2.2"), Decimal("2.2")]),
        ("days_so_far", [Decimal("2.2"), Decimal("4.4"), Decimal("6.6")]),
        ("billed_per_day", [Decimal(3) / 31, Decimal(12) / 28, Decimal(48) / 31]),
    ],
)
def test_each_kind_of_measure_reads_its_days(evaluation: Evaluation, name: str, expected: list[Decimal]) -> None:
    """Flows, balances, windows, quotients, other periods, distinct counts and medians read the days they should."""
    found = numbers(evaluation, name, "2025-01", "2025-02", "2025-03")
    assert [round(value, 12) for value in found if value is not None] == [
        round(Decimal(value), 12) for value in expected
    ]


def test_overlapping_periods_of_all_grains_at_once(evaluation: Evaluation) -> None:
    """A day, a month, a quarter, a year and all time share their rows; what lies after `now` is in none of them."""
    found = numbers(evaluation, "billed_amount", "2025-02-28", "2025-W05", "2025-02", "2025-Q1", "2025", "all", "2024")
    assert found == [8, 2 + 4, 12, 63, 63, 63, 0]


def test_a_cut_has_a_value_for_each_of_its_keys(evaluation: Evaluation) -> None:
    """Rows are split by account, an empty field is `unknown`, and two dimensions give the pairs that there are."""
    assert numbers(evaluation, "billed_amount", "2025-Q1", by=("account_id",)) == [1 + 4 + 16, 2 + 8 + 32]
    month = (evaluation.context.calendar.parse("2025-Q1"),)
    (result,) = evaluation.results([Request("billed_amount", month, by=("account_id", "currency"))])
    assert {(v.dimensions["account_id"], v.dimensions["currency"]): v.value for v in result.values()} == {
        ("a", "USD"): 1 + 16,
        ("a", "unknown"): 4,
        ("b", "USD"): 2 + 8,
        ("b", "unknown"): 32,
    }


def test_the_order_of_dimensions_changes_no_number(evaluation: Evaluation) -> None:
    """Asked at once by account and currency and by currency and account, each pair has its rows once."""
    quarter = (evaluation.context.calendar.parse("2025-Q1"),)
    orders = (("account_id", "currency"), ("currency", "account_id"))
    one, other = evaluation.results([Request("billed_amount", quarter, by=by) for by in orders])
    assert {key: number.value for key, number in zip(one.keys, one.values(), strict=True)} == {
        ("a", "USD"): 1 + 16,
        ("a", "unknown"): 4,
        ("b", "USD"): 2 + 8,
        ("b", "unknown"): 32,
    }
    assert {key[::-1]: number.value for key, number in zip(other.keys, other.values(), strict=True)} == {
        key: number.value for key, number in zip(one.keys, one.values(), strict=True)
    }


def test_a_limit_keeps_the_rows_of_one_value(evaluation: Evaluation) -> None:
    """A value may be limited to one key and split by another dimension at once."""
    quarter = (evaluation.context.calendar.parse("2025-Q1"),)
    (result,) = evaluation.results([Request("billed_amount", quarter, by=("currency",), only={"account_id": "b"})])
    assert {value.dimensions["account_id"] for value in result.values()} == {"b"}
    assert {value.dimensions["currency"]: value.value for value in result.values()} == {"USD": 2 + 8, "unknown": 32}


def queries(evaluation: Evaluation, requests: Sequence[Request]) -> int:
    """How many queries an evaluation needs for these questions."""
    before = len(evaluation.context.warehouse.journal.steps)
    evaluation.results(requests)
    steps = evaluation.context.warehouse.journal.steps[before:]
    return sum(step.kind == "query" and step.name != "lookup" for step in steps)


def test_one_pass_serves_all_sums_of_the_same_rows(evaluation: Evaluation) -> None:
    """Seven metrics, of flows, balances, windows and quotients, are one query over their rows."""
    months = spine(evaluation, "month", 12)
    assert queries(evaluation, [Request(name, months) for name in names(SUMS)]) == 1


@pytest.mark.parametrize("count", [1, 12, 60])
def test_queries_do_not_grow_with_periods(evaluation: Evaluation, count: int) -> None:
    """One month or sixty are the same number of passes."""
    months = spine(evaluation, "month", count)
    assert queries(evaluation, [Request(name, months) for name in names(SUMS)]) == 1


def test_queries_do_not_grow_with_grains(evaluation: Evaluation) -> None:
    """Days, weeks, months, quarters and years of all sums come from the same pass."""
    grains: tuple[Grain, ...] = ("day", "week", "month", "quarter", "year", "all")
    requests = [Request(name, spine(evaluation, grain, 1)) for name in names(SUMS) for grain in grains]
    assert queries(evaluation, requests) == 1


def test_queries_do_not_grow_with_cuts(evaluation: Evaluation) -> None:
    """The total, each dimension and their pairs are one pass with several groupings."""
    months = spine(evaluation, "month", 6)
    cuts: list[tuple[str, ...]] = [(), ("account_id",), ("currency",), ("account_id", "currency")]
    assert queries(evaluation, [Request(name, months, by=by) for name in names(SUMS) for by in cuts]) == 1


LENGTHS: tuple[tuple[Grain, int], ...] = (("month", 12), ("quarter", 4))


def test_distinct_counts_and_medians_share_a_pass_too(evaluation: Evaluation) -> None:
    """What cannot be added up is grouped by period: one more pass, however many periods and cuts there are."""
    requests = [
        Request(name, spine(evaluation, grain, count), by=by)
        for name in ("accounts_billed", "median_bill")
        for grain, count in LENGTHS
        for by in ((), ("currency",))
    ]
    assert queries(evaluation, requests) == 1


def test_rows_of_growing_spans_are_read_once_and_not_for_each(evaluation: Evaluation) -> None:
    """Twelve months that all reach back to the first bill: six rows, one for each day with a bill, and two accounts."""
    months = spine(evaluation, "month", 12)
    evaluation.results([Request("days_so_far", months, by=by) for by in ((), ("account_id",))])
    assert evaluation.context.warehouse.journal.steps[-1].rows == 6 + 6


def test_what_was_computed_is_not_computed_again(evaluation: Evaluation) -> None:
    """The same question asked twice in one evaluation is answered from what is known."""
    months = spine(evaluation, "month", 6)
    first = queries(evaluation, [Request("billed_amount", months)])
    assert first == 1
    assert queries(evaluation, [Request("billed_amount", months)]) <= first


def test_a_derived_table_is_made_once() -> None:
    """The tables behind all movements and retention are each computed once for all metrics, periods and cuts."""
    evaluation = evaluation_over(subscription_world(3), settings=Settings(NOW))
    months = spine(evaluation, "month", 4)
    asked = ("mrr", "new_mrr", "churned_mrr", "net_new_mrr", "quick_ratio", "upsell_mrr", "active_customers")
    evaluation.results([Request(name, months, by=by) for name in asked for by in ((), ("segment",), ("region",))])
    made = [step.name for step in evaluation.context.warehouse.journal.steps if step.kind == "table"]
    assert sorted(made) == sorted(set(made))
    assert {"subscription_rows", "account_days", "mrr_movements", "mrr_parts"} <= set(made)


def test_what_shares_no_table_comes_one_after_the_other() -> None:
    """Revenue and leads share no table but that of account attributes, which is made once and stays for both.

    Leads, with the fewest passes, come first: the database works on them while the passes over revenue are written.
    """
    evaluation = evaluation_over({**sales_world(3), **subscription_world(3)}, settings=Settings(NOW))
    evaluation.context.warehouse.frugal = True
    months = spine(evaluation, "month", 4)
    asked = ("mrr", "lead_count", "new_mrr")
    evaluation.results([Request(name, months, by=by) for name in asked for by in (("segment",), ("region",))])
    steps = evaluation.context.warehouse.journal.steps
    made = [step.name for step in steps if step.kind == "table"]
    assert sorted(made) == sorted(set(made))
    assert "account_attributes" in made
    passes = [step.serves for step in steps if step.serves]
    assert passes[0] == ("lead_count",)
    assert sorted(passes[1:]) == [("mrr",), ("new_mrr",)]
    before = made[: made.index("account_days")]
    assert {"lead_deals", "lead_states"} <= set(before)


GRAINS: tuple[Grain, ...] = ("week", "month")


def by_cell(result: Result) -> dict[tuple[str, str], Decimal | None]:
    """The values of a result by period and key."""
    return {(value.period.label, str(value.dimensions)): value.value for value in result.values()}


@pytest.mark.slow
def test_asked_together_is_as_asked_alone(evaluation: Evaluation) -> None:
    """Planning questions together changes no answer."""
    requests = [
        Request(name, spine(evaluation, grain, 3), by=by)
        for name in names((*SUMS, *OTHERS))
        for grain in GRAINS
        for by in ((), ("account_id",))
    ]
    for request, together in zip(requests, evaluation.results(requests), strict=True):
        (alone,) = evaluation_over({"invoices": INVOICES}, catalogue()).results([request])
        expected, found = by_cell(alone), by_cell(together)
        assert {cell: found[cell] for cell in expected} == expected, request
        # Asked together, an account has a cell also in periods of which it has no rows.
        assert {found[cell] for cell in found.keys() - expected.keys()} <= {0, None}


def test_a_period_that_has_not_begun_is_null_and_one_that_runs_is_to_date() -> None:
    """In mid-March March is marked `to date`, February is not, and April has no value but a reason."""
    evaluation = evaluation_over({"invoices": INVOICES}, catalogue(), Settings(date(2025, 3, 15)))
    wanted = tuple(evaluation.context.calendar.parse(f"2025-0{month}") for month in (2, 3, 4))
    (result,) = evaluation.results([Request("billed_amount", wanted)])
    february, march, april = result.values()
    assert (february.value, february.marks) == (Decimal(12), ())
    assert (march.value, march.marks) == (Decimal(16), ("to date",))
    assert (april.value, april.reason) == (None, "the period has not begun on 2025-03-15")


def test_periods_of_which_none_has_begun(evaluation: Evaluation) -> None:
    """Asked about the future alone, every metric is null in each period, in all and by account."""
    wanted = tuple(evaluation.context.calendar.parse(f"2025-0{month}") for month in (4, 5))
    for by in ((), ("account_id",)):
        results = evaluation.results([Request(name, wanted, by=by) for name in names((*SUMS, *OTHERS))])
        assert {value.value for result in results for value in result.values()} <= {None}
        assert all("has not begun" in value.reason for result in results for value in result.values())


def test_statistics_are_worked_out_where_they_are_wanted(evaluation: Evaluation) -> None:
    """A build asks for values alone; who asks with all that belongs to a value has both, and the same value."""
    asked = Request("median_bill", spine(evaluation, "month", 2))
    alone = list(evaluation.results([asked], statistics=False)[0].values())
    beside = list(evaluation.results([asked])[0].values())
    assert [value.value for value in alone] == [value.value for value in beside]
    assert {value.statistics["p90"] for value in alone} == {None}
    assert all(value.statistics["p90"] is not None for value in beside if value.value is not None)


def test_of_nobody_there_is_nothing_to_list(evaluation: Evaluation) -> None:
    """Cut by account and limited to one that has no bill, every metric has no row: neither a value nor an error."""
    wanted = spine(evaluation, "month", 2)
    asked = [
        Request(name, wanted, by=("account_id",), only={"account_id": "nobody"}) for name in names((*SUMS, *OTHERS))
    ]
    assert [list(result.values()) for result in evaluation.results(asked)] == [[] for _ in asked]


def test_nothing_to_divide_by_has_the_words_of_the_metric(evaluation: Evaluation) -> None:
    """A quotient over nothing is null with the reason that its definition gives; a loaded sum over nothing is zero."""
    wanted = (evaluation.context.calendar.parse("2024-06"),)
    average, amount = evaluation.results([Request("average_bill", wanted), Request("billed_amount", wanted)])
    assert [(v.value, v.reason) for v in average.values()] == [(None, "nothing was billed")]
    assert [(v.value, v.reason) for v in amount.values()] == [(Decimal(0), "")]


def test_what_was_never_loaded_is_null_and_says_so() -> None:
    """Without invoices every metric of them is null for that reason, in every period and cut."""
    evaluation = evaluation_over({}, catalogue())
    for name in names((*SUMS, *OTHERS)):
        (result,) = evaluation.results([Request(name, spine(evaluation, "month", 2))])
        assert [(v.value, v.reason) for v in result.values()] == [(None, "invoices was never loaded")] * 2


def test_a_share_of_counts_has_its_interval_and_parts() -> None:
    """One of two deals won: a share with numerator, denominator, Wilson's interval, and the mark of few cases.

    By hand with z = 1.96: (0.5 + 0.9604) / 2.9208 ± 1.96 * sqrt(0.125 + 0.2401) / 2.9208 = 0.5 ± 0.4055.
    """
    deals = [
        {"opportunity_id": name, "stage": "closed", "amount": "10", "currency": "USD", "type": "new_business",
         "created_at": "2025-01-01T00:00:00Z", "closed_at": "2025-02-01T00:00:00Z", "is_won": won}
        for name, won in (("o1", "true"), ("o2", "false"))
    ]  # fmt: skip
    evaluation = evaluation_over({"opportunities": deals})
    (result,) = evaluation.results([Request("win_rate", (evaluation.context.calendar.parse("2025-02"),))])
    (value,) = result.values()
    assert (value.value, value.numerator, value.denominator) == (Decimal("0.5"), Decimal(1), Decimal(2))
    assert "few" in value.marks
    assert value.interval is not None
    assert [round(float(end), 4) for end in value.interval] == [0.0945, 0.9055]


@derived(dimensions=own("account_id"), row_key=("invoice_id",))
def owed(invoices: Any) -> Any:
    """Invoices as changes of what is owed, in their own currency; credit notes lower it."""
    sign = ibis.ifelse(invoices.kind == "credit_note", -1, 1)
    return invoices.mutate(day=invoices.issued_on, owing=invoices.amount * sign)


@metric(label="Owed", unit=Unit.MONEY)
def amount_owed(owed: Facts) -> Measure:
    """What is owed, at the rates of the closing day."""
    return balance(owed, "owing", currency="currency")


@pytest.mark.parametrize(("second", "passes"), [("EUR", 1), ("JPY", 2)])
def test_amounts_of_currencies_without_quotes_do_not_cancel(second: str, passes: int) -> None:
    """Rows are grouped by numbers of the currencies with quotes; where there is another, by their names, once more.

    70 owed in one unquoted currency and 70 to be paid back in another are not nothing: what they come to is not known.
    With both in euros, at 2 dollars, they are 0.
    """
    first = "EUR" if second == "EUR" else "XAU"
    rows = [
        {"invoice_id": "i1", "currency": first, "kind": "invoice"},
        {"invoice_id": "i2", "currency": second, "kind": "credit_note"},
    ]
    rows = [row | {"account_id": "a", "issued_on": DAYS[0], "due_on": DAYS[0], "amount": "70"} for row in rows]
    quotes = [{"currency": "EUR", "quoted_on": "2025-01-01", "rate": "2"}]
    definitions = Catalogue(function.__dict__["definition"] for function in (owed, amount_owed))
    evaluation = evaluation_over({"invoices": rows, "exchange_rates": quotes}, definitions)
    periods = (evaluation.context.calendar.parse("2025-01"),)
    (result,) = evaluation.results([Request("amount_owed", periods)])
    (value,) = result.values()
    assert value.value == (Decimal(0) if second == "EUR" else None)
    assert bool(value.reason) == (second != "EUR")
    steps = evaluation.context.warehouse.journal.steps
    assert sum(step.name == "owed" and step.kind == "query" for step in steps) == passes
