"""A sample company: three years of a business-software vendor, made up, with stories planted in its data."""

from __future__ import annotations

from pathlib import Path

from revgauge.demo import faults, mappings, readme
from revgauge.demo.company import invent
from revgauge.demo.exports import Lines, exports, records, render, save

__all__ = ["create"]


def create(folder: Path, *, seed: int = 2025) -> None:
    """Write the project folder of the sample company: settings, mappings, exports and a README that tells its stories.

    The same seed writes the same bytes on every machine and in every run. Files of the same name are replaced; nothing
    else in the folder is touched.
    """
    folder.mkdir(parents=True, exist_ok=True)
    world = invent(seed)
    chance = world.chance("faults")
    late: Lines = []
    for export in exports():
        lines = render(world, export)
        if export.entity == "payments":
            lines, late = faults.late(world, lines)
            save(folder, export, late, "_late_2026-01-09")
        faults.repeat(export, lines, chance)
        faults.break_rows(export, lines, chance)
        save(folder, export, lines)
    for record in records():
        save(folder, record, render(world, record))
    mappings.write(folder)
    told = readme.text(world, seed=seed, late_payments=len(late))
    (folder / "README.md").write_text(told, encoding="utf-8", newline="\n")
