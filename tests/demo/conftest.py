"""The sample company, made once for all tests of this folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.demo.exports_read import Exports

from revgauge.demo import create


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project folder of the sample company."""
    path = tmp_path_factory.mktemp("sample") / "company"
    create(path)
    return path


@pytest.fixture(scope="session")
def exports(folder: Path) -> Exports:
    """Its exports, by entity and field."""
    return Exports(folder)
