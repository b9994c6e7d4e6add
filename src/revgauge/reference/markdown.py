"""The few forms of Markdown that the generated pages are made of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, with a line break at its end."""
    lines = [tuple(header), ("---",) * len(header), *(tuple(cell.replace("|", "\\|") for cell in row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(words: Iterable[object]) -> str:
    """Words as they are typed, with commas between."""
    return ", ".join(f"`{word}`" for word in words)


def links(names: Iterable[str], page: str = "") -> str:
    """Names linked to the heading of the same name on a page (without one: on this page), with commas between."""
    return ", ".join(f"[{name}]({page}#{name})" for name in names)
