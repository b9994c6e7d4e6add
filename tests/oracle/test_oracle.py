"""The reference calculation against the worked cases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from . import ALIASES, SCOPE, Tables, evaluate

CASES = Path(__file__).parent.parent / "cases"


def _checks() -> list[Any]:
    found = []
    for path in sorted(CASES.glob("*/expected.json")):
        case = json.loads(path.read_text(encoding="utf-8"))
        for number, check in enumerate(case["checks"]):
            if ALIASES.get(check["metric"], check["metric"]) in SCOPE:
                found.append(pytest.param(path.parent, case, check, id=f"{case['case']}-{number}-{check['metric']}"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "case", "check"), _checks())
def test_the_reference_gives_the_value_worked_out_by_hand(
    folder: Path, case: dict[str, Any], check: dict[str, Any]
) -> None:
    """Each value of a worked case within reach is reproduced from its tables alone, within the case's own tolerance."""
    value = evaluate(
        Tables.read(folder),
        check["metric"],
        check["params"],
        check["grain"],
        check["period"],
        check["by"],
        case["now"],
        case["reporting_currency"],
        case["time_zone"],
    )
    if check["value"] is None:
        assert value is None, check["why"]
    else:
        assert value is not None, check["why"]
        assert float(value) == pytest.approx(check["value"], abs=check["tolerance"]), check["why"]
