"""`show`, `rows` and `metrics` on the small company: what is printed means what was worked out by hand."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from tests.cli.conftest import Cli

from revgauge.cli.terminal import csv_cell
from revgauge.figures import MINUS, NOTHING


def test_show_gives_values_of_the_months(company: Path, cli: Cli) -> None:
    """The table has a line for each month with value and change, and says which month is not over."""
    answer = cli("show", "mrr", "--project", company)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[:2] == ["Monthly recurring revenue (mrr)", "USD · by month · as of 2025-04-10"]
    # January 1000 + 300 after nothing in December; February + 234.56 is 18.04 % more; March - 300 is 19.55 % less.
    assert [line.split() for line in lines if line.startswith("2025-0") and ":" not in line] == [
        ["2025-01", "1.30k", "+1.30k", "✓", "better"],
        ["2025-02", "1.53k", "+18.0%", "✓", "better"],
        ["2025-03", "1.23k", f"{MINUS}19.5%", "✗", "worse"],
        ["2025-04", "1.23k", "to", "date"],
    ]
    assert f"2025-03: 1.23k USD, {MINUS}19.5% (worse) on 2025-02." in lines


def test_show_writes_all_digits_on_request(company: Path, cli: Cli) -> None:
    """--exact shows the cents."""
    assert "1,534.56" in cli("show", "mrr", "--exact", "--project", company).out


def test_json_carries_everything_of_a_number(company: Path, cli: Cli) -> None:
    """A value in JSON comes with its exact digits, unit, period, dimensions, parameters, parts and definition."""
    answer = cli("show", "win_rate", "--period", "2025-Q1", "--project", company, "--format", "json")
    data = json.loads(answer.out)
    assert set(data) == {"metric", "params", "by", "reporting_currency", "as_of", "values"}
    assert data["metric"]["name"] == "win_rate"
    assert (data["metric"]["unit"], data["metric"]["better"], data["metric"]["definition_version"]) == (
        "ratio",
        "up",
        "1",
    )
    assert (data["reporting_currency"], data["as_of"], data["by"]) == ("USD", "2025-04-10", [])
    (value,) = data["values"]
    # d1 and d2 were won, d3 lost: two of three.
    assert value["value"] == pytest.approx(2 / 3)
    assert value["value_exact"] == "0.666666666667"
    assert (value["numerator"], value["denominator"], value["reason"]) == (2, 3, None)
    assert value["marks"] == ["few"]
    low, high = value["interval"]
    assert 0 < low < 2 / 3 < high < 1
    assert value["period"] == {
        "label": "2025-Q1", "grain": "quarter", "start": "2025-01-01", "end": "2025-04-01", "partial": False,
    }  # fmt: skip


def test_split_values_stand_side_by_side(company: Path, cli: Cli) -> None:
    """Split by a dimension, each of its values is a line, the largest first."""
    lines = cli("show", "mrr", "--by", "segment", "--project", company, "--exact").out.splitlines()
    table = [line.split() for line in lines if line.startswith(("large", "small"))]
    assert [row[0] for row in table] == ["large", "small"]
    assert "1,000" in table[0]
    assert "534.56" in table[1]  # birch 300 and cedar 234.56 in February


def test_a_value_that_does_not_occur_is_pointed_out(company: Path, cli: Cli) -> None:
    """Limited to a misspelt value the number is zero, and standard error says what was probably meant."""
    answer = cli("show", "mrr", "--period", "2025-03", "--by", "segment=smal", "--project", company)
    assert answer.code == 0
    assert answer.err == "No row has segment smal; did you mean small?\n"


def test_nothing_is_a_dash_with_its_reason(company: Path, cli: Cli) -> None:
    """A month without a closed deal has no win rate: a dash, and the reason as a footnote."""
    answer = cli("show", "win_rate", "--project", company)
    (march,) = [line for line in answer.out.splitlines() if line.startswith("2025-03")]
    assert NOTHING in march
    assert "no deal was closed" in answer.out


def test_the_period_decides_the_grain(company: Path, cli: Cli) -> None:
    """A year given as the period is shown as a year, without --grain."""
    assert "by year" in cli("show", "mrr", "--period", "2025", "--project", company).out


def test_as_of_looks_back(company: Path, cli: Cli) -> None:
    """As of the last day of February the series ends there, and February is complete."""
    out = cli("show", "mrr", "--as-of", "2025-02-28", "--project", company).out
    assert "2025-02" in out
    assert "2025-03" not in out
    assert "to date" not in out


def test_csv_has_a_line_for_each_value(company: Path, cli: Cli) -> None:
    """CSV holds plain numbers with their unit, period and dimension."""
    answer = cli("show", "mrr", "--by", "segment", "--grain", "quarter", "--project", company, "--format", "csv")
    found = {(row["period"], row["segment"]): row for row in csv.DictReader(io.StringIO(answer.out))}
    first = found["2025-Q1", "small"]
    assert (first["value"], first["unit"], first["currency"]) == ("234.56", "money", "USD")
    assert first["definition_version"] == "1"


def test_rows_add_up_and_say_what_was_left_out(company: Path, cli: Cli) -> None:
    """The listing names each account with what it adds, and the number that the rows give."""
    answer = cli("rows", "mrr", "--period", "2025-02", "--project", company)
    assert answer.code == 0
    assert "1,534.56 USD; the rows below add up to it." in answer.out
    lines = [line.split() for line in answer.out.splitlines()]
    assert [line[0] for line in lines if line and line[0] in ("acme", "birch", "cedar")] == ["acme", "birch", "cedar"]


@pytest.mark.slow
def test_rows_are_data_too(company: Path, cli: Cli) -> None:
    """JSON has every row of every part, and whether they give the number."""
    answer = cli("rows", "win_rate", "--period", "2025-Q1", "--project", company, "--format", "json")
    data = json.loads(answer.out)
    assert data["agrees"] is True
    assert data["value"]["value"] == data["added_up"] == pytest.approx(2 / 3)
    numerator, denominator = data["parts"]
    assert {row["opportunity_id"] for row in numerator["rows"]} == {"d1", "d2"}
    assert denominator["rows_that_count"] == 3


def test_rows_are_limited_and_say_so(company: Path, cli: Cli) -> None:
    """--limit shows the first rows of each list and tells how many more there are."""
    answer = cli("rows", "mrr", "--period", "2025-02", "--limit", "1", "--project", company)
    assert "2 more rows (--limit 0)" in answer.out
    assert "cedar" not in answer.out


def test_csv_of_rows_cannot_run_as_a_formula() -> None:
    """Text that a spreadsheet would run is quoted; numbers, negative ones too, stay numbers."""
    assert csv_cell("=1+1") == "'=1+1"
    assert csv_cell("@SUM(A1)") == "'@SUM(A1)"
    assert csv_cell("-2+3") == "'-2+3"
    assert csv_cell(-2) == -2
    assert csv_cell("plain") == "plain"


def test_the_catalogue_is_listed_by_family(cli: Cli) -> None:
    """Each metric stands under its family with label, unit, direction and definition."""
    answer = cli("metrics")
    assert answer.code == 0
    assert "Recurring revenue\n" in answer.out
    assert "  mrr: Monthly recurring revenue (money, better: up)\n" in answer.out
    cards = json.loads(cli("metrics", "--format", "json").out)
    assert f"{len(cards)} metrics." in answer.out
    assert all(card["definition"] and card["unit"] and card["better"] for card in cards)


def test_one_definition_in_full(cli: Cli) -> None:
    """A metric asked for by its short form shows definition, parameters with defaults, dimensions and what it reads."""
    card = json.loads(cli("metrics", "NRR", "--format", "json").out)
    assert card["name"] == "net_revenue_retention"
    assert "nrr" in card["aliases"]
    assert "segment" in card["dimensions"]
    assert "subscription_periods" in card["reads"]
    (window,) = [param for param in card["parameters"] if param["name"] == "window_months"]
    assert window["default"] == 12
    text = cli("metrics", "nrr").out
    for word in ("Net revenue retention", "Formula", "Source", "Split by", "window_months"):
        assert word in text


def test_gaps_say_what_is_missing(company: Path, cli: Cli) -> None:
    """Nothing was loaded of leads, so what needs them cannot be computed, and the answer says what to map."""
    findings = {card["metric"]: card for card in json.loads(cli("gaps", "--project", company, "--format", "json").out)}
    assert findings["mrr"]["status"] == "computable"
    assert findings["lead_count"]["status"] == "not computable"
    assert findings["lead_count"]["gaps"][0]["entity"] == "leads"
    text = cli("gaps", "--project", company).out
    assert "leads was never loaded" in text
    assert f"{len(findings)} metrics: ● " in text
