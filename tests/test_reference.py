"""The generated part of the reference is what the code says today."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from revgauge.model.entities import ENTITIES
from revgauge.reference import TYPE_MEANINGS, files, write

REFERENCE = Path(__file__).resolve().parent.parent / "docs" / "reference"


def test_committed_reference_is_up_to_date() -> None:
    """What is committed is what the generator writes; where it is not, `make docs` mends it."""
    stale = [
        name
        for name, text in files().items()
        if not (REFERENCE / name).is_file() or (REFERENCE / name).read_text(encoding="utf-8") != text
    ]
    assert stale == []


def test_no_schema_of_an_entity_that_is_gone() -> None:
    """There is a schema file for every entity and for nothing else."""
    assert {path.stem for path in (REFERENCE / "schemas").iterdir()} == ENTITIES.keys()


def test_writing_removes_what_is_stale_and_leaves_what_people_wrote(tmp_path: Path) -> None:
    """The schema of a dropped entity goes; a page that a person wrote beside the generated ones stays as it was."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "dropped.json").write_text("{}", encoding="utf-8")
    (tmp_path / "by-hand.md").write_text("# By hand\n", encoding="utf-8")
    write(tmp_path)
    written = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == files().keys() | {"by-hand.md"}
    assert (tmp_path / "by-hand.md").read_text(encoding="utf-8") == "# By hand\n"


@pytest.mark.parametrize("name", ENTITIES)
def test_section_of_an_entity_has_every_field_once(name: str) -> None:
    """The page lists the fields of each entity in the order of their declaration, none twice and none missing."""
    sections = re.split(r"^## ", files()["data-model.md"], flags=re.MULTILINE)
    (section,) = [text for text in sections if text.startswith(f"{name}\n")]
    assert tuple(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) == ENTITIES[name].field_names


@pytest.mark.parametrize(
    ("entity", "row"),
    [
        # Read off the declarations by hand: a required key, a closed list, a range, a relation, a personal field.
        (
            "stages",
            "| `kind` | text | yes | Whether deals in it are open, won or lost. | one of `open`, `won`, `lost` |",
        ),
        ("opportunities", "| `probability` | number |  | Chance of winning, 0 to 1. | 0 to 1 |"),
        ("opportunities", "| `account_id` | text |  | The buyer. | found in [accounts.account_id](#accounts) |"),
        ("contacts", "| `email` | text |  | E-mail address. | personal |"),
    ],
)
def test_limits_are_told_in_words(entity: str, row: str) -> None:
    """Allowed words, ranges, relations and personal data each show in the row of their field."""
    page = files()["data-model.md"]
    section = page[page.index(f"## {entity}\n") :]
    assert row in section[: section.index("\n## ") if "\n## " in section else None]


def test_schema_says_what_is_required_and_what_may_be_empty() -> None:
    """A required field has one type; an optional one may be null, also where the words are a closed list."""
    stages = json.loads(files()["schemas/stages.json"])
    assert stages["required"] == ["stage", "position", "kind"]
    assert stages["properties"]["kind"]["type"] == "string"
    direction = json.loads(files()["schemas/leads.json"])["properties"]["direction"]
    assert direction["type"] == ["string", "null"]
    assert direction["enum"] == ["inbound", "outbound", None]


def test_every_type_in_use_is_explained() -> None:
    """The page says what each kind of field means, so no table uses a word that is not explained."""
    assert {field.type for entity in ENTITIES.values() for field in entity.fields} <= TYPE_MEANINGS.keys()
