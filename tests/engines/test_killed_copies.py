"""A copy into a warehouse that is killed at any instant leaves all of the old tables or all of the new ones."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from tests.engines.postgresql import Server

from revgauge.catalogue.engine import read_address
from revgauge.catalogue.engine.connect import warehouse
from revgauge.catalogue.engine.parquet import ParquetFolder

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
TABLES = ("one", "other", "third")
ROWS = 100_000

WRITER = """\
import sys
from pathlib import Path
import pyarrow as pa
from revgauge.catalogue.engine import read_address
from revgauge.catalogue.engine.connect import warehouse
from revgauge.catalogue.engine.parquet import ParquetFolder

where, names, rows = sys.argv[1], sys.argv[2].split(","), int(sys.argv[3])
to = warehouse(read_address(where), Path()) if "://" in where else ParquetFolder.of(Path(where))
print("begin", flush=True)
for turn in range(1, 1_000_000):
    made = {name: pa.table({"n": [turn] * rows}).to_reader for name in names}
    to = to.replace(made) or to if "://" in where else to.replaced(made)
    print(turn, flush=True)
"""


def killed(where: str, chance: random.Random, before: str = "") -> int:
    """Write the tables again and again and be killed in the middle; how often they were written whole.

    The process does first what stands in `before`.
    """
    command = [sys.executable, "-c", before + WRITER, where, ",".join(TABLES), str(ROWS)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        assert process.stdout.readline() == "1\n"
        time.sleep(chance.uniform(0, 1.5))
        process.kill()
        rest, _ = process.communicate()
    return 1 + len(rest.splitlines())


def contents(tables: list[pa.Table]) -> set[tuple[int, ...]]:
    """What stands in each of the tables: how many rows and which numbers."""
    return {(table.num_rows, *sorted(set(table["n"].to_pylist()))) for table in tables}


def test_a_killed_copy_into_postgresql(postgresql: Server, tmp_path: Path) -> None:
    """All three tables are of the same turn, the last that was told or the one after it, and nothing is left behind."""
    where = postgresql.url("killed")
    chance = random.Random(1)
    for _ in range(5):
        turns = killed(where, chance)
        there = warehouse(read_address(where), tmp_path)
        found = contents([there.fetch(there.entity(name)) for name in TABLES])
        assert found <= {(ROWS, turns), (ROWS, turns + 1)}
        assert len(found) == 1
        assert there.tables() == set(TABLES)
        there.close()


def test_a_killed_copy_into_parquet(tmp_path: Path) -> None:
    """The same for Parquet files; what was left behind is gone after the next copy."""
    chance = random.Random(2)
    for _ in range(5):
        turns = killed(str(tmp_path), chance)
        folder = ParquetFolder.of(tmp_path)
        found = contents([pa.parquet.read_table(folder.path(name)) for name in TABLES])
        assert found <= {(ROWS, turns), (ROWS, turns + 1)}
        assert len(found) == 1
    folder = ParquetFolder.of(tmp_path)
    for _ in range(2):
        folder = folder.replaced({name: pa.table({"n": [1]}).to_reader for name in TABLES})
    assert len(list(tmp_path.glob("*/*"))) <= 2 * len(TABLES)
