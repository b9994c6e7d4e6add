"""A page for each family of metrics: every card in full, with values that were worked out by hand."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.catalogue.params import Param
from revgauge.catalogue.registry import Catalogue, Metric
from revgauge.metrics.bibliography import BIBLIOGRAPHY, SEEDS
from revgauge.model.period import BEGINNING, Calendar
from revgauge.reference.markdown import code, links, table
from revgauge.reference.parameters import meaning
from revgauge.reference.worked import Worked

CASES = "../../../tests/cases"
_KEYS = re.compile(rf"(?<![\w-])({'|'.join(sorted({**BIBLIOGRAPHY, **SEEDS}, key=len, reverse=True))})(?![\w-])")

Examples = Mapping[str, Sequence[Worked]]


def metric_pages(catalogue: Catalogue, examples: Examples) -> dict[str, str]:
    """The page of each family and the index of all metrics, by their path."""
    dimensions = _dimensions(catalogue, examples)
    families = catalogue.families()
    pages = {
        f"metrics/{metrics[0].module}.md": "\n".join(
            [_opening(metrics), *(_section(catalogue, metric, dimensions, examples) for metric in metrics)]
        )
        for metrics in families.values()
    }
    return {"metrics/index.md": _index(families), **pages}


def _index(families: Mapping[str, Sequence[Metric]]) -> str:
    """All metrics by name, and what the words of a card mean."""
    every = sorted((metric for metrics in families.values() for metric in metrics), key=lambda metric: metric.name)
    named = [(f"[{one.name}]({one.module}.md#{one.name})", one.label, one.family, one.unit.value) for one in every]
    aliases = sorted((alias, one) for one in every for alias in one.aliases)
    others = [(f"`{alias}`", f"[{one.name}]({one.module}.md#{one.name})") for alias, one in aliases]
    tops = [(f"[{family}]({metrics[0].module}.md)", _about(metrics)) for family, metrics in families.items()]
    return _INDEX.format(
        families=table(("family", "what it is about"), tops),
        metrics=table(("metric", "label", "family", "unit"), named),
        aliases=table(("also called", "metric"), others),
    )


_INDEX = """\
# Metrics

*Generated from the definitions in `src/revgauge/metrics`; change them and run `make docs`.*

{families}
Every figure follows the [common rules](../rules.md), and where a definition comes from is told under
[sources](../sources.md). Words of a card:

- *Stock*: a state at an instant. *Flow*: what happened in a period. *Ratio*: one over the other. *Cohort*: those who
  entered in the period, and what became of them by now. *Window*: the time between two days, whatever the grain.
  *Formula*: arithmetic of other metrics.
- *Leading* shows what is coming, *lagging* what has been.
- *Null* says when there is no value; the value then says why. A sum over a table that was loaded and has no such row is
  0, over a table that was never loaded it is null.
- *Cut by* are the dimensions by which a value can be split. `product` and `plan` filter the rows first: each is treated
  as a company of its own, so that they do not add up to the total.
- Amounts in other currencies also read [exchange_rates](../data-model.md#exchange_rates), and merged accounts
  [accounts](../data-model.md#accounts); the cards do not repeat it.
- The examples are checks of the [worked cases](../../../tests/cases/README.md), which the tests run.

## All metrics

{metrics}
## Other names

{aliases}"""


def _about(metrics: Sequence[Metric]) -> str:
    """The first sentence of the family's module."""
    doc = inspect.cleandoc(sys.modules[metrics[0].function.__module__].__doc__ or "")
    return " ".join(doc.partition("\n\n")[0].split())


def _opening(metrics: Sequence[Metric]) -> str:
    module = sys.modules[metrics[0].function.__module__]
    title, _, rest = inspect.cleandoc(module.__doc__ or "").partition("\n\n")
    contents = table(("metric", "label", "unit"), [(links([one.name]), one.label, one.unit.value) for one in metrics])
    parts = [
        f"# {metrics[0].family.capitalize()}\n",
        f"*Generated from `src/revgauge/metrics/{metrics[0].module}.py`; change it and run `make docs`.*\n",
        "What the words of a card mean stands under [metrics](index.md).\n",
        f"{title}\n",
        *([f"{rest}\n"] if rest else []),
        contents,
    ]
    return "\n".join(parts)


def _section(
    catalogue: Catalogue, metric: Metric, dimensions: Mapping[str, tuple[str, ...]], examples: Examples
) -> str:
    """All there is to know of one metric."""
    sections = metric.sections()
    also = f" · also {code(metric.aliases)}" if metric.aliases else ""
    kind = f"{metric.unit.value} · better: {metric.better} · {metric.timing} · {metric.kind}"
    told = {name: sections[name] for name in _CARD if name in sections}
    lines = [(name.lower(), _cited(text) if name in _CITING else text) for name, text in told.items()]
    made_of = [name for name in metric.reads if name in catalogue.metrics]
    if made_of:
        lines.append(("made of", ", ".join(_metric_link(catalogue, name) for name in made_of)))
    lines.append(("reads", links(catalogue.entities(metric), "../data-model.md")))
    if metric.needs:
        lines.append(("cannot do without", code(metric.needs)))
    lines.append(("cut by", code(dimensions[metric.name]) or "nothing"))
    lines.append(("version", metric.version))
    parts = [
        f"## {metric.name}\n",
        f"**{metric.label}**{also}\n",
        f"{kind}\n",
        f"{sections['definition']}\n",
        *([f"{sections['notes']}\n"] if sections["notes"] else []),
        table(("", ""), lines),
    ]
    if params := catalogue.params(metric):
        rows = [
            (f"`{param.name}`", _default(param), _takes(param), meaning(metric, param.name))
            for param in params.values()
        ]
        parts.append(table(("parameter", "default", "takes", "meaning"), rows))
    if shown := examples.get(metric.name):
        rows = [(_case(one), _asked(one), _value(one), one.why) for one in shown]
        parts.append(table(("worked case", "asked for", "value", "why"), rows))
    return "\n".join(parts)


_CARD = ("Unit", "Formula", "Null", "Edges", "So what", "Benchmark", "Source", "Seed")
_CITING = ("Benchmark", "Source", "Seed")
"""Sections that name sources by their keys, some of which are also plain words."""


def _cited(text: str) -> str:
    """The text with each key of a source linked to its line."""
    return _KEYS.sub(lambda key: f"[{key[0]}](../sources.md#{key[0].lower()})", text)


def _metric_link(catalogue: Catalogue, name: str) -> str:
    return f"[{name}]({catalogue.metrics[name].module}.md#{name})"


def _dimensions(catalogue: Catalogue, examples: Examples) -> dict[str, tuple[str, ...]]:
    """By what each metric can be cut, told from empty tables; what it requires is taken from its worked case."""
    warehouse = Warehouse.of_empty_entities()
    try:
        evaluation = Evaluation(catalogue, Context(warehouse, Settings(BEGINNING)))
        return {name: _cuts(evaluation, metric, examples) for name, metric in catalogue.metrics.items()}
    finally:
        warehouse.close()


def _cuts(evaluation: Evaluation, metric: Metric, examples: Examples) -> tuple[str, ...]:
    required = {name for name, param in evaluation.catalogue.params(metric).items() if param.required}
    example = next(iter(examples.get(metric.name, ())), None)
    params = {name: value for name, value in example.params.items() if name in required} if example else {}
    if "cohort" in params:
        params |= {"cohort": f"{BEGINNING:%Y-%m}", "age": 0}
    request = Request(metric.name, (Calendar(BEGINNING).containing(BEGINNING, "month"),), params)
    return evaluation.dimensions(metric, evaluation.measure(request)[2])


def _default(param: Param) -> str:
    if param.required:
        return "must be given"
    if param.default is None:
        return "none"
    if isinstance(param.default, tuple):
        return code(param.default)
    return f"`{str(param.default).lower() if isinstance(param.default, bool) else param.default}`"


def _takes(param: Param) -> str:
    return code(param.allowed) or param.describe()


def _case(one: Worked) -> str:
    return f"[{one.case}]({CASES}/{one.case}/expected.json)"


def _asked(one: Worked) -> str:
    period = one.period or one.grain
    return "; ".join([period, *_pairs(one.by.items()), *_pairs(one.params.items())])


def _pairs(items: Iterable[tuple[str, Any]]) -> list[str]:
    return [f"`{name} = {_written(value)}`" for name, value in items]


def _written(value: Any) -> str:
    """A parameter as it is typed."""
    if isinstance(value, list):
        return ",".join(map(_written, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _value(one: Worked) -> str:
    if one.value is None:
        return "null"
    rounded = round(one.value, 6)
    plain = f"{rounded.normalize():f}" if rounded else "0"
    return plain if rounded == one.value else f"≈ {plain}"
