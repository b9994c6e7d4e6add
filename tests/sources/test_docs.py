"""The guide to loading files shows what really happens."""

from __future__ import annotations

import re
from pathlib import Path

from tests.sources.helpers import load_now

from revgauge.sources.mapping import FieldSpec, FileInput, TableInput
from revgauge.sources.units import SPECIAL_UNITS, UNITS

DOCS = Path(__file__).parents[2] / "docs"


def test_the_guide_prints_what_it_shows(tmp_path: Path) -> None:
    """The file and the mapping of the guide, loaded, give the report of the guide."""
    guide = (DOCS / "how-to" / "load-files.md").read_text(encoding="utf-8")
    for name, content in re.findall(r"`([\w/.]+)`:\n\n```\w+\n(.*?)```", guide, re.DOTALL):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    shown = re.search(r"then prints:\n\n```text\n(.*?)```", guide, re.DOTALL)
    assert shown is not None
    assert load_now(tmp_path).text().strip() == shown[1].strip()


def test_the_reference_names_every_key_and_unit() -> None:
    """No option of the language is missing from its page."""
    page = (DOCS / "reference" / "mapping.md").read_text(encoding="utf-8")
    keys = [*FileInput.model_fields, *TableInput.model_fields, *FieldSpec.model_fields, *UNITS, *SPECIAL_UNITS]
    missing = [key for key in keys if f"`{key.rstrip('_')}" not in page and f" {key.rstrip('_')}:" not in page]
    assert missing == []
