"""The pages about own metrics: their examples run, and they name every key."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from tests.project.worlds import CASES, World, defined

from revgauge.catalogue.registry import Unit
from revgauge.project.metrics_yml import SHAPES, json_schema

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
GUIDE = (DOCS / "how-to" / "own-metrics.md").read_text(encoding="utf-8")


def code(language: str) -> str:
    """The block of the guide in that language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.DOTALL | re.MULTILINE)
    return str(found)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The definitions of the guide over the case that it names."""
    folder = tmp_path_factory.mktemp("guide")
    definitions, problems = defined(folder, code("yaml"), {"price.py": code("python")})
    assert problems == []
    world = World(CASES / "ops_pipeline", definitions, date(2025, 6, 30))
    yield world
    world.evaluation.context.warehouse.close()


def test_figures_of_the_guide(world: World) -> None:
    """Every figure in the table of the guide is what the definitions above it give."""
    figures = re.findall(r"^\| `(\w+)` \| ([\d.]+) \|", GUIDE, re.MULTILINE)
    assert len(figures) == 5
    for name, figure in figures:
        assert world.value(name, "2025-Q2") == pytest.approx(Decimal(figure), abs=Decimal("0.005"))


def test_python_of_the_guide(world: World) -> None:
    """The metric in Python gives the figure that the guide tells: O2 of O2, O8 and O9 was lost on price."""
    assert world.value("price_losses", "2025-Q2") == pytest.approx(Decimal("0.33"), abs=Decimal("0.005"))
    assert world.rows("price_losses", "2025-Q2").agrees
    assert "In the same case that is 0.33" in GUIDE


def test_mistake_of_the_guide(tmp_path: Path) -> None:
    """The message that the guide shows is the one that the mistake in it gives."""
    before, after = code("yaml").split("value: amount", 1)
    _, problems = defined(tmp_path, f"{before}value: amout{after}")
    assert [str(problem) for problem in problems] == [code("text").strip()]


def test_reference_names_every_key_and_word() -> None:
    """Each key of each shape, each unit and each aggregate stands in the reference."""
    page = (DOCS / "reference" / "metrics-yml.md").read_text(encoding="utf-8")
    keys = {key for shape in SHAPES.values() for key in shape.model_fields}
    words = keys | {str(unit) for unit in Unit} | {"sum", "count", "distinct", "mean", "median", "p90"}
    assert sorted(word for word in words if f"`{word}`" not in page) == []


def test_published_schema_is_up_to_date() -> None:
    """The JSON Schema in the reference is the one that the reader works by; `make docs` mends it."""
    published = json.loads((DOCS / "reference" / "metrics-yml.json").read_text(encoding="utf-8"))
    assert published == json_schema()
