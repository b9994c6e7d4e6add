"""Mistakes in own definitions: each is told with its file, its line and a way out, and spoils nothing beside it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.worlds import catalogue, defined

from revgauge.catalogue.registry import Catalogue, metric
from revgauge.project.metrics_yml import json_schema
from revgauge.project.own_metrics import load_own_metrics

GOOD = """\
metrics:
  - id: our_deals
    label: Deals
    definition: Deals that were created.
    unit: count
    rows: opportunities
    when: created_at
    aggregate: count
"""


def block(**keys: str | None) -> str:
    """A good definition of won amounts with some keys changed, or left out where None is given."""
    lines = {
        "id": "ours", "label": "Ours", "definition": "What is ours.", "unit": "money", "rows": "opportunities",
        "when": "closed_at", "where": "is_won", "aggregate": "sum", "value": "amount", **keys,
    }  # fmt: skip
    text = [f"    {name}: {value}\n" for name, value in lines.items() if value is not None]
    return GOOD + "  - " + "".join(text).lstrip()


@pytest.mark.parametrize(
    ("yml", "row", "column", "words"),
    [
        # What one definition says. The good one takes lines 1 to 8, so `id` stands in line 9.
        (block(aggregate=None, agregate="sum"), 17, "agregate", ["no key `agregate`", "Write aggregate."]),
        (block(value="amout"), 17, "value", ["metric ours", "opportunities has no field amout", "Write amount."]),
        (block(value="sum(amout)"), 17, "value", ["metric ours", "no field amout", "Write amount."]),
        (block(where="is_one"), 15, "where", ["opportunities has no field is_one", "Write is_won."]),
        (block(where="amount"), 15, "where", ["`amount` is not true or false"]),
        (block(value="stage"), 17, "value", ["sum needs a number, and `stage` is none"]),
        (block(value="is_won"), 17, "value", ["sum needs a number", "case when"]),
        (block(rows="oportunities"), 13, "rows", ["no entity oportunities", "Write opportunities."]),
        (block(when="close_at"), 14, "when", ["no day or instant close_at", "Write closed_at."]),
        (block(when="amount"), 14, "when", ["no day or instant amount"]),
        (block(by="[stag]"), 18, "by", ["cannot be cut by stag", "Write stage."]),
        (block(by="stage"), 18, "by", ["by must be a list"]),
        (block(rows="contacts", when="created_at", value="title", by="[email]"), 18, "by", ["cannot be cut by email"]),
        (block(unit="mony"), 12, "unit", ["unit cannot be mony", "Write money."]),
        (block(unit="percent"), 12, "unit", ["unit cannot be percent", "Write one of money, count, ratio"]),
        (block(unit=None), 9, "unit", ["unit is missing", "Add unit"]),
        (block(label=""), 10, "label", ["label is empty"]),
        (block(label="' '"), 10, "label", ["label is not possible"]),
        (block(better="upp"), 18, "better", ["better cannot be upp", "Write up."]),
        (block(id="Our-Metric"), 9, "id", ["id is not possible", "small letters, digits and underscores"]),
        (block(value=None), 16, "aggregate", ["sum needs a value"]),
        (block(aggregate="count"), 17, "value", ["count counts rows and takes no value"]),
        (block(formula="mrr / 2"), 18, "formula", ["it has rows and formula", "Keep one of them."]),
        (block(rows=None), 9, None, ["does not say what it computes", "`rows`"]),
        (block(rows=None, rowz="opportunities"), 17, "rowz", ["no key `rowz`", "Write rows."]),
        (block(rows="opportunity_history", when="changed_at", where=None), 16, "value", ["of their opportunity"]),
        (block(id="mrr"), 9, "id", ["mrr is taken by a metric of the catalogue"]),
        (block(id="leads"), 9, "id", ["leads is taken by an entity"]),
        (block(aliases="[NRR]"), 18, "aliases", ["nrr is taken by the metric net_revenue_retention, as its alias"]),
        # Formulas and limited metrics, short, all in line 9.
        (GOOD + "  - {id: f, label: F, definition: F., unit: ratio, formula: mrr / arrr}\n", 9, "formula",
         ["there is no metric arrr", "Write arr."]),
        (GOOD + "  - {id: f, label: F, definition: F., unit: ratio, formula: mrr / }\n", 9, "formula", ["no formula"]),
        (GOOD + "  - {id: f, label: F, definition: F., unit: ratio, formula: max(mrr)}\n", 9, "formula",
         ["`MAX(mrr)` is not possible in a formula"]),
        (GOOD + "  - {id: f, label: F, definition: F., unit: ratio, formula: mrr + '1'}\n", 9, "formula",
         ["`'1'` is not possible in a formula"]),
        (GOOD + "  - {id: f, label: F, definition: F., unit: ratio, formula: 1 + 1}\n", 9, "formula", ["no metric"]),
        (GOOD + "  - {id: f, label: F, definition: F., unit: ratio, formula: opportunities / 2}\n", 9, "formula",
         ["there is no metric opportunities"]),
        (GOOD + "  - {id: f, label: F, definition: F., unit: ratio, formula: f + 1}\n", 9, "formula", ["f -> f"]),
        (GOOD + "  - {id: f, label: F, definition: F., unit: count, formula: mrr, value: 1}\n", 9, "value",
         ["`value` has no place beside `formula`"]),
        (GOOD + "  - {id: f, label: F, definition: F., metric: wim_rate, where: {segment: a}}\n", 9, "metric",
         ["there is no metric wim_rate", "Write win_rate."]),
        (GOOD + "  - {id: f, label: F, definition: F., metric: win_rate}\n", 9, "metric", ["is win_rate, unchanged"]),
        (GOOD + "  - {id: f, label: F, definition: F., metric: win_rate, where: {segmnt: a}}\n", 9, "where.segmnt",
         ["win_rate has no dimension segmnt", "Write segment."]),
        (GOOD + "  - {id: f, label: F, definition: F., metric: win_rate, where: {segment: [a, b]}}\n", 9, "segment",
         ["where must be one text"]),
        (GOOD + "  - {id: f, label: F, definition: F., metric: win_rate, params: {tpes: [a]}}\n", 9, "params.tpes",
         ["no parameter tpes", "did you mean types?"]),
        (GOOD + "  - {id: f, label: F, definition: F., metric: win_rate, params: {basis: closd}}\n", 9, "params.basis",
         ["basis = 'closd' is not possible", "did you mean closed?"]),
        (GOOD + "  - just text\n", 9, None, ["a definition must have keys"]),
        (GOOD + "metric: []\n", 9, "metric", ["no key `metric`", "Write metrics."]),
    ],
)  # fmt: skip
def test_a_mistake_is_told(tmp_path: Path, yml: str, row: int, column: str | None, words: list[str]) -> None:
    """The problem names the file, the line, the key and what to write; the good definition beside it is added."""
    definitions, problems = defined(tmp_path, yml)
    assert [(problem.file, problem.row, problem.column) for problem in problems][:1] == [("metrics.yml", row, column)]
    told = " ".join(map(str, problems))
    assert [word for word in words if word not in told] == []
    assert "our_deals" in definitions.metrics
    assert "ours" not in definitions.metrics
    assert "f" not in definitions.metrics


@pytest.mark.parametrize(
    ("yml", "row", "words"),
    [
        (GOOD + "    unit: ratio\n", 9, ["the key `unit` is given twice, in lines 5 and 9"]),
        (GOOD.replace("    label", "\tlabel"), 3, ["indented with a tab", "Use spaces."]),
        ("metrics:\n  - id: !!python/object/apply:os.system [touch pwned]\n", 2, ["tag", "not allowed"]),
        ("metrics: 5\n", 1, ["`metrics` must be a list"]),
        ("- id: a\n", 1, ["the file must begin with `metrics:`"]),
    ],
)
def test_a_file_that_is_not_read(tmp_path: Path, yml: str, row: int, words: list[str]) -> None:
    """A file that is not sound YAML defines nothing, and the problem names the line."""
    definitions, problems = defined(tmp_path, yml)
    assert [problem.row for problem in problems] == [row]
    assert [word for word in words if word not in str(problems[0])] == []
    assert definitions.metrics.keys() == catalogue().metrics.keys()


def test_a_file_with_nothing_in_it(tmp_path: Path) -> None:
    """A file of comments alone is noticed, not refused, and a project without the file has nothing to tell."""
    assert load_own_metrics(tmp_path, catalogue()) == []
    _, problems = defined(tmp_path, "# later\n")
    assert [problem.severity for problem in problems] == ["notice"]


def test_two_definitions_of_one_name(tmp_path: Path) -> None:
    """Neither of two definitions with one name is taken, and both lines are named."""
    definitions, problems = defined(tmp_path, GOOD + GOOD.removeprefix("metrics:\n"))
    assert [(problem.row, problem.column, problem.value) for problem in problems] == [(9, "id", "our_deals")]
    assert "our_deals is defined twice, in metrics.yml line 2 and line 9" in problems[0].reason
    assert "our_deals" not in definitions.metrics


def test_circles_and_what_hangs_on_mistakes(tmp_path: Path) -> None:
    """Definitions in a circle are told with the way round; what reads a wrong one is sent to that one."""
    card = "label: A, definition: A., unit: count"
    definitions, problems = defined(
        tmp_path,
        f"""\
        metrics:
          - {{id: a, {card}, formula: b + 1}}
          - {{id: b, {card}, formula: c * 2}}
          - {{id: c, {card}, formula: a}}
          - {{id: d, {card}, formula: a + mrr}}
          - {{id: e, {card}, formula: wrong + 1}}
          - {{id: wrong, {card}, formula: mrr, value: 1}}
          - {{id: later, {card}, formula: earlier + 1}}
          - {{id: earlier, {card}, formula: mrr + 1}}
        """,
    )
    told = {problem.row: problem.reason for problem in problems}
    assert told[2] == "metric a: it is defined by itself: a -> b -> c -> a"
    assert told[4] == "metric c: it is defined by itself: c -> a -> b -> c"
    assert told[5] == "metric d: it reads a, which has a mistake (metrics.yml line 2)"
    assert told[6] == "metric e: it reads wrong, which has a mistake (metrics.yml line 7)"
    assert told.keys() == {2, 3, 4, 5, 6, 7}
    assert {"later", "earlier"} <= definitions.metrics.keys()


FINE = '''
from revgauge.catalogue.measures import Measure
from revgauge.catalogue.registry import Unit, metric


@metric(label="Twice", unit=Unit.MONEY)
def twice(mrr: Measure) -> Measure:
    """Twice the recurring revenue."""
    return mrr + mrr
'''


@pytest.mark.parametrize(
    ("text", "row", "words"),
    [
        ("def broken(:\n    pass\n", 1, ["cannot be run", "invalid syntax"]),
        ("x = 1\nimport no_such_module_anywhere\n", 2, ["ModuleNotFoundError", "no_such_module_anywhere"]),
        ("def f():\n    return 1 / 0\n\nf()\n", 2, ["ZeroDivisionError"]),
        ("raise SystemExit(3)\n", 1, ["SystemExit"]),
        (
            FINE.replace("mrr: Measure", "mrrr: Measure"),
            6,
            ["twice", "there is no metric, table or entity mrrr", "mrr"],
        ),
        (FINE.replace("def twice(mrr", "def mrr(arr"), 6, ["the name mrr is taken by a metric"]),
        (FINE.replace('    """Twice the recurring revenue."""\n', ""), 6, ["twice: it has no definition"]),
        (FINE.replace('label="Twice", ', ""), 6, ["label is missing"]),
        (FINE.replace("Unit.MONEY", '"euros"'), 6, ["unit cannot be euros", "Unit.MONEY"]),
        (FINE.replace("Unit.MONEY", 'Unit.MONEY, better="more"'), 6, ["better cannot be more", "up, down"]),
        (FINE.replace("Unit.MONEY", "Unit.MONEY, needs=('leads.nothing',)"), 6, ["needs leads.nothing"]),
    ],
)
def test_mistakes_in_python(tmp_path: Path, text: str, row: int, words: list[str]) -> None:
    """A file that cannot be run, or a function that says too little, is told with its line; other files still count."""
    definitions, problems = defined(tmp_path, "", {"bad.py": text, "fine.py": FINE.replace("twice", "fine_twice")})
    assert [(problem.file, problem.row) for problem in problems] == [("metrics/bad.py", row)]
    assert [word for word in words if word not in str(problems[0])] == []
    assert "fine_twice" in definitions.metrics
    assert "twice" not in definitions.metrics


def test_one_name_in_two_files(tmp_path: Path) -> None:
    """A name given in YAML and in Python is told with both places."""
    yml = "metrics:\n  - {id: twice, label: T, definition: T., unit: money, formula: 2 * mrr}\n"
    definitions, problems = defined(tmp_path, yml, {"more.py": FINE})
    assert "twice is defined twice, in metrics.yml line 2 and metrics/more.py line 6" in problems[0].reason
    assert "twice" not in definitions.metrics


def test_files_of_two_projects_do_not_meet(tmp_path: Path) -> None:
    """Projects with files of the same name keep their own definitions; reading again reads what stands there now."""
    for name, factor in (("one", "mrr"), ("two", "mrr - mrr")):
        (tmp_path / name).mkdir()
        definitions, problems = defined(tmp_path / name, "", {"own.py": FINE.replace("mrr + mrr", factor)})
        assert problems == []
        assert definitions.metrics["twice"].function.__code__.co_filename == str(tmp_path / name / "metrics" / "own.py")
    again, _ = defined(tmp_path / "one", "", {"own.py": FINE.replace("twice", "thrice")})
    assert "thrice" in again.metrics
    assert "twice" not in again.metrics
    assert not list(tmp_path.rglob("*.pyc"))


def test_the_built_in_catalogue_is_sound() -> None:
    """Everything that built-in definitions read, need, fix and refer to exists, and none is defined by itself."""
    assert catalogue().check() == []


def test_the_catalogue_finds_mistakes_in_names() -> None:
    """The check of a catalogue tells of names that do not exist and of circles."""

    @metric(label="A", needs=("opportunities.amout",), fixed={"tpes": ()})
    def one(two: object, thre: object) -> None:
        """One."""

    @metric(label="B")
    def two(one: object) -> None:
        """Two."""

    definitions = Catalogue(thing.__dict__["definition"] for thing in (one, two))
    assert definitions.check() == [
        "one reads thre, which does not exist",
        "one needs opportunities.amout, which does not exist",
        "one is defined by itself: one -> two -> one",
        "two is defined by itself: two -> one -> two",
    ]


def test_the_schema_knows_every_shape() -> None:
    """The JSON Schema has the three shapes with their keys, and refuses others as the reader does."""
    schema = json_schema()
    shapes = schema["$defs"]
    assert set(schema["properties"]) == {"metrics"}
    for name, key in (("OfRows", "rows"), ("OfMetrics", "formula"), ("Narrowed", "metric")):
        assert shapes[name]["additionalProperties"] is False
        assert {"id", "label", "definition", key} <= set(shapes[name]["required"])
        assert all(part.get("description") or "$ref" in part for part in shapes[name]["properties"].values())


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Three wrong definitions and a wrong file give all their problems together, each in its place."""
    text = block(value="amout", when="close_at")
    text += "  - {id: f, label: F, definition: F., unit: ratio, formula: mrr / arrr, by: [a]}\n"
    _, problems = defined(tmp_path, text, {"bad.py": "1 / 0\n"})
    assert sorted((problem.file, problem.row or 0) for problem in problems) == [
        ("metrics.yml", 14),
        ("metrics.yml", 17),
        ("metrics.yml", 18),
        ("metrics/bad.py", 1),
    ]
