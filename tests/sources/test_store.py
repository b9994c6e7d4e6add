"""The store: readers see the old or the new, a killed load harms nothing, two writers do not meet."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pytest
from tests.sources.helpers import MOMENT, load_now, make_project, query, same_names

from revgauge.model.store import (
    ProjectBusyError,
    StoreError,
    fingerprint,
    open_store,
    project_lock,
    store_path,
)

CHILD = """
import sys
from datetime import datetime, timezone
from pathlib import Path
import revgauge.sources.load as loading
print("ready", flush=True)
loading.load(Path(sys.argv[1]), loaded_at=datetime(2026, 1, 1, tzinfo=timezone.utc))
"""


def accounts(count: int) -> str:
    """A file of accounts."""
    return "account_id,name\n" + "".join(f"A-{number},Name {number}\n" for number in range(count))


def test_a_store_that_is_not_there_is_told_in_words(tmp_path: Path) -> None:
    """Reading before the first load says what to do."""
    with pytest.raises(StoreError, match="revgauge load"):
        open_store(tmp_path)


def test_a_second_writer_is_told_who_holds_the_project(tmp_path: Path) -> None:
    """While one process loads, another is refused with the command, the process and the time."""
    project = make_project(tmp_path, same_names("accounts", "a.csv"), {"a.csv": accounts(3)})
    with (
        project_lock(project, "build", MOMENT),
        pytest.raises(ProjectBusyError, match=rf"`build` \(process {os.getpid()}\)"),
    ):
        load_now(project)
    assert load_now(project).ok


def test_a_reader_keeps_what_it_opened(tmp_path: Path) -> None:
    """A connection opened before a load still answers from the old tables; one opened after, from the new."""
    project = make_project(tmp_path, same_names("accounts", "a.csv"), {"a.csv": accounts(3)})
    load_now(project)
    with open_store(project) as old:
        (project / "a.csv").write_text(accounts(5), encoding="utf-8")
        load_now(project)
        assert old.execute("SELECT count(*) FROM accounts").fetchone() == (3,)
    assert query(project, "SELECT count(*) FROM accounts") == [(5,)]


def test_the_file_has_the_oldest_format(tmp_path: Path) -> None:
    """The store is written in the format of DuckDB 1.0, so that older and newer versions read it."""
    project = make_project(tmp_path, same_names("accounts", "a.csv"), {"a.csv": accounts(3)})
    load_now(project)
    with duckdb.connect(str(store_path(project)), read_only=True) as connection:
        found = connection.execute(
            "SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal"
        ).fetchone()
    assert found is not None
    assert "v1.0.0" in str(found[0])


def test_leftovers_of_a_killed_load_are_swept(tmp_path: Path) -> None:
    """What a killed load left beside the store is gone after the next load."""
    project = make_project(tmp_path, same_names("accounts", "a.csv"), {"a.csv": accounts(3)})
    load_now(project)
    (project / ".revgauge" / "entities.duckdb.99999.new").write_bytes(b"half written")
    load_now(project)
    assert sorted(path.name for path in (project / ".revgauge").iterdir()) == ["entities.duckdb", "lock"]


def test_a_full_disk_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the disk while publishing becomes a sentence, and the published store still serves (P6)."""
    project = make_project(tmp_path, same_names("accounts", "a.csv"), {"a.csv": accounts(3)})
    load_now(project)
    (project / "a.csv").write_text(accounts(5), encoding="utf-8")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("revgauge.model.store.os.fsync", full)
        with pytest.raises(StoreError, match=r"MB are free there; make room"):
            load_now(project)
    assert query(project, "SELECT count(*) FROM accounts") == [(3,)]
    assert load_now(project).ok
    assert query(project, "SELECT count(*) FROM accounts") == [(5,)]


def kill_during_load(project: Path, delay: float) -> bool:
    """Start a load in a process of its own and kill it after a delay; whether it was still running."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(project)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(delay)
    running = child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    return running


def killed_loads(tmp_path: Path, trials: int) -> int:
    """Kill loads at random instants and compare with undisturbed ones; how many were hit while loading."""
    project = make_project(tmp_path / "p", same_names("accounts", "a.csv"), {"a.csv": accounts(3_000)})
    load_now(project)
    before = fingerprint(project)
    (project / "a.csv").write_text(accounts(20_000), encoding="utf-8")
    reference = make_project(tmp_path / "q", same_names("accounts", "a.csv"), {"a.csv": accounts(20_000)})
    started = time.monotonic()
    load_now(reference)
    lasts = time.monotonic() - started
    after = fingerprint(reference)
    draw = random.Random(20260101)
    hit = 0
    for _ in range(trials):
        hit += kill_during_load(project, draw.uniform(0, 1.2 * lasts))
        assert fingerprint(project) in (before, after)
    load_now(project)
    assert fingerprint(project) == after
    return hit


@pytest.mark.slow
def test_a_killed_load_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """After kill -9 at a random instant the store holds the old rows or the new; the next load gives the new (P2)."""
    assert killed_loads(tmp_path, 5) > 0


@pytest.mark.slow
def test_fifty_killed_loads_lose_and_double_nothing(tmp_path: Path) -> None:
    """The same fifty times; most kills land inside the load."""
    assert killed_loads(tmp_path, 50) >= 30
