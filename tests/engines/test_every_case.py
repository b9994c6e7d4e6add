"""Every worked case on every engine: the values worked out by hand, and the same as DuckDB gives.

Expected values stand in `tests/cases` with the arithmetic beside them.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.engines.conftest import opener

from revgauge.metrics import builtin_catalogue
from revgauge.project.cases import case_folders, read_expected, verify

CASES = Path(__file__).resolve().parent.parent / "cases"
CATALOGUE = builtin_catalogue()

QUICK = {
    "postgresql": {"ops_edge"},
    "spark": {"rev_arpu_users"},
}
"""The cases with which each engine is tried while one works."""

CLOSE = Decimal("1e-9")


def names(folder: Path) -> str:
    """The name of a case in the list of tests."""
    return folder.name


def known_checks(folder: Path) -> list[dict[str, Any]]:
    """The checks of a case whose metric is in the catalogue."""
    known = CATALOGUE.metrics.keys() | CATALOGUE.aliases.keys()
    return [check for check in read_expected(folder)["checks"] if check["metric"] in known]


ENGINES_AND_CASES = [
    pytest.param(
        kind,
        folder,
        id=f"{kind}-{folder.name}",
        marks=() if folder.name in quick else pytest.mark.slow,
    )
    for kind, quick in QUICK.items()
    for folder in case_folders([CASES])
    if known_checks(folder)
]


@pytest.mark.parametrize(("kind", "folder"), ENGINES_AND_CASES)
def test_a_case_has_the_same_values_everywhere(kind: str, folder: Path, request: pytest.FixtureRequest) -> None:
    """Each check agrees with what was worked out by hand, and to nine places with what DuckDB gives."""
    wrong = []
    here = verify(folder, CATALOGUE)
    there = verify(folder, CATALOGUE, opener(kind, request))
    for ours, theirs in zip(here, there, strict=True):
        asked = f"{theirs.metric} {theirs.params} {theirs.grain} {theirs.period} {theirs.by}"
        if theirs.known and theirs.ok is False:
            wrong.append(f"{asked} gives {theirs.value} ({theirs.error}), not {theirs.expected}")
        elif not close(ours.value, theirs.value) or ours.error != theirs.error:
            wrong.append(f"{asked} gives {theirs.value} ({theirs.error}), and DuckDB {ours.value} ({ours.error})")
    assert not wrong, "\n".join(wrong)


def close(one: Decimal | None, other: Decimal | None) -> bool:
    """Whether two values are the same to nine places."""
    if one is None or other is None:
        return one is None and other is None
    return abs(one - other) <= CLOSE * max(Decimal(1), abs(one))
