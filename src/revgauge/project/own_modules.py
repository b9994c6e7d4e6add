"""Own metrics and tables written in Python: the modules of a project's folder `metrics`."""

from __future__ import annotations

import hashlib
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import get_args

from revgauge.catalogue.registry import Better, Definition, Kind, Metric, Timing, Unit, definitions_of
from revgauge.project.places import InPython
from revgauge.sources.problems import Problem

FOLDER = "metrics"


def read_modules(folder: Path) -> tuple[list[tuple[InPython, Definition]], list[Problem]]:
    """The definitions of every `metrics/*.py` of the project, and what is wrong with the files.

    The files are programs of the project's owner and are run as such.
    """
    found: list[tuple[InPython, Definition]] = []
    problems: list[Problem] = []
    for path in sorted((folder / FOLDER).glob("*.py")):
        name = f"{FOLDER}/{path.name}"
        try:
            module = _run(path)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a user's file does is told, and the rest goes on
            problems.append(_failure(path, name, error))
            continue
        for definition in definitions_of(module):
            place = InPython(name, definition.function.__code__.co_firstlineno, definition.name)
            wrong = _card(definition, place)
            problems += wrong
            if not wrong:
                found.append((place, _of_project(definition, name)))
    return found, problems


def _run(path: Path) -> ModuleType:
    """The file as a module of a name that no other project has; nothing is cached on disk."""
    project = hashlib.sha256(str(path.parent.resolve()).encode()).hexdigest()[:12]
    module = ModuleType(f"revgauge_project_{project}.{path.stem}")
    module.__file__ = str(path)
    code = compile(path.read_bytes(), str(path), "exec")
    sys.modules[module.__name__] = module
    try:
        exec(code, module.__dict__)  # noqa: S102 - the project's own program
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _failure(path: Path, name: str, error: BaseException) -> Problem:
    """What went wrong, with the last line of the file that was being run."""
    if isinstance(error, SyntaxError):
        row, what = error.lineno, error.msg
    else:
        mine = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        row, what = (mine[-1] if mine else 1), f"{type(error).__name__}: {error}"
    return Problem(name, "python", f"the file cannot be run: {what}", "Correct the line.", row=row)


def _card(definition: Definition, place: InPython) -> list[Problem]:
    """What a definition leaves unsaid, or says in words that do not exist."""
    if not definition.doc:
        fix = "Say in its docstring, in one sentence, what it is."
        return [place.problem("", "missing", "it has no definition", fix)]
    if not isinstance(definition, Metric):
        return []
    problems: list[Problem] = []
    if not definition.label:
        problems.append(place.problem("label", "missing", "label is missing", "Add a title: @metric(label=...)."))
    if definition.unit not in list(Unit):
        units = ", ".join(f"Unit.{unit.name}" for unit in Unit)
        problems.append(place.problem("unit", "not_possible", f"unit cannot be {definition.unit}", f"Write {units}."))
    for key, words in (("better", get_args(Better)), ("timing", get_args(Timing)), ("kind", get_args(Kind))):
        if getattr(definition, key) not in words:
            reason = f"{key} cannot be {getattr(definition, key)}"
            problems.append(place.problem(key, "not_possible", reason, f"Write one of {', '.join(words)}."))
    return problems


def _of_project(definition: Definition, name: str) -> Definition:
    if not isinstance(definition, Metric):
        return definition
    aliases = tuple(alias.lower() for alias in definition.aliases)
    return replace(definition, unit=Unit(definition.unit), aliases=aliases, origin=name)
