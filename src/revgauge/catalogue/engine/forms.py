"""Queries as they are written but for what differs from day to day, kept so that nobody writes them twice.

Ibis takes longer to write a query than a database takes to answer it where there are few rows. Most of what is asked
was asked before, yesterday or of another company: only the days in it are others, and the numbers in the names of
tables that are made on the way. So a query is written once, with blanks in their place, and filled in from then on.
That is all that is kept: neither rows nor answers are.
"""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import ibis.expr.operations as ops

from revgauge.catalogue.engine import identity

DAY = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True)
class Wording:
    """What an expression asks, and apart from that what stands in it that differs from day to day."""

    asked: str
    """The same for all expressions that are written alike but for their blanks."""
    tables: tuple[str, ...]
    """The names of tables, in the order of their blanks."""
    days: tuple[str, ...]
    """The texts with a day in them, which come after the tables."""

    @classmethod
    def of(cls, expression: Any) -> Wording:
        """The wording of an Ibis expression."""
        tables: dict[str, int] = {}
        days: dict[str, int] = {}

        def told(node: ops.Node) -> str | None:
            if isinstance(node, ops.DatabaseTable):
                return f"{node.namespace} {tables.setdefault(node.name, len(tables))}"
            if isinstance(node, ops.PhysicalTable):
                return f"its own {node.name}"
            if _has_day(node):
                return f"{node.dtype!r} {days.setdefault(node.value, len(days))}"
            return None

        asked = identity.of_nodes(expression, told)
        assert asked is not None  # noqa: S101 - every table has a name
        return cls(asked, tuple(tables), tuple(days))


def _has_day(node: Any) -> bool:
    """Whether an operation is a text in which a day stands: no database writes anything else for another one."""
    return isinstance(node, ops.Literal) and isinstance(node.value, str) and DAY.search(node.value) is not None


class Blanks:
    """What is written in the place of what differs: texts and names that stand nowhere else."""

    MARK = "revgauge_blank"

    def __init__(self, wording: Wording) -> None:
        """One for each table and day."""
        self.tables = {name: f"{self.MARK}_table_{place}" for place, name in enumerate(wording.tables)}
        self.days = {text: f"{self.MARK}_day_{place}" for place, text in enumerate(wording.days)}

    def left_by(self, compiler: Any) -> Any:
        """What writes queries as an Ibis compiler does, but leaves the blanks."""
        kind: Any = type(compiler)
        leaving = _leaving_blanks(kind)()
        leaving.blanks = self
        return leaving

    def instead(self, node: ops.Node, parts: dict[str, Any]) -> dict[str, Any]:
        """The parts of an operation with blanks among them; what Ibis itself or a rule of ours put there is none."""
        if isinstance(node, ops.DatabaseTable):
            return {**parts, "name": self.tables.get(node.name, node.name)}
        if _has_day(node):
            return {**parts, "value": self.days.get(parts["value"], parts["value"])}
        return parts


@functools.cache
def _leaving_blanks(kind: Any) -> Any:
    class Leaving(kind):  # type: ignore[misc]  # Ibis has no types there
        blanks: Blanks

        def visit_node(self, op: Any, **kwargs: Any) -> Any:
            return super().visit_node(op, **self.blanks.instead(op, kwargs))

    return Leaving


@dataclass(frozen=True)
class Form:
    """The text of a query in pieces; what stands between two of them is told by the number of a blank."""

    pieces: tuple[str, ...]
    blanks: tuple[int, ...]

    @classmethod
    def cut(cls, text: str, marks: Sequence[str]) -> Form:
        """The form of a text in which these marks stand for the blanks."""
        if not marks:
            return cls((text,), ())
        numbers = {mark: number for number, mark in enumerate(marks)}
        parts = re.split(f"({'|'.join(map(re.escape, marks))})", text)
        pieces, found = parts[::2], parts[1::2]
        if any(Blanks.MARK in piece for piece in pieces):
            raise ValueError("a blank was written in another way than those before it")
        return cls(tuple(pieces), tuple(numbers[mark] for mark in found))

    def filled(self, fillings: Sequence[str]) -> str:
        """The text with this in its blanks."""
        text = [self.pieces[0]]
        for piece, blank in zip(self.pieces[1:], self.blanks, strict=True):
            text += fillings[blank], piece
        return "".join(text)


class Forms:
    """Forms by what is asked: those that the process knows, and a folder of those of earlier ones.

    Each is a file of its own, written beside and renamed. What cannot be read or written there is no matter: the query
    is written again.
    """

    IN_MEMORY = 1000
    IN_FOLDER = 2000
    _known: ClassVar[dict[str, Form]] = {}
    _lock = Lock()

    def __init__(self, folder: Path | None = None) -> None:
        """Use a folder, if one is given; it is made when the first form is kept."""
        self.folder = folder
        self._count: int | None = None

    def of(self, key: str, write: Callable[[], Form]) -> Form:
        """The form of a key, written if it is not there; of very many the oldest are forgotten."""
        with self._lock:
            form = self._known.pop(key, None)
        if form is None:
            form = self._read(key)
        if form is None:
            form = write()
            self._keep(key, form)
        with self._lock:
            self._known[key] = form
            while len(self._known) > self.IN_MEMORY:
                del self._known[next(iter(self._known))]
        return form

    def _read(self, key: str) -> Form | None:
        if self.folder is None:
            return None
        try:
            told = json.loads((self.folder / f"{key}.json").read_text(encoding="utf-8"))
            form = Form(tuple(told["pieces"]), tuple(told["blanks"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return form if len(form.pieces) == len(form.blanks) + 1 else None

    def _keep(self, key: str, form: Form) -> None:
        if self.folder is None:
            return
        told = json.dumps({"pieces": form.pieces, "blanks": form.blanks})
        beside = self.folder / f"{key}.{os.getpid()}.new"
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            beside.write_text(told, encoding="utf-8")
            beside.replace(self.folder / f"{key}.json")
            self._make_room()

    def _make_room(self) -> None:
        """Remove the older half of the files when there are too many."""
        assert self.folder is not None  # noqa: S101 - somebody has just written there
        if self._count is None or self._count >= self.IN_FOLDER:
            there = sorted(self.folder.iterdir(), key=lambda path: path.stat().st_mtime)
            leaving = there[: len(there) // 2] if len(there) > self.IN_FOLDER else []
            for path in leaving:
                path.unlink(missing_ok=True)
            self._count = len(there) - len(leaving)
        else:
            self._count += 1


@functools.cache
def writers() -> str:
    """What writes queries here: another version of it may write them in another way."""
    ours = (path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("*.py")))
    return identity.digest(*(f"{name} {version(name)}" for name in ("ibis-framework", "sqlglot")), *ours)
