"""What memory does not hold is put beside the store, by each process for itself, and removed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb

from revgauge.catalogue.engine import Warehouse
from revgauge.model.store import HOME, OVERFLOW, overflow_folder, sweep


def store_of(project: Path) -> Path:
    """A store with one table that is larger than a few megabytes of memory."""
    path = project / HOME / "entities.duckdb"
    path.parent.mkdir()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE accounts AS SELECT 'account-' || i AS account_id FROM range(2_000_000) t(i)")
    return path


def test_a_sort_that_memory_does_not_hold_overflows_beside_the_store_and_leaves_nothing(tmp_path: Path) -> None:
    """With 40 MB a table of 2 million names is kept in part on disk, in a folder that goes at the end."""
    warehouse = Warehouse.open(store_of(tmp_path), memory_limit="40MB", threads=1)
    accounts = warehouse.entity("accounts")
    kept = warehouse.keep("kept", accounts.mutate(again=accounts.account_id + "-again"))
    assert warehouse.pairs(kept.aggregate(rows=kept.count(), most=kept.again.max()))[0][0] == 2_000_000
    folder = overflow_folder(tmp_path / HOME)
    assert any(folder.iterdir())
    warehouse.close()
    assert not folder.exists()


def test_what_a_killed_process_left_is_swept_and_what_a_living_one_uses_is_not(tmp_path: Path) -> None:
    """The next holder of the lock removes the folders of processes that are gone, and no others."""
    home = tmp_path / HOME
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, used = home / f"{OVERFLOW}.{gone.pid}", home / f"{OVERFLOW}.{os.getpid()}"
    for folder in (left, used):
        folder.mkdir(parents=True)
        (folder / "rows.tmp").write_bytes(b"rows")
    sweep(tmp_path)
    assert not left.exists()
    assert used.exists()
