"""The reference page of the command line against the program: no command, option or JSON key is missing or made up."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import Cli

from revgauge.cli.app import app

COMMANDS = [name for name in app if not name.startswith("-")]


def section(root: Path, command: str) -> str:
    """What the page says of a command."""
    text = (root / "docs" / "reference" / "command-line.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## revgauge (\w+)\n(.*?)(?=^## |\Z)", text, flags=re.MULTILINE | re.DOTALL))
    assert sorted(sections) == sorted(COMMANDS)
    return str(sections[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_those_of_the_program(command: str, root: Path) -> None:
    """The table of a command has a line for each of its options, and none for another."""
    documented = re.findall(r"^\| `(--[\w-]+)` \|", section(root, command), flags=re.MULTILINE)
    arguments = app[command].assemble_argument_collection()
    options = {name for argument in arguments for name in argument.names if name.startswith("--")}
    assert sorted(documented) == sorted(options)


def keys(data: Any) -> Iterator[str]:
    """Every key of JSON whose name does not come from the data."""
    if isinstance(data, list):
        for item in data:
            yield from keys(item)
    elif isinstance(data, dict):
        for key, item in data.items():
            yield key
            if key not in {"params", "dimensions", "sections", "rows", "left_out", "by", "statistics", "factors"}:
                yield from keys(item)


@pytest.mark.parametrize(
    "words",
    [
        ("show", "win_rate"),
        ("rows", "win_rate", "--period", "2025-Q1"),
        ("gaps",),
        ("metrics",),
        ("metrics", "nrr"),
        ("forecast", "mrr", "--grain", "week"),
    ],
    ids=" ".join,
)
def test_keys_of_json_are_explained(words: tuple[str, ...], root: Path, company: Path, cli: Cli) -> None:
    """Each key that a command prints stands on the page, in its section or in that of the command it refers to."""
    data = json.loads(cli(*words, "--project", company, "--format", "json").out)
    explained = section(root, words[0]) + section(root, "show") + section(root, "metrics")
    assert sorted({key for key in keys(data) if f"`{key}`" not in explained}) == []
