"""The mapping language: units, maps, expressions, filters, lookups, several inputs and several entities."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.sources.helpers import load_now, make_project, query

from revgauge.sources.expressions import ExpressionError, parse
from revgauge.sources.mapping import json_schema


def loaded(tmp_path: Path, entities: str, files: dict[str, str | bytes | Path], head: str = "") -> Path:
    """A project with that part of a mapping, loaded without a complaint; inputs are named as their files."""
    named = "".join(f"  {Path(name).stem}: {name}\n" for name in files)
    project = make_project(tmp_path, f"source: crm\n{head}files:\n{named}entities:\n{entities}", files)
    report = load_now(project)
    assert report.ok, report.text()
    return project


def test_units(tmp_path: Path) -> None:
    """A stated unit brings a value to the unit of the field; the arithmetic stands beside each case."""
    cases = [
        ("mrr", "1234", "cents", "12.34"),  # 1234 / 100
        ("mrr", "1200", "annual", "100"),  # 1200 / 12
        ("mrr", "100", "annual", "8.333333"),  # 8.3333333... to a millionth
        ("mrr", "300", "quarterly", "100"),  # 300 / 3
        ("mrr", "84", "weekly", "365"),  # 84 x 365 / 7 / 12
        ("mrr", "12", "daily", "365"),  # 12 x 365 / 12
        ("mrr", "120000", "[cents, annual]", "100"),  # 1200.00 / 12
        ("quantity", "3", "thousands", "3000"),
    ]
    blocks, files = "", {}
    for number, (field, text, unit, _) in enumerate(cases):
        fields = "subscription_id: s, account_id: a, valid_from: d, mrr: m, quantity: q".replace(
            f"{field}: {field[0]}", f"{field}: {{column: {field[0]}, unit: {unit}}}"
        )
        blocks += f"    - {{from: x{number}, fields: {{{fields}}}}}\n"
        row = {"s": str(number), "a": "1", "d": "2024-01-01", "m": "1", "q": "1"} | {field[0]: text}
        files[f"x{number}.csv"] = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
    project = loaded(tmp_path, f"  subscription_periods:\n{blocks}", {**files})
    found = query(project, "SELECT mrr, quantity FROM subscription_periods ORDER BY subscription_id")
    for (field, text, unit, expected), (mrr, quantity) in zip(cases, found, strict=True):
        assert (mrr if field == "mrr" else quantity) == Decimal(expected), f"{field} {text} {unit}"


def test_minutes_percent_and_inclusive_ends(tmp_path: Path) -> None:
    """90 seconds are 1.5 minutes, 25 percent is 0.25, and the last day of a term is the day before its end."""
    entities = """\
  activities: {from: x, fields: {activity_id: id, occurred_at: at, minutes: {column: secs, unit: seconds}}}
  opportunities: {from: x, fields: {opportunity_id: id, created_at: at, probability: {column: pct, unit: percent}}}
  contracts: {from: x, fields: {contract_id: id, starts_on: at, ends_on: {column: last, unit: inclusive_end}}}
"""
    file = "id,at,secs,pct,last\n1,2024-01-01T00:00:00Z,90,25,2024-12-31\n"
    project = loaded(tmp_path, entities, {"x.csv": file})
    assert query(project, "SELECT minutes FROM activities") == [(Decimal("1.5"),)]
    assert query(project, "SELECT probability FROM opportunities") == [(Decimal("0.25"),)]
    assert query(project, "SELECT CAST(ends_on AS VARCHAR) FROM contracts") == [("2025-01-01",)]


def test_expressions_are_exact_and_report_what_they_cannot_read(tmp_path: Path) -> None:
    """0.1 x 3 is 0.3, a third is rounded at a millionth, and a bad cell inside an expression rejects its row."""
    entities = """\
  invoices:
    from: x
    fields:
      invoice_id: id
      issued_on: {sql: "as_day(day) + interval 1 day"}
      amount: {sql: "price * quantity / 3"}
      kind: {sql: "case when price < 0 then 'credit_note' else 'invoice' end"}
"""
    file = "id,day,price,quantity\n1,2024-01-31,0.1,9\n2,2024-02-29,-1,1\n3,2024-01-01,1,many\n"
    project = make_project(tmp_path, f"source: crm\nfiles: {{x: x.csv}}\nentities:\n{entities}", {"x.csv": file})
    report = load_now(project)
    found = query(project, "SELECT invoice_id, CAST(issued_on AS VARCHAR), amount, kind FROM invoices ORDER BY 1")
    # 0.1 x 9 / 3 = 0.3; -1 / 3 = -0.333333, a credit note, kept as a magnitude
    assert found == [
        ("1", "2024-02-01", Decimal("0.3"), "invoice"),
        ("2", "2024-03-01", Decimal("0.333333"), "credit_note"),
    ]
    assert [(p.row, p.column, p.value) for p in report.problems if p.severity == "error"] == [(4, "quantity", "many")]


@pytest.mark.parametrize(
    "text",
    [
        "read_csv('/etc/passwd')", "(select 1)", "getenv('HOME')", "a; drop table b", "sum(a)", "row_number() over ()",
        "random()",
        "current_date", "cast(a as blob)", "pragma_version()", "a -> 'b'", "x'41'", "unnest(a)", "query('select 1')",
        "a limit 1",
    ],
)  # fmt: skip
def test_expressions_are_limited_to_pure_functions(text: str) -> None:
    """Whatever reads files, asks the clock or dice, or looks at other rows is refused before anything runs (P14)."""
    with pytest.raises(ExpressionError):
        parse(text)


def test_names_and_values_cannot_break_out(tmp_path: Path) -> None:
    """Quotes and statements in headers, values, maps and constants stay text."""
    evil = "x'); DROP TABLE accounts; --"
    header = '"id","na""me; drop"\n'
    entities = (
        "  accounts:\n    from: x\n    fields:\n      account_id: id\n      name: 'na\"me; drop'\n"
        f"      segment: {{value: {json.dumps(evil)}}}\n"
        f"      region: {{column: id, map: {{{json.dumps(evil)}: {json.dumps(evil)}}}, otherwise: "
        f"{json.dumps(evil)}}}\n"
    )
    project = loaded(tmp_path, entities, {"x.csv": header + f'1,"{evil}"\n'})
    assert query(project, "SELECT name, segment, region FROM accounts") == [(evil, evil, evil)]


def test_maps_defaults_and_null_words(tmp_path: Path) -> None:
    """Mapped words are replaced, unmapped ones reject their row, `-` is empty, and a default fills."""
    entities = """\
  opportunities:
    from: x
    fields:
      opportunity_id: id
      created_at: at
      type: {column: Type, map: {New: new_business, More: expansion}}
      currency: {column: cur, default: EUR}
      stage: stage
"""
    file = (
        "id,at,Type,cur,stage\n1,2024-01-01,New,,-\n2,2024-01-01,more,USD,Won\n3,2024-01-01,renewal,USD,N/A\n"
        "4,2024-01-01,,usd,Lost\n"
    )
    project = make_project(tmp_path, f"source: crm\nfiles: {{x: x.csv}}\nentities:\n{entities}", {"x.csv": file})
    report = load_now(project)
    found = query(project, "SELECT opportunity_id, type, currency, stage FROM opportunities ORDER BY 1")
    assert found == [("1", "new_business", "EUR", None), ("3", "renewal", "USD", None), ("4", None, "USD", "Lost")]
    assert [(p.row, p.column, p.value, p.rule) for p in report.problems] == [(3, "Type", "more", "unmapped_value")]


def test_lookups_match_at_most_one_row(tmp_path: Path) -> None:
    """A lookup adds columns; a row that finds two different rows is rejected, not doubled; no match is empty."""
    entities = """\
  opportunities:
    from: deals
    join:
      - {with: products, on: {product: product}}
    fields: {opportunity_id: id, created_at: at, amount: products.price, owner_id: rep}
"""
    files: dict[str, str | bytes | Path] = {
        "deals.csv": "id,at,product,rep\n1,2024-01-01,GTX,A\n2,2024-01-01,MG,B\n3,2024-01-01,none,C\n",
        "products.csv": "product,price\nGTX,550\nMG,1\nMG,2\nGTX,550\n",
    }
    mapping = f"source: crm\nfiles: {{deals: deals.csv, products: products.csv}}\nentities:\n{entities}"
    project = make_project(tmp_path, mapping, files)
    report = load_now(project)
    assert query(project, "SELECT opportunity_id, CAST(amount AS INT) FROM opportunities ORDER BY 1") == [
        ("1", 550),
        ("3", None),
    ]
    assert [(p.row, p.rule) for p in report.problems] == [(3, "several_matches")]
    assert query(project, "SELECT entity, rows_read, rows_loaded FROM file_loads WHERE file = 'products.csv'") == [
        ("(lookup)", 4, 4)
    ]


def test_several_files_into_one_entity_and_one_file_into_several(tmp_path: Path) -> None:
    """Blocks of one entity add up, `where` splits a file, and every row of every file is accounted for."""
    entities = """\
  payments:
    - from: [north, south]
      where: "refund = ''  or refund is null"
      fields: {payment_id: id, paid_at: at, amount: amount, kind: {value: payment}}
    - from: [north, south]
      where: "refund is not null"
      fields: {payment_id: id, paid_at: at, amount: amount, kind: {value: refund}}
  accounts:
    from: north
    fields: {account_id: account}
"""
    files: dict[str, str | bytes | Path] = {
        "north.csv": "id,at,amount,refund,account\n1,2024-01-01,5,,A\n2,2024-01-01,6,yes,B\n",
        "south.csv": "id,at,refund,amount\n3,2024-01-01,,7\n",
    }
    project = loaded(tmp_path, entities, files)
    assert query(project, "SELECT payment_id, kind FROM payments ORDER BY 1") == [
        ("1", "payment"),
        ("2", "refund"),
        ("3", "payment"),
    ]
    assert query(project, "SELECT account_id FROM accounts ORDER BY 1") == [("A",), ("B",)]
    totals = query(
        project, "SELECT sum(rows_read), sum(rows_loaded), sum(rows_skipped) FROM file_loads WHERE entity = 'payments'"
    )
    assert totals == [(6, 3, 3)]  # three rows through two blocks: three loaded, three left to the other block


def test_the_newest_of_one_key_is_kept(tmp_path: Path) -> None:
    """With `newest_by` the row with the latest mark wins, whatever the order; a tie that differs is held back."""
    entities = "  accounts: {from: x, newest_by: updated, fields: {account_id: id, name: name}}\n"
    file = "id,name,updated\n1,new,2024-02-01\n1,old,2024-01-01\n2,a,2024-01-01\n2,b,2024-01-01\n"
    project = loaded(tmp_path, entities, {"x.csv": file})
    assert query(project, "SELECT account_id, name FROM accounts") == [("1", "new")]
    assert query(project, "SELECT row_number FROM quarantine WHERE rule = 'conflicting_key' ORDER BY 1") == [(4,), (5,)]


def test_two_sources_of_one_entity_keep_their_keys_apart(tmp_path: Path) -> None:
    """Where two sources fill accounts, the keys of the one that is no master, and references to them, are prefixed."""
    make_project(
        tmp_path,
        "source: crm\nmaster: true\nfiles: {a: a.csv}\nentities:\n  accounts: {from: a}\n",
        {
            "a.csv": "account_id,name\n1,Acme\n",
            "b.csv": "account_id,name\n1,Other\n",
            "s.csv": "subscription_id,account_id\n7,1\n",
        },
    )
    billing = (
        "source: billing\nfiles: {b: b.csv, s: s.csv}\nentities:\n  accounts: {from: b}\n  subscriptions: {from: s}\n"
    )
    (tmp_path / "sources" / "billing.yml").write_text(billing, encoding="utf-8")
    assert load_now(tmp_path).ok
    assert query(tmp_path, "SELECT account_id, name FROM accounts ORDER BY 1") == [
        ("1", "Acme"),
        ("billing:1", "Other"),
    ]
    assert query(tmp_path, "SELECT subscription_id, account_id FROM subscriptions") == [("7", "billing:1")]
    # When one of them fails, what it gave before stays beside the other's new rows.
    (tmp_path / "b.csv").write_text("", encoding="utf-8")
    (tmp_path / "a.csv").write_text("account_id,name\n1,Acme\n2,Beta\n", encoding="utf-8")
    report = load_now(tmp_path)
    assert report.refused == ["billing"]
    found = query(tmp_path, "SELECT account_id FROM accounts ORDER BY 1")
    assert found == [("1",), ("2",), ("billing:1",)]
    assert query(tmp_path, "SELECT count(*) FROM subscriptions") == [(1,)]


def test_a_source_that_shrinks_is_refused_until_confirmed(tmp_path: Path) -> None:
    """Seven rows after ten are 30 % fewer: refused, the ten stay; confirmed, the seven load (P5)."""
    rows = [f"{number},N{number}\n" for number in range(10)]
    mapping = "source: crm\nfiles: {a: a.csv}\nentities:\n  accounts: {from: a}\n"
    project = make_project(tmp_path, mapping, {"a.csv": "account_id,name\n" + "".join(rows)})
    load_now(project)
    (project / "a.csv").write_text("account_id,name\n" + "".join(rows[:7]), encoding="utf-8")
    report = load_now(project)
    assert report.refused == ["crm"]
    assert "30% fewer" in report.text()
    assert query(project, "SELECT count(*) FROM accounts") == [(10,)]
    assert load_now(project, allow_shrink=True).ok
    assert query(project, "SELECT count(*) FROM accounts") == [(7,)]


def test_times_without_a_zone_need_one(tmp_path: Path) -> None:
    """A local time is asked about; stated, summer time counts: 10:00 in Berlin is 08:00 UTC in July, else 09:00."""
    file = "ticket_id,opened_at\n1,2024-07-01 10:00:00\n2,2024-01-01 10:00:00\n"
    mapping = "source: crm\n{zone}files: {{a: a.csv}}\nentities:\n  tickets: {{from: a}}\n"
    project = make_project(tmp_path, mapping.format(zone=""), {"a.csv": file})
    report = load_now(project)
    assert report.refused == ["crm"]
    assert {problem.rule for problem in report.problems} == {"time_zone"}
    make_project(tmp_path, mapping.format(zone="time_zone: Europe/Berlin\n"))
    assert load_now(project).ok
    assert query(project, "SELECT strftime(opened_at, '%H:%M') FROM tickets ORDER BY ticket_id") == [
        ("08:00",),
        ("09:00",),
    ]


def test_days_of_instants_are_those_of_the_project(tmp_path: Path) -> None:
    """An instant in a day field is the day in the project's zone; a day in an instant field begins at its midnight."""
    (tmp_path / "revgauge.yml").write_text("name: x\ntime_zone: America/New_York\n", encoding="utf-8")
    entities = "  subscriptions: {from: x, fields: {subscription_id: id, started_on: at}}\n"
    entities += "  accounts: {from: x, fields: {account_id: id, created_at: day}}\n"
    project = loaded(tmp_path, entities, {"x.csv": "id,at,day\n1,2024-03-01T03:00:00Z,2024-03-01\n"})
    assert query(project, "SELECT CAST(started_on AS VARCHAR) FROM subscriptions") == [
        ("2024-02-29",)
    ]  # 22:00 the day before
    assert query(project, "SELECT CAST(created_at AS VARCHAR) FROM accounts") == [
        ("2024-03-01 05:00:00",)
    ]  # midnight + 5 h


def amounts(texts: list[str], first: int = 0) -> str:
    """A file of expenses with these amounts."""
    lines = "".join(f'{first + number},2024-01-01,"{text}"\n' for number, text in enumerate(texts))
    return "expense_id,incurred_on,amount\n" + lines


def test_the_decimal_mark_is_proven(tmp_path: Path) -> None:
    """All values of a column together prove the decimal mark."""
    cases = [
        (["1.234,50", "2.000"], [1234.5, 2000.0]),
        (["1,234.50", "2,000"], [1234.5, 2000.0]),
        (["0,5", "1,25"], [0.5, 1.25]),
        (["12.50", "2.000"], [12.5, 2.0]),
        (["(12.50)", "-3", "4-"], [-12.5, -3.0, -4.0]),
        (["1.234.567", "1.000"], [1234567.0, 1000.0]),
    ]
    blocks = "".join(f"    - {{from: x{number}}}\n" for number in range(len(cases)))
    files = {f"x{number}.csv": amounts(texts, 10 * number) for number, (texts, _) in enumerate(cases)}
    project = loaded(tmp_path, f"  expenses:\n{blocks}", {**files})
    found = query(project, "SELECT CAST(amount AS DOUBLE) FROM expenses ORDER BY CAST(expense_id AS INT)")
    assert [row[0] for row in found] == [number for _, numbers in cases for number in numbers]


@pytest.mark.parametrize("texts", [["2.000", "3.000"], ["2,000", "3"]])
def test_a_decimal_mark_that_nothing_proves_is_asked_about(tmp_path: Path, texts: list[str]) -> None:
    """Where no value proves the decimal mark nothing loads, and a setting is named."""
    mapping = "source: crm\nfiles: {a: a.csv}\nentities:\n  expenses: {from: a}\n"
    report = load_now(make_project(tmp_path, mapping, {"a.csv": amounts(texts)}))
    assert report.refused == ["crm"]
    assert any("decimal:" in problem.fix for problem in report.problems)


def test_every_mistake_of_a_mapping_is_told_at_once(tmp_path: Path) -> None:
    """Input, field, unit, expression, map and entity: each with its line, all in one report."""
    mapping = """\
source: crm
files: {deals: deals.csv}
entities:
  opportunities:
    from: deal
    where: "read_csv('x') = 1"
    fields:
      opportunity_id: id
      amout: Amount
      amount: {column: Amount, unit: cent}
      type: {column: Type, map: {New: new_busines}}
      stage: {column: a, value: b}
  acounts: {from: deals}
"""
    report = load_now(make_project(tmp_path, mapping, {"deals.csv": "id\n"}))
    assert [problem.row for problem in report.problems] == [5, 6, 9, 10, 11, 12, 13]
    assert all(problem.fix for problem in report.problems)


def test_tables_of_a_database_and_parquet_are_sources(tmp_path: Path) -> None:
    """A DuckDB table and a Parquet folder load like files; their types stay exact, their nulls stay empty."""
    with duckdb.connect(str(tmp_path / "w.duckdb")) as connection:
        connection.execute(
            "CREATE TABLE deals AS SELECT 1::BIGINT AS id, 2.000::DECIMAL(9, 3) AS amount, TIMESTAMPTZ "
            "'2024-01-01 01:00:00+01' AS at, "
            "NULL::VARCHAR AS stage"
        )
        (tmp_path / "pq").mkdir()
        connection.execute(
            f"COPY (SELECT 'A' AS account_id, 'Acme' AS name) TO '{tmp_path}/pq/1.parquet' (FORMAT parquet)"
        )
        connection.execute(
            f"COPY (SELECT 'B' AS account_id, 'Beta' AS name) TO '{tmp_path}/pq/2.parquet' (FORMAT parquet)"
        )
    mapping = """\
source: crm
tables:
  deals: {database: w.duckdb, table: deals}
  accounts: {parquet: pq}
entities:
  opportunities: {from: deals, fields: {opportunity_id: id, amount: amount, created_at: at, stage: stage}}
  accounts: {from: accounts}
"""
    project = make_project(tmp_path, mapping)
    assert load_now(project).ok
    found: list[Any] = query(
        project, "SELECT opportunity_id, amount, CAST(created_at AS VARCHAR), stage FROM opportunities"
    )
    assert found == [("1", Decimal(2), "2024-01-01 00:00:00", None)]
    assert query(project, "SELECT account_id FROM accounts ORDER BY 1") == [("A",), ("B",)]


def test_loaded_fields_tell_gaps_from_empty(tmp_path: Path) -> None:
    """A mapped field stands in `loaded_fields` with how many rows fill it; one that is not mapped does not."""
    project = loaded(tmp_path, "  accounts: {from: a}\n", {"a.csv": "account_id,segment\n1,smb\n2,\n"})
    found = query(project, "SELECT field, rows, filled FROM loaded_fields WHERE entity = 'accounts' ORDER BY 1")
    assert found == [("account_id", 2, 2), ("segment", 2, 1)]


def test_the_language_has_a_json_schema() -> None:
    """The published schema names every key of the language, and the short forms beside the long ones."""
    schema = json_schema()
    assert set(schema["properties"]) == {
        "source",
        "master",
        "absent_columns",
        "time_zone",
        "files",
        "tables",
        "entities",
        "in_place",
    }
    assert {"type": "string"} in schema["$defs"]["FieldSpec"]["anyOf"]
    assert "opportunities" in schema["properties"]["entities"]["properties"]
    json.dumps(schema)
