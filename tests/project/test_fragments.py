"""SQL fragments: what each kind gives for a row, and what is told of those that cannot be used."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import ibis
import pyarrow as pa
import pytest

from revgauge.catalogue.fragments import RATE, Counts, FragmentError, Untold, read_fragment
from revgauge.model.entities import ENTITIES
from revgauge.model.fields import IBIS_TYPES

instant = datetime.fromisoformat

DEALS = ENTITIES["opportunities"]

# The first deal is worth 100.50 in a currency worth 1.10, the second 10 in one without a rate, the third nobody knows.
ROWS: list[dict[str, Any]] = [
    {
        "opportunity_id": "1",
        "amount": Decimal("100.5"),
        RATE: Decimal("1.1"),
        "probability": Decimal("0.3"),
        "type": "new_business",
        "stage": "Demo",
        "is_won": True,
        "created_at": instant("2025-01-01T23:30"),
        "closed_at": instant("2025-01-03T00:00"),
        "expected_close_on": date(2025, 2, 1),
    },
    {
        "opportunity_id": "2",
        "amount": Decimal(10),
        "probability": Decimal(0),
        "stage": "Enterprise",
        "is_won": False,
        "created_at": instant("2025-01-31T23:30"),
    },
    {
        "opportunity_id": "3",
        RATE: Decimal(1),
        "type": "renewal",
        "created_at": instant("2025-02-01T00:00"),
        "expected_close_on": date(2025, 3, 1),
    },
]


def rows() -> Any:
    """The deals as a table."""
    schema = ibis.schema({field.name: IBIS_TYPES[field.type] for field in DEALS.fields} | {RATE: "decimal(18, 8)"})
    full = [{name: row.get(name) for name in schema.names} for row in ROWS]
    return ibis.memtable(pa.Table.from_pylist(full, schema=schema.to_pyarrow()), schema=schema)


def computed(thing: Any) -> list[Any]:
    """What it gives for each deal."""
    table = rows()
    found = ibis.duckdb.connect().to_pyarrow(table.select("opportunity_id", found=thing.resolve(table)))
    return [row["found"] for row in sorted(found.to_pylist(), key=lambda row: str(row["opportunity_id"]))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("amount", [Decimal("110.55"), None, None]),  # 100.50 x 1.10
        ("opportunities.amount", [Decimal("110.55"), None, None]),
        ("amount * probability", [Decimal("33.165"), None, None]),  # 110.55 x 0.3
        ("amount * probability * 0.12345678 * 3", [Decimal("12.2833323261"), None, None]),  # exact to the last place
        ("-amount + 5", [Decimal("-105.55"), None, None]),
        ("amount - 0.5", [Decimal("110.05"), None, None]),
        ("1 / 4", [Decimal("0.25")] * 3),  # not cut to 0
        ("7 / 2 * 2", [Decimal(7)] * 3),
        ("amount / probability", [Decimal("368.5"), None, None]),  # by zero is empty
        ("100000 * 100000", [10_000_000_000] * 3),  # more than the engine's own whole numbers hold
        ("round(amount / 7, 2)", [Decimal("15.79"), None, None]),  # 15.792...
        ("round(amount)", [Decimal(111), None, None]),  # half away from zero
        ("abs(-3) + length(stage)", [7, 13, None]),
        ("case when is_won then amount else 0 end", [Decimal("110.55"), 0, 0]),
        ("case type when 'renewal' then 1 when 'new_business' then 2 end", [2, None, 1]),
        ("case when amount > 50 then 1 else 0 end", [1, None, 0]),  # the second cannot be told, so it is not 0
        ("coalesce(amount, 0)", [Decimal("110.55"), None, 0]),  # an amount without a rate is not an empty one
        ("coalesce(type, stage, 'none')", ["new_business", "Enterprise", "renewal"]),
        ("upper(stage)", ["DEMO", "ENTERPRISE", None]),
        ("amount is null", [False, False, True]),
        ("amount is not null", [True, True, False]),
        ("is_won is true", [True, False, False]),
        ("is_won is not false", [True, False, True]),
        ("is_won and amount > 50", [True, False, None]),
        ("is_won or created_at > '2025-02-01'", [True, False, None]),
        ("stage like 'Ent%'", [False, True, None]),
        ("stage not like 'Ent%'", [True, False, None]),
        ("stage ilike 'ENT%'", [False, True, None]),
        ("lower(stage) in ('demo', 'trial')", [True, False, None]),
        ("type not in ('renewal')", [True, None, False]),
        ("probability between 0 and 0.3", [True, True, None]),
        ("stage <> 'Demo' and not is_won", [False, True, None]),
        ("expected_close_on > date '2025-02-01'", [False, None, True]),
        ("closed_at > created_at", [True, None, None]),
        ("expected_close_on - created_at", [30, None, 28]),  # 1 February - 2 January in Berlin; 1 March - 1 February
        ("closed_at - created_at", [Decimal("1.02083333333333"), None, None]),  # 24 h 30 min
        ("created_at between '2025-02-01' and '2025-02-28'", [False, True, True]),  # 00:30 on 1 February in Berlin
        ("cast(created_at as date) = '2025-01-02'", [True, False, False]),
    ],
)
def test_a_fragment_gives(text: str, expected: list[Any]) -> None:
    """Every kind of fragment gives the value that SQL gives, exact, with money converted and days in the own zone."""
    assert computed(read_fragment(DEALS, text).within("Europe/Berlin")) == expected


def test_what_lacks_a_rate_makes_a_gap() -> None:
    """A condition that cannot be told counts its row as a gap; one that is false whatever the rate does not."""
    large = read_fragment(DEALS, "amount > 50")
    assert computed(Counts(large)) == [True, True, False]
    assert computed(Untold((large,))) == [0, 1, 0]
    won = read_fragment(DEALS, "is_won and amount > 50")
    assert computed(Counts(won)) == [True, False, False]
    assert computed(Untold((won, read_fragment(DEALS, "probability")))) == [0, 0, 0]


@pytest.mark.parametrize(
    ("text", "reason", "fix"),
    [
        ("amout", "opportunities has no field amout", "Write amount."),
        ("accounts.name", "`accounts.name` is not a field of the rows", "Name a field of the rows alone."),
        ("sum(amount)", "`SUM(amount)` aggregates", "Write what is aggregated here"),
        ("type = 'new_busines'", "type is never 'new_busines'", "Write 'new_business'."),
        ("stage = 5", "`stage` is text and `5` is a number", "Write texts in single quotes"),
        ("amount = '5'", "`amount` is a number and `'5'` is text", "Write texts in single quotes"),
        ("type = null", "`type` is compared with null, which never holds", "Write is null or is not null."),
        ("created_at > 'soon'", "'soon' is no day", "Write it as '2025-01-31'."),
        ("amount and is_won", "`amount` is a number, not true or false", "Correct it."),
        ("case when is_won then 1 else 'a' end", "gives a number and text", "Let it give one kind"),
        ("amount >", "this is no SQL expression", "Correct it."),
        ("amount; drop table opportunities", "there must be one expression", "Write one expression"),
        ("(select amount from invoices)", "is not possible in a definition", "Possible are fields"),
        ("read_csv('secrets.csv')", "is not possible in a definition", "Possible are fields"),
        ("current_date > created_at", "`CURRENT_DATE` is not possible", "Possible are fields"),
        ("if(is_won, 1, 2)", "is not possible in a definition", "Possible are fields"),
        ("cast(amount as int)", "`CAST(amount AS INT)` is not possible", "Only a day can be cast to"),
        ("round(amount, -3)", "is not possible", "Give 0 to 14 places."),
        ("stage like lower(stage)", "is not possible", "Write the pattern as a text"),
        ("stage in ()", "is not possible", "List the values"),
        ("stage like 'a!%' escape '!'", "is not possible in a definition", "Possible are fields"),
        ("amount between symmetric 5 and 1", "is not possible in a definition", "Possible are fields"),
        ("round(amount, 2, 1)", "is not possible in a definition", "Possible are fields"),
        ("amount is 5", "is not possible", "Write is null, is true or is false."),
        ("amount * 0.123456789012345", "has more than 14 places", "Round it."),
        (" + ".join(["amount"] * 400), "the expression is too long", "Prepare a field of it"),
    ],
)
def test_a_fragment_that_cannot_be_used(text: str, reason: str, fix: str) -> None:
    """A mistake is told in plain words with a way out, and nothing but pure expressions of the row passes."""
    with pytest.raises(FragmentError) as caught:
        read_fragment(DEALS, text)
    assert reason in str(caught.value)
    assert any(fault.fix.startswith(fix) for fault in caught.value.faults)


def test_all_mistakes_of_a_fragment_are_told() -> None:
    """Two wrong names and a function give three faults at once, each with what is wrong in it."""
    with pytest.raises(FragmentError) as caught:
        read_fragment(DEALS, "sqrt(amout) + probabilty")
    assert {fault.value for fault in caught.value.faults} == {"SQRT(amout)", "amout", "probabilty"}
