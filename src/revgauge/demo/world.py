"""What the parts of the sample company share: its tables so far, its streams of chance, its keys."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from revgauge.demo.chance import Chance

Row = dict[str, Any]
"""One row of an entity by canonical field name. Money is a whole number of cents, so that sums are exact."""


class World:
    """The company while it is being made up."""

    def __init__(self, seed: int) -> None:
        """An empty company; the same seed makes the same company."""
        self.seed = seed
        self.tables: dict[str, list[Row]] = defaultdict(list)
        self.facts: dict[str, str] = {}
        """What the README tells by name: keys and figures that only exist once the company is made up."""
        self._counters: dict[str, int] = defaultdict(int)
        self._streams: dict[str, Chance] = {}

    def chance(self, name: str) -> Chance:
        """The stream of chance of that name, started once."""
        if name not in self._streams:
            self._streams[name] = Chance(self.seed, name)
        return self._streams[name]

    def add(self, entity: str, /, **values: Any) -> Row:
        """Append a row to an entity and hand it back."""
        row: Row = values
        self.tables[entity].append(row)
        return row

    def key(self, prefix: str, width: int = 5) -> str:
        """The next key with that prefix: `A-00001`, `A-00002`, ..."""
        self._counters[prefix] += 1
        return f"{prefix}-{self._counters[prefix]:0{width}d}"
