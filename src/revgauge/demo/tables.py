"""Reads the small tables that are easier to keep as data than as code: `data/*.csv`."""

from __future__ import annotations

import csv
from importlib import resources


def table(name: str) -> list[dict[str, str]]:
    """The rows of `data/<name>.csv` by column."""
    text = resources.files("revgauge.demo").joinpath(f"data/{name}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
