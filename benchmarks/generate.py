"""Writes an entity store of any size for measuring, the same bytes of data for the same scale and seed.

At scale 1.0: 1 M accounts, about 10 M subscription periods over 60 months, 2 M leads, 5 M opportunities with about 25 M
history rows and 10 M tickets. Everything is made inside DuckDB from row numbers and a hash, so no row depends on
another one and the time grows with the rows. The hash is DuckDB's own: the figures are the same for one DuckDB release,
not across releases.

The data holds what makes the metrics hard: customers that leave and return, merged accounts (also in chains), rows
loaded twice, rows that overlap, ends that only the subscription knows, discount lines below zero, trials, three
currencies, deals lost as duplicates or tests, renewals, merged leads that carry the milestone of their survivor.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from revgauge.model.entities import ENTITIES
from revgauge.model.fields import SQL_TYPES

FIRST_MONTH = date(2020, 1, 1)
"""First month of the figures; the data begins half a year before, so that there is an opening balance."""

NOW = date(2024, 12, 31)
"""The last day that counts."""

REPORTING_CURRENCY = "USD"

SEGMENTS = ("enterprise", "mid_market", "small", "startup", "public")
_REGIONS = ("AMER-E", "AMER-W", "APAC", "DACH", "EMEA", "LATAM")
_INDUSTRIES = (
    "agriculture",
    "banking",
    "chemicals",
    "education",
    "energy",
    "health",
    "insurance",
    "logistics",
    "machinery",
    "media",
    "retail",
    "software",
)
CHANNELS = ("ads", "content", "event", "outbound", "partner", "referral", "search", "webinar")
_PRODUCTS = ("core", "insights", "connect", "guard")
_PLANS = ("basic", "pro", "max")
PEOPLE = 200


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many rows of each kind a scale stands for."""

    accounts: int
    leads: int
    opportunities: int
    tickets: int
    conversions: int

    @classmethod
    def of(cls, scale: float) -> Sizes:
        """The sizes at a scale; at least a hundred accounts."""
        accounts = max(100, round(1_000_000 * scale))
        return cls(accounts, 2 * accounts, 5 * accounts, 10 * accounts, accounts)


Rows = tuple[str, Mapping[str, str], str]
"""An entity to write: its name, the expressions of the columns that a source fills, and the rows they are over."""


def generate(scale: float, path: Path, *, seed: int = 7) -> dict[str, int]:
    """Write the entity store of that scale to `path`, replacing what is there, and return the rows of each entity."""
    sizes = Sizes.of(scale)
    return write_store(path, lambda connection: stage(connection, sizes), entities(sizes), seed=seed)


def write_store(
    path: Path, staged: Callable[[duckdb.DuckDBPyConnection], None], wanted: Sequence[Rows], *, seed: int = 7
) -> dict[str, int]:
    """Write entities to a store, replacing what is there, after their rows were staged; returns the rows of each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    scratch = path.with_suffix(".scratch")
    with duckdb.connect() as connection:
        connection.execute(f"SET temp_directory = '{scratch}'")
        connection.execute(f"ATTACH '{path}' AS store (STORAGE_VERSION 'v1.0.0')")
        _define_chance(connection, seed)
        staged(connection)
        rows = {entity: _write(connection, entity, columns, source) for entity, columns, source in wanted}
        _write_meta(connection, rows, {entity: columns for entity, columns, _ in wanted})
        connection.execute("CHECKPOINT store")
    shutil.rmtree(scratch, ignore_errors=True)
    return rows


def stage(connection: duckdb.DuckDBPyConnection, sizes: Sizes) -> None:
    """The temporary tables that the entities are written from."""
    _stage_subscriptions(connection, sizes)
    _stage_opportunities(connection, sizes)


def _define_chance(connection: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Macros: `draw` is a whole number below n, `pick` a word of a list, both fixed by a row number and a salt."""
    connection.execute(f"CREATE TEMP MACRO draw(id, salt, n) AS (hash(id, salt, {seed}) % n)::BIGINT")
    connection.execute("CREATE TEMP MACRO pick(id, salt, words) AS words[1 + draw(id, salt, len(words))]")
    connection.execute("CREATE TEMP MACRO day_at(n) AS DATE '2020-01-01' + n::INTEGER")
    connection.execute("CREATE TEMP MACRO instant_at(seconds) AS TIMESTAMP '2020-01-01' + to_seconds(seconds)")
    connection.execute("CREATE TEMP MACRO account_key(n) AS printf('A%07d', n)")
    # Merged accounts are neighbours of their survivor, and neighbours in fours pay in one currency.
    connection.execute(
        "CREATE TEMP MACRO account_currency(n) AS CASE WHEN draw(n // 4, 1, 100) < 10 THEN 'EUR' "
        "WHEN draw(n // 4, 1, 100) < 15 THEN 'GBP' ELSE 'USD' END"
    )


def _stage_subscriptions(connection: duckdb.DuckDBPyConnection, sizes: Sizes) -> None:
    """One row for each subscription: when it starts, how long its prices hold, how many there are, how it ends.

    The fourth number of an account is kept for a discount line.
    """
    connection.execute(f"""
        CREATE TEMP TABLE subscription_plan AS
        SELECT
            account,
            4 * account + line AS id,
            line = 3 AS is_discount,
            CASE WHEN line > 0 AND draw(4 * account + line, 10, 5) = 0 THEN draw(account, 11, 4)
                 ELSE (draw(account, 11, 4) + line) % 4 END AS product,
            draw(4 * account + line, 12, 3) AS plan,
            draw(4 * account + line, 13, 2030) - 200 AS first_day,
            45 + draw(4 * account + line, 14, 120) AS length,
            CASE WHEN line = 3 THEN 1 + draw(4 * account, 15, 3) ELSE 3 + draw(4 * account + line, 15, 9) END AS prices,
            draw(4 * account + line, 16, 100) < 55 AS ends,
            draw(4 * account + line, 17, 100) < 18 AND line < 3 AS has_trial,
            CASE draw(4 * account + line, 18, 10) WHEN 0 THEN 'only subscription' WHEN 1 THEN 'only period'
                 ELSE 'both' END AS end_known_to,
            1 + draw(4 * account + line, 19, 40) AS seats
        FROM (SELECT account, unnest(range(4)) AS line FROM range({sizes.accounts}) AS accounts(account))
        WHERE line < CASE WHEN draw(account, 20, 100) < 12 THEN 0 WHEN draw(account, 20, 100) < 45 THEN 1
                          WHEN draw(account, 20, 100) < 78 THEN 2 ELSE 3 END
           OR (line = 3 AND draw(account, 21, 200) = 0)
    """)
    # A price holds from its own jittered day to that of the next one; in one of 25 cases there is a gap before that.
    connection.execute("""
        CREATE TEMP TABLE price_plan AS
        WITH placed AS (
            SELECT *,
                first_day + number * length + draw(id * 32 + number, 30, length // 3) AS from_day,
                first_day + (number + 1) * length + draw(id * 32 + number + 1, 30, length // 3) AS next_day,
                greatest(1, seats + (number // 3) * (draw(id, 31, 7) - 2) + draw(id * 32 + number, 32, 4)) AS quantity,
                (1500 + 700 * product + 900 * plan) * (100 + 5 * (number // 5) - draw(id, 33, 15)) // 100 AS unit_cents
            FROM (SELECT *, unnest(range(prices)) AS number FROM subscription_plan)
        )
        SELECT *,
            CASE WHEN number = prices - 1 AND NOT ends THEN NULL
                 WHEN number = prices - 1 THEN next_day
                 WHEN draw(id * 32 + number, 34, 25) = 0 THEN next_day - 2 - draw(id * 32 + number, 35, length // 4)
                 WHEN draw(id * 32 + number, 34, 100) = 99 THEN next_day + 20  -- overlaps the next price
                 ELSE next_day END AS to_day
        FROM placed
        WHERE from_day < 1860  -- the first weeks of 2025 are known already, and do not count yet
    """)


def _stage_opportunities(connection: duckdb.DuckDBPyConnection, sizes: Sizes) -> None:
    """One row for each opportunity, with everything that its history needs too."""
    end_of_now = 1827 * 86_400
    connection.execute(f"""
        CREATE TEMP TABLE lead_plan AS
        SELECT id, CASE WHEN draw(id, 40, 100) < 85 THEN draw(id, 41, {sizes.accounts}) END AS account,
            draw(id, 42, {end_of_now}) AS created
        FROM range({sizes.leads}) AS leads(id)
    """)
    connection.execute(f"""
        CREATE TEMP TABLE opportunity_plan AS
        WITH born AS (
            SELECT n.id,
                lead_plan.id AS lead,
                CASE WHEN lead_plan.id IS NOT NULL THEN lead_plan.account
                     WHEN draw(n.id, 50, 100) < 97 THEN draw(n.id, 51, {sizes.accounts}) END AS account,
                CASE WHEN lead_plan.id IS NOT NULL THEN lead_plan.created + 3600 + draw(n.id, 52, 40 * 86400)
                     ELSE draw(n.id, 52, {end_of_now} + 92 * 86400) - 92 * 86400 END AS created,
                86400 * 8 + draw(n.id, 53, 86400 * 200) AS seconds_to_close,
                1 + draw(n.id, 54, 5) AS steps,
                draw(n.id, 55, 100) AS fate,
                CASE WHEN draw(n.id, 56, 50) > 0 THEN 100 * (10 + draw(n.id, 57, 900)) END AS first_amount,
                draw(n.id, 58, 10) = 0 AS changes_owner,
                draw(n.id, 59, {PEOPLE}) AS first_owner
            FROM range({sizes.opportunities}) AS n(id)
            LEFT JOIN lead_plan ON lead_plan.id = CASE WHEN n.id % 4 = 0 THEN n.id END
        )
        SELECT *, created + seconds_to_close AS closes, created + seconds_to_close < {end_of_now} AS is_closed,
            fate < 30 AS is_won
        FROM born
        WHERE created < {end_of_now}
    """)


def entities(sizes: Sizes) -> list[Rows]:
    """Everything that is written, from what was staged."""
    return [
        ("people", _PEOPLE_COLUMNS, f"range({PEOPLE}) AS people(id)"),
        ("accounts", _ACCOUNT_COLUMNS, f"range({sizes.accounts}) AS accounts(id)"),
        (
            "exchange_rates",
            _RATE_COLUMNS,
            "range(67) AS months(n), (VALUES ('EUR', 1.10), ('GBP', 1.28)) AS c(code, base)",
        ),
        ("subscriptions", _SUBSCRIPTION_COLUMNS, "subscription_plan"),
        (
            "subscription_periods",
            _PERIOD_COLUMNS,
            # One row of a thousand was loaded twice.
            "(FROM price_plan UNION ALL FROM price_plan WHERE draw(id * 32 + number, 36, 1000) = 0)",
        ),
        ("stages", _STAGE_COLUMNS, f"(VALUES {_STAGES}) AS stages(stage, position, kind, chance), {_PIPELINES}"),
        ("leads", _LEAD_COLUMNS, "lead_plan LEFT JOIN opportunity_plan AS deal ON deal.lead = lead_plan.id"),
        ("lead_assignments", _ASSIGNMENT_COLUMNS, "(SELECT *, unnest(range(2)) AS turn FROM lead_plan)"),
        ("opportunities", _OPPORTUNITY_COLUMNS, "opportunity_plan"),
        ("opportunity_history", _HISTORY_COLUMNS, _HISTORY_ROWS),
        ("conversions", _CONVERSION_COLUMNS, f"range({sizes.conversions}) AS conversions(id)"),
        ("tickets", _ticket_columns(sizes), f"range({sizes.tickets}) AS tickets(id)"),
    ]


_PEOPLE_COLUMNS = {
    "person_id": "printf('P%03d', id)",
    "name": "'Person ' || id",
    "department": "'sales'",
    "team": "'team ' || (id // 10)",
    "role": "CASE WHEN id % 10 = 0 THEN 'manager' ELSE 'seller' END",
    "manager_id": "CASE WHEN id % 10 > 0 THEN printf('P%03d', id - id % 10) END",
    "hired_on": "day_at(-draw(id, 2, 1000))",
    "fte": "1",
}

_ACCOUNT_COLUMNS = {
    "account_id": "account_key(id)",
    "name": "'Account ' || id",
    "parent_account_id": "CASE WHEN id % 20 = 3 THEN account_key(id - 3) END",
    "segment": f"CASE WHEN draw(id, 3, 50) > 0 THEN pick(id, 4, {list(SEGMENTS)}) END",
    "industry": f"pick(id, 5, {list(_INDUSTRIES)})",
    "region": f"CASE WHEN draw(id, 6, 100) > 0 THEN pick(id, 7, {list(_REGIONS)}) END",
    "employee_count": "1 + draw(id, 8, 5000)",
    "owner_id": f"CASE WHEN draw(id, 9, 30) > 0 THEN printf('P%03d', draw(id, 90, {PEOPLE})) END",
    "channel": f"pick(id, 91, {list(CHANNELS)})",
    "created_at": "instant_at(draw(id, 92, 1900 * 86400) - 200 * 86400)",
    # 1 % are merged into the neighbour before them; one of ten of those is the middle of a chain.
    "duplicate_of": "CASE WHEN id % 100 = 37 OR id % 1000 = 38 THEN account_key(id - 1) END",
}

_RATE_COLUMNS = {
    "currency": "code",
    "quoted_on": "last_day(DATE '2019-06-01' + to_months(n::INTEGER))",
    "rate": "round(base + 0.09 * sin(n / 5.0 + length(code) + base), 4)",
}

_SUBSCRIPTION_COLUMNS = {
    "subscription_id": "printf('S%08d', id)",
    "account_id": "account_key(account)",
    "product": f"{list(_PRODUCTS)}[1 + product]",
    "plan": f"{list(_PLANS)}[1 + plan]",
    "started_on": "day_at(first_day + draw(id * 32, 30, length // 3))",
    "ended_on": "CASE WHEN ends AND end_known_to <> 'only period' AND first_day + prices * length < 1900 "
    "THEN day_at(first_day + prices * length + draw(id * 32 + prices, 30, length // 3)) END",
    "term_months": "12",
    "auto_renew": "draw(id, 22, 10) < 8",
    "cancel_reason": "CASE WHEN ends THEN pick(id, 23, ['price', 'no_value', 'competitor', 'closed']) END",
}

_PERIOD_COLUMNS = {
    "subscription_id": "printf('S%08d', id)",
    "account_id": "account_key(account)",
    "valid_from": "day_at(from_day)",
    "valid_to": "CASE WHEN number < prices - 1 OR end_known_to <> 'only subscription' THEN day_at(to_day) END",
    "mrr": "CASE WHEN is_discount THEN -20 - draw(id, 24, 200) ELSE (quantity * unit_cents)::DECIMAL(18, 6) / 100 END",
    "currency": "account_currency(account)",
    "quantity": "CASE WHEN is_discount THEN 1 ELSE quantity END",
    "is_trial": "has_trial AND number = 0",
}

_STAGES = (
    "('prospect', 1, 'open', 0.1), ('discovery', 2, 'open', 0.2), ('demo', 3, 'open', 0.4), "
    "('proposal', 4, 'open', 0.6), ('negotiation', 5, 'open', 0.8), ('won', 6, 'won', 1.0), ('lost', 7, 'lost', 0.0)"
)
_PIPELINES = "(VALUES ('default'), ('enterprise')) AS pipelines(pipeline)"

_STAGE_COLUMNS = {
    "pipeline": "pipeline",
    "stage": "stage",
    "position": "position",
    "kind": "kind",
    "probability": "chance",
    "expected_days": "20",
    "is_pitch": "stage = CASE pipeline WHEN 'default' THEN 'demo' ELSE 'proposal' END",
}

_LEAD_COLUMNS = {
    "lead_id": "printf('L%08d', lead_plan.id)",
    "account_id": "account_key(lead_plan.account)",
    "created_at": "instant_at(lead_plan.created)",
    "direction": "CASE WHEN draw(lead_plan.id, 60, 100) < 65 THEN 'inbound' WHEN draw(lead_plan.id, 60, 100) < 98 "
    "THEN 'outbound' END",
    "channel": f"CASE WHEN draw(lead_plan.id, 61, 40) > 0 THEN pick(lead_plan.id, 62, {list(CHANNELS)}) END",
    "campaign_id": "'C' || draw(lead_plan.id, 63, 40)",
    "owner_id": f"printf('P%03d', draw(lead_plan.id, 64, {PEOPLE}))",
    "qualified_at": "CASE WHEN draw(lead_plan.id, 65, 100) < 55 "
    "THEN instant_at(lead_plan.created + draw(lead_plan.id, 66, 20 * 86400)) END",
    "accepted_at": "CASE WHEN draw(lead_plan.id, 67, 100) < 35 "
    "THEN instant_at(lead_plan.created + draw(lead_plan.id, 68, 35 * 86400)) END",
    # Four of five leads with a deal carry the day; a few were converted into a contact alone.
    "converted_at": "CASE WHEN deal.id IS NOT NULL AND draw(lead_plan.id, 69, 5) > 0 THEN instant_at(deal.created) "
    "WHEN deal.id IS NULL AND draw(lead_plan.id, 69, 50) = 0 THEN instant_at(lead_plan.created + 86400) END",
    "opportunity_id": "CASE WHEN draw(lead_plan.id, 70, 2) = 0 THEN printf('O%08d', deal.id) END",
    "has_budget": "draw(lead_plan.id, 71, 2) = 0",
    "has_authority": "draw(lead_plan.id, 72, 2) = 0",
    "has_need": "draw(lead_plan.id, 73, 2) = 0",
    "has_timing": "draw(lead_plan.id, 74, 2) = 0",
    "score": "draw(lead_plan.id, 75, 100)",
    "first_responded_at": "instant_at(lead_plan.created + draw(lead_plan.id, 76, 2 * 86400))",
    "duplicate_of": "CASE WHEN lead_plan.id % 50 = 8 OR lead_plan.id % 500 = 9 "
    "THEN printf('L%08d', lead_plan.id - 1) END",
}

_ASSIGNMENT_COLUMNS = {
    "lead_id": "printf('L%08d', id)",
    "person_id": f"printf('P%03d', draw(id + turn, 64, {PEOPLE}))",
    "valid_from": "instant_at(created + turn * 5 * 86400)",
    "valid_to": "CASE WHEN turn = 0 THEN instant_at(created + 5 * 86400) END",
    "reason": "CASE WHEN turn = 0 THEN 'routing' ELSE 'handover' END",
}

_OPPORTUNITY_COLUMNS = {
    "opportunity_id": "printf('O%08d', id)",
    "account_id": "account_key(account)",
    "lead_id": "printf('L%08d', lead)",
    "owner_id": f"printf('P%03d', CASE WHEN changes_owner THEN (first_owner + 1) % {PEOPLE} ELSE first_owner END)",
    "type": "CASE WHEN lead IS NOT NULL OR draw(id, 80, 100) < 55 THEN 'new_business' WHEN draw(id, 80, 100) < 75 "
    "THEN 'expansion' WHEN draw(id, 80, 100) < 85 THEN 'cross_sell' WHEN draw(id, 80, 100) < 97 THEN 'renewal' END",
    "stage": "CASE WHEN is_closed THEN CASE WHEN is_won THEN 'won' ELSE 'lost' END ELSE 'demo' END",
    # The amount was changed once at the second step, if the deal got that far.
    "amount": "CASE WHEN steps >= 2 AND created + seconds_to_close * 2 // (steps + 1) < 1827 * 86400 "
    "THEN first_amount * (80 + draw(id, 81, 50)) // 100 ELSE first_amount END",
    "currency": "account_currency(coalesce(account, 0))",
    "channel": f"CASE WHEN draw(id, 82, 40) > 0 THEN pick(id, 83, {list(CHANNELS)}) END",
    "campaign_id": "'C' || draw(id, 84, 40)",
    "pipeline": "CASE WHEN draw(id, 85, 10) < 2 THEN 'enterprise' WHEN draw(id, 85, 10) < 6 THEN 'default' END",
    "created_at": "instant_at(created)",
    "accepted_at": "CASE WHEN draw(id, 86, 10) < 6 THEN instant_at(created + draw(id, 87, 10 * 86400)) END",
    "pitched_at": "CASE WHEN draw(id, 88, 20) = 0 THEN instant_at(created + draw(id, 89, 20 * 86400)) END",
    "expected_close_on": "day_at(closes // 86400 + draw(id, 95, 30))",
    "closed_at": "CASE WHEN is_closed THEN instant_at(closes) END",
    "is_won": "CASE WHEN is_closed THEN is_won END",
    "loss_reason": "CASE WHEN is_closed AND NOT is_won THEN CASE WHEN fate < 97 OR lead IS NOT NULL "
    "THEN pick(id, 96, ['price', 'no_budget', 'competitor', 'timing']) "
    "WHEN fate = 97 THEN 'duplicate' ELSE 'test' END END",
    "duplicate_of": "CASE WHEN id % 100 = 42 AND lead IS NULL THEN printf('O%08d', id - 1) END",
}

# Step 0 is the opening, the steps between move the deal on (or back, or past a stage), the last one closes it.
_HISTORY_ROWS = """(
    SELECT *, created + seconds_to_close * step // (steps + 1) AS changed
    FROM (SELECT *, unnest(range(steps + 2)) AS step FROM opportunity_plan)
    WHERE created + seconds_to_close * step // (steps + 1) < 1827 * 86400
)"""

_HISTORY_COLUMNS = {
    "opportunity_id": "printf('O%08d', id)",
    "changed_at": "instant_at(changed)",
    "stage": "CASE WHEN step = 0 THEN 'prospect' "
    "WHEN step = steps + 1 THEN CASE WHEN is_won THEN 'won' ELSE 'lost' END "
    "WHEN draw(id * 8 + step, 97, 10) = 0 THEN NULL ELSE ['prospect', 'discovery', 'demo', 'proposal', 'negotiation']"
    "[least(5, greatest(1, step + draw(id * 8 + step, 98, 3)))] END",
    "amount": "CASE step WHEN 0 THEN first_amount WHEN 2 THEN CASE WHEN steps >= 2 "
    "THEN first_amount * (80 + draw(id, 81, 50)) // 100 END END",
    "currency": "CASE WHEN step = 0 THEN account_currency(coalesce(account, 0)) END",
    "expected_close_on": "CASE WHEN step % 2 = 0 THEN day_at(closes // 86400 + draw(id * 8 + step, 99, 30)) END",
    "owner_id": f"printf('P%03d', CASE WHEN step = 0 THEN first_owner WHEN step = 1 AND changes_owner "
    f"THEN (first_owner + 1) % {PEOPLE} END)",
}

_CONVERSION_COLUMNS = {
    "subject_id": "'V' || draw(id, 100, 500000)",
    "action": "pick(id, 101, ['newsletter', 'webinar', 'demo', 'registration'])",
    "offered_at": "CASE WHEN draw(id, 102, 10) > 0 THEN instant_at(draw(id, 103, 1827 * 86400)) END",
    "converted_at": "CASE WHEN draw(id, 104, 10) < 3 "
    "THEN instant_at(draw(id, 103, 1827 * 86400) + draw(id, 105, 20 * 86400)) END",
    "channel": f"pick(id, 106, {list(CHANNELS)})",
    "campaign_id": "'C' || draw(id, 107, 40)",
}


def _ticket_columns(sizes: Sizes) -> dict[str, str]:
    opened = "draw(id, 110, 1827 * 86400)"
    resolved = f"CASE WHEN draw(id, 113, 20) > 0 THEN instant_at({opened} + 86400 + draw(id, 114, 259200)) END"
    return {
        "ticket_id": "printf('T%09d', id)",
        "account_id": f"account_key(draw(id, 111, {sizes.accounts}))",
        "opened_at": f"instant_at({opened})",
        "first_response_at": f"instant_at({opened} + draw(id, 112, 86400))",
        "first_resolved_at": resolved,
        "resolved_at": resolved,
        "agent_id": f"printf('P%03d', draw(id, 115, {PEOPLE}))",
        "priority": "pick(id, 116, ['low', 'normal', 'high', 'urgent'])",
        "channel": "pick(id, 117, ['email', 'chat', 'phone'])",
        "category": "pick(id, 118, ['billing', 'bug', 'question', 'access'])",
        "messages": "1 + draw(id, 119, 12)",
        "reopens": "CASE WHEN draw(id, 120, 15) = 0 THEN 1 ELSE 0 END",
        "paused_minutes": "draw(id, 121, 600)",
    }


def _write(connection: duckdb.DuckDBPyConnection, entity: str, columns: Mapping[str, str], source: str) -> int:
    """Create the table of an entity with all its canonical columns and return how many rows it has."""
    unknown = set(columns) - set(ENTITIES[entity].field_names)
    if unknown:
        raise KeyError(f"{entity} has no fields {sorted(unknown)}")
    listed = ",\n".join(
        f"({columns.get(field.name, 'NULL')})::{SQL_TYPES[field.type]} AS {field.name}"
        for field in ENTITIES[entity].fields
    )
    connection.execute(f"CREATE TABLE store.main.{entity} AS SELECT {listed} FROM {source}")
    found = connection.execute(f"SELECT count(*) FROM store.main.{entity}").fetchone()
    return int(found[0]) if found else 0


def _write_meta(
    connection: duckdb.DuckDBPyConnection, rows: Mapping[str, int], mapped: Mapping[str, Mapping[str, str]]
) -> None:
    """The tables that say what was loaded, as a load leaves them."""
    connection.execute(
        "CREATE TABLE store.main.loaded_fields (entity VARCHAR, field VARCHAR, rows BIGINT, filled BIGINT)"
    )
    for entity in rows:
        filled = ", ".join(f"count({field})" for field in mapped[entity])
        counts = connection.execute(f"SELECT {filled} FROM store.main.{entity}").fetchone() or ()
        connection.executemany(
            "INSERT INTO store.main.loaded_fields VALUES (?, ?, ?, ?)",
            [(entity, field, rows[entity], count) for field, count in zip(mapped[entity], counts, strict=True)],
        )
    connection.execute(
        "CREATE TABLE store.main.quarantine (source VARCHAR, entity VARCHAR, file VARCHAR, sheet VARCHAR, "
        "row_number BIGINT, column_name VARCHAR, value VARCHAR, rule VARCHAR, reason VARCHAR, fix VARCHAR, "
        "severity VARCHAR, loaded_at TIMESTAMP)"
    )
    connection.execute(
        "CREATE TABLE store.main.file_loads (source VARCHAR, entity VARCHAR, file VARCHAR, rows_read BIGINT, "
        "rows_loaded BIGINT, rows_rejected BIGINT, rows_skipped BIGINT, content_hash VARCHAR, loaded_at TIMESTAMP)"
    )


def main() -> None:
    """`python -m benchmarks.generate SCALE PATH`."""
    for entity, rows in generate(float(sys.argv[1]), Path(sys.argv[2])).items():
        print(f"{entity:24}{rows:>12,}")


if __name__ == "__main__":
    main()
