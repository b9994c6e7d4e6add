"""Where a definition stands in a project's files, for what is told about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from revgauge.sources.problems import Problem
from revgauge.sources.yaml_text import YamlPath, YamlText


class Place(Protocol):
    """Where a definition stands."""

    @property
    def file(self) -> str:
        """The file, from the project's folder."""

    @property
    def line(self) -> int:
        """The line on which it begins."""

    def problem(self, key: str, rule: str, reason: str, fix: str, value: str | None = None) -> Problem:
        """A problem with one key of the definition."""


@dataclass(frozen=True)
class InYaml:
    """A block of a YAML file."""

    text: YamlText
    path: YamlPath
    name: str

    @property
    def file(self) -> str:
        """The file, from the project's folder."""
        return self.text.name

    @property
    def line(self) -> int:
        """The line on which the block begins."""
        return self.text.line(self.path)

    def problem(self, key: str, rule: str, reason: str, fix: str, value: str | None = None) -> Problem:
        """A problem with one key of the block, on the line of the key; `a.b` is the key b inside a."""
        row = self.text.line((*self.path, *key.split(".")))
        return Problem(self.file, rule, f"metric {self.name}: {reason}", fix, row=row, column=key, value=value)


@dataclass(frozen=True)
class InPython:
    """A function of a Python file."""

    file: str
    line: int
    name: str

    def problem(self, key: str, rule: str, reason: str, fix: str, value: str | None = None) -> Problem:
        """A problem with the function."""
        return Problem(self.file, rule, f"{self.name}: {reason}", fix, row=self.line, column=key or None, value=value)
