"""The worked cases: every value that was worked out by hand, and the rows behind it.

Expected values stand in `tests/cases` with the arithmetic beside them; tests/cases/README.md says where they come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.catalogue.params import ParamError
from revgauge.catalogue.registry import UnknownName
from revgauge.catalogue.rows import RowFinder
from revgauge.metrics import builtin_catalogue
from revgauge.project.cases import CaseFileError, Check, case_folders, read_expected, verify
from revgauge.sources.canonical import CaseError, read_case_tables

CASES = Path(__file__).resolve().parent.parent / "cases"
CATALOGUE = builtin_catalogue()


def known_checks(folder: Path) -> list[dict[str, Any]]:
    """The checks of a case whose metric is in the catalogue."""
    names = CATALOGUE.metrics.keys() | CATALOGUE.aliases.keys()
    return [check for check in read_expected(folder)["checks"] if check["metric"] in names]


FOLDERS = [folder for folder in case_folders([CASES]) if known_checks(folder)]


QUICK = {
    "ops_edge",
    "ops_funnel",
    "ops_zone",
    "rev_arpu_users",
    "rev_bgnbd",
    "rev_cash",
    "rev_currency",
    "rev_lines",
    "rev_retention",
}
"""The cases that are asked together while one works: of each family one whose questions take a second or two."""

AS_IN_A_BUILD = [
    pytest.param(folder, id=folder.name, marks=() if folder.name in QUICK else pytest.mark.slow) for folder in FOLDERS
]


def names(folder: Path) -> str:
    """The name of a case in the list of tests."""
    return folder.name


def evaluation_of(folder: Path) -> Evaluation:
    """An evaluation over the tables of a case."""
    case = read_expected(folder)
    warehouse = Warehouse.in_memory()
    read_case_tables(folder, warehouse.connection)
    settings = Settings(date.fromisoformat(case["now"]), case["reporting_currency"], case["time_zone"])
    return Evaluation(CATALOGUE, Context(Warehouse.over(warehouse.connection), settings))


def request_of(check: dict[str, Any], evaluation: Evaluation) -> Request:
    """The question of a check."""
    period = evaluation.context.calendar.parse(check["period"], check["grain"])
    return Request(check["metric"], (period,), check["params"], only=check["by"])


def agrees(value: Decimal | None, check: dict[str, Any]) -> bool:
    """Whether a value is within the tolerance of the check; null only agrees with null."""
    if value is None or check["value"] is None:
        return value is None and check["value"] is None
    return abs(value - Decimal(str(check["value"]))) <= Decimal(str(check["tolerance"]))


@pytest.mark.parametrize("folder", AS_IN_A_BUILD)
def test_every_check_of_a_case_agrees_when_asked_together(folder: Path) -> None:
    """`verify`, which plans all questions of a case together as a build does, finds nothing wrong in it."""
    wrong = list(failures(verify(folder, CATALOGUE), folder))
    assert not wrong, "\n".join(wrong)


def asked(check: dict[str, Any]) -> str:
    """A check as a question, for a failure."""
    return f"{check['metric']} {check['params']} {check['grain']} {check['period']} {check['by']}"


def failures(checks: Iterator[Check], folder: Path) -> Iterator[str]:
    """The checks that are not right, with the reason that stands beside each."""
    whys = [check.get("why", "") for check in read_expected(folder)["checks"]]
    for check, why in zip(checks, whys, strict=True):
        if check.known and check.ok is not True:
            question = f"{check.metric} {check.params} {check.grain} {check.period} {check.by}"
            yield f"{question} gives {check.value} ({check.error}), not {check.expected}: {why}"


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=names)
def test_every_check_of_a_case_agrees_when_asked_alone(folder: Path) -> None:
    """Asked one after the other, the questions of a case give the values worked out by hand."""
    evaluation = evaluation_of(folder)
    wrong = []
    for check in known_checks(folder):
        (result,) = evaluation.results([request_of(check, evaluation)])
        (value,) = result.values()
        if not agrees(value.value, check):
            wrong.append(f"{asked(check)} gives {value.value} ({value.reason}), not {check['value']}: {check['why']}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS, ids=names)
def test_the_rows_of_every_check_add_up_to_its_number(folder: Path) -> None:
    """The rows listed behind every value of a case give that value when they are added up again."""
    evaluation = evaluation_of(folder)
    finder = RowFinder(evaluation)
    wrong = []
    for check in known_checks(folder):
        listing = finder.listing(request_of(check, evaluation))
        if not listing.agrees or not agrees(listing.value.value, check):
            wrong.append(f"{asked(check)} is {listing.value.value}, its rows give {listing.added}: {check['why']}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("case", "metric", "period"),
    [
        ("rev_movements", "mrr", "2025-03"),
        ("rev_movements", "expansion_mrr", "2025-03"),
        ("rev_movements", "cross_sell_mrr", "2025-03"),
        ("rev_currency", "currency_effect_mrr", "2025-03"),
        ("rev_retention", "net_revenue_retention", "2025-03"),
        ("rev_groups", "logo_churn_rate", "2025-03"),
        ("ops_leads", "lead_to_opportunity_rate", "2025-03"),
        ("ops_funnel", "conversion_rate", "2025-03"),
        ("ops_pipeline", "opportunities_created_value", "2025-03"),
        ("ops_handover", "sales_cycle_days", "2025-03"),
    ],
)
def test_rows_add_up_for_each_kind_of_metric(case: str, metric: str, period: str) -> None:
    """A balance, a flow, an effect of rates, a window, a share, a spread: the rows of each give its number."""
    evaluation = evaluation_of(CASES / case)
    params = {"action": "demo"} if metric == "conversion_rate" else {}
    wanted = evaluation.context.calendar.parse(period)
    listing = RowFinder(evaluation).listing(Request(metric, (wanted,), params))
    assert listing.agrees, f"{listing.value.value} ({listing.value.reason}) against {listing.added}"
    assert listing.parts


def small_case(folder: Path, **changes: Any) -> Path:
    """A case of one subscription of 100 from the tenth of January on, with one check that holds."""
    check = {"metric": "mrr", "params": {}, "grain": "month", "period": "2025-01", "by": {}, "value": 100}
    rows = "subscription_id,account_id,valid_from,mrr,currency\ns1,a1,2025-01-10,100,USD\n"
    (folder / "subscription_periods.csv").write_text(rows, encoding="utf-8")
    case = {"case": "small", "now": "2025-03-31", "checks": [check | changes]}
    (folder / "expected.json").write_text(json.dumps(case), encoding="utf-8")
    return folder


def only_check(folder: Path) -> Check:
    """What `verify` says of the only check of a case."""
    (check,) = verify(folder, CATALOGUE)
    return check


def test_a_check_that_holds_is_right(tmp_path: Path) -> None:
    """One subscription of 100 is an MRR of 100; another expectation is wrong, and the tolerance decides which."""
    assert only_check(small_case(tmp_path)).ok is True
    assert only_check(small_case(tmp_path, value=100.01)).ok is False
    assert only_check(small_case(tmp_path, value=100.01, tolerance=0.02)).ok is True
    assert only_check(small_case(tmp_path, value=None)).ok is False


def test_a_check_of_an_unknown_metric_is_reported_and_not_failed(tmp_path: Path) -> None:
    """Cases may be ahead of the catalogue: such a check is neither right nor wrong, and says so."""
    check = only_check(small_case(tmp_path, metric="moon_phase"))
    assert (check.known, check.ok, check.value) == (False, None, None)
    assert check.error is not None
    assert "there is no metric moon_phase" in check.error


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"period": "February"}, "February names no period; write 2025-03-31"),
        ({"period": "2025-13"}, "2025-13 names no month"),
        ({"grain": "fortnight"}, "there is no grain fortnight; write one of day, week, month"),
        ({"params": {"levle": "parent"}}, "mrr has no parameter levle; did you mean level?"),
        ({"params": {"level": "group"}}, "level = 'group' is not possible: it takes account | parent"),
        ({"by": {"colour": "red"}}, "mrr cannot be cut by colour; it can be by account_id"),
    ],
)
def test_a_mistake_in_a_check_fails_that_check(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    """A question that cannot be asked is wrong, with a sentence that says what is possible."""
    check = only_check(small_case(tmp_path, **changes))
    assert (check.known, check.ok) == (True, False)
    assert told in str(check.error)


def test_a_case_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """A folder without a case, a broken file and one that lacks its day are each told with their path."""
    with pytest.raises(CaseFileError, match="holds no worked case"):
        case_folders([tmp_path])
    path = small_case(tmp_path) / "expected.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(CaseFileError, match=r"expected\.json"):
        read_expected(tmp_path)
    path.write_text('{"case": "small", "checks": []}', encoding="utf-8")
    with pytest.raises(CaseFileError, match="now is missing"):
        list(verify(tmp_path, CATALOGUE))


def test_a_bad_cell_of_a_case_is_told_with_its_place(tmp_path: Path) -> None:
    """Every mistake in the tables of a case is told at once, with file, row and column."""
    folder = small_case(tmp_path)
    rows = "subscription_id,account_id,valid_from,mrr,currency\ns1,a1,2025-02-30,ten,USD\n"
    (folder / "subscription_periods.csv").write_text(rows, encoding="utf-8")
    with pytest.raises(CaseError) as told:
        list(verify(folder, CATALOGUE))
    assert "subscription_periods.csv, row 2, valid_from: `2025-02-30` is not a day" in str(told.value)
    assert "row 2, mrr: `ten` is not an amount" in str(told.value)


def test_the_errors_of_a_case_are_errors_for_people() -> None:
    """What a check may raise is told beside it, so each of these kinds is known to `verify`."""
    assert issubclass(ParamError, ValueError)
    assert issubclass(UnknownName, LookupError)
