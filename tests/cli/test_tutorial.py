"""The tutorial, run: each file it gives is written, each command it shows prints what it says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.conftest import Cli

FENCE = re.compile(r"^```(csv|console)(?: (\S+))?\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)


def steps(text: str) -> Iterator[tuple[str, str, str]]:
    """In the order of the page: ("file", name, contents) and ("command", line, what it prints)."""
    for kind, name, body in FENCE.findall(text):
        if kind == "csv":
            yield "file", name, body
            continue
        for command, printed in re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", body, flags=re.MULTILINE):
            yield "command", command, printed


def as_pattern(printed: str) -> str:
    """What is printed as a pattern: dots in a row stand for what differs from run to run."""
    return r".*?".join(map(re.escape, printed.strip().split("...")))


@pytest.mark.slow
def test_first_numbers_print_what_the_page_says(
    root: Path, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who follows the tutorial sees what it shows, from the first file to the corrected row."""
    monkeypatch.chdir(tmp_path)
    text = (root / "docs" / "tutorial" / "first-numbers.md").read_text(encoding="utf-8")
    commands = 0
    for kind, what, contents in steps(text):
        if kind == "file":
            (tmp_path / what).write_text(contents, encoding="utf-8")
            continue
        program, *words = shlex.split(what)
        assert program == "revgauge"
        answer = cli(*words)
        shown = "\n".join(part.strip("\n") for part in (answer.out, answer.err) if part.strip())
        assert re.fullmatch(as_pattern(contents), shown, flags=re.DOTALL), f"{what}\n{shown}"
        commands += 1
    assert commands > 5
