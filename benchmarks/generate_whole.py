"""Writes a store for the whole revenue catalogue: what `generate` writes, and what else the revenue metrics read.

At scale 1.0, beside the 58 M rows of `generate`: about 2 M contracts, 14 M bills and credit notes, 15 M payments,
10 M touches and 50,000 expenses, with campaigns, market sizes and people of all departments. It is made in the same
way, from row numbers and the hash, and stands in a store of its own, so that the smaller store stays what it is.

It holds what makes these metrics hard: contracts in chains, renewed early, late, too late, by themselves and by
contracts that are not there; bills paid in parts, ahead, late or never; credit notes for a bill and for none; money
given back and taken back; touches that name a deal, only its lead, or only its account, and that came too late.
"""

from __future__ import annotations

import sys
from pathlib import Path

import duckdb

from benchmarks.generate import CHANNELS, PEOPLE, SEGMENTS, Rows, Sizes, entities, stage, write_store

CAMPAIGNS = 40
_ALL_PEOPLE = 2 * PEOPLE
_YEARS = 7
_LEAST_EXPENSES = 2_000
_EXPENSES = 50_000
"""At scale 1.0. A small company books fewer, but some in every month; what one is worth makes up for it."""
_ACCOUNTS = 1_000_000
_KNOWN_UNTIL = 1845
"""Bills are known up to this day, and those after the day that counts do not count yet."""


def generate(scale: float, path: Path, *, seed: int = 7) -> dict[str, int]:
    """Write the whole store of that scale to `path`, replacing what is there, and return the rows of each entity."""
    sizes = Sizes.of(scale)
    wanted = {rows[0]: rows for rows in (*entities(sizes), *_more(sizes))}
    return write_store(path, lambda connection: _stage(connection, sizes), list(wanted.values()), seed=seed)


def _stage(connection: duckdb.DuckDBPyConnection, sizes: Sizes) -> None:
    stage(connection, sizes)
    connection.execute("CREATE TEMP MACRO contract_key(n) AS printf('K%09d', n)")
    connection.execute("CREATE TEMP MACRO bill_key(n) AS printf('I%010d', n)")
    # What is sold in a subscription without its discounts: how long, for how much a month, and under which contracts.
    connection.execute(f"""
        CREATE TEMP TABLE sale_plan AS
        SELECT *,
            CASE WHEN draw(id, 200, 100) < 45
                THEN least(6, 1 + greatest(0, last_day_sold - first_day) * 12 // (365 * term)) ELSE 0 END AS contracts,
            [30, 91, 91, 91, 91, 91, 182, 182, 365, 365][1 + draw(id, 201, 10)] AS cadence
        FROM (
            SELECT id, account, first_day,
                CASE WHEN ends THEN least(first_day + prices * length, {_KNOWN_UNTIL}) ELSE {_KNOWN_UNTIL} END
                    AS last_day_sold,
                CASE draw(id, 202, 10) WHEN 0 THEN 6 WHEN 1 THEN 24 WHEN 2 THEN 36 ELSE 12 END AS term,
                seats * (1500 + 700 * product + 900 * plan) AS monthly_cents
            FROM subscription_plan
            WHERE NOT is_discount
        )
    """)
    connection.execute(f"""
        CREATE TEMP TABLE bill_plan AS
        SELECT *, CASE draw(bill, 210, 2000) WHEN 0 THEN 0 WHEN 1 THEN -1000 ELSE monthly_cents * cadence // 30 END
            AS cents
        FROM (
            SELECT *, 128 * id + number AS bill,
                first_day + number * cadence + draw(128 * id + number, 211, 6) AS issued
            FROM (
                SELECT *, unnest(range(1 + greatest(0, last_day_sold - first_day) // cadence)) AS number
                FROM sale_plan
            )
        )
        WHERE issued < {_KNOWN_UNTIL}
    """)


def _more(sizes: Sizes) -> list[Rows]:
    """What is written beside what `generate` writes; people are written anew, of all departments."""
    expenses = max(_LEAST_EXPENSES, round(_EXPENSES * sizes.accounts / _ACCOUNTS))
    return [
        ("people", _PEOPLE_COLUMNS, f"range({_ALL_PEOPLE}) AS people(id)"),
        ("campaigns", _CAMPAIGN_COLUMNS, f"range({CAMPAIGNS}) AS campaigns(id)"),
        ("contracts", _contract_columns(sizes), _CONTRACT_ROWS),
        ("invoices", _INVOICE_COLUMNS, _INVOICE_ROWS),
        ("payments", _PAYMENT_COLUMNS, _PAYMENT_ROWS),
        ("touchpoints", _TOUCH_COLUMNS, _TOUCH_ROWS),
        ("expenses", _expense_columns(sizes.accounts / expenses), f"range({expenses}) AS expenses(id)"),
        (
            "markets",
            _market_columns(sizes),
            f"range({_YEARS}) AS years(n), (SELECT unnest({[*SEGMENTS, 'all']}) AS segment)",
        ),
    ]


_PEOPLE_COLUMNS = {
    "person_id": "printf('P%03d', id)",
    "name": "'Person ' || id",
    "department": f"CASE WHEN id < {PEOPLE} THEN 'sales' ELSE "
    "pick(id, 220, ['marketing', 'service', 'product', 'finance', 'operations']) END",
    "team": "'team ' || (id // 10)",
    "role": "CASE WHEN id % 10 = 0 THEN 'manager' ELSE 'member' END",
    "tier": "CASE WHEN id % 10 = 0 THEN 'manager' ELSE 'doer' END",
    "manager_id": "CASE WHEN id % 10 > 0 THEN printf('P%03d', id - id % 10) END",
    "hired_on": f"day_at(CASE WHEN id < {PEOPLE} THEN -draw(id, 2, 1000) ELSE draw(id, 221, 2500) - 600 END)",
    "left_on": "CASE WHEN draw(id, 222, 6) = 0 THEN day_at(300 + draw(id, 221, 2500)) END",
    "fte": "CASE draw(id, 223, 10) WHEN 0 THEN 0.5 WHEN 1 THEN 0.8 WHEN 2 THEN NULL ELSE 1 END",
    "annual_salary": "30000 + 500 * draw(id, 224, 200)",
    "currency": "account_currency(id)",
}

_CAMPAIGN_COLUMNS = {
    "campaign_id": "'C' || id",
    "name": "'Campaign ' || id",
    "channel": f"pick(id, 225, {list(CHANNELS)})",
    "department": "'marketing'",
    "started_on": "day_at(40 * id)",
    "ended_on": "day_at(40 * id + 200)",
    "budget": "1000 * (1 + draw(id, 226, 90))",
    "currency": "'USD'",
}

_CONTRACT_ROWS = (
    "(SELECT *, 8 * id + turn AS contract FROM (SELECT *, unnest(range(contracts)) AS turn FROM sale_plan))"
)
_TERM_START = "(day_at(first_day + draw(id, 230, 20)) + to_months((turn * term)::INTEGER))"


def _contract_columns(sizes: Sizes) -> dict[str, str]:
    signed = f"{_TERM_START} - INTERVAL 130 DAY + to_seconds(draw(contract, 231, 170 * 86400))"
    ended = f"{_TERM_START} + to_months(term::INTEGER)"
    return {
        "contract_id": "contract_key(contract)",
        "account_id": "account_key(account)",
        "subscription_id": "printf('S%08d', id)",
        "opportunity_id": "CASE WHEN draw(contract, 232, 3) = 0 "
        f"THEN printf('O%08d', draw(contract, 233, {sizes.opportunities})) END",
        "signed_at": f"CASE WHEN draw(contract, 234, 500) > 0 THEN {signed} END",
        "starts_on": _TERM_START,
        # One of twenty goes on for some days more than its months.
        "ends_on": f"{ended} + to_days(CASE WHEN draw(contract, 235, 20) = 0 THEN draw(contract, 236, 25) ELSE 0 END"
        "::INTEGER)",
        "value": "(monthly_cents * term * (95 + draw(contract, 237, 15)))::DECIMAL(18, 6) / 10000",
        "currency": "CASE WHEN draw(contract, 238, 100) = 0 THEN 'USD' ELSE account_currency(account) END",
        "auto_renew": "CASE WHEN draw(contract, 239, 10) < 9 THEN draw(contract, 239, 10) < 6 END",
        "renewed_by": "CASE WHEN turn + 1 < contracts AND draw(contract, 240, 10) < 7 THEN contract_key(contract + 1) "
        "WHEN draw(contract, 240, 500) = 7 THEN 'K-gone' END",
        "renewal_reason": "CASE WHEN draw(contract, 241, 5) > 0 "
        "THEN pick(contract, 242, ['auto', 'value', 'relationship']) END",
    }


# Part 0 is the bill; part 1 a credit note for it, or for one of thirty of those, for no bill or one that is not there.
_INVOICE_ROWS = """(
    SELECT *, part = 1 AS is_note
    FROM (SELECT *, unnest(range(2)) AS part FROM bill_plan)
    WHERE part = 0 OR (draw(bill, 250, 100) < 3 AND cents > 0)
)"""

_INVOICE_COLUMNS = {
    "invoice_id": "CASE WHEN is_note THEN 'N' ELSE '' END || bill_key(bill)",
    "account_id": "account_key(account)",
    "contract_id": "CASE WHEN contracts > 0 AND NOT is_note "
    "THEN contract_key(8 * id + least(contracts - 1, (issued - first_day) * 12 // (366 * term))) END",
    "issued_on": "day_at(issued + CASE WHEN is_note THEN 5 + draw(bill, 251, 60) ELSE 0 END)",
    "due_on": "CASE WHEN NOT is_note THEN day_at(issued + [14, 30, 45, 60][1 + draw(account, 252, 4)]) END",
    "amount": "CASE WHEN is_note AND draw(bill, 253, 3) > 0 THEN cents * (5 + draw(bill, 254, 60)) // 100 "
    "ELSE cents END::DECIMAL(18, 6) / 100",
    "currency": "CASE WHEN draw(bill, 255, 200) = 0 THEN NULL ELSE account_currency(account) END",
    "kind": "CASE WHEN is_note THEN 'credit_note' WHEN draw(bill, 256, 3) > 0 THEN 'invoice' END",
    "applies_to": "CASE WHEN is_note AND draw(bill, 257, 30) > 0 THEN bill_key(bill) "
    "WHEN is_note AND draw(bill, 257, 300) = 0 THEN 'I-gone' END",
}

# Part 0 is the first payment, 1 what was left over, 2 money given back, 3 money taken back, 4 the same paid again.
_PAYMENT_ROWS = f"""(
    SELECT *, 86400 * issued + 30000 + CASE WHEN draw(bill, 260, 500) = 0 THEN -3 * 86400
        WHEN draw(bill, 260, 10) < 8 THEN draw(bill, 261, 35 * 86400) ELSE draw(bill, 261, 130 * 86400) END
        + part * (5 * 86400 + draw(8 * bill + part, 262, 30 * 86400)) AS moved,
        fate >= 880 AS in_parts
    FROM (SELECT *, unnest(range(5)) AS part, draw(bill, 263, 1000) AS fate FROM bill_plan WHERE cents > 0)
    WHERE issued < 1827 AND CASE part WHEN 0 THEN fate < 975 WHEN 1 THEN fate BETWEEN 880 AND 949
        WHEN 2 THEN fate < 10 WHEN 3 THEN fate BETWEEN 10 AND 15 ELSE fate BETWEEN 10 AND 12 END
        AND issued < {_KNOWN_UNTIL}
)"""

_PAYMENT_COLUMNS = {
    "payment_id": "printf('Y%011d', 8 * bill + part)",
    "invoice_id": "CASE draw(8 * bill + part, 264, 3000) WHEN 0 THEN NULL WHEN 1 THEN 'I-gone' ELSE bill_key(bill) END",
    "paid_at": "instant_at(moved)",
    "amount": "CASE WHEN part = 0 AND in_parts THEN cents * (30 + draw(bill, 265, 40)) // 100 "
    "WHEN part = 1 THEN cents - cents * (30 + draw(bill, 265, 40)) // 100 "
    "WHEN part = 2 THEN cents * (10 + draw(bill, 266, 90)) // 100 ELSE cents END::DECIMAL(18, 6) / 100"
    " * CASE WHEN part = 2 AND draw(bill, 267, 9) = 0 THEN -1 ELSE 1 END",
    # A currency that is not told is that of the bill.
    "currency": "CASE WHEN draw(bill, 255, 200) > 0 AND draw(bill, 268, 3) = 0 THEN account_currency(account) END",
    "kind": "CASE WHEN part = 2 AND draw(bill, 267, 9) > 0 THEN 'refund' WHEN part = 3 THEN 'clawback' "
    "WHEN draw(bill, 269, 3) > 0 THEN 'payment' END",
}

# At most four touches of a deal, from some months before its closing to a week after it.
_TOUCH_ROWS = """(
    SELECT *, 8 * id + turn AS touch, draw(8 * id + turn, 270, 10) AS link,
        closes - draw(8 * id + turn, 271, 120 * 86400) + 7 * 86400 AS happened
    FROM (SELECT *, unnest(range(draw(id, 272, 5))) AS turn FROM opportunity_plan)
)"""

_TOUCH_COLUMNS = {
    "touchpoint_id": "printf('T%010d', touch)",
    "occurred_at": "instant_at(happened)",
    "lead_id": "CASE WHEN link < 9 THEN printf('L%08d', lead) END",
    "account_id": "CASE WHEN link > 3 THEN account_key(account) END",
    "opportunity_id": "CASE WHEN link < 7 THEN printf('O%08d', id) END",
    "campaign_id": f"CASE WHEN draw(touch, 273, 4) > 0 THEN 'C' || draw(touch, 274, {CAMPAIGNS}) END",
    "channel": f"CASE WHEN draw(touch, 275, 40) > 0 THEN pick(touch, 276, {list(CHANNELS)}) END",
    "department": "CASE WHEN draw(touch, 277, 60) > 0 THEN pick(touch, 278, ['marketing', 'sales', 'service']) END",
    "kind": "pick(touch, 279, ['visit', 'email', 'call', 'meeting', 'webinar'])",
    "is_direct": "CASE draw(touch, 280, 12) WHEN 0 THEN TRUE WHEN 1 THEN NULL ELSE FALSE END",
}


def _expense_columns(accounts_each: float) -> dict[str, str]:
    """The columns of the expenses, each of which stands for what so many accounts cost in five years."""
    kind = "draw(id, 291, 20)"
    return {
        "expense_id": "printf('E%06d', id)",
        "incurred_on": "day_at(draw(id, 290, 1927) - 90)",
        "amount": f"round({accounts_each!r} * (200 + draw(id, 292, 1200)) * CASE WHEN {kind} < 6 THEN 6 ELSE 2 END, 2)",
        "currency": "CASE draw(id, 293, 12) WHEN 0 THEN 'EUR' WHEN 1 THEN 'GBP' WHEN 2 THEN NULL ELSE 'USD' END",
        "category": f"CASE WHEN {kind} < 6 THEN 'cogs' WHEN {kind} < 11 THEN 'compensation' "
        f"WHEN {kind} < 16 THEN 'advertising' WHEN {kind} = 16 THEN 'commission' "
        "ELSE pick(id, 294, ['rent', 'utilities', 'tools', 'supplies', 'other']) END",
        "purpose": "CASE WHEN draw(id, 295, 4) > 0 THEN pick(id, 296, ['acquisition', 'expansion', 'retention']) END",
        "department": f"CASE WHEN {kind} BETWEEN 11 AND 15 THEN 'marketing' WHEN {kind} = 16 THEN 'sales' "
        "ELSE pick(id, 297, ['sales', 'marketing', 'service', 'product']) END",
        "channel": f"CASE WHEN {kind} BETWEEN 11 AND 15 OR draw(id, 298, 3) = 0 "
        f"THEN pick(id, 299, {list(CHANNELS)}) END",
        "campaign_id": f"CASE WHEN {kind} BETWEEN 11 AND 15 THEN 'C' || draw(id, 300, {CAMPAIGNS}) END",
    }


def _market_columns(sizes: Sizes) -> dict[str, str]:
    share = "CASE segment WHEN 'all' THEN 5 ELSE 1 END"
    return {
        "segment": "segment",
        "year": "2018 + n",
        "addressable_accounts": f"{sizes.accounts} * {share} * (10 + n) // 10",
        "addressable_revenue": f"{sizes.accounts} * {share} * (9000 + 500 * n)::DECIMAL(18, 6)",
        "market_revenue": f"{sizes.accounts} * {share} * (20000 + 1000 * n)::DECIMAL(18, 6)",
        "currency": "CASE WHEN segment = 'public' THEN 'EUR' ELSE 'USD' END",
    }


def main() -> None:
    """`python -m benchmarks.generate_whole SCALE PATH`."""
    for entity, rows in generate(float(sys.argv[1]), Path(sys.argv[2])).items():
        print(f"{entity:24}{rows:>12,}")


if __name__ == "__main__":
    main()
