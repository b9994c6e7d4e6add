"""A small company whose builds differ from day to day, and what builds it in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from revgauge.model.store import HOME
from revgauge.workspace import VALUES, Workspace

ROOT = Path(__file__).resolve().parents[2]
MOMENT = datetime(2025, 4, 1, 6, 0, tzinfo=UTC)
EARLY, LATE = date(2025, 2, 28), date(2025, 3, 31)
"""Two days on which to build: their values differ, so that a mixture of two builds would show."""

FILES = {
    "revgauge.yml": "name: Small Company\nbuild: {grains: [month, quarter], dimensions: [account_id]}\n",
    "sources/billing.yml": """\
source: billing
files: {periods: periods.csv}
entities:
  subscription_periods: {from: periods}
""",
}

Rows = list[tuple[Any, ...]]


def company(folder: Path) -> Path:
    """The company with forty accounts, loaded: each starts at 10 a month and pays a little more every month."""
    lines = ["subscription_id,account_id,valid_from,valid_to,mrr,currency"]
    for account in range(40):
        for month in range(1, 4):
            end = f"2025-{month + 1:02}-01"
            lines.append(f"s{account},a{account},2025-{month:02}-01,{end},{10 + account + month},USD")
    for name, text in {**FILES, "periods.csv": "\n".join(lines) + "\n"}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    report = workspace(folder, LATE).load()
    assert report.ok
    return folder


def workspace(folder: Path, as_of: date) -> Workspace:
    """The company on a day."""
    return Workspace(folder, as_of=as_of, clock=lambda: MOMENT)


def published(folder: Path) -> tuple[dict[str, str], Rows]:
    """What a reader sees: the facts of the build and all of its values, over one connection."""
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{folder / HOME / VALUES}' AS published (READ_ONLY)")
        connection.execute("USE published")
        facts = dict(connection.execute("SELECT name, value FROM build").fetchall())
        return facts, connection.execute("SELECT * FROM metric_values ORDER BY ALL").fetchall()


BUILDER = """\
import sys
from datetime import date
from pathlib import Path
from tests.build.company import workspace

folder, *days = sys.argv[1:]
for day in days:
    print("begin", flush=True)
    report = workspace(Path(folder), date.fromisoformat(day)).build()
    print("end", report.build_id, flush=True)
"""


def builder(folder: Path, days: Sequence[date]) -> subprocess.Popen[str]:
    """A process that builds once for each day and says when a build begins and ends."""
    words = [sys.executable, "-c", BUILDER, str(folder), *[day.isoformat() for day in days]]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True)
