"""`revgauge verify`: worked cases against the catalogue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

from revgauge.catalogue.registry import Catalogue
from revgauge.cli.asking import find_project, nearest_project, tell_mistakes
from revgauge.cli.failures import CallError
from revgauge.cli.terminal import progress, prose, say, write, write_json
from revgauge.figures import plain
from revgauge.project.cases import CaseFileError, Check, case_folders, verify
from revgauge.sources.canonical import CaseError
from revgauge.workspace import Workspace, builtin_catalogue


def verified(paths: Sequence[Path], project: Path | None, *, form: Literal["table", "json"]) -> int:
    """Print every check of the cases below the paths; 1 if a judged one of a known metric fails or a case is broken."""
    folder = find_project(project) if project else nearest_project()
    catalogue = _catalogue(folder)
    if not paths:
        if folder is None or not (folder / "cases").is_dir():
            raise CallError("name the folders of the cases to verify; without one the project's own cases/ are taken")
        paths = [folder / "cases"]
    try:
        folders = case_folders(paths)
    except CaseFileError as error:
        raise CallError(str(error)) from error
    checks: list[Check] = []
    broken: list[str] = []
    with progress() as tell:
        for case in folders:
            tell(f"verifying {case.name}")
            try:
                checks += verify(case, catalogue)
            except (CaseFileError, CaseError) as error:
                broken.append(str(error))
    if form == "json":
        write_json([check.as_json() for check in checks])
    else:
        _write(checks)
    for sentence in broken:
        say(sentence)
    return 1 if broken or any(check.known and check.ok is False for check in checks) else 0


def _catalogue(folder: Path | None) -> Catalogue:
    """The built-in definitions, and those of the project if there is one."""
    if folder is None:
        return builtin_catalogue()
    project = Workspace(folder)
    tell_mistakes(project)
    return project.catalogue


def _write(checks: Sequence[Check]) -> None:
    cases: dict[str, list[Check]] = {}
    for check in checks:
        cases.setdefault(check.case, []).append(check)
    for name, members in cases.items():
        write(f"{name}: {_counted(members)}")
        for line in _lines(members):
            prose(line, "  ")
    if len(cases) > 1:
        write()
        write(f"{len(cases)} cases: {_counted(checks)}")


def _counted(checks: Sequence[Check]) -> str:
    """How many checks went which way, in words."""
    passed = sum(check.ok is True for check in checks)
    failed = sum(check.known and check.ok is False for check in checks)
    absent = sum(not check.known for check in checks)
    shown = len(checks) - passed - failed - absent
    parts = [f"✓ {passed} passed"] if passed else []
    parts += [f"✗ {failed} failed"] if failed else []
    parts += [f"{absent} of metrics that are not there yet"] if absent else []
    parts += [f"{shown} computed and not judged"] if shown else []
    return ", ".join(parts) or "no checks"


def _lines(checks: Sequence[Check]) -> Iterator[str]:
    """Each failure in full, each value that was only to be computed, and the metrics that are not there."""
    for check in checks:
        if check.known and check.ok is False:
            why = f" ({check.error})" if check.error else ""
            yield f"✗ {_question(check)}: {_number(check.value)}, expected {_number(check.expected)}{why}"
        elif check.known and check.ok is None:
            yield f"· {_question(check)}: {check.error if check.value is None else _number(check.value)}"
    if absent := sorted({check.metric for check in checks if not check.known}):
        yield f"not there yet: {', '.join(absent)}"


def _question(check: Check) -> str:
    pairs = [f"{name}={value}" for name, value in (*check.params.items(), *check.by.items())]
    return " ".join([check.metric, check.period or check.grain, *pairs])


def _number(value: Decimal | None) -> str:
    return "no value" if value is None else plain(value)
