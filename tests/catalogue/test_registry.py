"""The registry: what a signature declares, names and aliases, and every mistake that a definition can make."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
from tests.catalogue.worlds import NOW, evaluation_over

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.catalogue.facts import Facts, own
from revgauge.catalogue.measures import Measure, count, total
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.registry import Catalogue, Definition, Metric, Unit, UnknownName, derived, metric
from revgauge.metrics import builtin_catalogue


@derived(dimensions=own("account_id"))
def renamed_accounts(accounts: Any, *, size: Literal["small", "large"] = "small") -> Any:
    """Accounts."""
    return accounts.mutate(size=size)


@metric(label="Accounts there", unit=Unit.COUNT, aliases=("heads",))
def accounts_there(renamed_accounts: Facts, *, from_: int = 3) -> Measure:
    """How many there are.

    The second line is a note.
    It may be long.

    Unit: accounts
    Formula: number of
      accounts
    So what: nothing
    """
    return count(renamed_accounts) + from_


@metric(label="Twice the accounts", unit=Unit.COUNT, fixed={"size": "large"})
def twice_the_accounts(accounts_there: Measure, *, required: str) -> Measure:
    """As many times as there are letters."""
    return accounts_there * len(required)


def definition(function: Any) -> Definition:
    """What the decorator made of a function."""
    found = function.__dict__["definition"]
    assert isinstance(found, Definition)
    return found


def catalogue(*functions: Any) -> Catalogue:
    """A catalogue of these functions alone."""
    return Catalogue(definition(function) for function in functions)


def test_a_signature_says_what_is_read_and_set() -> None:
    """Positional arguments are read, keyword-only ones are parameters; a trailing underscore is not part of a name."""
    found = definition(accounts_there)
    assert found.reads == ("renamed_accounts",)
    assert list(found.own_params) == ["from"]
    assert found.own_params["from"].default == 3
    assert definition(twice_the_accounts).own_params["required"].required


def test_a_docstring_is_a_card() -> None:
    """The first line is the definition, what follows are notes, and named sections are joined into one line each."""
    found = definition(accounts_there)
    assert isinstance(found, Metric)
    assert found.sections() == {
        "definition": "How many there are.",
        "notes": "The second line is a note. It may be long.",
        "Unit": "accounts",
        "Formula": "number of accounts",
        "So what": "nothing",
    }
    assert found.family == "test registry"


def test_parameters_of_what_is_read_are_parameters_too() -> None:
    """A metric has its own parameters and those of its parts, without those that it fixes."""
    found = catalogue(renamed_accounts, accounts_there, twice_the_accounts)
    assert set(found.params(found.metrics["accounts_there"])) == {"from", "size"}
    assert set(found.params(found.metrics["twice_the_accounts"])) == {"from", "required"}


def test_a_name_or_alias_is_taken_once() -> None:
    """A name that is there, an alias of another metric and the name of an entity cannot be taken again."""
    with pytest.raises(ValueError, match="accounts_there is defined twice"):
        catalogue(accounts_there, accounts_there)

    @metric(label="Other", unit=Unit.COUNT)
    def heads(accounts: Facts) -> Measure:
        """Other."""
        return count(accounts)

    with pytest.raises(ValueError, match="heads is defined twice"):
        catalogue(accounts_there, heads)

    @derived()
    def accounts(leads: Any) -> Any:
        """A table named as an entity."""
        return leads

    with pytest.raises(ValueError, match="accounts is defined twice"):
        catalogue(accounts)


def test_a_misspelt_metric_is_answered_with_near_names() -> None:
    """What was probably meant is told: by spelling, by a part of the name, or where all names are listed."""
    found = builtin_catalogue()
    assert found.metric("NRR").name == "net_revenue_retention"
    for wrong, told in (
        ("net_revenu_retention", "there is no metric net_revenu_retention; did you mean net_revenue_retention"),
        ("activ_customers", "active_customers"),
        ("churn", "churn"),
        ("qwertz", "there is no metric qwertz; `revgauge metrics` lists all"),
    ):
        with pytest.raises(UnknownName) as problem:
            found.metric(wrong)
        assert told in str(problem.value)


def test_mistakes_of_a_definition_are_told_in_a_sentence() -> None:
    """What is read, needed, fixed or referred to and does not exist is told, with the nearest name."""

    @metric(
        label="Wrong",
        unit=Unit.COUNT,
        needs=("leads.created_att", "leed", "leads"),
        follows=("leads.created_at", "leads.opportunity_id"),
        fixed={"colour": "red"},
    )
    def wrong(mrr_movments: Facts) -> Measure:
        """Wrong."""
        return count(mrr_movments)

    @derived(left_out="nowhere", dimensions=own("a"))
    def wrong_table(lead_state: Any, mrr: Any) -> Any:
        """Wrong: a derived table cannot read a metric."""
        return lead_state, mrr

    found = builtin_catalogue()
    assert found.mistakes(definition(wrong)) == [
        "reads mrr_movments, which does not exist; did you mean mrr_movements?",
        "needs leads.created_att, which does not exist",
        "needs leed, which does not exist",
        "follows leads.created_at, which refers to nothing",
    ]
    assert found.mistakes(definition(wrong_table)) == [
        "reads lead_state, which does not exist; did you mean lead_states?",
        "reads mrr, which does not exist",
        "refers to nowhere, which does not exist",
    ]
    found.add(definition(wrong_table))
    assert f"wrong_table {found.mistakes(definition(wrong_table))[0]}" in found.check()


def test_fixing_what_is_no_parameter_is_a_mistake() -> None:
    """A parameter may be fixed where it exists, its own or that of a part."""

    @metric(label="Wrong", unit=Unit.COUNT, fixed={"size": "large", "sise": "small"})
    def wrong(accounts_there: Measure) -> Measure:
        """Wrong."""
        return accounts_there

    found = catalogue(renamed_accounts, accounts_there, wrong)
    assert found.mistakes(definition(wrong)) == ["fixes sise, which is no parameter"]


def test_a_definition_by_itself_is_found() -> None:
    """A circle is told as the way around it, instead of being followed for ever."""

    @metric(label="One", unit=Unit.COUNT)
    def one(other: Measure) -> Measure:
        """One."""
        return other

    @metric(label="Other", unit=Unit.COUNT)
    def other(one: Measure) -> Measure:
        """Other."""
        return one

    found = catalogue(one, other)
    assert found.mistakes(definition(one)) == ["is defined by itself: one -> other -> one"]


ACCOUNTS = {"accounts": [{"account_id": "a", "segment": "smb"}, {"account_id": "b", "segment": "ent"}]}


def test_a_dimension_that_a_metric_lacks_is_told_with_those_it_has() -> None:
    """Cutting by what is no dimension is refused, in a split and in a filter, with the names that are possible."""
    evaluation = evaluation_over({"leads": [{"lead_id": "l1", "created_at": "2025-03-01T00:00:00Z"}]})
    month = evaluation.context.calendar.parse("2025-03")
    for request in (
        Request("lead_count", (month,), by=("colour",)),
        Request("lead_count", (month,), only={"product": "x"}),
    ):
        with pytest.raises(
            UnknownName, match=r"lead_count cannot be cut by (colour|product); it can be by .*direction"
        ):
            evaluation.results([request])


def test_a_metric_of_two_tables_can_be_cut_by_what_both_share() -> None:
    """A formula over facts with different dimensions has those that are common to all of them."""

    @derived(dimensions=own("account_id", "segment"))
    def wide(accounts: Any) -> Any:
        """Accounts by two dimensions."""
        return accounts.mutate(day=accounts.created_at.cast("date"))

    @derived(dimensions=own("account_id"))
    def narrow(accounts: Any) -> Any:
        """Accounts by one dimension."""
        return accounts.mutate(day=accounts.created_at.cast("date"))

    @metric(label="Both", unit=Unit.COUNT)
    def both(wide: Facts, narrow: Facts) -> Measure:
        """Both."""
        return count(wide) + total(narrow, "employees")

    evaluation = evaluation_over(ACCOUNTS, catalogue(wide, narrow, both))
    found, _, measure = evaluation.measure(Request("both", (evaluation.context.calendar.parse("2025-03"),)))
    assert evaluation.dimensions(found, measure) == ("account_id",)


def test_a_parameter_that_is_needed_is_asked_for() -> None:
    """A metric without one of its required parameters says which and what it takes."""
    evaluation = evaluation_over({"conversions": []})
    month = evaluation.context.calendar.parse("2025-03")
    with pytest.raises(ParamError, match=r"conversion_rate needs action \(text\)"):
        evaluation.results([Request("conversion_rate", (month,))])


def test_settings_give_parameters_unless_a_request_does() -> None:
    """A project's own default takes the place of the standard's; a request's parameter takes the place of both."""
    settings = Settings(NOW, defaults={"net_revenue_retention": {"window_months": "3"}})
    evaluation = Evaluation(builtin_catalogue(), Context(Warehouse.in_memory(), settings))
    month = evaluation.context.calendar.parse("2025-03")
    assert evaluation.measure(Request("nrr", (month,)))[1]["window_months"] == 3
    assert evaluation.measure(Request("nrr", (month,), {"window_months": 6}))[1]["window_months"] == 6
    assert evaluation.measure(Request("grr", (month,)))[1]["window_months"] == 12


def test_a_project_may_give_a_metric_the_name_of_a_table() -> None:
    """The project's definitions then mean the metric by it, and those of the catalogue go on to mean the table."""
    catalogue = builtin_catalogue()
    own = replace(catalogue.metrics["win_rate"], name="deal_events", aliases=(), origin="metrics.yml")
    catalogue.add(own)
    reader = replace(own, name="twice", reads=("deal_events",))
    catalogue.add(reader)
    assert catalogue.part(reader, "deal_events") is own
    assert catalogue.part(catalogue.metrics["win_rate"], "deal_events") is catalogue.derived["deal_events"]
    assert catalogue.part(catalogue.derived["created_deal_values"], "deal_events") is catalogue.derived["deal_events"]
    assert catalogue.check() == []
