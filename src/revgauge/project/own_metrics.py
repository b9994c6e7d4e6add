"""A project's own metrics, added to the catalogue: those of `metrics.yml` and of `metrics/*.py`.

They become the same kind of object as the built-in ones. All that is wrong is told at once, with its file, its line
and the nearest right spelling; a definition without a mistake is added even when others have some.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from revgauge.catalogue.measures import Measure
from revgauge.catalogue.params import ParamError, read_params
from revgauge.catalogue.registry import Catalogue, Definition, Metric
from revgauge.model.entities import ENTITIES
from revgauge.project.entity_metrics import Rows, facts_of, metric_of, read_rows
from revgauge.project.formulas import Formula, FormulaError, read_formula
from revgauge.project.metrics_yml import FAMILY, Narrowed, OfMetrics, OfRows, json_schema, names, read_blocks
from revgauge.project.own_modules import read_modules
from revgauge.project.places import InYaml, Place
from revgauge.sources.problems import Problem, RefusedError
from revgauge.sources.yaml_text import read_yaml

FILE = "metrics.yml"

Made = Definition | list[Problem]


@dataclass(eq=False)
class Draft:
    """A definition that is well formed and waits for what it reads."""

    place: Place
    name: str
    aliases: tuple[str, ...]
    reads: tuple[str, ...]
    key: str
    """Where it says what it reads."""
    make: Callable[[Catalogue], Made]
    """Makes the definition once everything that it reads is in the catalogue; or tells what is wrong."""
    metrics_only: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Its name and its other names."""
        return (self.name, *self.aliases)


def load_own_metrics(folder: Path, catalogue: Catalogue) -> list[Problem]:
    """Add the definitions of a project to the catalogue; what is wrong with any of them is returned, all at once."""
    drafts, stated, problems = _yaml_drafts(folder)
    modules, wrong = read_modules(folder)
    problems += wrong
    drafts += [_python_draft(place, definition) for place, definition in modules]
    stated |= {name: draft.place for draft in drafts for name in draft.names}
    drafts, wrong = _with_names_of_their_own(drafts, catalogue)
    return problems + wrong + _add(drafts, stated, catalogue)


# -- from files to drafts ---------------------------------------------------------------------------------------------


def _yaml_drafts(folder: Path) -> tuple[list[Draft], dict[str, Place], list[Problem]]:
    """The definitions of `metrics.yml`, where each name stands, also of those with mistakes, and the mistakes."""
    if not (folder / FILE).exists():
        return [], {}, []
    try:
        text = read_yaml(folder / FILE, FILE)
    except RefusedError as error:
        return [], {}, list(error.problems)
    blocks, problems = read_blocks(text)
    stated: dict[str, Place] = {name: InYaml(text, path, name) for path, name in names(text)}
    problems = [*text.notices, *problems]
    drafts: list[Draft] = []
    about_rows: list[tuple[InYaml, OfRows, Rows]] = []
    for path, block in blocks:
        place = InYaml(text, path, block.id)
        if isinstance(block, OfRows):
            rows, wrong = read_rows(block, place)
            problems += wrong
            if rows is not None:
                about_rows.append((place, block, rows))
        elif isinstance(block, OfMetrics):
            try:
                drafts.append(_formula_draft(place, block, read_formula(block.formula)))
            except FormulaError as error:
                fix = "Write names of metrics and numbers with + - * / and parentheses."
                problems.append(place.problem("formula", "formula", str(error), fix))
        else:
            drafts.append(_narrowed_draft(place, block))
    return drafts + _rows_drafts(about_rows), stated, problems


def _rows_drafts(about_rows: list[tuple[InYaml, OfRows, Rows]]) -> list[Draft]:
    """Metrics over rows, and the tables that those over the same rows and day share."""
    shared: dict[str, list[Rows]] = {}
    for _, _, rows in about_rows:
        shared.setdefault(rows.facts, []).append(rows)
    drafts: list[Draft] = []
    for name, several in shared.items():
        mine = [(place, block, rows) for place, block, rows in about_rows if rows.facts == name]
        tables = facts_of(several)
        drafts += [Draft(mine[0][0], table.name, (), table.reads, "rows", _ready(table)) for table in tables]
        for place, block, rows in mine:
            metric = metric_of(rows, block, tables[0], FILE)
            drafts.append(Draft(place, block.id, block.aliases, metric.reads, "rows", _ready(metric)))
    return drafts


def _ready(definition: Definition) -> Callable[[Catalogue], Made]:
    return lambda _catalogue: definition


def _python_draft(place: Place, definition: Definition) -> Draft:
    aliases = definition.aliases if isinstance(definition, Metric) else ()
    return Draft(place, definition.name, aliases, definition.reads, "", _ready(definition))


def _formula_draft(place: InYaml, block: OfMetrics, formula: Formula) -> Draft:
    def make(catalogue: Catalogue) -> Made:
        parts = [catalogue.metric(name) for name in formula.names]

        def value(*measures: Measure) -> Measure:
            return formula.measure(dict(zip(formula.names, measures, strict=True)))

        value.__module__ = FAMILY
        value.__doc__ = f"{block.definition}\n\nUnit: {block.unit}\nFormula: {block.formula}"
        return Metric(
            block.id, value, tuple(part.name for part in parts), {},
            label=block.label, unit=block.unit, better=block.better, timing=block.timing, kind="formula",
            aliases=block.aliases, excluded=tuple(dict.fromkeys(name for part in parts for name in part.excluded)),
            looks_ahead=any(part.looks_ahead for part in parts), origin=FILE,
        )  # fmt: skip

    return Draft(place, block.id, block.aliases, formula.names, "formula", make, metrics_only=True)


def _narrowed_draft(place: InYaml, block: Narrowed) -> Draft:
    def make(catalogue: Catalogue) -> Made:
        whole = catalogue.metric(block.metric)
        fixed, problems = _fixed(catalogue, whole, block, place)
        problems += _limits(catalogue, whole, block, place)
        if problems:
            return problems

        def value(measure: Measure) -> Measure:
            return measure

        limits = [f"{name} = {limit}" for name, limit in (block.where | block.params).items()]
        value.__module__ = FAMILY
        value.__doc__ = f"{block.definition}\n\nUnit: {whole.unit}\nFormula: {whole.name} with {', '.join(limits)}"
        return Metric(
            block.id, value, (whole.name,), {}, fixed,
            label=block.label, unit=whole.unit, better=block.better or whole.better,
            timing=block.timing or whole.timing, kind=whole.kind, aliases=block.aliases, excluded=whole.excluded,
            limits=block.where, looks_ahead=whole.looks_ahead, origin=FILE,
        )  # fmt: skip

    return Draft(place, block.id, block.aliases, (block.metric.lower(),), "metric", make, metrics_only=True)


def _fixed(
    catalogue: Catalogue, whole: Metric, block: Narrowed, place: InYaml
) -> tuple[dict[str, object], list[Problem]]:
    """The parameters that a definition fixes, in their own types."""
    fixed: dict[str, object] = {}
    problems: list[Problem] = []
    for name, given in block.params.items():
        try:
            fixed |= read_params(whole.name, catalogue.params(whole), {name: given})
        except ParamError as error:
            problems.append(place.problem(f"params.{name}", "parameter", str(error), "Correct it.", name))
    return fixed, problems


def _limits(catalogue: Catalogue, whole: Metric, block: Narrowed, place: InYaml) -> list[Problem]:
    """What is wrong with the dimensions to which a definition limits another."""
    if not block.where and not block.params:
        fix = "Add `where` or `params`, or give the metric an alias."
        return [place.problem("metric", "shape", f"it is {whole.name}, unchanged", fix)]
    possible = sorted(_dimensions(catalogue, whole))
    problems: list[Problem] = []
    for name in block.where:
        if name not in possible:
            near = difflib.get_close_matches(name, possible, 1)
            fix = f"Write {near[0]}." if near else f"It can be limited by {', '.join(possible) or 'nothing'}."
            reason = f"{whole.name} has no dimension {name}"
            problems.append(place.problem(f"where.{name}", "dimension", reason, fix, name))
    return problems


def _dimensions(catalogue: Catalogue, metric: Metric) -> set[str]:
    """By what any of the tables that a metric reads can be cut."""
    found: set[str] = set()
    for name in metric.reads:
        if name in catalogue.metrics:
            found |= _dimensions(catalogue, catalogue.metrics[name])
        elif name in catalogue.derived:
            found |= set(catalogue.derived[name].dimensions)
    return found - set(metric.excluded)


# -- from drafts to the catalogue -------------------------------------------------------------------------------------


def _with_names_of_their_own(drafts: list[Draft], catalogue: Catalogue) -> tuple[list[Draft], list[Problem]]:
    """The drafts whose names nobody else has; of two own definitions of one name neither is taken."""
    problems: list[Problem] = []
    owners: dict[str, Draft] = {}
    clashing: list[Draft] = []
    for draft in drafts:
        for name in draft.names:
            key = "id" if name == draft.name else "aliases"
            if name in owners:
                first = owners[name].place
                reason = f"{name} is defined twice, in {first.file} line {first.line} and {_here(draft, first)}"
                problems.append(draft.place.problem(key, "taken", reason, "Keep one of them, or rename it.", name))
                clashing += [draft, owners[name]]
            elif what := _taken(name, catalogue):
                reason = f"the name {name} is taken by {what}"
                problems.append(draft.place.problem(key, "taken", reason, "Choose another name.", name))
                clashing.append(draft)
            owners.setdefault(name, draft)
    return [draft for draft in drafts if not any(draft is other for other in clashing)], problems


def _here(draft: Draft, first: Place) -> str:
    return (
        f"line {draft.place.line}" if draft.place.file == first.file else f"{draft.place.file} line {draft.place.line}"
    )


def _taken(name: str, catalogue: Catalogue) -> str:
    """What has the name already; empty if nothing has."""
    if name in ENTITIES or name == "context":
        return "an entity" if name in ENTITIES else "the surroundings of an evaluation"
    if name in catalogue.aliases:
        return f"the metric {catalogue.aliases[name]}, as its alias"
    return "a metric of the catalogue" if name in catalogue.metrics else ""


def _add(drafts: list[Draft], stated: Mapping[str, Place], catalogue: Catalogue) -> list[Problem]:
    """Add each draft once what it reads is there; then tell of those that wait in vain."""
    problems: list[Problem] = []
    waiting = list(drafts)
    while ready := [draft for draft in waiting if all(_known(name, draft, catalogue) for name in draft.reads)]:
        waiting = [draft for draft in waiting if draft not in ready]
        for draft in ready:
            made = draft.make(catalogue)
            if isinstance(made, list):
                problems += made
            elif mistakes := catalogue.mistakes(made):
                problems += [
                    draft.place.problem(draft.key, "name", f"it {mistake}", "Correct it.") for mistake in mistakes
                ]
            else:
                catalogue.add(made)
    return problems + [problem for draft in waiting for problem in _in_vain(draft, stated, waiting, catalogue)]


def _readable(draft: Draft, catalogue: Catalogue) -> list[str]:
    metrics = [*catalogue.metrics, *catalogue.aliases]
    return metrics if draft.metrics_only else ["context", *ENTITIES, *catalogue.derived, *catalogue.metrics]


def _known(name: str, draft: Draft, catalogue: Catalogue) -> bool:
    return name in _readable(draft, catalogue)


def _in_vain(
    draft: Draft, stated: Mapping[str, Place], waiting: list[Draft], catalogue: Catalogue
) -> Iterable[Problem]:
    """Why a draft waits in vain: a name that nobody has, a definition with a mistake, or a circle."""
    if circle := _circle(draft, waiting):
        reason = f"it is defined by itself: {' -> '.join(circle)}"
        yield draft.place.problem(draft.key, "circle", reason, "Define one of them without the others.")
        return
    for name in draft.reads:
        if _known(name, draft, catalogue):
            continue
        if name in stated:
            place = stated[name]
            reason = f"it reads {name}, which has a mistake ({place.file} line {place.line})"
            yield draft.place.problem(draft.key, "name", reason, "Correct that one first.", name)
            continue
        kind = "metric" if draft.metrics_only else "metric, table or entity"
        near = difflib.get_close_matches(name, [*_readable(draft, catalogue), *stated], 1)
        fix = f"Write {near[0]}." if near else "`revgauge metrics` lists all."
        yield draft.place.problem(draft.key, "name", f"there is no {kind} {name}", fix, name)


def _circle(draft: Draft, waiting: list[Draft]) -> tuple[str, ...]:
    """The way from a draft back to itself through others that wait; empty if there is none."""
    own = {name: other for other in waiting for name in other.names}
    ways: list[tuple[Draft, tuple[str, ...]]] = [(draft, (draft.name,))]
    seen: set[str] = set()
    while ways:
        here, way = ways.pop()
        for name in here.reads:
            onward = own.get(name)
            if onward is draft:
                return (*way, draft.name)
            if onward is not None and onward.name not in seen:
                seen.add(onward.name)
                ways.append((onward, (*way, onward.name)))
    return ()


__all__ = ["FILE", "json_schema", "load_own_metrics"]
