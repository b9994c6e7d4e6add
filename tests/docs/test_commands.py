"""What the pages tell a reader to type: it is possible everywhere, and where output is shown, it is what comes out."""

from __future__ import annotations

import ast
import os
import re
import shutil
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, Typed, Written, as_pattern, pages, shown, steps, typed

from revgauge.cli import main
from revgauge.cli.app import app
from revgauge.cli.headlines import headlines, write_scorecard
from revgauge.demo import create
from revgauge.metrics import builtin_catalogue
from revgauge.workspace import Workspace

RUN = (
    "README.md",
    "CONTRIBUTING.md",
    "docs/how-to/worked-cases.md",
    "docs/how-to/add-a-metric.md",
    "docs/how-to/forecast.md",
)
"""Pages that are followed here from beginning to end."""

ELSEWHERE = {
    "docs/tutorial/first-numbers.md": "tests/cli/test_tutorial.py",
    "docs/reference/command-line.md": "tests/cli/test_reference_page.py",
}
"""Pages whose commands another test runs."""

FORMS = re.compile(r"[A-Z]{3,}|\[")
"""A line that says how a command is formed (`revgauge show METRIC [OPTIONS]`) and is not to be typed as it stands."""


@pytest.mark.parametrize("page", pages())
def test_commands_are_possible(page: str) -> None:
    """The program takes every command line of the page, and `make` knows every target that the page calls."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for step in typed(page):
        for program, *words in step.parts:
            if program == "revgauge" and not FORMS.search(step.line):
                app.parse_args(words, exit_on_error=False, print_error=False)
            elif program == "make" and words:
                assert re.search(rf"^{words[0]}:", makefile, flags=re.MULTILINE), step.line


def test_every_output_is_compared() -> None:
    """A page that shows what a command prints is followed by a test, here or where this module says."""
    showing = {page for page in pages() for step in typed(page) if step.printed.strip() and "revgauge" in step.line}
    assert showing - {*RUN, *ELSEWHERE} == set()
    for page, test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("page", RUN)
def test_page_prints_what_it_shows(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Who follows the page in a fresh clone sees what it shows."""
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("examples", "tests/cases"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to(ROOT / name)
    monkeypatch.chdir(tmp_path)
    compared = 0
    for step in steps(page):
        if isinstance(step, Written):
            Path(step.name).parent.mkdir(parents=True, exist_ok=True)
            Path(step.name).write_text(step.text, encoding="utf-8")
            continue
        ran = [words for words in step.parts if _typed(words, monkeypatch)]
        captured = capsys.readouterr()
        if ran and step.printed.strip():
            assert as_pattern(step.printed).fullmatch(found := shown(captured.out, captured.err)), (
                f"{step.line}\n{found}"
            )
            compared += 1
    assert compared or not any(_shows(step) for step in typed(page))


def _shows(step: Typed) -> bool:
    return bool(step.printed.strip()) and step.parts[-1][0] == "revgauge"


def _typed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Do what the command says; whether it was one of ours. `make` and settings of the shell are left to the reader."""
    match words:
        case ["revgauge", *rest]:
            assert main(rest) in (0, 1)
            return True
        case ["cd", folder]:
            monkeypatch.chdir(folder)
        case ["mkdir", folder]:
            os.mkdir(folder)  # noqa: PTH102 - as a reader does
        case ["cp", source, target]:
            shutil.copy(source, target)
        case ["make" | "export", *_]:
            pass
        case _:
            raise AssertionError(f"a page says {words}, and the test does not know what that is")
    return False


@pytest.mark.slow
def test_scorecard_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The scorecard in the README is the one that `make demo` prints."""
    monkeypatch.setenv("COLUMNS", "80")
    create(tmp_path / "company")
    project = Workspace(tmp_path / "company")
    loaded = project.load()
    capsys.readouterr()
    write_scorecard(project, headlines(project))
    printed = shown(capsys.readouterr().out, "")
    (told,) = [step.printed for step in typed("README.md") if step.line == "make demo"]
    assert loaded.ok
    assert printed in shown(told, "")


def test_number_of_metrics_is_told_right() -> None:
    """README and changelog say how many metrics and families there are, and it is that many."""
    catalogue = builtin_catalogue()
    readme, changelog = ((ROOT / page).read_text("utf-8") for page in ("README.md", "CHANGELOG.md"))
    told = re.findall(r"(\d+) metrics in (\d+) families", readme)
    assert told == [(str(len(catalogue.metrics)), str(len(catalogue.families())))]
    assert re.findall(r"(\d+) metrics in all", changelog) == [str(len(catalogue.metrics))]


def test_function_on_the_page_is_the_one_in_the_code() -> None:
    """The definition that the guide shows as an example stands in the code word for word."""
    (block,) = re.findall(
        r"^```python\n(.*?)^```$",
        (ROOT / "docs/how-to/add-a-metric.md").read_text(encoding="utf-8"),
        flags=re.MULTILINE | re.DOTALL,
    )
    module = (ROOT / "src/revgauge/metrics/movements.py").read_text(encoding="utf-8")
    (function,) = ast.parse(block).body
    assert isinstance(function, ast.FunctionDef)
    assert block in module
