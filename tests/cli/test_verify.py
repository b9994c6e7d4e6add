"""`verify`: worked cases against the catalogue, for people and for programs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli

CHECK: dict[str, Any] = {"metric": "mrr", "params": {}, "grain": "month", "period": "2025-01", "by": {}}
KEYS = {"case", "metric", "params", "grain", "period", "by", "value", "expected", "ok", "error"}


def case(folder: Path, *checks: dict[str, Any]) -> Path:
    """A case of one subscription of 100 from the tenth of January on, with these checks."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = "subscription_id,account_id,valid_from,valid_to,mrr,currency\ns1,a1,2025-01-10,,100,USD\n"
    (folder / "subscription_periods.csv").write_text(rows, encoding="utf-8")
    expected = {"case": folder.name, "about": "", "now": "2025-03-31", "checks": list(checks)}
    (folder / "expected.json").write_text(json.dumps(expected), encoding="utf-8")
    return folder


def test_every_check_is_printed_as_data(tmp_path: Path, cli: Cli) -> None:
    """Right, wrong, unknown, impossible and unjudged checks are all there, each with the ten documented keys."""
    folder = case(
        tmp_path / "all",
        CHECK | {"value": 100, "tolerance": 0.005},
        CHECK | {"value": 90, "tolerance": 0.005},
        CHECK | {"metric": "moon_phase", "value": 1, "tolerance": 0},
        CHECK | {"metric": "lead_count", "value": None},
        CHECK | {"period": "2025-02"},
        CHECK | {"period": "February", "value": 100},
    )
    answer = cli("verify", folder, "--format", "json")
    found = json.loads(answer.out)
    assert answer.code == 1
    assert all(set(check) == KEYS for check in found)
    assert [check["ok"] for check in found] == [True, False, None, True, None, False]
    assert [check["value"] for check in found] == [100, 100, None, None, 100, None]
    assert [check["expected"] for check in found] == [100, 90, 1, None, None, 100]
    assert "the metric is not there" in found[2]["error"]
    assert "leads" in found[3]["error"]
    assert "February" in found[5]["error"]


def test_a_metric_that_is_not_there_yet_does_not_fail(tmp_path: Path, cli: Cli) -> None:
    """Cases may be ahead of the catalogue: what it does not know is reported and fails nothing."""
    answer = cli("verify", case(tmp_path / "ahead", CHECK | {"metric": "moon_phase", "value": 1}))
    assert answer.code == 0
    assert "1 of metrics that are not there yet" in answer.out
    assert "moon_phase" in answer.out


def test_failures_are_told_with_both_numbers(tmp_path: Path, cli: Cli) -> None:
    """For each case a line with counts, and for each failure the question, the value and what was expected."""
    case(tmp_path / "one", CHECK | {"value": 90, "tolerance": 0.005}, CHECK | {"value": 100, "tolerance": 0.005})
    case(tmp_path / "two", CHECK | {"value": 100, "tolerance": 0.005})
    answer = cli("verify", tmp_path)
    assert answer.code == 1
    assert "one: ✓ 1 passed, ✗ 1 failed\n  ✗ mrr 2025-01: 100, expected 90\n" in answer.out
    assert "2 cases: ✓ 2 passed, ✗ 1 failed" in answer.out


@pytest.mark.parametrize("engine", ["duckdb", "duckdb:"])
def test_the_embedded_database_can_be_named(engine: str, tmp_path: Path, cli: Cli) -> None:
    """Named as an engine, alone or as an address, DuckDB finds the tables of the case as it does unnamed."""
    case(tmp_path, CHECK | {"value": 100, "tolerance": 0.005})
    assert "✓ 1 passed" in cli("verify", tmp_path, "--engine", engine).out


def test_a_broken_case_does_not_hide_the_others(tmp_path: Path, cli: Cli) -> None:
    """A case that cannot be read is told on standard error, the others are checked, and the code is 1."""
    case(tmp_path / "good", CHECK | {"value": 100, "tolerance": 0.005})
    bad = case(tmp_path / "bad", CHECK | {"value": 100})
    (bad / "expected.json").write_text("{", encoding="utf-8")
    answer = cli("verify", tmp_path)
    assert answer.code == 1
    assert "good: ✓ 1 passed" in answer.out
    assert "expected.json" in answer.err


@pytest.mark.parametrize("where", ["nowhere", "."])
def test_a_path_without_cases_is_a_wrong_call(where: str, tmp_path: Path, cli: Cli) -> None:
    """A path that holds no case ends with code 2, so that a misspelt path is no success."""
    answer = cli("verify", tmp_path / where)
    assert answer.code == 2
    assert "holds no worked case" in answer.err


def test_a_project_s_own_cases_are_the_default(
    company: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Inside a project `verify` without a path takes its cases/; outside it asks for a path."""
    monkeypatch.chdir(tmp_path)
    assert cli("verify").code == 2
    shutil.copy(company / "revgauge.yml", tmp_path / "revgauge.yml")
    case(tmp_path / "cases" / "own", CHECK | {"value": 100, "tolerance": 0.005})
    assert "own: ✓ 1 passed" in cli("verify").out
