"""The catalogue: every metric and derived table, found by walking folders.

A definition is a function. Its positional arguments say what it reads - an entity, a derived table, another metric,
`context`, or `values_of` for a table that is made of a metric's values - and its keyword-only arguments are its
parameters. Parameters of what it reads are its parameters too, unless it fixes them.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import ModuleType
from typing import Any, Literal, get_type_hints

from revgauge.catalogue.facts import Dimension
from revgauge.catalogue.params import REQUIRED, Param
from revgauge.model.entities import ENTITIES
from revgauge.model.period import Calendar, Period


class Unit(StrEnum):
    """Of what a metric is a number."""

    MONEY = "money"
    COUNT = "count"
    RATIO = "ratio"
    DAYS = "days"
    HOURS = "hours"
    MONTHS = "months"
    POINTS = "points"
    MONEY_PER_DAY = "money per day"


Better = Literal["up", "down", "target", "zero", "none"]
Timing = Literal["leading", "lagging"]
Kind = Literal["flow", "stock", "ratio", "cohort", "due", "snapshot", "window", "formula"]

SECTIONS = ("Unit", "Formula", "Edges", "Seed", "Source", "So what", "Benchmark", "Null", "By")
_SECTION = re.compile(rf"^({'|'.join(SECTIONS)}):\s*", re.MULTILINE)


class UnknownName(LookupError):  # noqa: N818 - it is an answer to a person, not an error of ours
    """A metric or dimension that does not exist; the message says what was probably meant."""


@dataclass(frozen=True)
class Definition:
    """A function of the catalogue: what it reads and which parameters it has."""

    name: str
    function: Callable[..., Any]
    reads: tuple[str, ...]
    own_params: Mapping[str, Param]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[str, ...] = ()
    """`entity.field` that must have been loaded, else there is no value."""
    follows: tuple[str, ...] = ()
    """References (`entity.field`) that it follows: one that points nowhere is a gap."""

    @property
    def module(self) -> str:
        """The last part of its module's name: its family."""
        return self.function.__module__.rpartition(".")[2]

    @property
    def doc(self) -> str:
        """Its docstring, unindented."""
        return inspect.cleandoc(self.function.__doc__ or "")


@dataclass(frozen=True)
class Derived(Definition):
    """A table that several metrics share."""

    dimensions: Mapping[str, Dimension] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    """Entities that stand in as empty tables when they were never loaded."""
    kept: bool = True
    """Computed into a table of its own; otherwise it is written into the query that reads it."""
    per_period: bool | Callable[[Mapping[str, Any]], bool] = False
    """It compares the two ends of each period, so that it is made anew for each grain."""
    whole_by: tuple[str, ...] = ()
    """Dimensions of which each value stands for itself: asked for one, the table holds other rows than without."""
    costly: tuple[str, ...] = ()
    """Columns that are worked out only where something asks for them; see `Context.asks`."""
    row_key: tuple[str, ...] = ()
    """Columns that name a row to a person, first in a listing."""
    left_out: str | None = None
    """The derived table with the rows left out of this one and the `reason`; by default `<name>_left_out`, if any."""
    stays: str | None = None
    """The derived table of the stays, from `start` to `stop`, whose `mrr` makes up the `amount` of a balance."""


@dataclass(frozen=True)
class Metric(Definition):
    """What a number means."""

    label: str = ""
    unit: Unit = Unit.COUNT
    better: Better = "up"
    timing: Timing = "lagging"
    kind: Kind = "flow"
    aliases: tuple[str, ...] = ()
    dimensions: tuple[str, ...] = ()
    """Dimensions beside those that all of its facts share."""
    excluded: tuple[str, ...] = ()
    """Dimensions of its facts by which it makes no sense."""
    limits: Mapping[str, str] = field(default_factory=dict)
    """Dimensions and the value to which the metric is limited, whatever a request asks for beside."""
    looks_ahead: bool = False
    on_request: bool = False
    """It is computed when somebody asks, and not in a build for every period and cut: a model is fitted for each."""
    compares: Callable[[Calendar, Period, Mapping[str, Any]], Sequence[Period]] | None = None
    """The periods whose two ends its tables compare for a period asked for, where they are others than that one."""
    origin: str = "RevGauge"
    """Where the definition stands: the catalogue, or a file of the project."""
    version: str = "1"

    @property
    def family(self) -> str:
        """The family it belongs to: the title of its module."""
        return self.module.replace("_", " ")

    def sections(self) -> dict[str, str]:
        """The docstring in parts: `definition`, `notes`, and each named section (Unit, Formula, Source, ...)."""
        pieces = _SECTION.split(self.doc)
        definition, _, notes = pieces[0].strip().partition("\n")
        parts = {"definition": definition.strip(), "notes": " ".join(notes.split())}
        parts |= {name: " ".join(text.split()) for name, text in zip(pieces[1::2], pieces[2::2], strict=True)}
        return parts


def _read_signature(function: Callable[..., Any]) -> tuple[tuple[str, ...], dict[str, Param]]:
    arguments = inspect.signature(function).parameters
    reads = [name for name, argument in arguments.items() if argument.kind is not inspect.Parameter.KEYWORD_ONLY]
    # Only parameters are looked at: what is read may be annotated with names that exist for type checkers alone.
    keywords = {name: argument.annotation for name, argument in arguments.items() if name not in reads}
    hints = get_type_hints(type("Parameters", (), {"__annotations__": keywords}), function.__globals__)
    params: dict[str, Param] = {}
    for name, hint in hints.items():
        default = arguments[name].default
        public = name.rstrip("_")
        params[public] = Param(public, hint, REQUIRED if default is inspect.Parameter.empty else default)
    return tuple(reads), params


def metric(**card: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put a function into the catalogue as a metric; the card holds label, unit, better, timing, kind and aliases."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        reads, params = _read_signature(function)
        name = card.pop("name", function.__name__)
        function.__dict__["definition"] = Metric(name, function, reads, params, **card)
        return function

    return register


def derived(**card: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Put a function into the catalogue as a derived table."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        reads, params = _read_signature(function)
        function.__dict__["definition"] = Derived(function.__name__, function, reads, params, **card)
        return function

    return register


class Catalogue:
    """All definitions by name."""

    def __init__(self, definitions: Iterator[Definition]) -> None:
        """Take the definitions in; a name or alias given twice is a mistake of ours and raises ValueError."""
        self.metrics: dict[str, Metric] = {}
        self.derived: dict[str, Derived] = {}
        self.aliases: dict[str, str] = {}
        self._params: dict[int, tuple[Definition, dict[str, Param]]] = {}
        for definition in definitions:
            self.add(definition)

    def add(self, definition: Definition) -> None:
        """Take one definition in."""
        taken = self.metrics.keys() | self.aliases.keys() if _is_own(definition) else self._names()
        aliases = definition.aliases if isinstance(definition, Metric) else ()
        for name in (definition.name, *aliases):
            if name in taken or (isinstance(definition, Derived) and name in ENTITIES):
                raise ValueError(f"{name} is defined twice")
        if isinstance(definition, Metric):
            self.metrics[definition.name] = definition
            self.aliases |= dict.fromkeys(aliases, definition.name)
        elif isinstance(definition, Derived):
            self.derived[definition.name] = definition
        self._params.clear()

    def _names(self) -> set[str]:
        return {*self.metrics, *self.derived, *self.aliases}

    def part(self, reader: Definition, name: str) -> Definition | None:
        """What a definition means by a name that it reads; None for an entity and for what does not exist.

        A metric of a project may have the name of a table of the catalogue: the project's definitions then mean the
        metric, and those of the catalogue go on to mean the table.
        """
        if isinstance(reader, Derived):
            return self.derived.get(name)
        if _is_own(reader) and reader.name != name:
            return self.metrics.get(name) or self.derived.get(name)
        return self.derived.get(name) or self.metrics.get(name)

    def metric(self, name: str) -> Metric:
        """The metric of that name or alias; UnknownName, with a suggestion, if there is none."""
        key = name.strip().lower()
        key = self.aliases.get(key, key)
        if key in self.metrics:
            return self.metrics[key]
        names = [*self.metrics, *self.aliases]
        near = difflib.get_close_matches(key, names, 3, 0.6)
        near += [other for other in names if key in other and other not in near][: 3 - len(near)]
        hint = f"did you mean {' or '.join(near)}?" if near else "`revgauge metrics` lists all"
        raise UnknownName(f"there is no metric {name}; {hint}")

    def params(self, definition: Definition) -> dict[str, Param]:
        """Every parameter of a definition: its own and those of what it reads, without those it fixes."""
        if id(definition) not in self._params:
            self._params[id(definition)] = definition, self._params_of(definition)
        return dict(self._params[id(definition)][1])

    def _params_of(self, definition: Definition) -> dict[str, Param]:
        found: dict[str, Param] = {}
        for name in definition.reads:
            part = self.part(definition, name)
            if part is not None:
                found |= self.params(part)
        found |= definition.own_params
        return {name: param for name, param in found.items() if name not in definition.fixed}

    def readable(self, definition: Definition) -> list[str]:
        """Every name that a definition of its kind may read."""
        names = ["context", *ENTITIES, *self.derived]
        return [*names, *self.metrics] if isinstance(definition, Metric) else ["values_of", *names]

    def whole_by(self, definition: Derived) -> tuple[str, ...]:
        """The dimensions of which each value stands for itself in a table, or in one that it reads."""
        parts = (self.derived[name] for name in definition.reads if name in self.derived)
        inner = (name for part in parts for name in self.whole_by(part))
        return tuple(dict.fromkeys((*definition.whole_by, *inner)))

    def mistakes(self, definition: Definition) -> list[str]:
        """What is wrong with the names that a definition uses: those that do not exist, and circles."""
        allowed = self.readable(definition)
        absent = [name for name in definition.reads if name not in allowed]
        found = [f"reads {name}, which does not exist{_near(name, allowed)}" for name in absent]
        for need in definition.needs:
            entity, _, name = need.partition(".")
            if entity not in ENTITIES or (name and name not in ENTITIES[entity].field_names):
                found.append(f"needs {need}, which does not exist")
        for link in definition.follows:
            entity, _, name = link.partition(".")
            there = entity in ENTITIES and name in ENTITIES[entity].field_names
            if not there or not ENTITIES[entity].field(name).refers_to:
                found.append(f"follows {link}, which refers to nothing")
        if circle := self.circle(definition):
            return [*found, f"is defined by itself: {' -> '.join(circle)}"]
        known = set(definition.own_params).union(*[self.params(part) for part in self._parts(definition)])
        if not absent:
            found += [f"fixes {name}, which is no parameter" for name in definition.fixed if name not in known]
        if isinstance(definition, Derived):
            tables = {dimension.lookup for dimension in definition.dimensions.values()} | {
                definition.left_out,
                definition.stays,
            }
            found += [f"refers to {name}, which does not exist" for name in tables - {None} if name not in self.derived]
        return found

    def circle(self, definition: Definition, way: tuple[Definition, ...] = ()) -> tuple[str, ...]:
        """The way from a definition back to itself through what it reads; empty if there is none."""
        for place, earlier in enumerate(way):
            if earlier.name == definition.name and type(earlier) is type(definition):
                return (*(one.name for one in way[place:]), definition.name)
        circles = (self.circle(part, (*way, definition)) for part in self._parts(definition))
        return next((circle for circle in circles if circle), ())

    def _parts(self, definition: Definition) -> list[Definition]:
        parts = (self.part(definition, name) for name in definition.reads)
        return [part for part in parts if part is not None]

    def check(self) -> list[str]:
        """Every mistake in the names that the definitions use, in a sentence each."""
        definitions: list[Definition] = [*self.derived.values(), *self.metrics.values()]
        return [f"{one.name} {mistake}" for one in definitions for mistake in self.mistakes(one)]

    def entities(self, definition: Definition) -> list[str]:
        """Every entity that a definition reads under some parameter, also through others, by name."""
        found: set[str] = set()
        for name in definition.reads:
            part = self.part(definition, name)
            found |= set(self.entities(part)) if part is not None else {name} & ENTITIES.keys()
        return sorted(found)

    def families(self) -> dict[str, list[Metric]]:
        """The metrics by family, in the order of their modules."""
        found: dict[str, list[Metric]] = {}
        for definition in self.metrics.values():
            found.setdefault(definition.family, []).append(definition)
        return found


def _is_own(definition: Definition) -> bool:
    """Whether a definition is a project's own metric."""
    return isinstance(definition, Metric) and definition.origin != "RevGauge"


def _near(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"; did you mean {near[0]}?" if near else ""


def definitions_in(package: ModuleType) -> Iterator[Definition]:
    """Every definition in the modules of a package, found by walking its folder."""
    for info in pkgutil.iter_modules(package.__path__):
        yield from definitions_of(importlib.import_module(f"{package.__name__}.{info.name}"))


def definitions_of(module: ModuleType) -> Iterator[Definition]:
    """Every definition that a module makes, in the order of its text."""
    for thing in vars(module).values():
        definition = getattr(thing, "__dict__", {}).get("definition")
        if isinstance(definition, Definition) and thing.__module__ == module.__name__:
            yield definition
