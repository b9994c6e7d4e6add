"""`revgauge verify`: worked cases against the catalogue."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

from revgauge.catalogue.engine import Address, AddressError, Engine, read_address
from revgauge.catalogue.registry import Catalogue
from revgauge.cli.asking import find_project, nearest_project, tell_mistakes
from revgauge.cli.failures import CallError
from revgauge.cli.terminal import progress, prose, say, write, write_json
from revgauge.figures import plain
from revgauge.project.cases import CaseFileError, Check, case_folders, verify
from revgauge.sources.canonical import CaseError
from revgauge.workspace import Workspace, builtin_catalogue


def verified(
    paths: Sequence[Path], project: Path | None, *, form: Literal["table", "json"], engine: str | None = None
) -> int:
    """Print every check of the cases below the paths; 1 if a judged one of a known metric fails or a case is broken.

    `engine` is the address of a warehouse or the name of an engine; without it DuckDB computes.
    """
    folder = find_project(project) if project else nearest_project()
    opened = _engine(engine, folder)
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
                checks += verify(case, catalogue, opened)
            except (CaseFileError, CaseError) as error:
                broken.append(str(error))
    if form == "json":
        write_json([check.as_json() for check in checks])
    else:
        _write(checks)
    for sentence in broken:
        say(sentence)
    return 1 if broken or any(check.known and check.ok is False for check in checks) else 0


def _engine(text: str | None, folder: Path | None) -> Callable[[], Engine] | None:
    """What opens the engine that is asked for; None: DuckDB in memory."""
    if text is None or text == "duckdb":
        return None
    from revgauge.catalogue.engine.connect import temporary

    address = engine_address(text, folder)
    return lambda: temporary(address)


def engine_address(text: str, folder: Path | None) -> Address:
    """The address that is written, or that of the project or the environment for the name of an engine.

    Raises CallError.
    """
    names = {"postgres": "postgresql", "postgresql": "postgresql", "spark": "spark"}
    if text not in names:
        try:
            return read_address(text)
        except AddressError as error:
            raise CallError(str(error)) from error
    kind = names[text]
    if folder is not None and (address := Workspace(folder).settings.address).kind == kind:
        return address
    variable = f"REVGAUGE_{kind.upper()}"
    if given := os.environ.get(variable):
        return engine_address(given, None)
    if kind == "spark":
        return read_address("local[*]")
    raise CallError(
        f"--engine {text} needs to know where the server is: write --engine postgresql://user@host/database, set "
        f"`warehouse` in revgauge.yml, or the environment variable {variable}."
    )


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
