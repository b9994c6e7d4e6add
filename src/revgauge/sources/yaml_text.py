"""YAML as its writer typed it: every value stays text with its line, every mistake of form is told, no tag is obeyed.

YAML is read as version 1.2 and no scalar is turned into another type here, so `NO` stays a country and `1.10` a
version; what is a number or a yes is decided by the model that the file is checked against.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from revgauge.sources.problems import SECRET, Problem, RefusedError, refuse

YamlPath = tuple[str | int, ...]

_PLAIN_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp")
}
_MAX_NODES = 100_000
_SECRET_KEY = re.compile(r"(^|_)(api_?key|token|password|passwd|secret|credentials?)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class YamlText:
    """The contents of a YAML file and the line on which each part stands."""

    name: str
    data: Any
    lines: dict[YamlPath, int]
    notices: tuple[Problem, ...] = ()

    def line(self, path: YamlPath) -> int:
        """The line of that part, or of the nearest part around it."""
        while path not in self.lines:
            path = path[:-1]
        return self.lines[path]


def read_yaml(path: Path, name: str) -> YamlText:
    """Read the file. Raises RefusedError with the line for what is not YAML, given twice, or tagged."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(name, "unknown_encoding", "the file is not UTF-8", "Save it as UTF-8.") from error
    try:
        root = YAML(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise _syntax(name, text, error) from error
    except YAMLError as error:
        raise refuse(name, "not_yaml", f"the file is not YAML ({str(error).splitlines()[0]})", "Correct it.") from error
    if root is None:
        notice = Problem(
            name, "defines_nothing", "the file holds nothing but comments, so it defines nothing", "", severity="notice"
        )
        return YamlText(name, {}, {(): 1}, (notice,))
    walk = _Walk(name)
    data = walk.value(root, ())
    if walk.unsafe:
        raise RefusedError(walk.unsafe, unsafe=True)
    if walk.problems:
        raise RefusedError(walk.problems)
    return YamlText(name, data, walk.lines, tuple(walk.notices))


def _syntax(name: str, text: str, error: MarkedYAMLError) -> RefusedError:
    mark = error.problem_mark or error.context_mark
    row = mark.line + 1 if mark else 1
    line = text.splitlines()[row - 1] if row <= len(text.splitlines()) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return refuse(name, "tab", "the line is indented with a tab", "Use spaces.", row=row)
    return refuse(
        name, "not_yaml", f"the file is not YAML: {error.problem or error.context}", "Correct the line.", row=row
    )


class _Walk:
    """One walk over the nodes of a file; collects values, lines and mistakes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines: dict[YamlPath, int] = {(): 1}
        self.problems: list[Problem] = []
        self.unsafe: list[Problem] = []
        self.notices: list[Problem] = []
        self._nodes = 0

    def value(self, node: Node, path: YamlPath) -> Any:
        """The node as dictionaries, lists and texts."""
        self._nodes += 1
        if self._nodes > _MAX_NODES:
            raise refuse(self.name, "too_large", f"the file has more than {_MAX_NODES} parts", "Split it.", unsafe=True)
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        tag = str(node.tag)
        if tag not in _PLAIN_TAGS:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            key = str(path[-1]) if path else None
            self.unsafe.append(
                Problem(
                    self.name,
                    "tag",
                    f"the tag {shown} is not allowed",
                    "Remove it; files hold data only.",
                    row=line,
                    column=key,
                    value=shown,
                )
            )
            return None
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        if isinstance(node, SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path, line)

    def _mapping(self, node: MappingNode, path: YamlPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                self.problems.append(
                    Problem(self.name, "not_a_key", "a key must be one word", "Correct the line.", row=line)
                )
                continue
            key = str(key_node.value)
            if key in found:
                reason = f"the key `{key}` is given twice, in lines {first[key]} and {line}"
                self.problems.append(
                    Problem(self.name, "repeated_key", reason, "Keep one of them.", row=line, column=key)
                )
                continue
            first[key] = line
            self.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key))
        return found

    def _scalar(self, node: Any, path: YamlPath, line: int) -> str | None:
        text = str(node.value)
        if node.style is None and text in {"", "~", "null", "Null", "NULL"}:
            return None
        key = str(path[-1]) if path else ""
        if (_SECRET_KEY.search(key) and not text.startswith("$")) or SECRET.search(text):
            reason = f"`{key}` seems to hold a secret, and this file belongs under version control"
            fix = (
                "Put it into an environment variable and write its name here, as in `${BILLING_KEY}`; then "
                "change the secret."
            )
            self.notices.append(Problem(self.name, "secret", reason, fix, row=line, column=key, severity="warning"))
        return text
