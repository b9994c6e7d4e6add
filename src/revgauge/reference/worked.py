"""Values that were worked out by hand, picked from the worked cases: the pages show what the tests check."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from revgauge.catalogue.registry import Catalogue

MOST = 5
"""How many values a page shows of each metric."""

_ARITHMETIC = re.compile(r"\d.*[-+*/x=%].*\d|\d+ (of|over) \d+")


@dataclass(frozen=True)
class Worked:
    """One value of a worked case."""

    case: str
    metric: str
    params: Mapping[str, Any]
    grain: str
    period: str | None
    by: Mapping[str, str]
    value: Decimal | None
    why: str

    @property
    def plain(self) -> bool:
        """Whether it is of the whole company and under the defaults."""
        return not self.params and not self.by

    def weight(self) -> tuple[bool, bool, int]:
        """How much it teaches: a value that is not nought, with arithmetic, in many words up to a line."""
        telling = self.value is not None and self.value != 0
        return telling, bool(_ARITHMETIC.search(self.why)), min(len(self.why), 110)


def worked_values(folder: Path, catalogue: Catalogue) -> dict[str, list[Worked]]:
    """A few values of each metric: one under the defaults, one for each parameter that the cases vary, one null."""
    found: dict[str, list[Worked]] = {}
    for path in sorted(folder.glob("*/expected.json")):
        case = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        for check in case["checks"]:
            if (name := catalogue.aliases.get(check["metric"], check["metric"])) in catalogue.metrics:
                found.setdefault(name, []).append(_worked(case["case"], name, check))
    return {name: _chosen(values) for name, values in found.items()}


def _worked(case: str, name: str, check: Mapping[str, Any]) -> Worked:
    value = None if check["value"] is None else Decimal(str(check["value"]))
    params, by = check.get("params") or {}, check.get("by") or {}
    return Worked(case, name, params, check["grain"], check["period"], by, value, check.get("why", ""))


def _chosen(values: list[Worked]) -> list[Worked]:
    """The most telling of each kind, first that under the defaults; of equals the first in the order of the cases."""
    kinds: dict[str, list[Worked]] = {}
    for value in values:
        kinds.setdefault(_kind(value), []).append(value)
    best = {kind: max(group, key=Worked.weight) for kind, group in kinds.items()}
    order = sorted(best, key=lambda kind: (kind != "plain", kind == "null"))
    shown = order if len(order) <= MOST else [*[kind for kind in order if kind != "null"][: MOST - 1], "null"]
    return [best[kind] for kind in shown if kind in best]


def _kind(value: Worked) -> str:
    if value.value is None:
        return "null"
    if value.plain:
        return "plain"
    return ", ".join([*sorted(value.params), *sorted(value.by)])
