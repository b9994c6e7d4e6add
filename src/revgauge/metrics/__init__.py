"""The definitions, one module for each family; the folder is walked, so a new module needs no list."""

from __future__ import annotations

import sys

import revgauge.derived
from revgauge.catalogue.registry import Catalogue, definitions_in


def builtin_catalogue() -> Catalogue:
    """The definitions that come with RevGauge: derived tables and metrics."""
    return Catalogue(iter([*definitions_in(revgauge.derived), *definitions_in(sys.modules[__name__])]))
