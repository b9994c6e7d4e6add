"""What is printed and where: data on standard output, words on standard error, progress only on a terminal."""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

Format = Literal["table", "json", "csv"]
WIDTH = 80
"""Where text ends if the screen does not say how wide it is."""

BETTER, WORSE, QUIET = "#2f7fc4", "#d0563a", "dim"
"""Colours that can be read on light and dark screens; none says what a word beside it does not say too."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


@dataclass(frozen=True)
class Column:
    """A column of a table: its title, and how its cells stand."""

    title: str
    right: bool = False
    wraps: bool = False
    """Cells are broken into lines where the table would be wider than the screen."""
    style: str = ""


@dataclass(frozen=True)
class Styled:
    """A cell with a colour of its own."""

    text: str
    style: str = ""


Cell = str | Styled


class Footnotes:
    """Reasons and marks, each said once below a table and pointed at by a raised number."""

    def __init__(self) -> None:
        """Start without any."""
        self._numbers: dict[str, int] = {}
        self._legends: dict[str, None] = {}

    def legend(self, text: str) -> None:
        """A note that nothing points at, such as what a letter means."""
        self._legends[text] = None

    def mark(self, *texts: str) -> str:
        """The raised numbers of the texts, with a space in front; nothing for empty texts."""
        numbers = [self._numbers.setdefault(text, len(self._numbers) + 1) for text in texts if text]
        return " " + " ".join(str(number).translate(_SUPERSCRIPTS) for number in numbers) if numbers else ""

    def lines(self) -> list[str]:
        """The notes in their order."""
        numbered = [f"{str(number).translate(_SUPERSCRIPTS)} {text}" for text, number in self._numbers.items()]
        return [*self._legends, *numbered]


def width() -> int:
    """How many characters a line of standard output has."""
    return int(os.environ.get("COLUMNS") or 0) or (
        shutil.get_terminal_size((WIDTH, 24)).columns if sys.stdout.isatty() else WIDTH
    )


def say(text: str = "") -> None:
    """Words for the person at the terminal: to standard error, so that data stays clean."""
    print(text, file=sys.stderr)


def write(text: str = "") -> None:
    """A line of the answer: to standard output."""
    print(text)


def prose(text: str, indent: str = "") -> None:
    """A paragraph of the answer, broken at the width of the screen."""
    lines = textwrap.wrap(text, min(width(), 100), initial_indent=indent, subsequent_indent=indent)
    write("\n".join(lines) or indent)


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: 1 row, 1,200 rows."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def table(columns: Sequence[Column], rows: Iterable[Sequence[Cell]], *, indent: int = 0, gap: int = 3) -> None:
    """A table of text; cells that do not wrap are never cut, even where that makes lines longer than the screen."""
    from rich.box import Box
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    box = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
    # The box itself puts one character between two columns.
    is_titled = any(column.title for column in columns)
    grid = Table(
        box=box, show_header=is_titled, pad_edge=False, padding=(0, gap - 1, 0, 0), show_edge=False, header_style="bold"
    )
    lines = [[cell if isinstance(cell, Styled) else Styled(cell) for cell in row] for row in rows]
    for place, column in enumerate(columns):
        needed = 0 if column.wraps else max([len(column.title), *(len(line[place].text) for line in lines)])
        side: Literal["left", "right"] = "right" if column.right else "left"
        grid.add_column(
            column.title, justify=side, no_wrap=not column.wraps, min_width=needed, style=column.style, overflow="fold"
        )
    for line in lines:
        grid.add_row(*[Text(cell.text, style=cell.style) for cell in line])
    console = Console(file=sys.stdout, highlight=False, width=width())
    needed = console.measure(grid, options=console.options.update(max_width=10_000)).minimum
    console.width = max(console.width, needed + indent)
    with console.capture() as capture:
        console.print(Padding(grid, (0, 0, 0, indent)))
    write("\n".join(line.rstrip() for line in capture.get().splitlines()))


def write_json(data: Any) -> None:
    """The answer as JSON, one key for one meaning; numbers are numbers."""
    write(json.dumps(data, indent=2, ensure_ascii=False, default=_as_json))


def _as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value) if value.is_finite() else None
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    return str(value)


def write_csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """The answer as CSV in UTF-8; text that a spreadsheet would take for a formula is quoted with an apostrophe."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([csv_cell(name) for name in header])
    writer.writerows([csv_cell(cell) for cell in row] for row in rows)


def csv_cell(value: Any) -> Any:
    """A cell that no spreadsheet runs: numbers as they are, text never beginning like a formula."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    text = value.isoformat() if isinstance(value, date | datetime) else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


@contextmanager
def progress() -> Iterator[Callable[[str], None]]:
    """Says what is being done while it is being done, on a terminal; in a pipe it stays silent."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status("starting") as status:
        # As plain text: a file may have a name in square brackets.
        yield lambda doing: status.update(Text(doing))
