"""Lanes: work that a database does one piece after the other, beside its caller or at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from revgauge.catalogue.engine.lane import Lane, Pending, Threaded

WAIT = 10.0
"""Seconds after which a test gives up."""


def fail(words: str) -> Callable[[], None]:
    """Work that cannot be done."""

    def work() -> None:
        raise ValueError(words)

    return work


def test_pieces_are_done_in_order_while_the_caller_goes_on() -> None:
    """The caller asks for two pieces before the first may end; the second is done after it, in the same thread."""
    lane, go, done = Threaded(lambda: None), threading.Event(), []

    def first() -> str:
        assert go.wait(WAIT)
        done.append(threading.current_thread())
        return "first"

    def second() -> str:
        done.append(threading.current_thread())
        return "second"

    one, two = lane.later(first), lane.later(second)
    assert not one.over
    assert not two.over
    go.set()
    assert (lane.wait(two), lane.wait(one)) == ("second", "first")
    assert done[0] is done[1] is not threading.current_thread()
    lane.close()


@pytest.mark.parametrize("lane", [Lane(), Threaded(lambda: None)])
def test_what_is_told_is_known_before_a_waiter_goes_on(lane: Lane) -> None:
    """Rows and seconds of a piece are noted when its result is there, whether it was over before somebody asked."""
    notes: list[tuple[int, bool]] = []
    pending = lane.later(lambda: 7)
    pending.then(lambda found, seconds: notes.append((found, seconds >= 0)))
    assert lane.wait(pending) == 7
    assert notes == [(7, True)]
    pending.then(lambda found, _: notes.append((found + 1, True)))
    assert notes[-1] == (8, True)


def test_what_comes_after_an_error_is_not_done_until_somebody_was_told() -> None:
    """A table that cannot be made is the error of the query that reads it; then the lane works again."""
    lane, done = Threaded(lambda: None), []
    go = threading.Event()
    lane.later(lambda: go.wait(WAIT))
    lane.later(fail("the table cannot be made"))
    reader = lane.later(lambda: done.append("read"))
    go.set()
    with pytest.raises(ValueError, match="the table cannot be made"):
        lane.wait(reader)
    assert done == []
    assert lane.now(lambda: "works") == "works"
    lane.close()


def test_an_error_of_what_is_told_is_the_error_of_the_piece() -> None:
    """Where an answer cannot be noted, for want of room on the disk, nobody takes it for good."""
    lane, go = Threaded(lambda: None), threading.Event()
    pending = lane.later(lambda: go.wait(WAIT))

    def full(_found: bool, _seconds: float) -> None:  # noqa: FBT001 - what the work gives
        raise OSError("no space left")

    pending.then(full)
    go.set()
    with pytest.raises(OSError, match="no space left"):
        lane.wait(pending)
    lane.close()


def test_who_stops_the_program_ends_what_is_being_done(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt while somebody waits ends the query that runs, and what comes after it is not begun."""
    go, done = threading.Event(), []
    lane = Threaded(go.set)
    pending = lane.later(lambda: go.wait(WAIT))
    lane.later(lambda: done.append("more"))

    def interrupted(_self: Pending[bool]) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(Pending, "result", interrupted)
    with pytest.raises(KeyboardInterrupt):
        lane.wait(pending)
    assert go.is_set()
    lane.close()
    assert done == []


def test_what_is_urgent_comes_before_what_waits() -> None:
    """While the first piece runs, two urgent ones are asked for after one that is not: they come first, in order."""
    lane, go, done = Threaded(lambda: None), threading.Event(), []
    lane.later(lambda: go.wait(WAIT))
    last = lane.later(lambda: done.append("waited"))
    with lane.ahead():
        lane.later(lambda: done.append("urgent"))
        with lane.ahead():
            lane.later(lambda: done.append("urgent too"))
        lane.later(lambda: done.append("urgent still"))
    lane.later(lambda: done.append("at last"))
    go.set()
    lane.now(lambda: None)
    assert last.over
    assert done == ["urgent", "urgent too", "urgent still", "waited", "at last"]
    lane.close()


def test_a_lane_without_a_thread_works_at_once() -> None:
    """Databases that are not asked through a thread do each piece when it is asked for, and raise its error then."""
    lane = Lane()
    assert lane.later(lambda: 3).over
    with pytest.raises(ValueError, match="broken"):
        lane.now(fail("broken"))
    assert lane.now(lambda: 4) == 4
