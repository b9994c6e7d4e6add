"""The one place that turns what went wrong into sentences and exit codes."""

from __future__ import annotations

import errno
from typing import NamedTuple

GOOD, DATA_WRONG, CALL_WRONG, BUSY = 0, 1, 2, 3
"""Exit codes: all is well; data or definitions have errors; the call was wrong; another run holds the project."""


class CallError(Exception):
    """The command was called in a way that cannot work; the text says what to write instead."""


class Failure(NamedTuple):
    """An exit code and what to tell the person."""

    code: int
    text: str


def explained(error: Exception) -> Failure | None:
    """The exit code and sentence for an error that people can do something about; None for a mistake of ours."""
    from cyclopts import CycloptsError

    if isinstance(error, CycloptsError):
        return Failure(CALL_WRONG, f"{error} See `revgauge --help`.".replace("\n", " "))
    if isinstance(error, CallError):
        return Failure(CALL_WRONG, str(error))
    return _of_the_project(error) or _of_the_machine(error)


def _of_the_project(error: Exception) -> Failure | None:
    from revgauge.catalogue.engine import EngineError
    from revgauge.catalogue.params import ParamError
    from revgauge.catalogue.registry import UnknownName
    from revgauge.catalogue.resolver import NotComputable
    from revgauge.model.period import PeriodError
    from revgauge.model.store import ProjectBusyError, StoreError
    from revgauge.project.cases import CaseFileError
    from revgauge.sources.canonical import CaseError
    from revgauge.sources.problems import RefusedError, report

    if isinstance(error, UnknownName | ParamError | PeriodError):
        return Failure(CALL_WRONG, str(error))
    if isinstance(error, ProjectBusyError):
        return Failure(BUSY, str(error))
    if isinstance(error, RefusedError):
        return Failure(DATA_WRONG, report(error.problems))
    if isinstance(error, EngineError | StoreError | NotComputable | CaseFileError | CaseError):
        return Failure(DATA_WRONG, str(error))
    return None


def _of_the_machine(error: Exception) -> Failure | None:
    if isinstance(error, FileNotFoundError) and error.filename is None:
        return Failure(DATA_WRONG, "nothing was loaded yet: run `revgauge load` first")
    if isinstance(error, OSError) and error.filename is not None:
        reason = (error.strerror or type(error).__name__).lower()
        fix = " Make room and run it again: nothing was published." if error.errno == errno.ENOSPC else ""
        return Failure(DATA_WRONG, f"{error.filename}: {reason}.{fix}")
    if isinstance(error, OSError) and error.strerror:
        return Failure(DATA_WRONG, f"the answer cannot be written: {error.strerror.lower()}")
    if type(error).__module__.partition(".")[0] in ("duckdb", "_duckdb"):
        return Failure(DATA_WRONG, f"the database cannot go on: {str(error).partition('LINE 1')[0].strip()}")
    return None


def ours(error: Exception) -> Failure:
    """What to say of an error that nobody at the terminal can mend."""
    what = f"this is a mistake in RevGauge: {type(error).__name__}: {error}"
    return Failure(DATA_WRONG, f"{what}. Run it again with --debug and report what it says.")
