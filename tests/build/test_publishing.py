"""A build publishes all of its values or none: also when it is killed, read meanwhile, or started twice."""

from __future__ import annotations

import random
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from tests.build.company import EARLY, LATE, MOMENT, Rows, builder, company, published, workspace

from revgauge.model.store import HOME, LOCK, ProjectBusyError, project_lock
from revgauge.workspace import VALUES

Expected = dict[date, Rows]


def seconds_of_a_build(folder: Path) -> float:
    """How long a build takes on this machine as it is now, in a process of its own."""
    with builder(folder, [EARLY]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        began = time.monotonic()
        assert process.stdout.readline().startswith("end ")
        took = time.monotonic() - began
    assert process.returncode == 0
    return took


def killed_at(folder: Path, day: date, delay: float) -> bool:
    """Kill a build some seconds after it began; whether it was still at work."""
    with builder(folder, [day]) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begin\n"
        time.sleep(delay)
        process.kill()
        rest, _ = process.communicate()
    return "end" not in rest


def whole(folder: Path, expected: Expected) -> str:
    """Check that what is published is one of the undisturbed builds, to the last value; its build_id."""
    facts, values = published(folder)
    assert values == expected[date.fromisoformat(facts["as_of"])]
    return facts["build_id"]


def kill_builds(folder: Path, expected: Expected, trials: int, seed: int) -> int:
    """Kill builds at random instants; how many were killed at work. After each, what is published is whole."""
    chance = random.Random(seed)
    took = min(seconds_of_a_build(folder) for _ in range(2))
    inside = 0
    for _ in range(trials):
        before = whole(folder, expected)
        interrupted = killed_at(folder, chance.choice((EARLY, LATE)), chance.uniform(0, took))
        inside += interrupted
        after = whole(folder, expected)
        assert interrupted or after != before
    return inside


def test_a_killed_build_leaves_the_last_one_whole(tmp_path: Path, undisturbed: Expected) -> None:
    """Builds killed at random instants leave an older or the new build, never a part, and nothing in the way."""
    folder = company(tmp_path)
    inside = kill_builds(folder, undisturbed, trials=5, seed=1)
    assert inside >= 2, "too few of the kills came while a build was at work"
    workspace(folder, LATE).build()
    assert published(folder)[1] == undisturbed[LATE]
    assert not list((folder / HOME).glob("*.new*")), "what killed builds left behind is swept away"


@pytest.mark.slow
def test_twenty_killed_builds_leave_the_last_one_whole(tmp_path: Path, undisturbed: Expected) -> None:
    """The same with twenty kills, of which at least six in ten come while a build is at work."""
    folder = company(tmp_path)
    inside = kill_builds(folder, undisturbed, trials=20, seed=2)
    assert inside >= 12
    workspace(folder, EARLY).build()
    assert published(folder)[1] == undisturbed[EARLY]


class Readers:
    """Threads that read what is published, over and over, until they are told to stop."""

    def __init__(self, folder: Path, count: int) -> None:
        """Read a folder with so many threads."""
        self.seen: set[str] = set()
        self.reads: list[tuple[str, bool]] = []
        self.errors: list[Exception] = []
        self._done = threading.Event()
        self._folder = folder
        self._threads = [threading.Thread(target=self._read) for _ in range(count)]

    def during(self, work: Callable[[], None], expected: Expected) -> None:
        """Read while the work runs, and compare each read with the undisturbed build of its day."""
        self._expected = expected
        for thread in self._threads:
            thread.start()
        try:
            work()
        finally:
            self._done.set()
            for thread in self._threads:
                thread.join()

    def _read(self) -> None:
        while not self._done.is_set():
            try:
                facts, values = published(self._folder)
            except Exception as error:  # noqa: BLE001 - any error at all is what the test is about
                self.errors.append(error)
            else:
                same = values == self._expected[date.fromisoformat(facts["as_of"])]
                self.reads.append((facts["build_id"], same))
            time.sleep(0.1)


def test_readers_see_one_build_at_a_time(tmp_path: Path, undisturbed: Expected) -> None:
    """Who reads while builds replace each other sees one build with all of its values, old or new, and no error."""
    folder = company(tmp_path)
    workspace(folder, EARLY).build()
    process = builder(folder, [LATE, EARLY])
    readers = Readers(folder, 2)
    readers.during(lambda: _finished(process), undisturbed)
    assert readers.errors == []
    assert all(same for _, same in readers.reads)
    assert len({build for build, _ in readers.reads}) >= 2


def _finished(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=120)
    assert process.returncode == 0


@pytest.mark.slow
def test_readers_never_see_a_mixture_although_builds_are_killed(tmp_path: Path, undisturbed: Expected) -> None:
    """Eight readers, twelve builds, half of them killed: not one read is mixed or fails."""
    folder = company(tmp_path)
    workspace(folder, EARLY).build()
    chance = random.Random(3)

    def work() -> None:
        for number in range(12):
            day = (LATE, EARLY)[number % 2]
            if number % 4 < 2:
                killed_at(folder, day, chance.uniform(0, 4))
            else:
                _finished(builder(folder, [day]))

    readers = Readers(folder, 8)
    readers.during(work, undisturbed)
    assert readers.errors == []
    assert all(same for _, same in readers.reads)
    assert len({build for build, _ in readers.reads}) >= 6


def test_a_second_build_is_refused_and_told_which_one_runs(tmp_path: Path, undisturbed: Expected) -> None:
    """While a build runs, another is refused with command, process and start of the first, which ends undisturbed."""
    folder = company(tmp_path)
    process = builder(folder, [EARLY])
    lock = folder / HOME / LOCK
    until = time.monotonic() + 60
    while "revgauge build" not in lock.read_text(encoding="utf-8") and time.monotonic() < until:
        time.sleep(0.01)
    with pytest.raises(ProjectBusyError) as refused:
        workspace(folder, LATE).build()
    told = str(refused.value)
    assert f"`revgauge build` (process {process.pid}) has been running since 2025-04-01 06:00" in told
    assert "Wait until it ends, then try again" in told
    _finished(process)
    assert published(folder)[1] == undisturbed[EARLY]


def test_a_build_waits_for_a_load_and_a_load_for_a_build(tmp_path: Path) -> None:
    """Loading and building hold the same lock, so neither starts while the other runs; nothing is published then."""
    folder = company(tmp_path)
    with project_lock(folder, "revgauge load", MOMENT):
        with pytest.raises(ProjectBusyError, match="`revgauge load`"):
            workspace(folder, LATE).build()
        with pytest.raises(ProjectBusyError, match="`revgauge load`"):
            workspace(folder, LATE).load()
    assert not (folder / HOME / VALUES).exists()
    assert workspace(folder, LATE).published.facts() == {}
