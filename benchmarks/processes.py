"""Every measurement runs in a process of its own, so that none sees the memory or the caches of another."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parent.parent


class Failed(Exception):  # noqa: N818 - it says what happened
    """A process did not do its work; the text says why."""


@dataclass(frozen=True)
class Runner:
    """Starts measurements, one at a time."""

    memory_limit: str | None = None
    patience: float | None = None
    """Seconds after which a measurement is given up."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def run(self, way: str, store: Path, *options: str) -> dict[str, Any]:
        """One measurement of a way; raises Failed."""
        limit = ["--memory-limit", self.memory_limit] if self.memory_limit else []
        return self._python("-m", "benchmarks.ways", way, str(store), str(figures_path(way, store)), *limit, *options)

    def generate(self, scale: float, store: Path, generator: str = "generate") -> dict[str, int]:
        """Write the store of a scale with a generator; the rows of each entity."""
        self._started("-m", f"benchmarks.{generator}", str(scale), str(store))
        return rows_of(store)

    def _python(self, *words: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._started(*words).strip().rpartition("\n")[2])
        return found

    def _started(self, *words: str) -> str:
        try:
            done = subprocess.run(
                [sys.executable, *words],
                capture_output=True,
                text=True,
                cwd=ROOT,
                env={**os.environ, **self.environment},
                timeout=self.patience,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"given up after {self.patience:,.0f} seconds") from None
        if done.returncode < 0:
            raise Failed(f"ended by signal {-done.returncode}, which the system sends when there is no memory left")
        if done.returncode:
            raise Failed(done.stderr.strip().rpartition("\n")[2] or f"ended with {done.returncode}")
        return done.stdout


def rows_of(store: Path) -> dict[str, int]:
    """The rows of each entity of a store."""
    with duckdb.connect(str(store), read_only=True) as connection:
        return dict(connection.execute("SELECT entity, max(rows) FROM loaded_fields GROUP BY entity").fetchall())


def figures_path(way: str, store: Path) -> Path:
    """Where a way writes its figures."""
    return store.with_name(f"{store.stem}.{way}.parquet")


def figures(way: str, store: Path) -> pa.Table:
    """The figures that a way has written."""
    return pq.read_table(figures_path(way, store))
