"""Turn one block of a mapping into rows of its entity: cells from the inputs, fields from the cells.

Each block is a handful of statements over whole columns. What cannot be read is put, with its place and reason, into
the scratch table `problems`; nothing here decides yet which rows load.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import duckdb
import pyarrow as pa

from revgauge.model.fields import SQL_TYPES, Entity
from revgauge.model.fields import Field as EntityField
from revgauge.model.store import literal, quoted
from revgauge.sources import oddities
from revgauge.sources.cells import (
    FREE_TEXT,
    NULL_WORDS,
    Cell,
    day_to_instant,
    filled,
    instant_to_day,
    kind_of,
    sql_type,
    value_sql,
)
from revgauge.sources.expressions import CellKind, ExpressionError, Steps, compile_expression
from revgauge.sources.inputs import FileRead, RawInput, Scratch
from revgauge.sources.mapping import Block, FieldSpec, FileInput, Mapping, TableInput, nearest
from revgauge.sources.problems import Problem, RefusedError
from revgauge.sources.readers.base import MARK
from revgauge.sources.units import UNITS, currency_exponents

PROBLEMS = (
    "CREATE TABLE problems (block INTEGER, _id BIGINT, file INTEGER, row BIGINT, column_name VARCHAR, value VARCHAR, "
    "rule VARCHAR, reason VARCHAR, fix VARCHAR, severity VARCHAR)"
)
"""Everything found in rows, before it is known which rows load. `_id` is the row in its input."""

Prefix = Callable[[str], str | None]
"""The prefix of an entity's keys in this source, if it has one."""


@dataclass(slots=True)
class BlockRows:
    """The rows that a block made: in `table`, with `_id`, `_file`, `_row` and a column for each field."""

    number: int
    entity: Entity
    table: str
    fields: list[str]
    shown: dict[str, str]
    """Field: the column that problems name."""
    files: list[FileRead]
    texts: str
    """The view with the texts behind the fields."""
    text_of: dict[str, str]
    """Field: column of `texts`."""
    kept_out: dict[int, int] = field(default_factory=dict)
    """File: rows that `where` left out."""
    constants: set[str] = field(default_factory=set)
    order_column: str | None = None
    """Column of `table` by which the newest of several rows with one key is found."""
    gaps: list[Problem] = field(default_factory=list)


class AbsentColumnError(LookupError):
    """A column that the mapping names and the input does not have."""

    def __init__(self, name: str, place: str, known: Sequence[str]) -> None:
        super().__init__(name)
        self.name = name
        self.place = place
        self.known = list(known)


class BlockGapError(Exception):
    """A block that cannot be filled from what a team has; `problems` says what is missing."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("a block is a gap")
        self.problems = [replace(problem, rule="data_gap", severity="warning") for problem in problems]


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What all blocks of a source share."""

    scratch: Scratch
    mapping: Mapping
    inputs: dict[str, RawInput]
    project_zone: str
    prefix: Prefix


class BlockRun:
    """One block on its way from inputs to rows."""

    def __init__(self, context: SourceContext, entity: Entity, block: Block, number: int, place: int) -> None:
        """Look at the inputs. `number` tells the block in `problems`, `place` is its place under its entity."""
        self.scratch = context.scratch
        self.mapping = context.mapping
        self.inputs = context.inputs
        self.project_zone = context.project_zone
        self.prefix = context.prefix
        self.entity = entity
        self.block = block
        self.number = number
        self.place = place
        names = block.from_ or list(self.inputs)[:1]
        self.base = _union(self.scratch, [self.inputs[name] for name in names])
        self.base_names = names
        self.cells: dict[tuple[object, ...], Cell] = {}
        self.gaps: list[Problem] = []
        self.steps = Steps()
        self._joins: dict[str, tuple[str, RawInput]] = {}
        self._from = self._joined()

    # ------------------------------------------------------------------------------------------------ the inputs

    def _joined(self) -> str:
        """The FROM clause: the base with each lookup beside it, at most one row each."""
        clause = f"{self.base.table} AS b"
        for number, join in enumerate(self.block.join):
            if join.with_ not in self.inputs:
                continue  # a table that the team does not have; what would come from it is a gap
            right = self.inputs[join.with_]
            alias = f"j{number}"
            keys = [self._raw_column(right, column, join.with_) for column in join.on.values()]
            columns = sorted(right.columns.values())
            table = self.scratch.new_table("lookup")
            key_list = ", ".join(f"{filled(key, ())} AS key{place}" for place, key in enumerate(keys))
            listed = ", ".join(columns)
            grouped = ", ".join(f"key{place}" for place in range(len(keys)))
            values = ", ".join(f"first({column}) AS {column}" for column in columns)
            self.scratch.connection.execute(
                f"CREATE TABLE {table} AS SELECT {grouped}, count(*) AS matches, {values} FROM "
                f"(SELECT DISTINCT {key_list}, {listed} FROM {right.table}) WHERE key0 IS NOT NULL GROUP BY {grouped}"
            )
            left = [filled(self._reference(column), ()) for column in join.on]
            condition = " AND ".join(f"{side} = {alias}.key{place}" for place, side in enumerate(left))
            clause += f" LEFT JOIN {table} AS {alias} ON {condition}"
            self._joins[join.with_] = (alias, right)
        return clause

    def _raw_column(self, raw: RawInput, name: str, input_name: str) -> str:
        if name not in raw.columns:
            raise AbsentColumnError(name, input_name, list(raw.columns))
        return raw.columns[name]

    def _reference(self, name: str) -> str:
        """The SQL name of a column of the base or, written `input.column`, of a lookup."""
        if name in self.base.columns:
            self._in_every_file(name)
            return f"b.{self.base.columns[name]}"
        first, _, rest = name.partition(".")
        if rest and first in self._joins:
            alias, right = self._joins[first]
            return f"{alias}.{self._raw_column(right, rest, first)}"
        if rest and first in self.base_names and rest in self.base.columns:
            return f"b.{self.base.columns[rest]}"
        known = [
            *self.base.columns,
            *(f"{name}.{column}" for name, (_, raw) in self._joins.items() for column in raw.columns),
        ]
        raise AbsentColumnError(name, ", ".join(self.base_names), known)

    def _in_every_file(self, name: str) -> None:
        for read in self.base.files:
            if read.fixed_columns and name not in read.columns:
                raise AbsentColumnError(name, read.name, sorted(read.columns))

    # ------------------------------------------------------------------------------------------------ the cells

    def _input_options(self) -> FileInput | TableInput:
        source = self.mapping.source
        name = self.base_names[0]
        return source.files[name] if name in source.files else source.tables[name]

    def _cell(self, column: str, kind: CellKind, entity_field: EntityField | None, spec: FieldSpec) -> Cell:
        given = self._input_options()
        key = (column, kind, entity_field, spec.model_dump_json())
        if key in self.cells:
            return self.cells[key]
        reference = self._reference(column)
        free = entity_field is not None and entity_field.name in FREE_TEXT
        words = (*(() if free else NULL_WORDS), *given.null_words, *spec.null_words)
        text = filled(reference, tuple(dict.fromkeys(words)))
        marked = self.base.marks
        if kind == "same":
            text = f"CAST(count(*) OVER (PARTITION BY {reference}) AS VARCHAR)"
        elif spec.map is not None:
            text, marked = _map_sql(text, spec, entity_field), True
        elif (
            kind == "text"
            and entity_field is not None
            and (entity_field.refers_to or entity_field.name in self.entity.key)
        ):
            text, marked = _unshortened(text), True
        zone = spec.time_zone or given.time_zone or self.mapping.source.time_zone or ("UTC" if self.base.utc else None)
        epochs = {"epoch_seconds": 1, "epoch_milliseconds": 1000}
        cell = Cell(
            name=f"c{len(self.cells)}",
            column=column,
            text_sql=text,
            kind=kind,
            sql_type=sql_type(kind, entity_field, converted=bool(spec.unit)),
            project_zone=self.project_zone,
            field=entity_field,
            time_zone=zone,
            format=spec.format,
            date_format=given.date_format,
            epoch=next((epochs[unit] for unit in spec.unit if unit in epochs), None),
            percent="percent" in spec.unit,
            serial_days=self.base.serial_days,
            typed_numbers=self.base.typed_numbers,
            marked=marked,
            decimal=spec.decimal or given.decimal,
        )
        self.cells[key] = cell
        return cell

    # ------------------------------------------------------------------------------------------------ the fields

    def _specs(self) -> dict[str, FieldSpec]:
        """The mapped fields; without `fields`, every column that has the name of one."""
        if self.block.fields is not None:
            return dict(self.block.fields)
        return {name: FieldSpec(column=name) for name in self.entity.field_names if name in self.base.columns}

    def run(self) -> BlockRows:
        """Make the rows. Raises RefusedError for what must be settled before anything of it can load."""
        specs = self._specs()
        problems = self._missing_keys(specs)
        formulas = self._formulas(specs, problems)
        where = self._where(problems)
        newest = self._newest(specs, problems)
        if not formulas and not problems:
            fix = "Map its fields, or rename the columns to the names of its fields."
            line = self.mapping.line("entities", self.entity.name)
            reason = f"no column of {', '.join(self.base_names)} fills a field of {self.entity.name}"
            problems.append(Problem(self.mapping.file, "absent_column", reason, fix, row=line))
        if problems:
            absent = all(problem.rule in {"absent_column", "no_key"} for problem in problems)
            raise BlockGapError(problems) if self._gaps_allowed and absent else RefusedError(problems)
        texts, cells = self._read_cells()
        rows = self._rows(cells, texts, formulas, where, newest)
        rows.constants = {name for name, spec in specs.items() if spec.value is not None}
        rows.shown = {name: specs[name].column or name for name in rows.fields}
        rows.gaps = self.gaps
        if self.block.note is not None:
            line = self.mapping.line("entities", self.entity.name)
            reason = f"{self.entity.name}: {self.block.note}"
            rows.gaps.append(Problem(self.mapping.file, "note", reason, "", row=line, severity="notice"))
        if newest is not None:
            rows.order_column = "_newest"
        elif self.block.newest_by in rows.fields:
            rows.order_column = quoted(str(self.block.newest_by))
        return rows

    def _formulas(self, specs: dict[str, FieldSpec], problems: list[Problem]) -> dict[str, tuple[str, str]]:
        """SQL for every field that has one; what stands against the others is added to the problems."""
        formulas: dict[str, tuple[str, str]] = {}
        for name, spec in specs.items():
            try:
                formulas[name] = self._formula(self.entity.field(name), spec)
            except AbsentColumnError as error:
                problems.extend(self._absent(name, error))
            except ExpressionError as error:
                problems.append(self._mistake(name, str(error)))
        return formulas

    def _where(self, problems: list[Problem]) -> str | None:
        if self.block.where is None:
            return None
        try:
            return compile_expression(self.block.where, self._cell_name, self.steps, lenient=self._gaps_allowed)
        except AbsentColumnError as error:
            problems.append(self._absent_outside(error))
        except ExpressionError as error:
            line = self.mapping.line("entities", self.entity.name)
            reason = f"{self.entity.name}: `where`: {error}"
            problems.append(Problem(self.mapping.file, "expression", reason, "Correct it.", row=line, column="where"))
        return None

    def _newest(self, specs: dict[str, FieldSpec], problems: list[Problem]) -> str | None:
        """The cell by which the newest row of a key is told, where it is no field."""
        wanted = self.block.newest_by
        if wanted is None or wanted in specs:
            return None
        try:
            return quoted(self._cell(wanted, "text", None, FieldSpec(column="")).name)
        except AbsentColumnError as error:
            if not self._gaps_allowed:
                problems.append(self._absent_outside(error))
            return None

    def _absent_outside(self, error: AbsentColumnError) -> Problem:
        """A column that a block needs beside its fields."""
        line = self.mapping.line("entities", self.entity.name)
        near = nearest(error.name, error.known)
        fix = f"Did you mean `{near}`?" if near else _columns(error.known)
        reason = f"{self.entity.name} needs the column `{error.name}`, which {error.place} does not have"
        return Problem(self.mapping.file, "absent_column", reason, fix, row=line, column=error.name)

    def _missing_keys(self, specs: dict[str, FieldSpec]) -> list[Problem]:
        optional = {"pipeline", "segment"}
        missing = [name for name in self.entity.key if name not in specs and name not in optional]
        if not missing:
            return []
        file = self.base.files[0].name if self.base.files else self.mapping.file
        listed = ", ".join(f"`{name}`" for name in self.base.columns)
        return [
            Problem(
                file,
                "no_key",
                f"{self.entity.name} cannot be told apart without {name}; the columns found are {listed}",
                f"Add the record's id to the export and map it to {name}; a second load would double every row "
                "without it.",
                row=1,
                column=name,
            )
            for name in missing
        ]

    def _absent(self, name: str, error: AbsentColumnError) -> list[Problem]:
        line = self.mapping.field_line(self.entity.name, self.place, name)
        near = nearest(error.name, error.known)
        reason = f"{self.entity.name}.{name} is mapped from `{error.name}`, which {error.place} does not have"
        fix = f"Did you mean `{near}`?" if near else _columns(error.known)
        problem = Problem(self.mapping.file, "absent_column", reason, fix, row=line, column=name, value=error.name)
        if self._gaps_allowed and name not in self.entity.key:
            self.gaps.append(replace(problem, rule="data_gap", severity="warning"))
            return []
        return [problem]

    def _mistake(self, name: str, reason: str) -> Problem:
        line = self.mapping.field_line(self.entity.name, self.place, name)
        return Problem(
            self.mapping.file,
            "expression",
            f"{self.entity.name}.{name}: {reason}",
            "Correct it.",
            row=line,
            column=name,
        )

    @property
    def _gaps_allowed(self) -> bool:
        return self.mapping.source.absent_columns == "gap"

    def _cell_name(self, column: str, kind: CellKind) -> str:
        return self._cell(column, kind, None, FieldSpec(column=column)).name

    def _formula(self, entity_field: EntityField, spec: FieldSpec) -> tuple[str, str]:
        """SQL over cells for the field before its last cast, and how the result is to be understood."""
        if spec.value is not None:
            return literal(spec.value), "constant"
        if spec.sql is not None:
            compiled = compile_expression(spec.sql, self._cell_name, self.steps, lenient=self._gaps_allowed)
            if entity_field.name == "currency":
                compiled = f"upper({compiled})"
            return _converted(compiled, spec, self._currency(spec), self.steps), "expression"
        cell = self._cell(str(spec.column), kind_of(entity_field), entity_field, spec)
        formula = _converted(quoted(cell.name), spec, self._currency(spec), self.steps)
        if spec.default is not None:
            formula = f"coalesce({formula}, CAST({literal(spec.default)} AS {SQL_TYPES[entity_field.type]}))"
        if entity_field.allowed:
            small = f"replace(replace(lower({formula}), ' ', '_'), '-', '_')"
            allowed = ", ".join(map(literal, entity_field.allowed))
            formula = f"CASE WHEN {small} IN ({allowed}) THEN {small} ELSE {formula} END"
        if entity_field.name == "currency":
            formula = f"upper({formula})"
        if prefix := self._key_prefix(entity_field):
            formula = f"{literal(prefix + ':')} || {formula}"
        return formula, "cell" if not spec.unit else "expression"

    def _key_prefix(self, entity_field: EntityField) -> str | None:
        if entity_field.refers_to:
            return self.prefix(entity_field.refers_to.split(".")[0])
        if self.entity.key == (entity_field.name,) and entity_field.name.endswith("_id"):
            return self.prefix(self.entity.name)
        return None

    def _currency(self, converted: FieldSpec) -> str | None:
        """SQL of the row's currency, where the unit of a field depends on it."""
        if "minor" not in converted.unit:
            return None
        spec = self._specs().get("currency")
        if spec is None or "currency" not in self.entity.field_names:
            return None
        if spec.value is not None:
            return literal(spec.value)
        if spec.sql is not None:
            return f"upper({compile_expression(spec.sql, self._cell_name, self.steps, lenient=self._gaps_allowed)})"
        cell = self._cell(str(spec.column), "text", self.entity.field("currency"), spec)
        found = f"upper({quoted(cell.name)})"
        return f"coalesce({found}, {literal(spec.default)})" if spec.default else found

    # ------------------------------------------------------------------------------------------------ the statements

    def _read_cells(self) -> tuple[str, str]:
        """Read every cell of every row; the names of the view of texts and of the table of values."""
        connection = self.scratch.connection
        texts, cells = self.scratch.new_table("texts"), self.scratch.new_table("cells")
        many = " OR ".join(f"coalesce({alias}.matches, 1) > 1" for alias, _ in self._joins.values()) or "false"
        parts = [f"{cell.text_sql} AS {quoted(cell.name)}" for cell in self.cells.values()]
        listed = ", ".join(["b._id", "b._file", "b._row", f"{many} AS _many", *parts])
        connection.execute(f"CREATE VIEW {texts} AS SELECT {listed} FROM {self._from}")
        self._fill(texts, cells)
        settled = self._settle_decimal_marks(texts, cells)
        if self._settle_orders(texts, cells) or settled:
            connection.execute(f"DROP TABLE {cells}")
            self._fill(texts, cells)
        self._read_odd(texts, cells)
        return texts, cells

    def _fill(self, texts: str, cells: str) -> None:
        read = ", ".join(f"{value_sql(cell, quoted(cell.name))} AS v_{cell.name}" for cell in self.cells.values())
        odd = " OR ".join(
            f"({quoted(cell.name)} IS NOT NULL AND v_{cell.name} IS NULL)"
            for cell in self.cells.values()
            if cell.kind != "same" and (cell.kind != "text" or cell.marked)
        )
        values = [f"v_{cell.name} AS {quoted(cell.name)}" for cell in self.cells.values()]
        listed = ", ".join(["_id", "_file", "_row", "_many", f"{odd or 'false'} AS _odd", *values])
        texts = f"(SELECT *, {read} FROM {texts})" if read else texts
        try:
            self.scratch.connection.execute(f"CREATE TABLE {cells} AS SELECT {listed} FROM {texts}")
        except duckdb.InvalidInputException as error:
            reason = f"a format cannot be used ({str(error).splitlines()[0]})"
            line = self.mapping.line("entities", self.entity.name)
            raise RefusedError(
                [Problem(self.mapping.file, "format", reason, "Use %Y, %m, %d, %H, %M, %S, %b, %y.", row=line)]
            ) from error

    def _odd_texts(self, asked: list[Cell], texts: str, cells: str) -> dict[str, list[str]]:
        """For each of these cells every distinct text that its SQL did not read, by its name."""
        if not asked or not self._any_odd(cells):
            return {cell.name: [] for cell in asked}
        lists = ", ".join(
            f"list(DISTINCT t.{name}) FILTER (t.{name} IS NOT NULL AND v.{name} IS NULL)"
            for name in (quoted(cell.name) for cell in asked)
        )
        found = self.scratch.connection.execute(
            f"SELECT {lists} FROM {texts} t JOIN {cells} v USING (_id) WHERE v._odd"
        ).fetchone()
        return {cell.name: sorted(told or ()) for cell, told in zip(asked, found or (), strict=True)}

    def _settle_decimal_marks(self, texts: str, cells: str) -> bool:
        """Decide the decimal mark of every number column from all of its texts; whether one is not a plain point."""
        numbers = [
            cell
            for cell in self.cells.values()
            if cell.kind == "number" and cell.decimal is None and not cell.typed_numbers
        ]
        numbers = [cell for cell in numbers if not cell.whole]
        if not numbers:
            return False
        three = r"[+-]?[1-9]\d{0,2}\.\d{3}"
        counts = ", ".join(
            f"count(*) FILTER (CASE WHEN contains({name}, '.') THEN regexp_full_match({name}, '{three}') END), "
            f"count(*) FILTER (CASE WHEN contains({name}, '.') THEN regexp_full_match({name}, '[+-]?\\d*\\.\\d+') "
            f"AND NOT regexp_full_match({name}, '{three}') END)"
            for name in (quoted(cell.name) for cell in numbers)
        )
        row = self.scratch.connection.execute(f"SELECT {counts} FROM {texts}").fetchone()
        found = row or (0,) * (2 * len(numbers))
        odd = self._odd_texts(numbers, texts, cells)
        proofs = {
            cell.name: oddities.number_proof(
                odd[cell.name], three_places=found[2 * place], other_places=found[2 * place + 1]
            )
            for place, cell in enumerate(numbers)
        }
        points = any(proof.point for proof in proofs.values())
        commas = any(proof.comma for proof in proofs.values())
        for cell in numbers:
            proof = proofs[cell.name]
            if proof.comma and not proof.point:
                cell.decimal = ","
            elif proof.ambiguous and not proof.point:
                # The other columns of the same input decide, if they agree.
                cell.decimal = "," if commas and not points else "." if points and not commas else "?"
            else:
                cell.decimal = "."
        self._tell_decimal_commas(texts, [cell for cell in numbers if cell.decimal == ","])
        return any(cell.decimal != "." for cell in numbers)

    def _settle_orders(self, texts: str, cells: str) -> bool:
        """Decide for every column of days whether day or month comes first; whether one is decided."""
        moments = [
            cell
            for cell in self.cells.values()
            if cell.kind in {"day", "instant"} and not cell.format and not cell.epoch
        ]
        if not moments or not self._any_odd(cells):
            return False
        numbers = r"^(\d{1,2})[./-](\d{1,2})[./-]\d{2,4}\b"
        greatest = ", ".join(
            f"max(TRY_CAST(regexp_extract(t.{name}, '{numbers}', {part}) AS INTEGER))"
            for name in (quoted(cell.name) for cell in moments)
            for part in (1, 2)
        )
        found = self.scratch.connection.execute(
            f"SELECT {greatest} FROM {texts} t JOIN {cells} v USING (_id) WHERE v._odd"
        ).fetchone() or (None,) * (2 * len(moments))
        proofs = [oddities.proven_order(found[2 * place], found[2 * place + 1]) for place in range(len(moments))]
        proven = {proof for proof in proofs if proof is not None}
        for cell, proof in zip(moments, proofs, strict=True):
            if declared := oddities.declared_order(cell.date_format):
                cell.order = declared
            elif proof in {"DMY", "MDY"}:
                cell.order = proof
            elif proof is None and proven == {"DMY"}:  # another column of the same input decides
                cell.order = "DMY"
            elif proof is None and proven == {"MDY"}:
                cell.order = "MDY"
        return any(cell.order for cell in moments)

    def _any_odd(self, cells: str) -> bool:
        row = self.scratch.connection.execute(f"SELECT 1 FROM {cells} WHERE _odd LIMIT 1").fetchone()
        return row is not None

    def _tell_decimal_commas(self, texts: str, cells: list[Cell]) -> None:
        for cell in cells:
            name = quoted(cell.name)
            self.scratch.connection.execute(
                f"INSERT INTO problems SELECT {self.number}, NULL, _file, _row, ?, {name}, 'assumed_decimal_comma', "
                "'the column was read with a decimal comma, which its values prove', "
                f"'Write `decimal: \",\"` for this input to confirm.', 'notice' FROM {texts} "
                f"WHERE {name} LIKE '%,%' OR regexp_full_match({name}, '[+-]?\\d{{1,3}}(\\.\\d{{3}})+') ORDER BY "
                "_row LIMIT 5",
                [cell.shown],
            )

    def _read_odd(self, texts: str, cells: str) -> None:
        """Read the odd texts, each distinct one once; what cannot be read becomes a problem of its rows."""
        odd = self._odd_texts([cell for cell in self.cells.values() if cell.kind != "same"], texts, cells)
        refused: list[Problem] = []
        for cell in self.cells.values():
            if not odd.get(cell.name):
                continue
            verdicts = [oddities.judge(cell, text, cell.order) for text in odd[cell.name]]
            refused += self._apply(cell, odd[cell.name], verdicts, texts, cells)
        if refused:
            raise RefusedError(refused)

    def _apply(
        self, cell: Cell, odd: list[str], verdicts: list[oddities.Verdict], texts: str, cells: str
    ) -> list[Problem]:
        connection = self.scratch.connection
        readings = pa.table(
            {
                "t": pa.array(odd, pa.string()),
                "v": pa.array([verdict.value for verdict in verdicts], pa.string()),
                "rule": pa.array([verdict.rule for verdict in verdicts], pa.string()),
                "reason": pa.array([verdict.reason for verdict in verdicts], pa.string()),
                "fix": pa.array([verdict.fix for verdict in verdicts], pa.string()),
                "shown": pa.array([oddities.shown(text) for text in odd], pa.string()),
                "severity": pa.array([verdict.severity for verdict in verdicts], pa.string()),
                "currencies": pa.array([list(verdict.currencies) for verdict in verdicts], pa.list_(pa.string())),
            }
        )
        table = self.scratch.new_table("odd")
        connection.register("incoming", readings)
        connection.execute(f"CREATE TABLE {table} AS SELECT * FROM incoming")
        connection.unregister("incoming")
        name = quoted(cell.name)
        if any(verdict.value is not None for verdict in verdicts):
            connection.execute(
                f"UPDATE {cells} SET {name} = TRY_CAST(o.v AS {cell.sql_type}) FROM (SELECT t._id, o.v FROM {texts} t "
                f"JOIN {table} o ON o.t = t.{name} WHERE o.v IS NOT NULL) o WHERE {cells}._id = o._id AND {cells}._odd"
            )
        if refusal := self._needs_setting(cell, verdicts, odd, texts, cells):
            return refusal
        if any(verdict.value is None for verdict in verdicts):
            connection.execute(
                f"INSERT INTO problems SELECT {self.number}, t._id, t._file, t._row, ?, o.shown, o.rule, o.reason, "
                "o.fix, o.severity "
                f"FROM {texts} t JOIN {table} o ON o.t = t.{name} JOIN {cells} v ON v._id = t._id "
                f"WHERE o.v IS NULL AND v._odd AND v.{name} IS NULL",
                [cell.shown],
            )
        if any(verdict.currencies for verdict in verdicts):
            self._check_currency_marks(cell, table, texts)
        return []

    def _needs_setting(
        self, cell: Cell, verdicts: list[oddities.Verdict], odd: list[str], texts: str, cells: str
    ) -> list[Problem]:
        """The problem that refuses the input: no value of the column can be read until a setting is stated."""
        waiting = [text for text, verdict in zip(odd, verdicts, strict=True) if verdict.setting]
        if not waiting:
            return []
        name = quoted(cell.name)
        connection = self.scratch.connection
        read = connection.execute(f"SELECT 1 FROM {cells} WHERE {name} IS NOT NULL LIMIT 1").fetchone()
        if read is not None and cell.decimal != "?":
            return []
        rows = connection.execute(
            f"SELECT t.{name}, t._file, t._row FROM {texts} t WHERE t.{name} IN (SELECT unnest(?)) ORDER BY "
            "t._file, t._row LIMIT 3",
            [waiting],
        ).fetchall()
        by_text = dict(zip(odd, verdicts, strict=True))
        files = self.scratch.files
        return [
            Problem(
                files[file].name,
                by_text[text].rule,
                by_text[text].reason,
                by_text[text].fix,
                row=row,
                column=cell.shown,
                value=text,
                sheet=files[file].sheet,
            )
            for text, file, row in rows
        ]

    def _check_currency_marks(self, cell: Cell, table: str, texts: str) -> None:
        """A sign or code in an amount must not contradict the row's currency."""
        spec = self._specs().get("currency")
        if spec is None or spec.sql is not None:
            return
        if spec.value is not None:
            currency = literal(spec.value)
        else:
            found = f"upper(t.{quoted(self._cell(str(spec.column), 'text', self.entity.field('currency'), spec).name)})"
            currency = f"coalesce({found}, {literal(spec.default)})" if spec.default else found
        self.scratch.connection.execute(
            f"INSERT INTO problems SELECT {self.number}, t._id, t._file, t._row, ?, o.shown, 'currency_mark', "
            f"'`' || o.shown || '` stands beside the currency ' || {currency}, 'Correct the amount or its "
            "currency.', 'error' "
            f"FROM {texts} t JOIN {table} o ON o.t = t.{quoted(cell.name)} "
            f"WHERE len(o.currencies) > 0 AND NOT list_contains(o.currencies, {currency})",
            [cell.shown],
        )

    def _fitted_fields(
        self, source: str, formulas: dict[str, tuple[str, str]]
    ) -> tuple[list[str], list[tuple[str, str]]]:
        """Each field as SQL of its own type, and for expressions the condition under which that fails."""
        connection = self.scratch.connection
        parts: list[str] = []
        failed: list[tuple[str, str]] = []
        problems: list[Problem] = []
        for name, (formula, how) in formulas.items():
            entity_field = self.entity.field(name)
            try:
                found = str(connection.execute(f"DESCRIBE SELECT {formula} AS x FROM {source}").fetchall()[0][1])
            except duckdb.Error as error:
                problems.append(self._mistake(name, str(error).splitlines()[0]))
                continue
            fitted = _fitted(formula, found, entity_field, self.project_zone)
            if how == "constant":
                value = connection.execute(f"SELECT {fitted}").fetchone()
                if value is None or value[0] is None:
                    problems.append(self._mistake(name, f"{formula} is not a value of type {entity_field.type}"))
            elif how == "expression" and found != SQL_TYPES[entity_field.type]:
                failed.append((name, f"({formula}) IS NOT NULL AND ({fitted}) IS NULL"))
            parts.append(f"{fitted} AS {quoted(name)}")
        if problems:
            raise RefusedError(problems)
        return parts, failed

    def _rows(
        self, cells: str, texts: str, formulas: dict[str, tuple[str, str]], where: str | None, newest: str | None
    ) -> BlockRows:
        connection = self.scratch.connection
        table = self.scratch.new_table("rows")
        source = self.steps.relation(cells)
        parts, failed = self._fitted_fields(source, formulas)
        extra = [] if newest is None else [f"{newest} AS _newest"]
        condition = "" if where is None else f" WHERE {where}"
        try:
            connection.execute(
                f"CREATE TABLE {table} AS SELECT {', '.join(['_id', '_file', '_row', '_many', *parts, *extra])} "
                f"FROM {source}{condition}"
            )
        except duckdb.Error as error:
            line = self.mapping.line("entities", self.entity.name)
            reason = f"{self.entity.name} cannot be computed: {str(error).splitlines()[0]}"
            raise RefusedError(
                [Problem(self.mapping.file, "expression", reason, "Correct the expression.", row=line)]
            ) from error
        for name, condition_failed in failed:
            connection.execute(
                f"INSERT INTO problems SELECT {self.number}, _id, _file, _row, ?, NULL, 'expression_value', "
                f"?, 'Correct the value or the expression.', 'error' FROM {source} WHERE {condition_failed}",
                [name, f"the expression gives no {self.entity.field(name).type} for this row"],
            )
        if self.block.join:
            connection.execute(
                f"INSERT INTO problems SELECT {self.number}, _id, _file, _row, NULL, NULL, 'several_matches', "
                "'a lookup finds more than one row for it', 'Make the looked-up key unique, or look up by more "
                "columns.', "
                f"'error' FROM {table} WHERE _many"
            )
        if where is not None:  # what a left-out row holds does not matter
            connection.execute(
                f"DELETE FROM problems WHERE block = {self.number} AND _id IS NOT NULL AND _id NOT IN (SELECT _id "
                f"FROM {table})"
            )
        connection.execute(f"DROP TABLE {cells}")
        kept = dict(connection.execute(f"SELECT _file, count(*) FROM {table} GROUP BY _file").fetchall())
        files = self.base.files
        left = {read.number: read.rows - kept.get(read.number, 0) for read in files}
        text_of = {cell.field.name: cell.name for cell in self.cells.values() if cell.field is not None}
        return BlockRows(self.number, self.entity, table, list(formulas), {}, files, texts, text_of, left)


def _columns(known: list[str], most: int = 15) -> str:
    """The columns that are there, as a sentence that stays readable."""
    listed = ", ".join(f"`{name}`" for name in known[:most])
    return f"The columns are {listed}." if len(known) <= most else f"The first of {len(known)} columns are {listed}."


def _union(scratch: Scratch, inputs: list[RawInput]) -> RawInput:
    """Several inputs as one, their columns matched by name."""
    if len(inputs) == 1:
        return inputs[0]
    names = list(dict.fromkeys(name for raw in inputs for name in raw.columns))
    columns = {name: f"k{position}" for position, name in enumerate(names)}
    selects = [
        "SELECT _id, _file, _row, "
        + ", ".join(f"{raw.columns.get(name, 'CAST(NULL AS VARCHAR)')} AS {columns[name]}" for name in names)
        + f" FROM {raw.table}"
        for raw in inputs
    ]
    table = scratch.new_table("union")
    scratch.connection.execute(f"CREATE VIEW {table} AS {' UNION ALL '.join(selects)}")
    return RawInput(
        "+".join(raw.name for raw in inputs),
        table,
        columns,
        [read for raw in inputs for read in raw.files],
        serial_days=any(raw.serial_days for raw in inputs),
        typed_numbers=all(raw.typed_numbers for raw in inputs),
        marks=any(raw.marks for raw in inputs),
        utc=all(raw.utc for raw in inputs),
    )


def _map_sql(text: str, spec: FieldSpec, entity_field: EntityField | None) -> str:
    """The text through the value map; a value without an entry is marked unless the mapping says what to do."""
    cases = [
        f"WHEN {literal(found)} THEN {'NULL' if loaded is None else literal(loaded)}"
        for found, loaded in (spec.map or {}).items()
    ]
    if spec.otherwise == "warn":
        rest = f"CASE WHEN {text} IS NULL THEN NULL ELSE '{MARK}unmapped_warn||' || {text} END"
    elif "otherwise" in spec.model_fields_set:
        rest = (
            "NULL"
            if spec.otherwise in {None, "null"}
            else text
            if spec.otherwise == "keep"
            else literal(str(spec.otherwise))
        )
    else:
        rest = f"CASE WHEN {text} IS NULL THEN NULL ELSE '{MARK}unmapped||' || {text} END"
        if entity_field is not None and entity_field.allowed:
            allowed = ", ".join(map(literal, entity_field.allowed))
            rest = f"CASE WHEN {text} IN ({allowed}) THEN {text} ELSE {rest} END"
    return f"CASE WHEN {text} IS NULL THEN NULL ELSE CASE {text} {' '.join(cases)} ELSE {rest} END END"


def _unshortened(text: str) -> str:
    """An id, marked where a spreadsheet has rounded it."""
    rounded = rf"regexp_full_match({text}, '\d(\.\d+)?[eE]\+\d+')"
    return f"CASE WHEN {text} LIKE '%E+%' AND {rounded} THEN '{MARK}scientific||' || {text} ELSE {text} END"


def _converted(formula: str, spec: FieldSpec, currency: str | None, steps: Steps) -> str:
    """The value in the unit of the field."""
    for unit in spec.unit:
        if unit == "inclusive_end":
            formula = f"CAST({formula} + INTERVAL 1 DAY AS DATE)"
        elif unit == "minor":
            if currency is None:
                raise ExpressionError("the unit `minor` depends on the currency; map `currency` too")
            by_exponent: dict[int, list[str]] = {}
            for code, exponent in currency_exponents().items():
                by_exponent.setdefault(exponent, []).append(literal(code))
            whens = " ".join(
                f"WHEN {currency} IN ({', '.join(codes)}) THEN {10**exponent}"
                for exponent, codes in sorted(by_exponent.items())
            )
            formula = steps.divided(formula, f"CASE {whens} ELSE 100 END")
        elif unit in UNITS:
            scale = UNITS[unit]
            if scale.numerator != 1:
                formula = steps.multiplied(formula, str(scale.numerator))
            if scale.denominator != 1:
                formula = steps.divided(formula, str(scale.denominator))
    return formula


def _fitted(formula: str, found: str, entity_field: EntityField, zone: str) -> str:
    """A value of the type that was found as a value of the type that the field has."""
    target = SQL_TYPES[entity_field.type]
    if found.replace(" ", "") == target.replace(" ", ""):
        return formula
    if entity_field.type == "instant":
        if found == "DATE":
            return day_to_instant(formula, zone)
        if found == "VARCHAR":
            return f"timezone('UTC', TRY_CAST({formula} AS TIMESTAMPTZ))"
    if entity_field.type == "date" and found == "TIMESTAMP":
        return instant_to_day(formula, zone)
    return f"TRY_CAST({formula} AS {target})"
