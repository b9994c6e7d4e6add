"""`revgauge metrics`: the catalogue by family, or one definition in full."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from revgauge.catalogue.context import Context, Settings
from revgauge.catalogue.engine import Warehouse
from revgauge.catalogue.evaluation import Evaluation, Request
from revgauge.catalogue.measures import Unknown
from revgauge.catalogue.params import Param, ParamError
from revgauge.catalogue.registry import Catalogue, Metric
from revgauge.cli.asking import find_project, nearest_project, tell_mistakes
from revgauge.cli.terminal import Column, Format, prose, table, write, write_csv, write_json
from revgauge.cli.values import metric_json, param_json
from revgauge.model.period import BEGINNING, Calendar
from revgauge.workspace import Workspace, builtin_catalogue

SECTION_ORDER = ("Unit", "Formula", "Null", "Edges", "By", "So what", "Benchmark", "Source")


def metrics(name: str | None, project: Path | None, *, form: Format) -> int:
    """Print the catalogue or one of its definitions; in a project with its own metrics and defaults. The exit code."""
    folder = find_project(project) if project else nearest_project()
    if folder is None:
        catalogue, defaults = builtin_catalogue(), {}
    else:
        workspace = Workspace(folder)
        tell_mistakes(workspace)
        catalogue, defaults = workspace.catalogue, workspace.settings.defaults
    return listed(catalogue, form=form) if name is None else one(catalogue, name, defaults, form=form)


def listed(catalogue: Catalogue, *, form: Format) -> int:
    """Print every metric with what it means; the exit code."""
    families = catalogue.families()
    if form == "json":
        write_json([metric_json(metric) | {"aliases": list(metric.aliases)} for metric in catalogue.metrics.values()])
    elif form == "csv":
        header = ["family", "name", "label", "unit", "better", "definition", "definition_version", "origin"]
        cards = [metric_json(metric) for metric in catalogue.metrics.values()]
        write_csv(header, [[card[name] for name in header] for card in cards])
    else:
        for family, metrics in families.items():
            write(f"{family.capitalize()}\n")
            for metric in metrics:
                write(f"  {metric.name}: {metric.label or metric.name} ({metric.unit.value}, better: {metric.better})")
                prose(metric.sections()["definition"], "    ")
            write()
        write(f"{len(catalogue.metrics)} metrics. `revgauge metrics NAME` shows one in full.")
    return 0


def one(catalogue: Catalogue, name: str, defaults: Mapping[str, Mapping[str, Any]], *, form: Format) -> int:
    """Print one definition in full; the exit code. `defaults` are the parameters that the project sets."""
    metric = catalogue.metric(name)
    card = full(catalogue, metric, defaults.get(metric.name, {}))
    if form == "json":
        write_json(card)
    elif form == "csv":
        pairs = [(key, _flat(value)) for key, value in card.items()]
        write_csv(["key", "value"], pairs)
    else:
        _write(metric, card)
    return 0


def _flat(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(item if isinstance(item, str) else item["name"] for item in value)
    if isinstance(value, dict):
        return "; ".join(f"{key}: {item}" for key, item in value.items())
    return value


def full(catalogue: Catalogue, metric: Metric, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """All there is to know of a metric without looking at data."""
    sections = metric.sections()
    return metric_json(metric) | {
        "kind": metric.kind,
        "timing": metric.timing,
        "aliases": list(metric.aliases),
        "notes": sections["notes"],
        "sections": {name: sections[name] for name in SECTION_ORDER if name in sections},
        "parameters": [_param_json(param, defaults) for param in catalogue.params(metric).values()],
        "dimensions": list(dimensions(catalogue, metric)),
        "made_of": [name for name in metric.reads if name in catalogue.metrics],
        "reads": catalogue.entities(metric),
        "needs": list(metric.needs),
    }


def _param_json(param: Param, defaults: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": param.name,
        "takes": param.describe(),
        "allowed": list(param.allowed),
        "required": param.required,
        "default": None if param.required else param_json(param.default),
        "set_by_project": param_json(defaults[param.name]) if param.name in defaults else None,
    }


def dimensions(catalogue: Catalogue, metric: Metric) -> tuple[str, ...]:
    """By what a metric can be cut under its defaults, told from empty tables; nothing if it needs a parameter."""
    warehouse = Warehouse.of_empty_entities()
    try:
        evaluation = Evaluation(catalogue, Context(warehouse, Settings(BEGINNING)))
        period = Calendar(BEGINNING).containing(BEGINNING, "month")
        measure = evaluation.measure(Request(metric.name, (period,)))[2]
    except ParamError:
        return ()
    else:
        return () if isinstance(measure, Unknown) else evaluation.dimensions(metric, measure)
    finally:
        warehouse.close()


def _write(metric: Metric, card: Mapping[str, Any]) -> None:
    aliases = f" · also {', '.join(card['aliases'])}" if card["aliases"] else ""
    write(f"{card['label']} ({metric.name}){aliases}")
    write(f"{card['family']} · {card['unit']} · better: {metric.better} · {metric.timing} · {metric.kind}")
    write()
    prose(card["definition"])
    if card["notes"]:
        write()
        prose(card["notes"])
    write()
    table(
        [Column(""), Column("", wraps=True)],
        [(name, text) for name, text in card["sections"].items()]
        + [
            ("Made of", ", ".join(card["made_of"]) or "rows"),
            ("Reads", ", ".join(card["reads"]) or "nothing"),
            ("Split by", ", ".join(card["dimensions"]) or "nothing, or it depends on a parameter"),
            ("Version", f"{metric.version}, from {metric.origin}"),
        ],
    )
    if card["parameters"]:
        write("\nParameters\n")
        columns = [Column("name"), Column("default"), Column("takes", wraps=True)]
        table(columns, [(param["name"], _default(param), param["takes"]) for param in card["parameters"]], indent=2)


def _default(param: Mapping[str, Any]) -> str:
    if param["set_by_project"] is not None:
        return f"{param['set_by_project']} (set by the project)"
    if param["required"]:
        return "must be given"
    if isinstance(param["default"], bool):
        return "true" if param["default"] else "false"
    return "none" if param["default"] is None else str(param["default"])
