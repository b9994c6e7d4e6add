"""Own metrics: each shape computed over worked cases, against built-in metrics and values worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from tests.project.worlds import CASES, World, defined, tables

from revgauge.catalogue.gaps import GapFinder

SALES = """
    metrics:
      - id: our_won_revenue
        label: Won revenue
        definition: Amounts of new deals that were won.
        unit: money
        rows: opportunities
        when: closed_at
        where: is_won and type <> 'renewal'
        aggregate: sum
        value: amount
        by: [type]
      - id: our_won_deals
        label: Won deals
        definition: New deals that were won.
        unit: count
        rows: opportunities
        when: closed_at
        where: is_won and type <> 'renewal'
        aggregate: count
        aliases: [Our_Wins]
      - id: our_decided_deals
        label: Decided deals
        definition: New deals that were won or lost.
        unit: count
        rows: opportunities
        when: closed_at
        where: type <> 'renewal' and coalesce(loss_reason, '') not in ('duplicate', 'test')
        aggregate: count
      - id: our_win_rate
        label: Our win rate
        definition: The share of decided deals that were won.
        unit: ratio
        formula: our_wins / our_decided_deals
      - id: our_cycle
        label: Our sales cycle
        definition: Days from creation to winning, half of the deals take less.
        unit: days
        better: down
        rows: opportunities
        when: closed_at
        where: is_won and type <> 'renewal'
        aggregate: median
        value: closed_at - created_at
      - id: our_long_cycle
        label: Our longest sales cycles
        definition: Days from creation to winning, one deal in ten takes more.
        unit: days
        rows: opportunities
        when: closed_at
        where: is_won and type <> 'renewal'
        aggregate: p90
        value: closed_at - created_at
      - id: our_mean_cycle
        label: Our mean sales cycle
        definition: Days from creation to winning on average.
        unit: days
        rows: opportunities
        when: closed_at
        where: is_won and type <> 'renewal'
        aggregate: mean
        value: closed_at - created_at
      - id: our_buyers
        label: Buyers
        definition: Accounts that bought something new.
        unit: count
        rows: opportunities
        when: closed_at
        where: is_won
        aggregate: distinct
        value: account_id
      - id: win_rate_with_renewals
        label: Win rate with renewals
        definition: The share of deals won, renewals included.
        metric: win_rate
        params: {types: [new_business, expansion, cross_sell, renewal]}
      - id: enterprise_win_rate
        label: Enterprise win rate
        definition: The share of deals won at large accounts.
        metric: win_rate
        where: {segment: ENT}
      - id: our_enterprise_win_rate
        label: Our enterprise win rate
        definition: The share of decided deals that were won at large accounts.
        metric: our_win_rate
        where: {segment: ENT}
    """


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The sales metrics above over the case `ops_pipeline`."""
    definitions, problems = defined(tmp_path_factory.mktemp("sales"), SALES)
    assert problems == []
    world = World(CASES / "ops_pipeline", definitions, date(2025, 6, 30))
    yield world
    world.evaluation.context.warehouse.close()


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("our_won_revenue", Decimal(48_500)),  # O1 12,000 + O4 30,000 + O12 6,500
        ("our_won_deals", Decimal(3)),
        ("our_decided_deals", Decimal(5)),  # those and the lost O2 and O9; O8 was never an opportunity
        ("our_win_rate", Decimal("0.6")),  # 3 / 5, as the case says of win_rate
        ("our_cycle", Decimal(46)),  # 38, 46 and 80 days
        ("our_long_cycle", Decimal("73.2")),  # rank 1.8 of them: 46 + 0.8 x 34
        ("our_buyers", Decimal(3)),  # a1 twice, a4, a2
    ],
)
def test_value(sales: World, metric: str, expected: Decimal) -> None:
    """An aggregate of rows, or a formula over such, gives the value worked out by hand in the case."""
    assert sales.value(metric, "2025-Q2") == expected


def test_an_own_metric_equals_the_built_in_one(sales: World) -> None:
    """The same thing defined by a user has the same value and the same parts, in total and by each dimension."""
    own, built_in = sales.found("our_win_rate", "2025-Q2"), sales.found("win_rate", "2025-Q2")
    assert (own.value, own.numerator, own.denominator) == (built_in.value, built_in.numerator, built_in.denominator)
    assert own.interval == built_in.interval
    assert sales.value("our_mean_cycle", "2025-Q2") == sales.value("sales_cycle_days", "2025-Q2")
    by_segment = sales.values("our_win_rate", "2025-Q2", "segment")
    assert by_segment == sales.values("win_rate", "2025-Q2", "segment")
    assert by_segment["ENT"] == Decimal("0.5")  # O4 won, O9 lost


def test_the_listed_fields_cut(sales: World) -> None:
    """A field listed under `by` cuts, one that is not does not; account fields always do."""
    assert sales.values("our_won_revenue", "2025-Q2", "type")["new_business"] == Decimal(48_500)
    allowed = {}
    for name in ("our_won_revenue", "our_won_deals"):
        metric, _, measure = sales.evaluation.measure(sales.request(name, "2025-Q2"))
        allowed[name] = set(sales.evaluation.dimensions(metric, measure))
    assert allowed["our_won_deals"] == {"account_id", "segment", "region", "industry", "channel", "owner_id"}
    assert allowed["our_won_revenue"] == allowed["our_won_deals"] | {"type"}


def test_a_metric_with_parameters_of_its_own(sales: World) -> None:
    """Fixed parameters give what the metric gives when asked with them: 4 of 6 with the renewal O5, as in the case."""
    found = sales.found("win_rate_with_renewals", "2025-Q2")
    assert (found.numerator, found.denominator) == (Decimal(4), Decimal(6))
    metric = sales.evaluation.catalogue.metric("win_rate_with_renewals")
    assert "types" not in sales.evaluation.catalogue.params(metric)
    assert "basis" in sales.evaluation.catalogue.params(metric)


@pytest.mark.parametrize("whole", ["win_rate", "our_win_rate"])
def test_a_limited_metric_is_the_metric_of_that_slice(sales: World, whole: str) -> None:
    """Limited to large accounts it equals the whole asked for them, and what else is asked for limits it further."""
    narrow = {"win_rate": "enterprise_win_rate", "our_win_rate": "our_enterprise_win_rate"}[whole]
    for only in ({}, {"owner_id": "p1"}, {"owner_id": "p2"}):
        found = sales.found(narrow, "2025-Q2", **only)
        expected = sales.found(whole, "2025-Q2", segment="ENT", **only)
        assert (found.value, found.denominator) == (expected.value, expected.denominator)
    assert sales.values(narrow, "2025-Q2", "segment") == {"ENT": sales.value(whole, "2025-Q2", segment="ENT")}
    assert sales.value(narrow, "2025-Q2", segment="SMB") is None


def test_all_are_planned_together(sales: World) -> None:
    """Own metrics over the same rows and day share one table, computed once however many of them are asked for."""
    names = [name for name, metric in sales.evaluation.catalogue.metrics.items() if metric.origin == "metrics.yml"]
    requests = [sales.request(name, "2025-Q2") for name in names]
    steps = sales.evaluation.context.warehouse.journal.steps
    before = len(steps)  # the world is shared: others may have asked for some of the columns already
    values = [next(iter(result.values())).value for result in sales.evaluation.results(requests)]
    assert None not in values
    made = [step for step in steps[before:] if step.kind == "table"]
    assert sum(step.name == "own_opportunities_by_closed_at" for step in made) <= 1
    readers = [step for step in steps if step.name == "own_opportunities_by_closed_at" and step.kind == "query"]
    assert len(readers) > 1


@pytest.mark.parametrize(
    "metric",
    ["our_won_revenue", "our_won_deals", "our_win_rate", "our_cycle", "our_mean_cycle", "our_buyers",
     "our_enterprise_win_rate"],
)  # fmt: skip
@pytest.mark.parametrize("only", [{}, {"owner_id": "p1"}])
def test_the_rows_add_up_again(sales: World, metric: str, only: dict[str, str]) -> None:
    """The rows listed behind a number give it again, also those of a limited metric and of a slice."""
    listing = sales.rows(metric, "2025-Q2", **only)
    assert listing.value.value is not None
    assert listing.agrees
    assert all(part.rows for part in listing.parts)


def test_sections_of_an_own_metric(sales: World) -> None:
    """The definition, the unit and the formula stand where those of built-in metrics stand."""
    metric = sales.evaluation.catalogue.metric("our_wins")
    assert metric.origin == "metrics.yml"
    assert metric.family == "own metrics"
    assert metric.sections() == {
        "definition": "New deals that were won.",
        "notes": "",
        "Unit": "count",
        "Formula": "number of opportunities where is_won and type <> 'renewal', by the day of closed_at",
    }


DEALS = """
    metrics:
      - {id: won, label: Won, definition: Won amounts., unit: money, rows: opportunities, when: closed_at,
         where: is_won, aggregate: sum, value: amount}
      - {id: large, label: Large, definition: Large deals won., unit: count, rows: opportunities, when: closed_at,
         where: is_won and amount > 100, aggregate: count}
      - {id: buyers, label: Buyers, definition: Accounts with a large deal., unit: count, rows: opportunities,
         when: closed_at, where: is_won and amount > 100, aggregate: distinct, value: account_id}
      - {id: middle, label: Middle, definition: The deal in the middle., unit: money, rows: opportunities,
         when: closed_at, where: is_won, aggregate: median, value: amount}
      - {id: share, label: Share, definition: Large deals of all accounts created., unit: ratio,
         formula: (large + 0.5) / -(won - won)}
      - {id: open, label: Open, definition: Deals created and not closed., unit: count, rows: opportunities,
         when: created_at, where: closed_at is null, aggregate: count}
      - {id: leads_in, label: Leads, definition: Leads., unit: count, rows: leads, when: created_at, aggregate: count}
      - {id: by_channel, label: Web, definition: Deals from the web., unit: count, rows: opportunities,
         when: created_at, where: channel = 'web', aggregate: count}
      - {id: both, label: Both, definition: Leads and deals., unit: count, formula: leads_in + by_channel + open}
    """

WORLD = {
    "opportunities": """
        opportunity_id,account_id,amount,currency,created_at,closed_at,is_won,duplicate_of
        a,A,100,USD,2025-01-05T00:00:00Z,2025-02-01T04:30:00Z,true,
        b,B,100,EUR,2025-01-05T00:00:00Z,2025-02-03T12:00:00Z,true,
        c,C,900,USD,2025-01-05T00:00:00Z,2025-02-03T12:00:00Z,true,a
        d,B,50,CHF,2025-01-05T00:00:00Z,2025-03-03T12:00:00Z,true,
        e,C,70,CHF,2025-01-05T00:00:00Z,2025-02-04T12:00:00Z,false,
        f,A,,,2025-01-05T00:00:00Z,2025-02-05T12:00:00Z,true,
        g,A,5,,2025-01-05T00:00:00Z,2025-04-05T12:00:00Z,true,
        """,
    "accounts": """
        account_id,segment,duplicate_of
        A,smb,
        B,ent,
        C,ent,A
        """,
    "exchange_rates": """
        currency,quoted_on,rate
        EUR,2025-02-02,1.2
        """,
}


@pytest.fixture
def deals(tmp_path: Path) -> World:
    """Deals in several currencies, seen from New York on 31 March 2025: one was merged, one closes tomorrow."""
    definitions, problems = defined(tmp_path, DEALS)
    assert problems == []
    return World(tables(tmp_path, **WORLD), definitions, date(2025, 3, 31), "America/New_York")


def test_days_money_and_merged_records(deals: World) -> None:
    """Instants fall on the local day, amounts convert at the rate of that day, merged rows and accounts count once."""
    assert deals.value("won", "2025-01") == Decimal(100)  # a: 4:30 on 1 February is 31 January in New York
    assert deals.value("won", "2025-02") == Decimal(120)  # b: 100 EUR x 1.2; f has no amount; c was merged into a
    assert deals.value("won", "2025-02", segment="ent") == Decimal(120)
    assert deals.values("won", "2025-02", "account_id") == {"A": Decimal(0), "B": Decimal(120)}  # C counts as A
    listing = deals.rows("won", "2025-02")
    assert listing.agrees
    assert [row["reason"] for row in listing.parts[0].left_out] == ["merged into a"]


@pytest.mark.parametrize("metric", ["won", "large", "buyers", "middle"])
def test_a_missing_rate_is_a_gap(deals: World, metric: str) -> None:
    """Nothing is guessed where an amount cannot be converted: the value is empty and says why, and so do its rows."""
    found = deals.found(metric, "2025-03")  # d, in CHF, which has no rate
    assert found.value is None
    assert "no exchange rate" in found.reason
    assert deals.rows(metric, "2025-03").agrees
    assert (
        deals.value(metric, "2025-02") is not None
    )  # e is in CHF too, and lost: whatever its worth, it does not count


def test_conditions_on_amounts_are_in_the_reporting_currency(deals: World) -> None:
    """100 EUR are 120 USD, which is more than 100; the 100 USD of January are not."""
    assert deals.value("large", "2025-01") == 0
    assert deals.value("large", "2025-02") == 1
    assert deals.value("buyers", "2025-02") == 1
    assert deals.value("middle", "2025-02") == Decimal(120)


def test_a_division_by_zero_is_null_with_its_reason(deals: World) -> None:
    """A formula whose divisor is zero has no value, and says which divisor that is."""
    found = deals.found("share", "2025-02")
    assert found.value is None
    assert found.reason == "there is nothing to divide by: -(won - won) is not above 0"


def test_what_happens_after_now_is_as_if_not_there(deals: World) -> None:
    """A deal that closes tomorrow is open today, and tomorrow's revenue is not counted."""
    assert deals.value("open", "2025-01") == 1  # g
    assert deals.found("won", "2025-04").reason.startswith("the period has not begun")


def test_what_was_never_loaded_is_a_gap(deals: World) -> None:
    """A metric over an entity without a source has no value and names what is missing."""
    found = deals.found("leads_in", "2025-02")
    assert found.value is None
    assert "leads was never loaded" in found.reason
    findings = {finding.metric.name: finding for finding in GapFinder(deals.evaluation).findings()}
    # Of the seven deals one, f, has no amount, so what sums amounts is partial and says how far.
    assert (findings["won"].status, [gap.sentence() for gap in findings["won"].gaps]) == (
        "partial",
        ["opportunities.amount is empty in 1 of 7 rows (14%)"],
    )
    assert findings["leads_in"].reason == "leads was never loaded"
    assert findings["by_channel"].reason == "no source fills opportunities.channel"
    assert findings["both"].reason == "leads was never loaded; no source fills opportunities.channel"


@pytest.mark.slow
def test_a_product_stands_for_a_company(tmp_path: Path) -> None:
    """Limited to a product, a metric counts as if there were nothing else, as it does when asked for by product."""
    card = "label: Core, definition: Of the product alone."
    blocks = "".join(
        f"  - {{id: core_{name}, {card}, metric: {name}, where: {{product: core}}}}\n"
        for name in ("mrr", "new_customers", "churned_mrr", "logo_churn_rate")
    )
    definitions, problems = defined(tmp_path, "metrics:\n" + blocks)
    assert problems == []
    world = World(CASES / "rev_movements", definitions, date(2025, 12, 31))
    for name in ("mrr", "new_customers", "churned_mrr", "logo_churn_rate"):
        for month in ("2025-01", "2025-03", "2025-05"):
            expected = world.value(name, month, product="core")
            assert world.value(f"core_{name}", month) == expected
            assert world.value(f"core_{name}", month, product="core") == expected


def test_a_limit_that_a_table_lacks_is_a_reason(tmp_path: Path) -> None:
    """A dimension that only some of the tables behind a metric have gives no value, never an unlimited one."""
    python = """
        from ibis import _
        from revgauge.catalogue.facts import Facts, own
        from revgauge.catalogue.measures import Measure, count, ratio
        from revgauge.catalogue.registry import Unit, derived, metric


        @derived(dimensions=own("stage"), kept=False)
        def staged(opportunities):
            \"\"\"Deals by the day they were opened.\"\"\"
            return opportunities.mutate(day=_.created_at.cast("date"))


        @derived(kept=False)
        def unstaged(opportunities):
            \"\"\"The same, without a way to cut them.\"\"\"
            return opportunities.mutate(day=_.created_at.cast("date"))


        @metric(label="Mixed", unit=Unit.RATIO)
        def mixed(staged: Facts, unstaged: Facts) -> Measure:
            \"\"\"Deals over deals.\"\"\"
            return ratio(count(staged), count(unstaged))
        """
    yml = """
        metrics:
          - {id: mixed_demo, label: Mixed, definition: Of one stage., metric: mixed, where: {stage: demo}}
        """
    definitions, problems = defined(tmp_path, yml, {"mixed.py": python})
    assert problems == []
    world = World(CASES / "ops_pipeline", definitions, date(2025, 6, 30))
    assert world.value("mixed", "2025-Q2") == 1
    assert world.found("mixed_demo", "2025-Q2").reason == "unstaged, which it reads, has no dimension stage"


def test_python_definitions_are_metrics_like_others(tmp_path: Path) -> None:
    """A metric and a table written in Python count like built-in ones, and `metrics.yml` can build on them."""
    python = """
        from ibis import _
        from revgauge.catalogue.facts import Facts, own
        from revgauge.catalogue.measures import Measure, count
        from revgauge.catalogue.registry import Unit, derived, metric


        @derived(dimensions=own("owner_id"), kept=False)
        def demos(opportunities):
            \"\"\"Deals that stand at the demo.\"\"\"
            return opportunities.filter(_.stage == "demo").mutate(day=_.created_at.cast("date"))


        @metric(label="Demos", unit=Unit.COUNT, aliases=("Shows",))
        def demo_count(demos: Facts, *, owner: str = "all") -> Measure:
            \"\"\"Deals that stand at the demo, by the day they were opened.\"\"\"
            return count(demos, where=None if owner == "all" else _.owner_id == owner)
        """
    yml = """
        metrics:
          - {id: demos_doubled, label: Doubled, definition: Twice the demos., unit: count, formula: 2 * shows}
          - {id: demos_of_p1, label: Of p1, definition: The demos of p1., metric: demo_count, params: {owner: p1}}
        """
    definitions, problems = defined(tmp_path, yml, {"demos.py": python})
    assert problems == []
    assert definitions.metric("shows").origin == "metrics/demos.py"
    assert definitions.metric("demo_count").family == "demos"
    world = World(CASES / "ops_pipeline", definitions, date(2025, 6, 30))
    assert world.value("demos_doubled", "2025") == 4  # O7 and O10, twice
    assert world.value("demos_of_p1", "2025") == 0  # both are p2's
