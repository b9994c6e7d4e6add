"""The page of measurements says what the file of measurements says."""

from __future__ import annotations

import copy
import re

import pytest
from benchmarks.report import BEGIN, END, PAGE, filled, measured, read


def test_the_page_is_what_the_results_give() -> None:
    """Written anew from results.json, the page does not change."""
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page, read()) == page, "run `python -m benchmarks.report`"


def test_measurements_in_prose_come_from_the_results() -> None:
    """Outside of the measured part no sentence gives seconds, memory or a ratio."""
    page = PAGE.read_text(encoding="utf-8")
    prose = page.partition(BEGIN)[0] + page.partition(END)[2]
    found = re.findall(r"\d[\d.,]* (?:ms|milliseconds|seconds|GiB|MiB|times as)", prose)
    assert not found, found


def test_every_way_failure_and_ratio_of_the_results_is_shown() -> None:
    """A way that failed is named with its reason, and one that was measured has its seconds in the table."""
    results = copy.deepcopy(read())
    scale = results["scales"][0]
    scale["failed"]["product_spark"] = "there is no Java"
    scale["ways"]["hand"]["cpu_seconds"] = 12345.0
    text = measured(results)
    assert "revgauge build on Spark failed: there is no Java." in text
    assert "| 12,345 |" in text


def test_a_page_without_its_marks_is_refused() -> None:
    """Nothing is written over a page that has no place for it."""
    with pytest.raises(ValueError, match="needs the marks"):
        filled("# Speed", read())
