"""The page of the sources: what each key of a card stands for, and which metrics cite it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from revgauge.catalogue.registry import Catalogue, Metric
from revgauge.metrics.bibliography import BIBLIOGRAPHY, SEEDS


def source_page(catalogue: Catalogue) -> str:
    """The page."""
    parts = [_OPENING]
    parts += [_entry(key, text, catalogue, ("Source", "Benchmark")) for key, text in sorted(BIBLIOGRAPHY.items())]
    parts.append(_SEEDS)
    parts += [_entry(key, text, catalogue, ("Seed", "Source")) for key, text in SEEDS.items()]
    return "\n".join(parts)


_OPENING = """\
# Sources

*Generated from `src/revgauge/metrics/bibliography.py`; change it and run `make docs`.*

Where the definitions and benchmarks come from. Pages of vendors change: they were read in stored copies in late 2026.
*Relayed* means that a later text was read which reports what the named one says. A benchmark is what others measured at
other companies; it is context and no target.

## Cited sources
"""

_SEEDS = """\
## Seed texts

Five texts by practitioners from which the list of metrics grew. A card names under *seed* those that ask for it.
"""


def _entry(key: str, text: str, catalogue: Catalogue, sections: Sequence[str]) -> str:
    pattern = re.compile(rf"(?<![\w-]){re.escape(key)}(?![\w-])")
    citing = [metric for metric in catalogue.metrics.values() if _cites(metric, pattern, sections)]
    by = ", ".join(f"[{metric.name}](metrics/{metric.module}.md#{metric.name})" for metric in citing)
    return f"### {key}\n\n{text}\n\nCited by {by or 'no metric yet'}.\n"


def _cites(metric: Metric, pattern: re.Pattern[str], sections: Sequence[str]) -> bool:
    return any(pattern.search(metric.sections().get(name, "")) for name in sections)
