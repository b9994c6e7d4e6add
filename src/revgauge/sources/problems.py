"""What is wrong with a user's data or mapping: a value with a place, a plain sentence and a way out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

Severity = Literal["error", "warning", "notice"]


SECRET = re.compile(r"(?:sk|rk|pk)_(?:live|test)_\w+|xox[bp]-[\w-]+|(?<=://)[^/\s:@]+:[^@\s]+(?=@)")
"""What keys and passwords of common services look like."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that was left out (`error`), looks wrong (`warning`) or was done and should be known (`notice`)."""

    file: str
    rule: str
    """Short name of the rule, the same for every problem of its kind."""
    reason: str
    fix: str
    row: int | None = None
    """As a spreadsheet counts: the header is row 1; for JSON the record, for JSON lines and YAML the line."""
    column: str | None = None
    """The name in the header, or the key."""
    value: str | None = None
    sheet: str | None = None
    severity: Severity = "error"

    def __post_init__(self) -> None:
        """Hide what looks like a secret, wherever it stands."""
        for name in ("file", "reason", "fix", "value"):
            text = getattr(self, name)
            if text is not None and SECRET.search(text):
                object.__setattr__(self, name, SECRET.sub("(hidden)", text))

    @property
    def place(self) -> str:
        """Where it is, for a sentence."""
        parts = [self.file]
        if self.sheet:
            parts.append(f"sheet {self.sheet}")
        if self.row is not None:
            parts.append(f"row {self.row}")
        if self.column:
            parts.append(self.column)
        return ", ".join(parts)

    def __str__(self) -> str:
        """The problem as one line of a report."""
        shown = "" if self.value is None or self.value in self.reason else f" (`{shortened(self.value)}`)"
        return f"{self.place}: {self.reason}{shown}. {self.fix}".rstrip()


class RefusedError(Exception):
    """A file, a mapping or a source cannot be used at all; `problems` says why, all at once."""

    def __init__(self, problems: Iterable[Problem], *, unsafe: bool = False) -> None:
        """Keep the problems; `unsafe` marks a file that was not even read."""
        self.problems = tuple(problems)
        self.unsafe = unsafe
        super().__init__("\n".join(map(str, self.problems)))


def refuse(file: str, rule: str, reason: str, fix: str, *, unsafe: bool = False, **place: object) -> RefusedError:
    """The error that refuses a whole file for one reason, to be raised."""
    return RefusedError([replace(Problem(file, rule, reason, fix), **place)], unsafe=unsafe)  # type: ignore[arg-type] # the places are checked by Problem itself


def shortened(value: str, limit: int = 60) -> str:
    """A value that fits into a sentence."""
    single = " ".join(value.split())
    return single if len(single) <= limit else single[: limit - 1] + "…"


def report(problems: Iterable[Problem], *, examples: int = 5) -> str:
    """A plain-text report: problems of one kind together, the first few of each with their place."""
    groups: dict[tuple[str, str, str | None, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.severity, problem.file, problem.column, problem.rule), []).append(problem)
    order = {"error": 0, "warning": 1, "notice": 2}
    lines: list[str] = []
    for (severity, *_), members in sorted(groups.items(), key=lambda item: order[item[0][0]]):
        lines += [f"{severity}: {problem}" for problem in members[:examples]]
        if len(members) > examples:
            lines.append(f"  ... and {len(members) - examples} more like it in {members[0].file}")
    return "\n".join(lines)
