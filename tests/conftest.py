"""What every test runs under: a far-off time zone, and property tests that repeat."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Thirteen and three quarter hours ahead of UTC in southern summer: whoever reads the local clock is on another day.
os.environ["TZ"] = "Pacific/Chatham"
if hasattr(time, "tzset"):
    time.tzset()

# On a busy machine a first example can take long without anything being wrong, so there are no deadlines. The same
# examples are drawn every time, so that a change is what breaks a test; `HYPOTHESIS_PROFILE=search` looks for new ones.
_always = settings(deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("repeat", settings(_always, max_examples=50, derandomize=True))
settings.register_profile("search", settings(_always, max_examples=2_000))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeat"))


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return Path(__file__).resolve().parent.parent


def pytest_collection_finish() -> None:
    """Let the collector of cyclic garbage pass over what was imported: it stays, and there is much of it."""
    gc.collect()
    gc.freeze()


def _has_data() -> bool:
    return bool(os.environ.get("REVGAUGE_DATA"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests over data that may not be shipped, unless somebody says where the data are."""
    if not _has_data():
        left = [item for item in items if item.get_closest_marker("needs_data")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if not item.get_closest_marker("needs_data")]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was left out, and how it can be run."""
    if not _has_data():
        terminalreporter.write_line(
            "not run: what reads ravenstack, olist_funnel, channel_paths, cdnow and m3_monthly, data that may not be "
            "shipped, needs REVGAUGE_DATA, the folder that holds them: make test-data REVGAUGE_DATA=folder"
        )
