"""From words on the command line to a project and a question that its facade understands."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from revgauge.cli.failures import CallError
from revgauge.cli.terminal import say
from revgauge.model.period import Grain

if TYPE_CHECKING:
    from revgauge.catalogue.registry import Metric
    from revgauge.sources.problems import Problem
    from revgauge.workspace import Workspace

SETTINGS = "revgauge.yml"
"""The file that makes a folder a project."""


def find_project(given: Path | None) -> Path:
    """The folder of the project: the one given, this one, or the nearest above it.

    Raises CallError if there is none, and says how to get one.
    """
    if given is not None:
        if not given.is_dir():
            raise CallError(f"there is no folder {given}")
        if not (given / SETTINGS).exists():
            raise CallError(f"{given} is no project: it has no {SETTINGS}. `revgauge init {given}` makes it one.")
        return given
    if found := nearest_project():
        return found
    raise CallError(
        f"neither this folder nor one above it is a project (a folder with {SETTINGS}). Go into one, name one with "
        "--project, make one with `revgauge init`, or see a sample company with `revgauge demo`."
    )


def nearest_project() -> Path | None:
    """This folder or the nearest above it with settings, if there is any."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / SETTINGS).exists()), None)


def workspace(project: Path | None, as_of: date | None = None) -> Workspace:
    """The project to work with."""
    from revgauge.workspace import Workspace

    return Workspace(find_project(project), as_of)


@dataclass(frozen=True)
class Question:
    """What is asked of a metric."""

    metric: str
    grain: Grain | None = None
    period: str | None = None
    by: Sequence[str] = ()
    """Each a dimension to split by, or `dimension=value` to be limited to."""
    param: Sequence[str] = ()
    """Each `name=value`."""
    params: dict[str, str] = field(init=False)
    split: tuple[str, ...] = field(init=False)
    only: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Take the pairs apart; CallError if one is none."""
        object.__setattr__(self, "params", dict(_pair(text, "--param", "NAME=VALUE") for text in self.param))
        object.__setattr__(self, "split", tuple(dict.fromkeys(text for text in self.by if "=" not in text)))
        limits = (text for text in self.by if "=" in text)
        object.__setattr__(self, "only", dict(_pair(text, "--by", "DIMENSION=VALUE") for text in limits))

    def in_grain(self, project: Workspace) -> Grain:
        """The grain asked for, else that of the period, else month."""
        if self.grain is not None:
            return self.grain
        if self.period is None:
            return "month"
        return project.settings.evaluation(project.now).calendar.parse(self.period).grain


def _pair(text: str, option: str, form: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise CallError(f"{option} takes {form}, not {text}")
    return name.strip(), value.strip()


def tell_mistakes(project: Workspace) -> list[Problem]:
    """Say what is wrong in the project's own definitions; the mistakes that leave a definition out."""
    for problem in project.definition_problems:
        say(f"{problem.severity}: {problem}")
    return [problem for problem in project.definition_problems if problem.severity == "error"]


def find_metric(project: Workspace, name: str) -> Metric:
    """The metric of that name; if there is none, the mistakes in the project's definitions are told, it may be one."""
    from revgauge.catalogue.registry import UnknownName

    try:
        return project.catalogue.metric(name)
    except UnknownName:
        tell_mistakes(project)
        raise


def check_dimensions(project: Workspace, names: Sequence[str]) -> None:
    """Raise CallError with the nearest right spelling for a dimension that no metric has."""
    known = {name for table in project.catalogue.derived.values() for name in table.dimensions}
    for name in names:
        if name not in known:
            raise CallError(f"there is no dimension {name}{did_you_mean(name, sorted(known))}")


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint with the nearest known words, or all of them."""
    near = difflib.get_close_matches(word, known, 3, 0.6)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; there {'is' if len(known) == 1 else 'are'} {', '.join(known)}" if known else ""


def warn_of_empty_limits(project: Workspace, question: Question, periods: Sequence[object]) -> None:
    """Say it when a value to which rows are limited does not occur, since a zero would hide a misspelling."""
    from revgauge.catalogue.evaluation import Request
    from revgauge.model.period import Period

    spans = tuple(period for period in periods if isinstance(period, Period))
    wanted = [Request(question.metric, spans, question.params, (name,)) for name in question.only]
    for name, result in zip(question.only, project.results(wanted), strict=True):
        found = sorted({key[0] for key in result.keys})
        if question.only[name] not in found:
            say(f"No row has {name} {question.only[name]}{did_you_mean(question.only[name], found[:12])}")
