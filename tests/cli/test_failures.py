"""What goes wrong is answered with a sentence and the right exit code, and never with a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.conftest import MOMENT, Cli, make_project

from revgauge.model.store import HOME, project_lock

WRONG_CALLS = [
    (("shwo", "mrr"), 'Did you mean "show"?'),
    (("show",), "METRIC"),
    (("show", "net_revenue_retentoin"), "did you mean net_revenue_retention"),
    (("show", "mrr", "--param", "bassis=contract"), "did you mean basis?"),
    (("show", "mrr", "--param", "basis=contrac"), "did you mean contract?"),
    (("show", "mrr", "--param", "contract"), "--param takes NAME=VALUE, not contract"),
    (("show", "mrr", "--by", "segmnt"), "did you mean segment?"),
    (("show", "mrr", "--by", "campaign_id"), "mrr cannot be cut by campaign_id"),
    (("show", "mrr", "--period", "2025-13"), "2025-13 names no month"),
    (("show", "mrr", "--period", "March"), "write 2025-03-31"),
    (("show", "mrr", "--grain", "mnth"), 'Did you mean "month"?'),
    (("show", "mrr", "--grain", "month", "--period", "2025-Q1"), "2025-Q1 is a quarter, not a month"),
    (("show", "mrr", "--as-of", "soon"), "soon"),
    (("show", "cohort_customer_retention"), "needs cohort"),
    (("rows", "mrr"), "--period"),
    (("rows", "mrr", "--period", "2025-03", "--by", "segment"), "--by segment=VALUE"),
    (("rows", "mrr", "--period", "2025-03", "--limit", "-1"), "--limit"),
    (("metrics", "mmr"), "mrr"),
]


@pytest.mark.parametrize(
    ("words", "hint"), WRONG_CALLS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else ""
)
def test_a_wrong_call_is_told_what_was_meant(words: tuple[str, ...], hint: str, company: Path, cli: Cli) -> None:
    """A misspelt name, parameter, dimension or period ends with code 2, nothing on standard output, and a hint."""
    answer = cli(*words, "--project", company)
    assert (answer.code, answer.out) == (2, "")
    assert hint in answer.err
    assert "Traceback" not in answer.err


def test_outside_a_project_the_way_in_is_told(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no project, the answer names the commands that make one."""
    monkeypatch.chdir(tmp_path)
    answer = cli("show", "mrr")
    assert answer.code == 2
    assert "revgauge init" in answer.err
    assert "revgauge demo" in answer.err
    assert cli("show", "mrr", "--project", tmp_path / "nowhere").code == 2


def test_a_folder_below_belongs_to_the_project(company: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearest folder above with settings is the project, so that one may work anywhere in it."""
    monkeypatch.chdir(company / "exports")
    assert "1.23k" in cli("show", "mrr", "--period", "2025-03").out


def test_before_the_first_load_the_next_step_is_told(tmp_path: Path, cli: Cli) -> None:
    """A project that was never loaded has no values; the answer says which command loads."""
    answer = cli("show", "mrr", "--project", make_project(tmp_path))
    assert answer.code == 1
    assert "revgauge load" in answer.err


def test_mistakes_in_the_settings_are_told_together(tmp_path: Path, cli: Cli) -> None:
    """Two mistakes in revgauge.yml are both reported, with line and nearest right spelling."""
    make_project(tmp_path)
    (tmp_path / "revgauge.yml").write_text(
        "name: X\nreporting_curency: USD\ntime_zone: Europe/Berlim\n", encoding="utf-8"
    )
    answer = cli("load", "--project", tmp_path)
    assert answer.code == 1
    assert "reporting_currency" in answer.err
    assert "Europe/Berlim" in answer.err
    assert "row 2" in answer.err


def test_a_project_in_use_is_left_alone(tmp_path: Path, cli: Cli) -> None:
    """While another run holds the project, work on it ends with code 3 and says which run that is."""
    make_project(tmp_path)
    with project_lock(tmp_path, "revgauge build", MOMENT):
        answer = cli("load", "--project", tmp_path)
    assert answer.code == 3
    assert "revgauge build" in answer.err


def test_a_damaged_store_is_said_in_a_sentence(tmp_path: Path, cli: Cli) -> None:
    """A file that is no database ends with code 1 and without a traceback."""
    make_project(tmp_path)
    (tmp_path / HOME).mkdir()
    (tmp_path / HOME / "entities.duckdb").write_text("no database", encoding="utf-8")
    answer = cli("show", "mrr", "--project", tmp_path)
    assert answer.code == 1
    assert "Traceback" not in answer.err
    assert len(answer.err.splitlines()) <= 3


def test_debug_shows_where_an_error_arose(company: Path, cli: Cli) -> None:
    """With --debug the error itself comes through, for those who look for its place in the program."""
    with pytest.raises(LookupError, match="mmr"):
        cli("show", "mmr", "--project", company, "--debug")


@pytest.mark.slow
def test_the_installed_command_ends_with_the_code(company: Path) -> None:
    """As a process the command gives its code to the shell, its words to standard error and its data to a pipe."""
    command = Path(sys.executable).with_name("revgauge")
    wrong = subprocess.run([command, "show", "mmr"], cwd=company, capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "did you mean" in wrong.stderr
    shell = f'"{command}" metrics --format csv | head -n 1'
    piped = subprocess.run(["sh", "-c", shell], cwd=company, capture_output=True, text=True, check=True)
    assert piped.stdout.startswith("family,name,label")
    assert piped.stderr == ""
