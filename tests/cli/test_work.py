"""`load`, `build`, `run`, `init` and `demo`: work that changes a project, and what it says of itself."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.cli.conftest import Cli, make_project

from revgauge.model.entities import ENTITIES
from revgauge.workspace import Workspace


def test_load_says_what_became_of_every_row(tmp_path: Path, cli: Cli) -> None:
    """Five subscription rows are read, three load, and the two that do not are named with row, column and value."""
    answer = cli("load", "--project", make_project(tmp_path))
    assert answer.code == 0  # rows in quarantine are a warning: the good rows are loaded
    assert "subscription_periods: 5 rows read, 3 loaded, 2 rejected" in answer.out
    assert "row 5, start: `2025-02-30`" in answer.out
    assert "row 6, mrr: `ten`" in answer.out
    assert answer.err == ""


def test_load_as_data(tmp_path: Path, cli: Cli) -> None:
    """For each entity the counts add up to the rows read, and each problem has its place and its fix."""
    data = json.loads(cli("load", "--project", make_project(tmp_path), "--format", "json").out)
    for part in data["entities"]:
        assert part["rows_loaded"] + part["rows_rejected"] + part["rows_skipped"] == part["rows_read"]
    assert data["refused"] == []
    places = {(problem["file"], problem["row"], problem["column"]) for problem in data["problems"]}
    assert ("exports/subscriptions.csv", 5, "start") in places
    assert all(problem["fix"] for problem in data["problems"])


def test_a_source_that_cannot_be_used_is_an_error(tmp_path: Path, cli: Cli) -> None:
    """A mapping that names a column which is not there refuses its source: code 1, with the name that was meant."""
    mapping = make_project(tmp_path) / "sources" / "exports.yml"
    mapping.write_text(mapping.read_text(encoding="utf-8").replace("mrr: mrr", "mrr: mmr"), encoding="utf-8")
    answer = cli("load", "--project", tmp_path)
    assert answer.code == 1
    assert "mmr" in answer.out
    assert "mrr" in answer.out.replace("mmr", "")


def test_a_project_without_sources_says_what_to_do(tmp_path: Path, cli: Cli) -> None:
    """Settings alone load nothing: code 1, and the command that proposes sources."""
    (tmp_path / "revgauge.yml").write_text("name: Empty\n", encoding="utf-8")
    answer = cli("load", "--project", tmp_path)
    assert answer.code == 1
    assert "revgauge init" in answer.out


@pytest.mark.slow
def test_run_loads_and_publishes(tmp_path: Path, cli: Cli) -> None:
    """After `run` the published build holds the values that `show` gives, and running again changes none of them."""
    make_project(tmp_path)
    answer = cli("run", "--project", tmp_path)
    assert answer.code == 0
    assert "11 of 13 rows into 3 entities from 1 source; 2 in quarantine" in answer.out
    assert "not a number in exports/subscriptions.csv: 1" in answer.out
    published = Workspace(tmp_path).published
    values = {row["period"]: row["value"] for row in published.values("mrr", "month")}
    assert str(values["2025-02"]) == "1534.560000000000"
    before = published.values("mrr", "month", "segment")
    data = json.loads(cli("run", "--project", tmp_path, "--format", "json").out)
    assert data["build"]["values"] > 0
    assert data["build"]["build_id"] == published.facts()["build_id"]
    assert published.values("mrr", "month", "segment") == before


@pytest.mark.slow
def test_build_tells_what_it_could_not_compute(tmp_path: Path, cli: Cli) -> None:
    """A build names each metric that no data can give, and why."""
    cli("load", "--project", make_project(tmp_path))
    answer = cli("build", "--project", tmp_path)
    assert answer.code == 0
    assert answer.out.startswith("Built ")
    assert "  ○ marketing_qualified_lead_count: leads was never loaded\n" in answer.out


@pytest.mark.slow
def test_build_tells_its_steps(tmp_path: Path, cli: Cli) -> None:
    """`--explain` shows tables and answers with what they read, each entity at most three times; then none is read."""
    make_project(tmp_path)
    cli("load", "--project", tmp_path)
    first = json.loads(cli("build", "--project", tmp_path, "--explain", "--format", "json").out)
    reads = [name for step in first["steps"] if step["name"] != "lookup" for name in step["reads"]]
    assert 1 <= reads.count("subscription_periods") <= 3
    assert all(reads.count(name) <= 3 for name in set(reads) & ENTITIES.keys())
    assert any("mrr" in step["serves"] for step in first["steps"])
    again = cli("build", "--project", tmp_path, "--explain").out
    assert re.search(r"^mrr_movements +as before ", again, flags=re.MULTILINE)
    assert "No entity was read: nothing has changed since the last build." in again


def test_init_proposes_and_says_how_sure(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a file with telling headers a project comes into being that loads; nothing that is there is overwritten."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deals.csv").write_text(
        "Deal ID,Company,Stage,Amount,Currency,Created,Closed\nD-1,Acme,Won,10800,USD,2024-11-20,2025-01-08\n",
        encoding="utf-8",
    )
    answer = cli("init")
    assert answer.code == 0
    assert "opportunities.amount <- Amount" in answer.out
    assert (tmp_path / "revgauge.yml").exists()
    assert cli("load").code == 0
    (tmp_path / "revgauge.yml").write_text("name: Mine\n", encoding="utf-8")
    again = cli("init")
    assert "left as it was: revgauge.yml" in again.out
    assert (tmp_path / "revgauge.yml").read_text(encoding="utf-8") == "name: Mine\n"


def test_init_where_there_is_nothing(tmp_path: Path, cli: Cli) -> None:
    """A folder that is not there is a wrong call; one without a file that is understood is an error in the data."""
    assert cli("init", tmp_path / "nowhere").code == 2
    answer = cli("init", tmp_path)
    assert answer.code == 1
    assert "No file was recognised" in answer.err


def test_demo_leaves_foreign_folders_alone(tmp_path: Path, cli: Cli) -> None:
    """A folder with files of somebody is refused, also if it is a project; nothing in it changes."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert cli("demo", tmp_path).code == 2
    (tmp_path / "revgauge.yml").write_text("name: Mine\n", encoding="utf-8")
    answer = cli("demo", tmp_path)
    assert answer.code == 2
    assert "not empty" in answer.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "revgauge.yml"]


@pytest.mark.slow
def test_demo_prints_a_scorecard(tmp_path: Path, cli: Cli) -> None:
    """The sample company is made, loaded and built, and each headline has a year of months and changes that agree."""
    answer = cli("demo", tmp_path / "sample", "--format", "json")
    assert answer.code == 0
    data = json.loads(answer.out)
    assert {card["metric"]["name"] for card in data["scorecard"]} >= {"mrr", "win_rate", "lead_count", "sales_velocity"}
    for card in data["scorecard"]:
        series = [point["value"] for point in card["series"]]
        assert len(series) == 13
        assert (series[-1], series[-2], series[0]) == (
            card["value"], card["month_before"]["value"], card["year_before"]["value"],
        )  # fmt: skip
        if card["metric"]["better"] == "up" and None not in (series[-1], series[0]):
            assert (card["year_before"]["verdict"] == "better") == (series[-1] > series[0])
    assert sum(data["gaps"].values()) >= len(data["scorecard"])
    assert "README" in answer.err
    published = Workspace(tmp_path / "sample").published.values("mrr", "month")
    assert float({row["period"]: row["value"] for row in published}[data["period"]]) == data["scorecard"][0]["value"]


OWN_METRICS = """\
metrics:
  - id: won_amount
    label: Won amount
    definition: What was sold.
    unit: money
    rows: opportunities
    when: closed_at
    where: is_won
    aggregate: sum
    value: amount
  - id: lost_amount
    label: Lost amount
    definition: What was lost.
    unit: money
    rows: opportunitis
    when: closed_at
    aggregate: sum
    value: amount
"""


@pytest.mark.slow
def test_mistakes_in_own_definitions_are_told_and_the_rest_works(tmp_path: Path, cli: Cli) -> None:
    """A metric with a mistake is named with its line wherever it is missed; the others are built; the code says so."""
    (make_project(tmp_path) / "metrics.yml").write_text(OWN_METRICS, encoding="utf-8")
    cli("load", "--project", tmp_path)
    built = cli("build", "--project", tmp_path)
    assert built.code == 1
    assert "metrics.yml, row 15, rows" in built.err
    assert "Write opportunities" in built.err
    shown = cli("show", "won_amount", "--period", "2025-01", "--project", tmp_path, "--exact")
    assert "15,600" in shown.out  # 12000 of d1 and 3600 of d2
    missed = cli("show", "lost_amount", "--project", tmp_path)
    assert missed.code == 2
    assert "metrics.yml, row 15" in missed.err
