"""What a build did, step by step: `build --explain`."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from revgauge.catalogue.engine import Step
from revgauge.cli.terminal import Column, counted, prose, table, write
from revgauge.model.entities import ENTITIES

WHAT = {"table": "table", "query": "answer", "recalled": "as before"}


def write_plan(steps: Sequence[Step]) -> None:
    """The steps in order, what each read, how long it took and how many rows came out; then how often what was read."""
    columns = [
        Column("Step"),
        Column("What"),
        Column("Rows", right=True),
        Column("Seconds", right=True),
        Column("Reads", wraps=True),
        Column("For"),
    ]
    shown = [step for step in steps if step.name != "lookup"]
    table(columns, [_line(step) for step in shown])
    lookups = [step for step in steps if step.name == "lookup"]
    write()
    write(
        f"{counted(len(lookups), 'small look-up')} beside them, {sum(step.seconds for step in lookups):.2f} s in all."
    )
    reads = entity_reads(steps)
    if reads:
        told = ", ".join(
            f"{name} {number}" for name, number in sorted(reads.items(), key=lambda pair: (-pair[1], pair[0]))
        )
        prose(f"Readings of each entity: {told}.")
    else:
        prose("No entity was read: nothing has changed since the last build.")


def entity_reads(steps: Sequence[Step]) -> Counter[str]:
    """How often each entity was read by tables and answers, small look-ups apart."""
    return Counter(name for step in steps if step.name != "lookup" for name in step.reads if name in ENTITIES)


def as_json(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps for programs."""
    return [asdict(step) for step in steps]


def _line(step: Step) -> list[str]:
    reads = ", ".join(dict.fromkeys(_known(name) for name in step.reads if not name.startswith("given_")))
    serves = counted(len(step.serves), "metric") if step.serves else ""
    return [step.name, WHAT[step.kind], f"{step.rows:,}", f"{step.seconds:.2f}", reads, serves]


def _known(name: str) -> str:
    """A table's name without the number that tells it from others of its kind."""
    return re.sub(r"_\d+$", "", name)
