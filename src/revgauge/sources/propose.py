"""Look at the files lying about and propose a project: settings, sources and mappings, with how sure each guess is.

The names that exports carry stand in `vocabulary/`, one file per system, beside the names of the canonical fields.
What is proposed loads as it is where the headers are known; what is only likely says so in a comment, and what cannot
be told is left out and listed.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import duckdb
from ruamel.yaml import YAML

from revgauge.model.entities import ENTITIES
from revgauge.model.fields import Entity
from revgauge.model.fields import Field as EntityField
from revgauge.model.store import literal
from revgauge.sources.cells import NULL_WORDS, Cell, kind_of, sql_type
from revgauge.sources.inputs import SUFFIXES, read_one
from revgauge.sources.oddities import date_order, judge
from revgauge.sources.problems import RefusedError
from revgauge.sources.readers.base import RawTable, ReadOptions

Confidence = Literal["exact", "known", "similar", "by values"]

SAMPLE = 2_000
SKIPPED_FOLDERS = {"sources", "metrics", "kpis", "reports", "cases", "docs", "tests"}
_ISO_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_ZONE = re.compile(r"(Z|UTC|GMT|[+-]\d\d:?\d\d)$")
_PLAIN = re.compile(r"[A-Za-z_][\w ./()-]*")


@dataclass(frozen=True, slots=True)
class Recognised:
    """One field that was found in a file, and how sure that is."""

    file: str
    entity: str
    field: str
    found: str
    confidence: Confidence
    note: str = ""


@dataclass(slots=True)
class Proposal:
    """The files of a new project, and what is known of them."""

    files: dict[str, str]
    """Path below the project: contents."""
    recognised: list[Recognised] = field(default_factory=list)
    unknown: list[tuple[str, str]] = field(default_factory=list)
    """Files that nothing was made of, and why."""
    questions: list[str] = field(default_factory=list)
    """What only the user can say."""

    def text(self) -> str:
        """What was recognised, in words, file by file."""
        lines: list[str] = []
        for file in dict.fromkeys(one.file for one in self.recognised):
            mine = [one for one in self.recognised if one.file == file]
            lines.append(f"{file} -> {', '.join(dict.fromkeys(one.entity for one in mine))}")
            for one in mine:
                note = f"; {one.note}" if one.note else ""
                lines.append(f"  {one.entity}.{one.field} <- {one.found} ({one.confidence}{note})")
        lines += [f"{file}: not used: {why}" for file, why in self.unknown]
        lines += [f"question: {question}" for question in self.questions]
        return "\n".join(lines)


@dataclass(slots=True)
class _Sample:
    """The first rows of some files with one header."""

    files: list[str]
    columns: list[str]
    values: dict[str, list[str]]
    """Column: the values that are not empty."""
    options: dict[str, str] = field(default_factory=dict)
    """Settings that were needed to read it, as text, with a comment where unsure."""


@dataclass(slots=True)
class _Match:
    """An entity that a sample can fill."""

    entity: Entity
    score: float
    fields: list[tuple[str, dict[str, Any], Confidence, str]]
    """Field, its mapping, how sure, and a note."""
    where: str | None = None
    comments: list[str] = field(default_factory=list)


def propose(folder: Path, name: str | None = None) -> Proposal:
    """Propose a project for the files in that folder and the folders below it. Nothing is written."""
    proposal = Proposal({})
    by_source: dict[str, list[tuple[_Sample, list[_Match]]]] = {}
    zones: dict[str, str | None] = {}
    currencies: Counter[str] = Counter()
    for sample in _samples(folder, proposal):
        system, matches, zone = _understood(sample)
        if not matches:
            columns = ", ".join(sample.columns[:12])
            why = f"no entity was recognised and given a key in its columns ({columns})"
            proposal.unknown.extend((file, why) for file in sample.files)
            continue
        by_source.setdefault(system, []).append((sample, matches))
        zones[system] = zone
        for match in matches:
            for field_name, spec, confidence, note in match.fields:
                found = spec.get("column") or spec.get("sql") or f"the constant {spec.get('value')}"
                proposal.recognised.append(
                    Recognised(sample.files[0], match.entity.name, field_name, str(found), confidence, note)
                )
                if field_name == "currency" and spec.get("column"):
                    currencies.update(value.upper() for value in sample.values[spec["column"]])
    fed = Counter(
        entity for parts in by_source.values() for entity in {m.entity.name for _, found in parts for m in found}
    )
    shared = any(count > 1 for count in fed.values())
    order = ["files", "salesforce", "hubspot", "pipedrive", "stripe", "chartmogul", "zendesk"]
    for place, system in enumerate(sorted(by_source, key=order.index)):
        master = shared and place == 0
        proposal.files[f"sources/{system}.yml"] = _source_text(
            system, by_source[system], zones[system], proposal, master=master
        )
    for system, text in _warehouse_sources(folder, proposal):
        proposal.files[f"sources/{system}.yml"] = text
    proposal.files["revgauge.yml"] = _settings_text(name or folder.resolve().name, currencies)
    return proposal


def write(proposal: Proposal, folder: Path) -> list[Path]:
    """Write the proposed files that are not there yet; the paths written."""
    written: list[Path] = []
    for name, text in proposal.files.items():
        path = folder / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


# ------------------------------------------------------------------------------------------------------ the samples


def _samples(folder: Path, proposal: Proposal) -> Iterator[_Sample]:
    """A sample of every readable file; files with one header stand together."""
    groups: dict[tuple[object, ...], _Sample] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if hidden or len(inside.parts) > 4 or SKIPPED_FOLDERS & set(inside.parts[:-1]) or not path.is_file():
            continue
        suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
        if suffix not in SUFFIXES or inside.name.lower().startswith("readme"):
            continue
        name = inside.as_posix()
        for sample in _read_samples(path, name, proposal):
            key = (tuple(sample.columns), tuple(sorted(sample.options.items())), suffix)
            if key in groups:
                groups[key].files.append(name)
                for column, values in sample.values.items():
                    groups[key].values[column].extend(values)
            else:
                groups[key] = sample
    yield from groups.values()


def _read_samples(path: Path, name: str, proposal: Proposal) -> Iterator[_Sample]:
    try:
        if path.suffix.lower() == ".parquet":
            yield _parquet_sample(path, name)
            return
        yield _sampled(read_one(path, name, ReadOptions()), name, {})
    except RefusedError as error:
        problem = error.problems[0]
        tries: list[tuple[ReadOptions, dict[str, str]]] = []
        if problem.rule == "several_sheets":
            titles = re.findall(r"`([^`]+)`", problem.reason)
            tries = [(ReadOptions(sheet=title), {"sheet": _quoted(title)}) for title in titles]
        elif problem.rule in {"merged_header", "header_row"}:
            first = problem.row or 1
            tries = [(ReadOptions(header_row=row), {"header_row": str(row)}) for row in range(first + 1, first + 4)]
        likely = []
        for options, written in tries:
            try:
                sample = _sampled(read_one(path, name, options), name, written)
            except RefusedError:
                continue
            if _understood(sample)[1]:
                likely.append(sample)
        if len(likely) > 1 and problem.rule == "several_sheets":
            proposal.questions.append(f"{name}: which sheet holds the data? {problem.reason}")
            proposal.unknown.append((name, problem.reason))
        elif likely:
            yield likely[0]
        else:
            proposal.unknown.append((name, f"{problem.reason}. {problem.fix}"))


def _sampled(table: RawTable, name: str, options: dict[str, str]) -> _Sample:
    values: dict[str, list[str]] = {}
    rows = 0
    for batch in table.batches:
        part = batch.slice(0, SAMPLE - rows)
        for column in part.schema.names[1:]:
            found = (value.strip() for value in part.column(column).to_pylist() if value is not None)
            values.setdefault(column, []).extend(value for value in found if value.lower() not in {"", *NULL_WORDS})
        rows += part.num_rows
        if rows >= SAMPLE:
            break
    columns = list(table.columns)
    return _Sample([name], columns, {column: values.get(column, []) for column in columns}, options)


def _parquet_sample(path: Path, name: str) -> _Sample:
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM read_parquet({literal(str(path))}) LIMIT {SAMPLE}"
        )
        columns = [about[0] for about in found.description or []]
        rows = found.fetchall()
    return _Sample(
        [name], columns, {column: [row[place] for row in rows if row[place]] for place, column in enumerate(columns)}
    )


# ---------------------------------------------------------------------------------------------------- understanding


def _small(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


@cache
def _vocabularies() -> tuple[dict[str, Any], ...]:
    """The vocabularies of the systems that RevGauge knows."""
    yaml = YAML(typ="safe", pure=True)
    folder = resources.files("revgauge.sources").joinpath("vocabulary")
    texts = sorted(
        (part.name, part.read_text(encoding="utf-8")) for part in folder.iterdir() if part.name.endswith(".yml")
    )
    return tuple(yaml.load(text) for _, text in texts)


def _understood(sample: _Sample) -> tuple[str, list[_Match], str | None]:
    """The system that a sample comes from, the entities it can fill, and the zone of its times."""
    best: tuple[float, str, list[_Match], str | None] = (0.0, "files", [], None)
    for vocabulary in _vocabularies():
        matches = [(match, block) for block in vocabulary["entities"] if (match := _matched(sample, block)) is not None]
        main = max(
            (match for match, block in matches if not block.get("also")), key=lambda match: match.score, default=None
        )
        if main is not None and main.score > best[0]:
            also = [match for match, block in matches if block.get("also") and match is not main]
            best = (main.score, vocabulary["system"], [main, *also], vocabulary.get("time_zone"))
    canonical = max(
        (_canonical(sample, entity) for entity in ENTITIES.values() if not entity.record), key=lambda match: match.score
    )
    if canonical.score >= max(best[0], 3):
        return "files", [canonical], None
    return best[1], best[2], best[3]


def _columns_by_name(sample: _Sample) -> dict[str, str]:
    return {_small(column): column for column in reversed(sample.columns)}


def _matched(sample: _Sample, block: dict[str, Any]) -> _Match | None:
    """The block of a vocabulary on a sample; None where it does not fit."""
    names = _columns_by_name(sample)
    if any(_small(need) not in names for need in block.get("needs", [])):
        return None
    if any(_small(word) in names for word in block.get("unless", [])):
        return None
    entity = ENTITIES[block["entity"]]
    match = _Match(entity, 0, [])
    for field_name, given in block["fields"].items():
        for option in given if isinstance(given, list) and given and isinstance(given[0], dict) else [given]:
            spec = _spec(option, names, block)
            if spec is not None:
                note = option.get("note", "") if isinstance(option, dict) else ""
                _take(match, sample, entity.field(field_name), spec, "known", note)
                break
    found = {name for name, *_ in match.fields}
    if not set(entity.key) <= found:
        return None
    signs = sum(_small(sign) in names for sign in block["signs"])
    if signs == 0 or len(found) < 3:
        return None
    if "where" in block and (spec := _spec(block["where"], names, block)) is not None:
        match.where = spec["sql"]
    match.score = 2 * signs + len(found)
    return match


def _spec(option: Any, names: dict[str, str], block: dict[str, Any]) -> dict[str, Any] | None:
    """What a vocabulary says of a field, with the columns of this sample filled in."""
    del block
    if isinstance(option, list):
        option = {"headers": option}
    if "value" in option:
        return {"value": option["value"]}
    header = next((names[_small(name)] for name in option["headers"] if _small(name) in names), None)
    if header is None or any(_small(need) not in names for need in option.get("needs", [])):
        return None
    kept = {key: value for key, value in option.items() if key in {"unit", "map", "format", "time_zone"}}
    if "sql" not in option:
        return {"column": header, **kept}

    def column(found: re.Match[str]) -> str:
        name = header if found[1] == "header" else names.get(_small(found[1]), found[1])
        return name if re.fullmatch(r"[A-Za-z]\w*", name) else '"' + name.replace('"', '""') + '"'

    return {"sql": re.sub(r"\{([^}]+)\}", column, option["sql"]), **kept}


def _canonical(sample: _Sample, entity: Entity) -> _Match:
    """A sample read by the names of the canonical fields and everything that known systems call them."""
    match = _Match(entity, 0, [])
    names = _columns_by_name(sample)
    used: set[str] = set()
    for wanted in entity.fields:
        column = names.get(_small(wanted.name))
        if column is not None:
            exact = column == wanted.name
            match.score += 3 if exact else 2
            used.add(column)
            _take(match, sample, wanted, {"column": column}, "exact" if exact else "known", "")
    synonyms = _synonyms(entity.name)
    for wanted in entity.fields:
        column = next(
            (
                column
                for column in sample.columns
                if column not in used and _small(column) in synonyms.get(wanted.name, ())
            ),
            None,
        )
        if column is not None and wanted.name not in {name for name, *_ in match.fields}:
            used.add(column)
            match.score += 1
            _take(match, sample, wanted, {"column": column}, "known", "")
    found = {name for name, *_ in match.fields}
    required = set(entity.key) - {"pipeline", "segment"} or set(entity.required)
    if not required <= found or len(found) < 2:
        match.score = 0
        return match
    for wanted in entity.fields:
        if wanted.name in found:
            continue
        free = [column for column in sample.columns if column not in used]
        near = {_small(column): column for column in free if len(_small(column)) > 4}
        close = difflib.get_close_matches(_small(wanted.name), near, n=1, cutoff=0.87)
        choice = near[close[0]] if close else None
        confidence: Confidence = "similar"
        if choice is None and wanted.name in {"currency", "email"}:
            choice, confidence = _by_values(sample, wanted.name, free), "by values"
        if choice is not None and _take(match, sample, wanted, {"column": choice}, confidence, ""):
            used.add(choice)
    match.score += len(match.fields) - len(found)
    return match


@cache
def _synonyms(entity: str) -> dict[str, frozenset[str]]:
    """Field: what known systems call it, where a plain column holds it."""
    words: dict[str, set[str]] = {}
    for vocabulary in _vocabularies():
        for block in vocabulary["entities"]:
            if block["entity"] != entity:
                continue
            for name, given in block["fields"].items():
                if isinstance(given, list) and given and isinstance(given[0], str):
                    words.setdefault(name, set()).update(_small(header) for header in given if _small(header) != "id")
    return {name: frozenset(found) for name, found in words.items()}


def _by_values(sample: _Sample, name: str, free: list[str]) -> str | None:
    pattern = re.compile(r"[A-Z]{3}" if name == "currency" else r"[^@\s]+@[^@\s]+\.\w+")
    for column in free:
        values = set(sample.values[column])
        fits = len(sample.values[column]) > 1 and all(pattern.fullmatch(value) for value in values)
        if fits and (name == "email" or values <= _CURRENCIES):
            return column
    return None


_CURRENCIES = {
    "USD",
    "EUR",
    "GBP",
    "CHF",
    "JPY",
    "CAD",
    "AUD",
    "SEK",
    "NOK",
    "DKK",
    "PLN",
    "INR",
    "BRL",
    "CNY",
    "SGD",
    "NZD",
}


def _take(
    match: _Match, sample: _Sample, wanted: EntityField, spec: dict[str, Any], confidence: Confidence, note: str
) -> bool:
    """Add a field to a match unless the values of its column speak against it."""
    column = spec.get("column")
    values = sample.values.get(column, [])[:500] if column else []
    misfits = _misfits(wanted, spec, values)
    if len(misfits) * 2 > len(values):  # a few bad cells are for the quarantine; most of them are another column
        match.comments.append(f"{wanted.name}: `{column}` has values that do not fit, such as `{misfits[0]}`")
        return False
    if column and wanted.allowed:
        known = {*wanted.allowed, *spec.get("map", {})}
        odd = sorted(
            {value for value in values if value not in known and re.sub(r"[ -]", "_", value.lower()) not in known}
        )
        if odd:
            listed = ", ".join(f"`{value}`" for value in odd[:5])
            match.comments.append(f"{wanted.name}: say with `map:` what these values of `{column}` mean: {listed}")
            return False
    match.fields.append((wanted.name, spec, confidence, note))
    return True


def _misfits(wanted: EntityField, spec: dict[str, Any], values: list[str]) -> list[str]:
    """The values that cannot be that kind of value at all."""
    kind = kind_of(wanted)
    if kind == "text" or "map" in spec:
        return []
    if kind == "boolean":
        words = {"true", "false", "t", "f", "yes", "no", "y", "n", "0", "1"}
        return [value for value in values if value.lower() not in words]
    cell = Cell(
        "x",
        "x",
        "x",
        kind,
        sql_type(kind, wanted, converted=True),
        "UTC",
        time_zone="UTC",
        serial_days=True,
        typed_numbers=True,
    )
    order = date_order(values) if kind in {"day", "instant"} else None
    misfits = []
    for value in values:
        verdict = judge(cell, value, None if order == "both" else order)
        serial = kind == "day" and value.isdigit() and len(value) == 5
        if verdict.value is None and not serial and verdict.rule not in {"decimal_mark", "date_order", "notation"}:
            misfits.append(value)
    return misfits


# ---------------------------------------------------------------------------------------------------------- writing


def _quoted(text: str) -> str:
    """A text as a YAML value."""
    plain = (
        _PLAIN.fullmatch(text)
        and text.strip() == text
        and text.lower() not in {"null", "true", "false", "yes", "no", "on", "off"}
    )
    return text if plain else json.dumps(text, ensure_ascii=False)


def _source_text(
    system: str, parts: list[tuple[_Sample, list[_Match]]], zone: str | None, proposal: Proposal, *, master: bool
) -> str:
    lines = [
        "# Proposed by `revgauge init`. Lines that say `unsure` are guesses: check them, then remove the comment.",
        f"source: {system}",
    ]
    if master:
        lines.append("master: true  # its keys are used as they are; other sources' keys get their name in front")
    if zone is None and any(_has_local_times(sample, match) for sample, matches in parts for match in matches):
        zone = "UTC"
        lines.append(
            "time_zone: UTC  # unsure: the files have times without a zone; say in which one they were written"
        )
        proposal.questions.append(
            f"{system}: in which time zone are times such as those of {parts[0][0].files[0]}? UTC was written down"
        )
    elif zone is not None:
        lines.append(f"time_zone: {zone}")
    names = _input_names(parts)
    lines.append("files:")
    for (sample, _), name in zip(parts, names, strict=True):
        lines.append(f"  {name}: {_file_text(sample, proposal)}")
    lines.append("entities:")
    blocks: dict[str, list[tuple[str, _Match]]] = {}
    for (_, matches), name in zip(parts, names, strict=True):
        for match in matches:
            blocks.setdefault(match.entity.name, []).append((name, match))
    for entity, found in blocks.items():
        lines.append(f"  {entity}:")
        for name, match in found:
            lines += [f"    - from: {name}"]
            if match.where:
                lines.append(f"      where: {json.dumps(match.where)}")
            lines.append("      fields:")
            lines += [
                f"        {field_name}: {_spec_text(spec)}{_comment(confidence, note)}"
                for field_name, spec, confidence, note in match.fields
            ]
            lines += [f"        # not mapped: {comment}" for comment in match.comments]
    return "\n".join(lines) + "\n"


def _comment(confidence: Confidence, note: str) -> str:
    if confidence in {"similar", "by values"}:
        return f"  # unsure: {'similar name' if confidence == 'similar' else 'recognised by its values'}"
    return f"  # unsure: {note}" if note else ""


def _spec_text(spec: dict[str, Any]) -> str:
    if set(spec) == {"column"}:
        return _quoted(spec["column"])
    parts = []
    for key, value in spec.items():
        if key == "map":
            inner = ", ".join(f"{_quoted(str(found))}: {loaded}" for found, loaded in value.items())
            parts.append(f"map: {{{inner}}}")
        else:
            parts.append(f"{key}: {json.dumps(str(value), ensure_ascii=False)}")
    return "{" + ", ".join(parts) + "}"


def _file_text(sample: _Sample, proposal: Proposal) -> str:
    paths = [_quoted(file) for file in sample.files]
    path = paths[0] if len(paths) == 1 else f"[{', '.join(paths)}]"
    options = dict(sample.options)
    ambiguous = _ambiguous_dates(sample)
    comment = ""
    if ambiguous:
        proposal.questions.append(
            f"{sample.files[0]}: are dates such as {ambiguous} day first or month first? Add `date_format:`"
        )
        comment = f'  # add date_format: "%d/%m/%Y" or "%m/%d/%Y"; {ambiguous} can be read both ways'
    if not options:
        return path + comment
    listed = ", ".join(f"{key}: {value}" for key, value in options.items())
    return (
        f"{{path: {path}, {listed}}}  # unsure: is this the right {' and '.join(options).replace('_', ' ')}?{comment}"
    )


def _ambiguous_dates(sample: _Sample) -> str | None:
    """An example, where slashed or dotted dates of the file can be read both ways."""
    dates = [
        value
        for values in sample.values.values()
        for value in values
        if re.match(r"\d{1,2}[./-]\d{1,2}[./-]\d{4}\b", value)
    ]
    found = {date_order(values) for values in sample.values.values()} - {None}
    return dates[0] if dates and not found else None


def _has_local_times(sample: _Sample, match: _Match) -> bool:
    for field_name, spec, _, _ in match.fields:
        if match.entity.field(field_name).type != "instant":
            continue
        columns = (
            [spec["column"]]
            if "column" in spec
            else [column for column in sample.columns if column in str(spec.get("sql"))]
        )
        for column in columns:
            for value in sample.values.get(column, []):
                if re.search(r"\d:\d\d", value) and not _ZONE.search(value):
                    return True
    return False


def _input_names(parts: list[tuple[_Sample, list[_Match]]]) -> list[str]:
    names: list[str] = []
    for sample, _ in parts:
        stem = Path(sample.files[0]).name.split(".")[0].lower()
        name = re.sub(r"[^a-z0-9]+", "_", stem).strip("_") or "data"
        name = f"file_{name}" if name[0].isdigit() else name
        count = sum(other == name or re.fullmatch(rf"{name}_\d+", other) is not None for other in names)
        names.append(f"{name}_{count + 1}" if count else name)
    return names


def _settings_text(name: str, currencies: Counter[str]) -> str:
    usual = next((code for code, _ in currencies.most_common() if code in _CURRENCIES), None)
    currency = f"{usual}" if usual else "USD  # unsure: the files name no currency"
    return (
        f"name: {_quoted(name)}\n"
        f"reporting_currency: {currency}\n"
        "time_zone: UTC  # the zone in which days, months and years begin\n"
        "fiscal_year_start: 1  # the month\n"
    )


# ------------------------------------------------------------------------------------------------------- warehouses


def _warehouse_sources(folder: Path, proposal: Proposal) -> Iterator[tuple[str, str]]:
    """Databases in the folder that hold tables as Fivetran leaves them, through the templates that fit."""
    from revgauge.sources.templates import TEMPLATES, template_text  # noqa: PLC0415 - few projects have a warehouse

    for path in sorted(folder.glob("*.duckdb")):
        try:
            with duckdb.connect(str(path), read_only=True) as connection:
                tables = connection.execute(
                    "SELECT table_schema, table_name, list(column_name) FROM information_schema.columns GROUP BY 1, 2"
                ).fetchall()
        except duckdb.Error:
            proposal.unknown.append((path.name, "the database cannot be opened"))
            continue
        for template in TEMPLATES.values():
            fitting = [
                schema for schema, table, columns in tables if table == template.sign and template.mark in columns
            ]
            if fitting:
                proposal.questions.append(
                    f"{path.name}: the template `{template.name}` was used; see what it leaves open"
                )
                yield template.system, template_text(template.name, database=path.name, schema=fitting[0])
