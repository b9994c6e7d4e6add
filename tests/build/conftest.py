"""The small company, loaded and built on both of its days without disturbance."""

from __future__ import annotations

from datetime import date

import pytest
from tests.build.company import EARLY, LATE, Rows, company, published, workspace


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[date, Rows]:
    """The values of a build that nobody disturbs, for each day."""
    folder = company(tmp_path_factory.mktemp("undisturbed"))
    found: dict[date, Rows] = {}
    for day in (EARLY, LATE):
        workspace(folder, day).build()
        found[day] = published(folder)[1]
    return found
