"""The example projects give the figures that were worked out for their data without RevGauge."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import duckdb
import pytest
from tests.examples.figures import Table, differences, matches, read_table

from revgauge.cli import main
from revgauge.workspace import Workspace

SHIPPED = ("maven_crm", "mrr_playbook")
FETCHED = {
    "ravenstack": (
        "ravenstack_accounts.csv",
        "ravenstack_subscriptions.csv",
        "ravenstack_support_tickets.csv",
        "ravenstack_churn_events.csv",
    ),
    "olist_funnel": (
        "olist_marketing_qualified_leads_dataset.csv",
        "olist_closed_deals_dataset.csv",
        "olist_sellers_dataset.csv",
    ),
}
"""Examples whose data may be used and not passed on, and the files that they read, plain or packed with gzip."""

EXAMPLES = (*SHIPPED, *(pytest.param(name, marks=pytest.mark.needs_data) for name in FETCHED))

LOADED: dict[str, dict[str, tuple[int, int, int]]] = {
    # 500 deals have no engage date; a manager stands beside each of 35 agents, and there are 6.
    "maven_crm": {"accounts": (85, 0, 0), "people": (41, 0, 29), "opportunities": (8300, 500, 0)},
    "mrr_playbook": {"subscriptions": (121, 0, 0), "subscription_periods": (121, 0, 0)},
    # 142 of 600 churn events have a refund above 0.
    "ravenstack": {
        "accounts": (500, 0, 0),
        "subscriptions": (5000, 0, 0),
        "subscription_periods": (5000, 0, 0),
        "tickets": (2000, 0, 0),
        "survey_responses": (2000, 0, 0),
        "payments": (142, 0, 458),
    },
    # 41 people stand 1,684 times beside 842 deals; every lead may close and sell, and every deal may sell.
    "olist_funnel": {
        "leads": (8000, 0, 0),
        "accounts": (842, 0, 0),
        "people": (41, 0, 1643),
        "opportunities": (842, 0, 0),
        "conversions": (16842, 0, 0),
    },
}
"""Rows loaded, rejected and skipped for each entity, by the counts in the README of the example."""


def project(example: str, root: Path, tmp_path: Path) -> Path:
    """A copy of the example with its data; fails with what to fetch if the data are not there."""
    folder = tmp_path / example
    shutil.copytree(root / "examples" / example, folder, ignore=shutil.ignore_patterns(".revgauge"))
    if example in FETCHED:
        shutil.rmtree(folder / "data", ignore_errors=True)
        shutil.copytree(fetched(example), folder / "data")
    return folder


def fetched(example: str) -> Path:
    """The folder with the data of an example that are not shipped."""
    wanted = FETCHED[example]
    folder = Path(os.environ["REVGAUGE_DATA"]).expanduser() / example
    missing = [name for name in wanted if not ((folder / name).exists() or (folder / f"{name}.gz").exists())]
    if missing:
        pytest.fail(
            f"{folder} lacks {', '.join(missing)}. Fetch them as examples/{example}/README.md says, put them there "
            f"(plain or as .gz), and run `make test-data REVGAUGE_DATA={folder.parent}` again.",
            pytrace=False,
        )
    return folder


def loaded_counts(folder: Path) -> dict[str, tuple[int, int, int]]:
    """What the store says became of the rows of each entity."""
    with duckdb.connect(str(folder / ".revgauge" / "entities.duckdb"), read_only=True) as store:
        found = store.execute(
            "SELECT entity, sum(rows_loaded), sum(rows_rejected), sum(rows_skipped) FROM file_loads "
            "WHERE entity <> '(lookup)' GROUP BY entity"
        ).fetchall()
    return {name: (int(loaded), int(rejected), int(skipped)) for name, loaded, rejected, skipped in found}


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_example_gives_the_figures_worked_out_for_it(example: str, root: Path, tmp_path: Path) -> None:
    """`revgauge run` loads every row that its README says, and every figure of its table agrees with its reference."""
    folder = project(example, root, tmp_path)
    assert main(["run", "--project", str(folder)]) == 0
    assert loaded_counts(folder) == LOADED[example]
    workspace = Workspace(folder)
    assert list(workspace.definition_problems) == []
    assert differences(workspace, read_table(example)) == []


@pytest.mark.slow
def test_a_fiscal_year_from_december_gives_the_retention_of_the_last_twelve_months(root: Path, tmp_path: Path) -> None:
    """With years that begin in December, 2019 is 2018-12 to 2019-11: 11 customers at its opening, 10 of them left.

    The reference is `retention_12_months`: accounts 11, account_retention 0.9090909091.
    """
    folder = project("mrr_playbook", root, tmp_path)
    with (folder / "revgauge.yml").open("a", encoding="utf-8") as settings:
        settings.write("fiscal_year_start: 12\n")
    Workspace(folder).load()
    table = read_table("mrr_playbook")
    (kept,) = Workspace(folder).show("customer_retention_rate", grain="year", period="2019").values
    (lost,) = Workspace(folder).show("logo_churn_rate", grain="year", period="2019").values
    assert lost.denominator == table.values["retention_12_months/accounts"]
    expected = table.values["retention_12_months/account_retention"]
    assert kept.value is not None
    assert expected is not None
    assert round(kept.value, 10) == expected


@pytest.mark.parametrize("example", [*SHIPPED, *FETCHED])
class TestTable:
    """The tables of figures are complete and as the READMEs tell them."""

    def test_every_reference_value_has_a_metric_or_a_reason(self, example: str) -> None:
        """No reference value is passed over in silence."""
        assert read_table(example).unexplained == []

    def test_no_row_is_idle(self, example: str) -> None:
        """Every row is about at least one reference value, and so is every reason."""
        table = read_table(example)
        assert [row.figure for row in table.rows if not any(row.places(table))] == []
        assert idle_reasons(table) == []

    def test_the_readme_names_every_reference_value(self, example: str, root: Path) -> None:
        """A reader finds each reference value in the README, with its metric or the reason why there is none."""
        text = (root / "examples" / example / "README.md").read_text(encoding="utf-8")
        table = read_table(example)
        assert [name for name in table.ids if f"`{name}`" not in text] == []
        assert sorted({row.metric for row in table.rows if f"`{row.metric}" not in text}) == []


def idle_reasons(table: Table) -> list[str]:
    """Figures said to have no metric that are no reference values."""
    places = {*table.values, *table.ids}
    told = {place for place in places if table.is_apart(place)}
    return [figure for figure in table.apart if not any(matches(figure, place) for place in told)]
