"""`revgauge forecast` on a company of four years: the finding, the figures, and refusals in words."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli
from tests.oracle.periods import add_months

from revgauge.methods import forecasting as methods
from revgauge.methods.backtest import shortest_series
from revgauge.workspace import Workspace

PERIODS = """\
source: exports
files:
  periods: periods.csv
entities:
  accounts:
    from: periods
    fields:
      account_id: customer
      segment: segment
  subscription_periods:
    from: periods
    fields:
      subscription_id: customer
      account_id: customer
      valid_from: start
      valid_to: stop
      mrr: mrr
      currency: {value: USD}
"""


def customers() -> list[str]:
    """One more customer at 100 every month from 2022 to 2025 in `steady`, and three of `young` from October 2025 on.

    MRR of `steady` is a straight line, which drift foresees without an error.
    """
    months = [add_months(date(2022, 1, 1), number) for number in range(48)]
    rows = [f"c{number},steady,{month},,100" for number, month in enumerate(months)]
    return [*rows, *(f"y{number},young,2025-1{number}-01,,40" for number in range(3))]


@pytest.fixture(scope="module")
def growing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company, loaded."""
    folder = tmp_path_factory.mktemp("growing")
    (folder / "sources").mkdir()
    (folder / "revgauge.yml").write_text("name: Growing\nreporting_currency: USD\nas_of: 2026-01-10\n", "utf-8")
    (folder / "sources" / "exports.yml").write_text(PERIODS, "utf-8")
    (folder / "periods.csv").write_text("\n".join(["customer,segment,start,stop,mrr", *customers(), ""]), "utf-8")
    assert Workspace(folder, clock=lambda: datetime(2026, 1, 10, tzinfo=UTC)).load().ok
    return folder


@pytest.fixture
def asked(growing: Path, cli: Cli) -> Any:
    """Asks for a forecast as JSON."""

    def ask(*words: str) -> Any:
        answer = cli("forecast", "mrr", *words, "--project", growing, "--format", "json")
        assert answer.code == 0, answer.err
        return json.loads(answer.out)

    return ask


@pytest.mark.slow
def test_the_method_that_fits_is_named(growing: Path, cli: Cli) -> None:
    """On a straight line drift misses by nothing; the table says so, and that naive does not."""
    answer = cli("forecast", "mrr", "--by", "segment=steady", "--horizon", "3", "--project", growing)
    assert answer.code == 0
    assert "48 complete months from 2022-01 to 2025-12; tried 24 times, up to 3 months" in answer.out
    assert "drift would have been best" in " ".join(answer.out.split())
    assert "What drift says" in answer.out
    assert "2026-03" in answer.out


@pytest.mark.slow
def test_forecasts_and_errors_are_those_of_the_line(asked: Any) -> None:
    """MRR grew by 100 a month to 4,800: drift says 4,900, 5,000 and 5,100, and missed by nothing at any origin.

    Naive missed by 100, 200 and 300. The last of 24 origins is after 45 values, the first after 22, so that the actuals
    one step ahead are 2,300 to 4,600, of which the misses of naive are 2,400 over 82,800.
    """
    (series,) = asked("--by", "segment=steady", "--horizon", "3")["series"]
    found = {method["name"]: method for method in series["methods"]}
    assert series["best"] == series["methods"][0]["name"] == "drift"
    assert series["beats_naive"] is True
    assert [step["value"] for step in found["drift"]["forecast"]] == pytest.approx([4900, 5000, 5100])
    assert [step["period"]["label"] for step in found["drift"]["forecast"]] == ["2026-01", "2026-02", "2026-03"]
    assert found["drift"]["errors"]["wape"] == pytest.approx(0, abs=1e-9)
    first = found["naive"]["errors_by_step"][0]
    assert (first["step"], first["cases"]) == (1, 24)
    assert first["wape"] == pytest.approx(2400 / 82800)
    assert first["bias"] == pytest.approx(-2400 / 82800)
    assert first["mase"] == pytest.approx(100 / 1200)  # a month against the same month a year before: 1,200
    assert found["naive"]["errors"]["cases"] == 72


@pytest.mark.slow
def test_each_value_of_a_dimension_is_a_series(asked: Any) -> None:
    """`steady` has a forecast; `young` has three months, and is told what it lacks, in place of a guess."""
    told = {series["dimensions"]["segment"]: series for series in asked("--by", "segment")["series"]}
    assert told["steady"]["refused"] is None
    assert told["young"]["best"] is None
    assert told["young"]["methods"] == []
    assert told["young"]["refused"].startswith("the series has 3 complete months since 2025-10 with a value, and ")
    assert f" {shortest_series(12, 6)} are needed" in told["young"]["refused"]


def test_a_short_past_is_refused_in_words(growing: Path, cli: Cli) -> None:
    """As of June 2023 there are 18 months, and 21 are needed to try methods six months ahead."""
    answer = cli("forecast", "mrr", "--as-of", "2023-06-30", "--project", growing)
    assert answer.code == 0
    assert "No forecast: the series has 18 complete months since 2022-01" in " ".join(answer.out.split())
    assert "21 are needed" in " ".join(answer.out.split())


def test_when_nothing_beats_naive_it_is_said(growing: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where naive is as good as any method, the answer says that no method beats it."""
    flat = methods.Method("flat", "as naive", methods.naive)
    monkeypatch.setattr("revgauge.forecasting.METHODS", (methods.METHODS[0], flat))
    answer = cli("forecast", "active_customers", "--project", growing)
    assert "No method beats naive, which misses by" in " ".join(answer.out.split())
    assert "What naive says" in answer.out


def test_without_the_library_the_rest_is_done(growing: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without statsmodels three methods are tried, and a line on standard error says what to install."""
    monkeypatch.setattr("revgauge.forecasting.available", lambda: False)
    answer = cli("forecast", "mrr", "--project", growing, "--format", "json")
    told = json.loads(answer.out)
    assert "pip install 'revgauge[forecast]'" in answer.err
    assert told["methods_left_out"] == ["theta", "smoothing", "damped_trend"]
    assert {method["name"] for method in told["series"][0]["methods"]} == {"naive", "seasonal_naive", "drift"}


@pytest.mark.slow
def test_mrr_is_compared_with_its_own_prediction(asked: Any) -> None:
    """Without leads predicted_mrr has no value, so there is nothing to compare; no other metric has one either."""
    assert all(series["prediction"] is None for series in asked()["series"])


@pytest.mark.slow
def test_csv_has_a_line_for_each_method_and_step(growing: Path, cli: Cli) -> None:
    """Six methods by three steps, and one line for the series that is refused."""
    answer = cli("forecast", "mrr", "--by", "segment", "--horizon", "3", "--project", growing, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert len(rows) == 6 * 3 + 1
    assert [row["segment"] for row in rows].count("young") == 1
    (refused,) = [row for row in rows if row["refused"]]
    assert refused["value"] == ""
    best = [row for row in rows if row["rank"] == "1"]
    assert [float(row["value"]) for row in best] == pytest.approx([4900, 5000, 5100])
    assert all(
        float(row["low_95"]) <= float(row["low_80"]) <= float(row["value"]) for row in rows if not row["refused"]
    )


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("mrrr",), "did you mean mrr"),
        (("mrr", "--horizon", "0"), "from 1 to 36 periods can be foreseen, not 0"),
        (("mrr", "--horizon", "99"), "from 1 to 36 periods can be foreseen, not 99"),
        (("mrr", "--by", "segmnt"), "did you mean segment"),
        (("mrr", "--param", "levle=parent"), "did you mean level"),
    ],
)
def test_a_wrong_call_is_answered_in_words(words: tuple[str, ...], told: str, growing: Path, cli: Cli) -> None:
    """A name that does not exist and a horizon that makes no sense are told with what is possible; exit code 2."""
    answer = cli("forecast", *words, "--project", growing)
    assert answer.code == 2
    assert told in answer.err


@pytest.mark.slow
def test_factors_of_a_value_are_shown(growing: Path, cli: Cli) -> None:
    """The value that a definition takes apart is shown with its factors, in the table and as JSON."""
    words = ("show", "predicted_mrr", "--period", "2026-01", "--param", "activation=new_mrr", "--project", growing)
    told = json.loads(cli(*words, "--format", "json").out)["values"][0]["factors"]
    # Of the last three months each brought 100 of steady and 40 of young; nobody ever left.
    assert told == {"base_mrr": 4920, "customer_churn": 0, "new_and_reactivation_mrr": 140}
    table = cli(*words).out
    assert "2026-01 is made of" in table
    assert "new_and_reactivation_mrr" in table
