"""The generated part of the reference is what the code says today."""

from __future__ import annotations

import importlib
import json
import re
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from revgauge import reference
from revgauge.catalogue.registry import Metric
from revgauge.metrics import builtin_catalogue
from revgauge.metrics.bibliography import BIBLIOGRAPHY, SEEDS
from revgauge.model.entities import ENTITIES
from revgauge.project.settings import BuildSettings, ProjectSettings, read_settings
from revgauge.reference.data_model import TYPE_MEANINGS
from revgauge.reference.parameters import MEANINGS, meaning
from revgauge.reference.rules import OPERATIONS_RULES, RULES
from revgauge.reference.settings_page import TAKES

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
CASES = ROOT / "tests" / "cases"
CATALOGUE = builtin_catalogue()
ALL_RULES = (*RULES, *OPERATIONS_RULES)


@cache
def files() -> dict[str, str]:
    """What the generator writes, made once."""
    return reference.files(CASES)


def test_committed_reference_is_up_to_date() -> None:
    """What is committed is what the generator writes; where it is not, `make docs` mends it."""
    stale = [
        name
        for name, text in files().items()
        if not (REFERENCE / name).is_file() or (REFERENCE / name).read_text(encoding="utf-8") != text
    ]
    assert stale == []


def test_no_schema_of_an_entity_that_is_gone() -> None:
    """There is a schema file for every entity and for nothing else, and a page for every family and the index."""
    assert {path.stem for path in (REFERENCE / "schemas").iterdir()} == ENTITIES.keys()
    families = {metrics[0].module for metrics in CATALOGUE.families().values()}
    assert {path.stem for path in (REFERENCE / "metrics").iterdir()} == {"index", *families}


def test_writing_removes_what_is_stale_and_leaves_what_people_wrote(tmp_path: Path) -> None:
    """The schema of a dropped entity goes; a page that a person wrote beside the generated ones stays as it was."""
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "dropped.json").write_text("{}", encoding="utf-8")
    (tmp_path / "by-hand.md").write_text("# By hand\n", encoding="utf-8")
    reference.write(tmp_path, CASES)
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


@cache
def section(name: str) -> str:
    """What the page of its family says of a metric."""
    page = files()[f"metrics/{CATALOGUE.metrics[name].module}.md"]
    (found,) = [text for text in re.split(r"^## ", page, flags=re.MULTILINE) if text.startswith(f"{name}\n")]
    return found


@pytest.mark.parametrize("metric", CATALOGUE.metrics.values(), ids=lambda metric: metric.name)
def test_card_of_a_metric_is_on_its_page(metric: Metric) -> None:
    """The page says of each metric what its card says: label, definition, other names, formula, so what."""
    text = section(metric.name)
    card = metric.sections()
    told = [metric.label, card["definition"], card["notes"], card["Formula"].replace("|", "\\|"), card["So what"]]
    assert [part for part in (*told, *metric.aliases) if part not in text] == []


@pytest.mark.parametrize("metric", CATALOGUE.metrics.values(), ids=lambda metric: metric.name)
def test_every_parameter_has_a_meaning(metric: Metric) -> None:
    """Each parameter stands on the page with what it is for, and a required one says so."""
    for param in CATALOGUE.params(metric).values():
        (row,) = re.findall(rf"^\| `{param.name}` \| (.+?) \| .+ \| (.+) \|$", section(metric.name), flags=re.MULTILINE)
        assert row[1] == meaning(metric, param.name)
        assert (row[0] == "must be given") == param.required


def test_no_meaning_of_a_parameter_that_is_gone() -> None:
    """Every meaning that is written down is used: of a parameter, or of a parameter of one metric."""
    used = {
        key
        for metric in CATALOGUE.metrics.values()
        for name in CATALOGUE.params(metric)
        for key in [f"{metric.name}.{name}" if f"{metric.name}.{name}" in MEANINGS else name]
    }
    assert MEANINGS.keys() - used == set()


def checks() -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The checks of all worked cases by case and metric."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for path in CASES.glob("*/expected.json"):
        case = json.loads(path.read_text(encoding="utf-8"))
        for check in case["checks"]:
            found.setdefault((case["case"], CATALOGUE.aliases.get(check["metric"], check["metric"])), []).append(check)
    return found


def test_examples_are_values_of_the_worked_cases() -> None:
    """Each example on a page is a check of the case that it names, with that value and that arithmetic."""
    known = checks()
    shown = 0
    for name in CATALOGUE.metrics:
        for case, value, why in re.findall(
            r"^\| \[(\w+)\]\(\S+\) \| .+? \| (null|(?:≈ )?-?[\d.]+) \| (.*) \|$", section(name), flags=re.MULTILINE
        ):
            told = [check for check in known[case, name] if check.get("why", "").replace("|", "\\|") == why]
            assert any(
                check["value"] is None
                if value == "null"
                else abs(check["value"] - float(value.removeprefix("≈ "))) < 1e-6
                for check in told
            ), f"{name}: {case}: {value}"
            shown += 1
    assert shown >= len(CATALOGUE.metrics)


def test_every_metric_stands_in_the_index() -> None:
    """The index of the metrics has each of them once, with a link to its section."""
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md#\1\) \| .+ \| .+ \|", files()["metrics/index.md"], flags=re.MULTILINE)
    assert rows == sorted((metric.name, metric.module) for metric in CATALOGUE.metrics.values())


def test_every_source_stands_on_its_page() -> None:
    """A link from a card to a source finds its heading, for sources and for the texts that ask for metrics."""
    headings = re.findall(r"^### (.+)$", files()["sources.md"], flags=re.MULTILINE)
    assert headings == [*sorted(BIBLIOGRAPHY), *SEEDS]
    assert "no metric yet" not in files()["sources.md"].partition("## Seed texts")[0]


def test_rules_are_numbered_without_a_hole() -> None:
    """The rules are R1 to R21 and O1 to O14, each once, as tests and cases refer to them."""
    assert [rule.key for rule in RULES] == [f"R{number}" for number in range(1, 22)]
    assert [rule.key for rule in OPERATIONS_RULES] == [f"O{number}" for number in range(1, 15)]


@pytest.mark.parametrize("home", sorted({home for rule in ALL_RULES for home in rule.homes}))
def test_home_of_a_rule_exists(home: str) -> None:
    """Where a rule is said to live, there is a module, and in it something of that name."""
    found = False
    words = home.split(".")
    for place in range(len(words), 0, -1):
        try:
            thing: Any = importlib.import_module(".".join(["revgauge", *words[:place]]))
        except ModuleNotFoundError:
            continue
        for word in words[place:]:
            fields = getattr(thing, "__dataclass_fields__", {})
            assert hasattr(thing, word) or word in fields
            thing = getattr(thing, word, None)
        found = True
        break
    assert found


def test_every_setting_is_on_the_page() -> None:
    """The page of revgauge.yml has a line for each setting, and none for a setting that is gone."""
    settings = [*ProjectSettings.model_fields, *BuildSettings.model_fields]
    rows = re.findall(r"^\| `(\w+)` \|", files()["project-file.md"], flags=re.MULTILINE)
    assert rows == settings
    assert sorted(TAKES) == sorted(settings)


def test_example_of_the_settings_is_a_project(tmp_path: Path) -> None:
    """The example on the page of revgauge.yml is one that the program takes, and says what its remark says."""
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", files()["project-file.md"], flags=re.MULTILINE | re.DOTALL)
    (tmp_path / "revgauge.yml").write_text(example, encoding="utf-8")
    settings = read_settings(tmp_path)
    assert settings.build.grains == ("month", "quarter")
    assert settings.evaluation(date(2025, 4, 1)).calendar.containing(date(2025, 4, 1), "year").label == "2026"
