"""The cards: what every metric must say of itself, and that the catalogue holds together."""

from __future__ import annotations

import json
import pkgutil
import re
from functools import cache
from pathlib import Path

import pytest

import revgauge.metrics
from revgauge.catalogue.registry import Catalogue, Metric, Unit, definitions_of
from revgauge.metrics import bibliography, builtin_catalogue

CATALOGUE = builtin_catalogue()
METRICS = sorted(CATALOGUE.metrics)
SEEDS = re.compile(r"^S[0-4]$")
DURATION_UNITS = {Unit.DAYS: "_days", Unit.HOURS: "_hours", Unit.MONTHS: "_months"}
CASES = Path(__file__).resolve().parent.parent / "cases"


@cache
def checked_metrics() -> frozenset[str]:
    """The names of all metrics that a worked case asks about."""
    files = sorted(CASES.glob("*/expected.json"))
    checks = [check for file in files for check in json.loads(file.read_text(encoding="utf-8"))["checks"]]
    names = {check["metric"] for check in checks}
    return frozenset(CATALOGUE.aliases.get(name, name) for name in names)


def cited(metric: Metric) -> list[str]:
    """The keys of the sources that a card cites, without the seeds and without remarks in brackets."""
    text = re.sub(r"\([^)]*\)", "", metric.sections().get("Source", ""))
    return [key.strip() for key in text.split(",") if key.strip() and not SEEDS.match(key.strip())]


@pytest.mark.parametrize("name", METRICS)
def test_a_card_is_complete(name: str) -> None:
    """Every card has a definition of one sentence, a label, unit, formula, a source and what follows from it."""
    metric = CATALOGUE.metrics[name]
    parts = metric.sections()
    assert parts["definition"].endswith("."), "the definition is a sentence"
    assert parts["definition"][0].isupper()
    assert metric.label
    for section in ("Unit", "Formula", "Source", "So what"):
        assert parts.get(section), f"the section {section} is missing"


@pytest.mark.parametrize("name", METRICS)
def test_every_cited_source_is_in_the_bibliography(name: str) -> None:
    """A reader can look up each source and each benchmark that a card names."""
    metric = CATALOGUE.metrics[name]
    unknown = [key for key in cited(metric) if key not in bibliography.BIBLIOGRAPHY]
    assert not unknown
    named = re.findall(r"\(([a-z]+-(?:\d{4}|[a-z]+))[,)]", metric.sections().get("Benchmark", ""))
    assert [key for key in named if key not in bibliography.BIBLIOGRAPHY] == []


@pytest.mark.parametrize("name", METRICS)
def test_a_name_follows_the_rules(name: str) -> None:
    """Names are words joined by underscores; a duration names its unit at an end, and nothing else ends in one."""
    metric = CATALOGUE.metrics[name]
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
    ending = DURATION_UNITS.get(metric.unit)
    if ending:
        assert name.endswith(ending) or name.startswith(f"{ending[1:]}_")
    else:
        assert not name.endswith(tuple(DURATION_UNITS.values()))


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_worked_case(name: str) -> None:
    """At least one value of every metric was worked out by hand."""
    assert name in checked_metrics()


def test_no_two_labels_are_alike() -> None:
    """A reader can tell any two metrics apart by their label."""
    labels = [metric.label.casefold() for metric in CATALOGUE.metrics.values()]
    assert sorted(labels) == sorted(set(labels))


def test_shares_say_so_and_rates_are_shares() -> None:
    """A metric named a rate or a retention is a ratio, and a count, value, MRR or run rate is none."""
    for name, metric in CATALOGUE.metrics.items():
        if name.endswith(("_rate", "_retention", "_ratio")) and name != "run_rate":
            assert metric.unit is Unit.RATIO, name
        if name.endswith("_count"):
            assert metric.unit is Unit.COUNT, name
        if name.endswith(("_mrr", "_value")) or name in {"mrr", "arr"}:
            assert metric.unit is Unit.MONEY or metric.unit is Unit.RATIO, name


def test_the_catalogue_holds_together() -> None:
    """No definition reads, needs or fixes anything that does not exist, and none is defined by itself."""
    assert CATALOGUE.check() == []


def test_every_alias_resolves_to_its_metric() -> None:
    """Every alias names its metric, in any case of letters, and hides no other name."""
    assert CATALOGUE.aliases
    for alias, name in CATALOGUE.aliases.items():
        assert CATALOGUE.metric(alias) is CATALOGUE.metrics[name]
        assert CATALOGUE.metric(f" {alias.upper()} ") is CATALOGUE.metrics[name]
        assert alias not in CATALOGUE.metrics
        assert alias not in CATALOGUE.derived


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("arpa", "average_revenue_per_account"),
        ("arpu", "average_revenue_per_user"),
        ("customer_churn_rate", "logo_churn_rate"),
        ("grr", "gross_revenue_retention"),
        ("gdr", "gross_revenue_retention"),
        ("nrr", "net_revenue_retention"),
        ("ndr", "net_revenue_retention"),
        ("fx_mrr", "currency_effect_mrr"),
        ("sales_cycle_length", "sales_cycle_days"),
        ("average_deal_size", "average_deal_value"),
        ("mql_count", "marketing_qualified_lead_count"),
    ],
)
def test_aliases_of_the_standard_are_there(alias: str, name: str) -> None:
    """The short forms that the metric standard gives lead to the metric they stand for."""
    assert CATALOGUE.metric(alias).name == name


def test_a_family_is_a_module() -> None:
    """The families are told by the modules of the definitions, and every metric is in one."""
    modules = {info.name.replace("_", " ") for info in pkgutil.iter_modules(revgauge.metrics.__path__)}
    families = CATALOGUE.families()
    assert families.keys() <= modules
    assert {"recurring revenue", "movements", "retention", "funnel", "sales", "growth"} <= families.keys()
    assert sum(len(metrics) for metrics in families.values()) == len(CATALOGUE.metrics)


def test_definitions_of_a_module_are_its_own() -> None:
    """Walking a module gives what it defines and not what it imports."""
    from revgauge.metrics import retention

    found = {definition.name for definition in definitions_of(retention)}
    assert "net_revenue_retention" in found
    assert "mrr" not in found
    assert set(Catalogue(definitions_of(retention)).metrics) == found
