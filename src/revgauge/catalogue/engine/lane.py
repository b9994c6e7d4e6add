"""A lane: what a database has to do, one piece after the other, while its caller goes on.

While a query runs the next one can be written, and the rows of the one before it worked into values. A database that is
not asked through a thread of its own does each piece at once.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import PriorityQueue
from threading import Lock
from typing import Generic, TypeVar

T = TypeVar("T")


class Pending(Generic[T]):
    """A piece of work that was asked for."""

    def __init__(self) -> None:
        """Nothing of it is done."""
        self.seconds = 0.0
        """How long it took."""
        self._future: Future[T] = Future()
        self._lock = Lock()
        self._told: list[Callable[[T, float], None]] = []

    def do(self, work: Callable[[], T]) -> None:
        """Do it, and keep what it gives or the error that it raises."""
        began = time.perf_counter()
        try:
            found = work()
            self.seconds = time.perf_counter() - began
            with self._lock:
                for tell in self._told:
                    tell(found, self.seconds)
                self._future.set_result(found)
        except BaseException as error:  # noqa: BLE001 - whoever waits for it is told
            self._future.set_exception(error)

    @classmethod
    def known(cls, found: T) -> Pending[T]:
        """What is there already."""
        pending = cls()
        pending.do(lambda: found)
        return pending

    @property
    def over(self) -> bool:
        """Whether nobody has to wait for it any more."""
        return self._future.done()

    @property
    def failed(self) -> bool:
        """Whether it is over and raised an error."""
        return self.over and self._future.exception() is not None

    def result(self) -> T:
        """What it gave; waits for it, and raises its error."""
        return self._future.result()

    def then(self, tell: Callable[[T, float], None]) -> None:
        """Tell what it gave and how long it took, before anybody who waits for it goes on."""
        with self._lock:
            if not self.over:
                self._told.append(tell)
                return
        if not self.failed:
            tell(self.result(), self.seconds)


class Lane:
    """Does each piece of work at once."""

    urgent = False
    """Whether what is asked for now comes before what waits."""

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """What is asked for in here comes before what waits already: none of that may be needed for it."""
        before, self.urgent = self.urgent, True
        try:
            yield
        finally:
            self.urgent = before

    def later(self, work: Callable[[], T]) -> Pending[T]:
        """Do the work when its turn has come."""
        pending: Pending[T] = Pending()
        pending.do(work)
        return pending

    def wait(self, pending: Pending[T]) -> T:
        """What a piece of work gave. Raises its error, or that of a piece before it without which it made no sense."""
        return pending.result()

    def now(self, work: Callable[[], T]) -> T:
        """What the work gives, after all that was to be done before it."""
        return self.wait(self.later(work))

    def close(self) -> None:
        """Take no more work."""


class Threaded(Lane):
    """A thread of its own, which does the pieces in order, those that are urgent before the others.

    What comes after an error is not done until it was told.
    """

    def __init__(self, interrupt: Callable[[], None]) -> None:
        """`interrupt` ends what is being done, when somebody stops the program."""
        self._interrupt = interrupt
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="database")
        self._failed: BaseException | None = None
        self._waiting: PriorityQueue[tuple[bool, int, Callable[[], None]]] = PriorityQueue()
        self._numbers = itertools.count()

    def later(self, work: Callable[[], T]) -> Pending[T]:
        """Do the work when its turn has come."""
        pending: Pending[T] = Pending()
        self._waiting.put((not self.urgent, next(self._numbers), lambda: pending.do(lambda: self._done(work))))
        self._thread.submit(self._next)
        return pending

    def _next(self) -> None:
        _, _, do = self._waiting.get_nowait()
        do()

    def _done(self, work: Callable[[], T]) -> T:
        if self._failed is not None:
            raise self._failed
        try:
            return work()
        except BaseException as error:
            self._failed = error
            raise

    def wait(self, pending: Pending[T]) -> T:
        """What a piece of work gave. Raises its error, or that of a piece before it without which it made no sense."""
        try:
            return pending.result()
        except BaseException as error:
            if not pending.failed:  # somebody stops the program: what waits is not done, what runs is ended
                self._failed = error
                self._interrupt()
            self._thread.submit(self._forget).result()
            raise

    def _forget(self) -> None:
        self._failed = None

    def close(self) -> None:
        """Take no more work, and end when what there is has been done."""
        self._thread.shutdown(wait=True)
