"""Cash: against the reference calculation, what must hold in any world, and single rules of the standard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from tests.catalogue.worlds import Rows, evaluation_over
from tests.metrics.drawn import Cells, Look
from tests.metrics.oracle_check import differences
from tests.oracle.generate import Asked, World, now_of
from tests.oracle.generate_billing import CASH_PARAMS, billing_questions, billing_world

from revgauge.catalogue.context import Settings
from revgauge.catalogue.evaluation import Evaluation, Request, Value
from revgauge.catalogue.rows import RowFinder
from revgauge.methods.count_back import counted_back

NOW = date(2025, 7, 1)
STOCKS = ("receivables", "overdue_amount")
RATES = ("overdue_rate", "on_time_payment_rate", "collection_effectiveness_index", "refund_rate", "clawback_rate")
DURATIONS = ("sign_to_invoice_days", "invoice_to_cash_days", "close_to_cash_days")
ALL = (*STOCKS, *RATES, *DURATIONS, "days_sales_outstanding")


# -- against the reference --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", [500, 501, 502, 503, 504, 505])
def test_cash_agrees_with_the_reference(seed: int, tmp_path: Path) -> None:
    """Every metric of cash equals the day-by-day reference calculation, in drawn worlds, variants and slices."""
    asked = billing_questions(seed, CASH_PARAMS, count=44)
    found = list(differences(billing_world(seed), asked, seed, tmp_path))
    assert {question.metric for question in asked} == set(CASH_PARAMS)
    assert not found, "\n".join(found)


def heavy_customer(seed: int) -> World:
    """One account with many bills that are paid late, in part or never, and with many loose credit notes."""
    random = Random(seed)
    world: World = {"invoices": [], "payments": [], "contracts": []}
    for number in range(150):
        issued_on = date(2024, 6, 1) + timedelta(days=random.randrange(330))
        row = {"account_id": "a", "contract_id": "", "currency": random.choice(("USD", "EUR")), "applies_to": ""}
        row |= {"issued_on": issued_on.isoformat(), "due_on": (issued_on + timedelta(days=14)).isoformat()}
        if random.random() < 0.15:
            world["invoices"].append(row | {"invoice_id": f"c{number}", "amount": "70", "kind": "credit_note"})
            continue
        world["invoices"].append(row | {"invoice_id": f"i{number}", "amount": "100", "kind": "invoice"})
        for part in range(random.choice((0, 1, 1, 2))):
            paid_on = issued_on + timedelta(days=random.choice((0, 5, 14, 15, 40, 120)))
            kind = random.choice(("payment",) * 8 + ("clawback",))
            money = {"payment_id": f"p{number}-{part}", "invoice_id": f"i{number}", "currency": row["currency"]}
            money |= {"paid_at": f"{paid_on}T10:00:00Z", "amount": random.choice(("50", "100")), "kind": kind}
            world["payments"].append(money)
    world["exchange_rates"] = [{"currency": "EUR", "quoted_on": "2024-01-01", "rate": "1.1"}]
    return world


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 6])
def test_a_customer_with_many_bills_and_loose_credits_agrees_with_the_reference(seed: int, tmp_path: Path) -> None:
    """Credits that reach some of many open bills, the oldest first, leave what a day-by-day calculation leaves."""
    metrics = ("receivables", "overdue_amount", "invoice_to_cash_days", "on_time_payment_rate")
    months = [f"2024-{number:02}" for number in range(7, 13)] + ["2025-01", "2025-02", "2025-03"]
    asked = [Asked(metric, {}, "month", month, {}) for metric in metrics for month in months]
    found = list(differences(heavy_customer(seed), asked, seed, tmp_path))
    assert not found, "\n".join(found)


# -- what holds in any world ------------------------------------------------------------------------------------------


def seen(world: World, seed: int, *, by: str = "") -> Cells:
    """What the identities need of a world."""
    look = Look(world, seed)
    months = look.last(7)
    look.ask(ALL, months)
    look.ask(("days_sales_outstanding",), months, method="countback")
    look.ask(("close_to_cash_days",), months, until="all_paid")
    if by:
        look.ask(STOCKS, months, by)
    return look.cells()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 7, 21])
def test_parts_of_receivables_make_the_whole(seed: int) -> None:
    """What is overdue is never more than what is owed, and the accounts' parts add up to both."""
    cells = seen(billing_world(seed), seed, by="account_id")
    told = 0
    for month in sorted({key[2] for key in cells.values}):
        owed, overdue = cells.get("receivables", month), cells.get("overdue_amount", month)
        if owed is not None and overdue is not None:
            told += 1
            assert 0 <= overdue <= owed
        for metric, whole in (("receivables", owed), ("overdue_amount", overdue)):
            parts = [cells.get(metric, month, cut) for cut in cells.cuts("account_id")]
            assert (whole is None) == (None in parts)
            if whole is not None:
                assert sum(part or 0 for part in parts) == whole
        on_time = cells.get("on_time_payment_rate", month)
        assert on_time is None or 0 <= on_time <= 1
        countback = cells.get("days_sales_outstanding", month, method="countback")
        assert countback is None or 0 <= countback <= 3 * 366
    assert told


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 9])
def test_splitting_a_payment_or_the_order_of_rows_changes_nothing(seed: int) -> None:
    """Money that comes in two parts at one instant is the same money."""
    world = billing_world(seed)
    halves: list[dict[str, str]] = []
    for row in world["payments"]:
        half = Decimal(row["amount"]) / 2
        rest = Decimal(row["amount"]) - half
        halves += [row | {"amount": str(half)}, row | {"amount": str(rest), "payment_id": f"{row['payment_id']}b"}]
    split = world | {"payments": halves}
    shuffled = {entity: Random(3).sample(rows, len(rows)) for entity, rows in split.items()}
    assert seen(world, seed).answers() == seen(shuffled, seed).answers()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 9])
def test_a_refund_leaves_every_bill_as_it_was(seed: int) -> None:
    """With a refund for each payment only the refund rate moves, and it rises wherever money came in."""
    world = billing_world(seed)
    refunds = [
        row | {"kind": "refund", "payment_id": f"{row['payment_id']}r"}
        for row in world["payments"]
        if row["kind"] in {"", "payment"} and not row["amount"].startswith("-")
    ]
    before = seen(world, seed).answers()
    after = seen(world | {"payments": world["payments"] + refunds}, seed).answers()
    for question, value in before.items():
        if not question.startswith("refund_rate"):
            assert after[question] == value, question
        elif value is not None:
            assert (after[question] or 0) > value


@pytest.mark.slow
@pytest.mark.parametrize("seed", [5, 12])
def test_what_a_credit_note_or_money_lowers_is_never_more_than_is_owed(seed: int) -> None:
    """Without credit notes without a bill more is owed, without any money still more; never less."""
    world = billing_world(seed)
    named = [row for row in world["invoices"] if row.get("applies_to") or _is_bill(row)]
    bare = world | {"invoices": named}
    unpaid = bare | {"payments": [row for row in world["payments"] if row["kind"] == "clawback"]}
    steps = [seen(each, seed) for each in (world, bare, unpaid)]
    for month in sorted({key[2] for key in steps[0].values}):
        for metric in STOCKS:
            found = [cells.get(metric, month) for cells in steps]
            known = [amount for amount in found if amount is not None]
            assert known == sorted(known)


def _is_bill(row: Mapping[str, str]) -> bool:
    return row.get("kind") != "credit_note" and not row["amount"].startswith("-")


@pytest.mark.slow
@pytest.mark.parametrize("seed", [3, 4])
def test_the_rows_behind_a_number_add_up_to_it(seed: int) -> None:
    """The listing of every metric of a drawn world gives the number again, also where it is null."""
    world = billing_world(seed)
    settings = Settings(date.fromisoformat(now_of(seed)))
    evaluation = evaluation_over(world, settings=settings)
    periods = [evaluation.context.calendar.containing(settings.now, grain) for grain in ("month", "year")]
    for metric in ALL:
        for period in periods:
            listing = RowFinder(evaluation).listing(Request(metric, (period,)))
            assert listing.agrees, f"{metric} {period.label}: {listing.value.value} and {listing.added}"


# -- single rules -----------------------------------------------------------------------------------------------------


def bill(key: str, issued_on: str = "2025-06-01", **fields: str) -> dict[str, str]:
    """A bill of 100 for account a, due thirty days later at the latest."""
    row = {"invoice_id": key, "account_id": "a", "contract_id": "k", "issued_on": issued_on, "due_on": "2025-06-15"}
    return row | {"amount": "100", "currency": "USD", "kind": "invoice", "applies_to": ""} | fields


def credit(key: str, issued_on: str, **fields: str) -> dict[str, str]:
    """A credit note of 100 for account a that names no bill."""
    return bill(key, issued_on, kind="credit_note", due_on="", contract_id="", **fields)


def paid(invoice_id: str, day: str, amount: str = "100", **fields: str) -> dict[str, str]:
    """A payment at noon of a day."""
    row = {"payment_id": f"{invoice_id} {day}", "invoice_id": invoice_id, "paid_at": f"{day}T12:00:00Z"}
    return row | {"amount": amount, "currency": "USD", "kind": "payment"} | fields


@lru_cache(maxsize=2)
def looked_at(tables: str, now: date, zone: str) -> Evaluation:
    """An evaluation of tables written as JSON, shared by the questions about them."""
    return evaluation_over(json.loads(tables), settings=Settings(now, "USD", zone))


def asked(
    metric: str,
    invoices: Rows,
    payments: Rows = (),
    period: str = "2025-06",
    *,
    others: Mapping[str, Rows] | None = None,
    now: date = NOW,
    zone: str = "UTC",
    **params: Any,
) -> Value:
    """One value over these bills and payments, on 1 July 2025."""
    tables = {"invoices": invoices, "payments": payments, **(others or {})}
    evaluation = looked_at(json.dumps(tables), now, zone)
    request = Request(metric, (evaluation.context.calendar.parse(period),), params)
    return next(iter(evaluation.results([request])[0].values()))


CONTRACT = {"contracts": [{"contract_id": "k", "account_id": "a", "signed_at": "2025-05-30T12:00:00Z"}]}


@pytest.mark.slow
def test_a_bill_that_was_paid_ahead_is_settled_on_its_day() -> None:
    """The money came ten days before the bill: nothing was ever owed, and the bill took no day."""
    payments = [paid("i1", "2025-05-22")]
    assert asked("invoice_to_cash_days", [bill("i1")], payments).value == 0
    assert asked("receivables", [bill("i1")], payments).value == 0
    assert asked("close_to_cash_days", [bill("i1")], payments, others=CONTRACT).value == 2
    first = asked("close_to_cash_days", [bill("i1")], payments, "2025-05", others=CONTRACT, until="first_payment")
    assert first.value == -8


@pytest.mark.slow
def test_a_clawback_opens_a_bill_again_and_a_refund_does_not() -> None:
    """Settled on the 5th, taken back on the 10th, paid again on the 20th: settled since the 20th, after 19 days."""
    back = paid("i1", "2025-06-10", kind="clawback")
    again = paid("i1", "2025-06-20")
    assert asked("invoice_to_cash_days", [bill("i1")], [paid("i1", "2025-06-05"), back, again]).value == 19
    assert asked("invoice_to_cash_days", [bill("i1")], [paid("i1", "2025-06-05"), back]).value is None
    assert asked("receivables", [bill("i1")], [paid("i1", "2025-06-05"), back]).value == 100
    refund = back | {"kind": "refund"}
    assert asked("invoice_to_cash_days", [bill("i1")], [paid("i1", "2025-06-05"), refund]).value == 4
    negative = back | {"kind": "payment", "amount": "-100"}
    assert asked("invoice_to_cash_days", [bill("i1")], [paid("i1", "2025-06-05"), negative]).value == 4
    assert asked("refund_rate", [bill("i1")], [paid("i1", "2025-06-05"), negative]).value == 1


@pytest.mark.slow
def test_a_loose_credit_lowers_the_oldest_open_bill_first() -> None:
    """Of 150 credited the older bill takes 100 and the younger 50; who is paid too much helps no other."""
    bills = [bill("i1", "2025-05-01"), bill("i2", "2025-06-01"), credit("c1", "2025-06-10", amount="150")]
    assert asked("receivables", bills, period="2025-05").value == 100
    assert asked("receivables", bills).value == 50
    assert asked("receivables", bills, [paid("i1", "2025-06-20", "300")]).value == 0
    others = [bill("i3", "2025-06-02", currency="EUR"), bill("i4", "2025-06-02", account_id="b")]
    rates = {"exchange_rates": [{"currency": "EUR", "quoted_on": "2025-01-01", "rate": "1"}]}
    assert asked("receivables", [*bills, *others], others=rates).value == 250


def test_credit_notes_of_merged_accounts_lower_the_bills_of_the_survivor() -> None:
    """The credit note stands under the account that was merged into the other."""
    accounts = {"accounts": [{"account_id": "b", "duplicate_of": "a"}, {"account_id": "a", "duplicate_of": ""}]}
    rows = [bill("i1"), credit("c1", "2025-06-02", account_id="b", amount="30")]
    assert asked("receivables", rows, others=accounts).value == 70


def test_a_credit_note_that_names_nothing_known_lowers_nothing() -> None:
    """It is no loose one either; the listing tells it."""
    rows = [bill("i1"), credit("c1", "2025-06-02", applies_to="i9")]
    assert asked("receivables", rows).value == 100
    evaluation = evaluation_over({"invoices": rows, "payments": []}, settings=Settings(NOW))
    request = Request("receivables", (evaluation.context.calendar.parse("2025-06"),))
    listing = RowFinder(evaluation).listing(request)
    assert [row["reason"] for row in listing.parts[0].left_out] == [
        "a credit note for i9, which is no bill: it lowers none"
    ]


@pytest.mark.slow
def test_rows_that_do_not_count_are_told_with_their_reason() -> None:
    """Bills of nothing, negative ones and those of the future; negative payments, and money for no bill."""
    rows = [bill("i1", amount="0"), bill("i2", amount="-5"), bill("i3", "2025-08-01")]
    money = [paid("i9", "2025-06-02"), paid("i1", "2025-06-03", "-5"), paid("i1", "2025-08-01")]
    evaluation = evaluation_over({"invoices": rows, "payments": money}, settings=Settings(NOW))
    july = evaluation.context.calendar.parse("2025-07")
    june = evaluation.context.calendar.parse("2025-06")

    def told(metric: str) -> set[tuple[str, str]]:
        found = [RowFinder(evaluation).listing(Request(metric, (period,))) for period in (june, july)]
        return {
            (row.get("payment_id", row["invoice_id"]), row["reason"])
            for listing in found
            for part in listing.parts
            for row in part.left_out
        }

    assert told("receivables") == {
        ("i1", "a bill of nothing"),
        ("i2", "a negative bill: read as a credit note"),
        ("i3", "issued after 2025-07-01"),
    }
    assert told("refund_rate") == {
        ("i9 2025-06-02", "for i9, which is not there: it settles nothing"),
        ("i1 2025-06-03", "for i1, which is not there: it settles nothing"),
        ("i1 2025-06-03", "a negative payment: read as a refund"),
        ("i1 2025-08-01", "moved after 2025-07-01"),
    }


def test_an_open_bill_without_a_due_day_hides_what_is_overdue_and_nothing_else() -> None:
    """While it is open nobody can say what is late; receivables stand, and once it is paid overdue stands too."""
    rows = [bill("i1", due_on=""), bill("i2")]
    value = asked("overdue_amount", rows)
    assert (value.value, value.reason) == (None, "an open bill has no due day")
    assert asked("overdue_rate", rows).value is None
    assert asked("collection_effectiveness_index", rows).value is None
    assert asked("receivables", rows).value == 200
    assert asked("on_time_payment_rate", rows).value == 0
    assert asked("overdue_amount", rows, [paid("i1", "2025-06-20")]).value == 100
    assert asked("overdue_amount", rows, period="2025-05").value == 0


@pytest.mark.slow
def test_the_due_day_itself_is_in_time() -> None:
    """Due on 15 June: on that day nothing is late, on the next it is; money of its evening is on time."""
    rows = [bill("i1")]
    for now, overdue in ((date(2025, 6, 15), 0), (date(2025, 6, 16), 100)):
        assert asked("overdue_amount", rows, now=now).value == overdue
    evening = [paid("i1", "2025-06-15") | {"paid_at": "2025-06-15T23:59:59Z"}]
    assert asked("on_time_payment_rate", rows, evening).value == 1
    assert asked("on_time_payment_rate", rows, evening, zone="Europe/Berlin").value == 0


def test_what_was_due_before_it_was_issued_counts_what_had_come_in() -> None:
    """A receipt written after the money came is settled on its due day, as far as the money goes."""
    rows = [bill("i1", "2025-06-20")]
    assert asked("on_time_payment_rate", rows, [paid("i1", "2025-06-14", "60")]).value == Decimal("0.6")
    assert asked("on_time_payment_rate", rows, [paid("i1", "2025-06-17")]).value == 0
    assert asked("overdue_amount", rows).value == 100


@pytest.mark.slow
def test_money_in_another_currency_lowers_a_bill_by_its_worth() -> None:
    """50 EUR at 1.2 on their day pay 60 of 100 USD; without a quote the bill is not known from that day on."""
    rows = [bill("i1")]
    money = [paid("i1", "2025-06-10", "50", currency="EUR")]
    quotes = [("2025-06-01", "1.2"), ("2025-06-11", "9")]
    rates = {"exchange_rates": [{"currency": "EUR", "quoted_on": day, "rate": rate} for day, rate in quotes]}
    assert asked("receivables", rows, money, others=rates).value == 40
    value = asked("receivables", rows, money)
    assert (value.value, value.reason) == (None, "money on an open bill could not be converted to its currency")
    assert asked("receivables", rows, money, period="2025-05").value == 0
    assert asked("invoice_to_cash_days", rows, [*money, paid("i1", "2025-06-11")]).value is None


def test_money_without_a_currency_is_in_that_of_its_bill() -> None:
    """A bill of 100 EUR is paid with 100; the payments of the month are worth 110 USD, and so is the refund."""
    rates = {"exchange_rates": [{"currency": "EUR", "quoted_on": "2025-01-01", "rate": "1.1"}]}
    rows = [bill("i1", currency="EUR")]
    money = [paid("i1", "2025-06-10", currency=""), paid("i1", "2025-06-11", "11", currency="USD", kind="refund")]
    assert asked("receivables", rows, money, others=rates).value == 0
    assert asked("refund_rate", rows, money, others=rates).value == Decimal("0.1")


@pytest.mark.slow
def test_all_bills_of_a_contract_must_be_settled_by_money() -> None:
    """One paid and one credited in full: the second brought no cash, so the contract is never all paid."""
    rows = [bill("i1"), bill("i2"), credit("c1", "2025-06-02", applies_to="i2")]
    money = [paid("i1", "2025-06-05")]
    assert asked("close_to_cash_days", rows, money, others=CONTRACT).value == 6
    assert asked("close_to_cash_days", rows, money, others=CONTRACT, until="all_paid").value is None
    both = [*money, paid("i2", "2025-06-09", "1")]
    assert asked("close_to_cash_days", rows, both, others=CONTRACT, until="all_paid").value == 6


@pytest.mark.slow
def test_the_first_bill_is_the_earliest_then_the_one_with_the_lower_key() -> None:
    """A bill of nothing and a credit note are no first bill; of two on one day i1 comes before i2."""
    rows = [
        bill("i0", "2025-05-31", amount="0"),
        credit("c0", "2025-05-31", applies_to="nowhere") | {"contract_id": "k"},
        bill("i2", "2025-06-03"),
        bill("i1", "2025-06-03"),
    ]
    assert asked("sign_to_invoice_days", rows, others=CONTRACT).value == 4
    money = [paid("i1", "2025-06-13"), paid("i2", "2025-06-04")]
    assert asked("close_to_cash_days", rows, money, others=CONTRACT).value == 14
    assert asked("close_to_cash_days", rows, money, others=CONTRACT, until="first_payment").value == 5


def test_a_contract_that_is_not_signed_by_now_is_as_if_not_there() -> None:
    """Billed in June, to be signed tomorrow: nobody knows yet how long that took."""
    later = {"contracts": [CONTRACT["contracts"][0] | {"signed_at": "2025-07-02T00:00:00Z"}]}
    assert asked("sign_to_invoice_days", [bill("i1")], others=later).value is None


@pytest.mark.parametrize(
    ("period", "window_months", "days"),
    [
        ("2025-06", None, 91),
        ("2025-Q2", None, 91),
        ("2025", None, 182),
        ("2025-07", None, 91),
        ("all", None, 91),
        ("2025-06", 1, 30),
        ("2025-06", 12, 365),
    ],
)
def test_the_window_of_days_sales_outstanding(period: str, window_months: int | None, days: int) -> None:
    """100 owed of 100 billed are the days of the window: three months, or the period up to now where that is longer."""
    params: dict[str, Any] = {} if window_months is None else {"window_months": window_months}
    assert asked("days_sales_outstanding", [bill("i1")], period=period, **params).value == days


def test_opening_and_closing_receivables_of_all_time() -> None:
    """Before all time nothing was owed: of 300 billed 200 came in, and 50 are not due yet: 200 of 250."""
    rows = [bill("i1", "2025-01-10"), bill("i2"), bill("i3", amount="50", due_on="2025-08-01"), bill("i4", amount="50")]
    money = [paid("i1", "2025-02-01"), paid("i2", "2025-06-10")]
    assert asked("collection_effectiveness_index", rows, money, "all").value == Decimal("0.8")


def months(*billed: int) -> list[Decimal]:
    """Months of thirty days, the latest first, all with their rates."""
    return [Decimal(number) for amount in billed for number in (amount, 0, 30)]


@pytest.mark.parametrize(
    ("owed", "billed", "days"),
    [
        (0, (0, 10), 0),
        (5, (10, 10), 15),
        (10, (10, 10), 30),
        (15, (10, 10), 45),
        (10, (0, 20), 45),
        (12, (10, -4, 12), 75),
        (30, (10, 10), 60),
        (10, (20, -40), 15),
        (5, (0, 0), None),
        (0, (0, 0), None),
    ],
)
def test_counting_back(owed: int, billed: tuple[int, ...], days: int | None) -> None:
    """Whole months until they cover what is owed, the last in proportion; all of them where they never do."""
    found = counted_back(Decimal(owed), *months(*billed))
    assert found == days


def test_counting_back_needs_the_rates_of_the_months_that_it_reaches_only() -> None:
    """A bill without a rate three months ago is no matter where one month is enough."""
    unknown = [Decimal(0), Decimal(1), Decimal(30)]
    assert counted_back(Decimal(5), *months(10), *unknown) == 15
    assert counted_back(Decimal(15), *months(10), *unknown, *months(10)) is None


def test_tables_that_are_missing_give_null_and_empty_ones_nothing() -> None:
    """Without payments nobody knows what is owed; with both tables empty nothing is, and no ratio has a value."""
    unpaid = evaluation_over({"invoices": [bill("i1")], "contracts": []}, settings=Settings(NOW))
    june = unpaid.context.calendar.parse("2025-06")
    for result in unpaid.results([Request(name, (june,)) for name in ALL]):
        (value,) = result.values()
        assert value.value is None
        assert "payments was never loaded" in value.reason
    empty = evaluation_over({"invoices": [], "payments": [], "contracts": []}, settings=Settings(NOW))
    for result in empty.results([Request(name, (june,)) for name in ALL]):
        (value,) = result.values()
        assert value.value == (0 if value.metric in STOCKS else None)
