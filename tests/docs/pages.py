"""Pages of the documentation as steps: files that a reader writes, commands that a reader types, what they print."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
FENCE = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", flags=re.MULTILINE)


@dataclass(frozen=True)
class Written:
    """A file that the page gives with its name."""

    name: str
    text: str


@dataclass(frozen=True)
class Typed:
    """A command line, and what the page says that it prints."""

    line: str
    printed: str

    @property
    def parts(self) -> list[list[str]]:
        """The words of each command of the line, without the folder of the program and without remarks."""
        commands = [shlex.split(part, comments=True) for part in self.line.split("&&")]
        return [[words[0].removeprefix(".venv/bin/"), *words[1:]] for words in commands]


def pages() -> list[str]:
    """Every page on which something is typed, as a path in the repository."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found if typed(path.relative_to(ROOT).as_posix()))


def steps(page: str) -> Iterator[Written | Typed]:
    """What a reader of the page does, in order."""
    for kind, name, body in FENCE.findall((ROOT / page).read_text(encoding="utf-8")):
        if kind == "console":
            for line, printed in COMMAND.findall(body):
                yield Typed(line, printed)
        elif name:
            yield Written(name, body)


def typed(page: str) -> list[Typed]:
    """The command lines of a page."""
    return [step for step in steps(page) if isinstance(step, Typed)]


def as_pattern(printed: str) -> re.Pattern[str]:
    """What is printed, as a pattern: dots in a row stand for what differs from run to run."""
    lines = "\n".join(line.rstrip() for line in printed.strip().splitlines())
    return re.compile(".*?".join(map(re.escape, lines.split("..."))), flags=re.DOTALL)


def shown(out: str, err: str) -> str:
    """What a terminal shows of both streams, one after the other."""
    text = "\n".join(part.strip("\n") for part in (out, err) if part.strip())
    return "\n".join(line.rstrip() for line in text.splitlines())
