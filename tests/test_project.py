"""The repository itself: what may stand in it, and that its pages, lock and commands hold together."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCKS = ("requirements.txt", "requirements-dev.txt")
HEAVY = {"ibis", "duckdb", "pandas", "pyarrow", "pydantic", "sqlglot", "numpy"}


@cache
def tracked() -> dict[str, str]:
    """Path and text of every file under version control that is text."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    texts = {}
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.is_file() and b"\0" not in (content := path.read_bytes()):
            texts[name] = content.decode("utf-8", errors="replace")
    assert "pyproject.toml" in texts
    return texts


def project() -> dict[str, Any]:
    """What pyproject.toml says."""
    return tomllib.loads(tracked()["pyproject.toml"])


def package(requirement: str) -> str:
    """The name in a requirement, as locks spell it: ruamel-yaml for `ruamel.yaml>=0.18`."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", requirement)[0]).lower()


def hits(pattern: str) -> list[str]:
    """Places, as file:line, where the pattern stands in a tracked text file."""
    wanted = re.compile(pattern, re.MULTILINE)
    return [
        f"{name}:{number}"
        for name, text in tracked().items()
        if wanted.search(text)
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def links(page: Path) -> list[str]:
    """Targets of the links of a Markdown page, code blocks left out."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`]*`", "", prose))


def relative_links(page: Path) -> list[Path]:
    """Files and folders of the repository that a page links to."""
    targets = [target.partition("#")[0] for target in links(page) if not re.match(r"[a-z]+:", target)]
    return [(page.parent / unquote(target)).resolve() for target in targets if target]


def anchors(page: Path) -> set[str]:
    """The names under which the headings of a page can be linked to."""
    headings = re.findall(r"^#+ +(.+?) *$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def pages() -> list[Path]:
    """Every Markdown page for readers: those at the top, and all of docs, examples and tests."""
    return [ROOT / name for name in tracked() if name.endswith(".md")]


# Patterns are written in parts, so that this file does not hold what it looks for.
UNWANTED = {
    "address of a package registry": "pythonhosted" + r"\.org|" + "pypi" + r"\.org|" + "npmjs" + r"\.(org|com)",
    "address of a package mirror": "deb" + r"\.debian|" + "archive" + r"\.ubuntu",
    "path of one machine": r"(?<![\w./-])(/" + r"(home|root|work|Users)/|/tmp" + r"/\w|[A-Z]:\\Users)",
    "key or password": r"AKIA[0-9A-Z]{16}|-----BEGIN [A-Z ]*PRIVATE KEY|\bsk_live_\w{8}",
    "conflict that was not settled": r"^(<{7} |>{7} |={7}$)",
}


@pytest.mark.parametrize("what", UNWANTED)
def test_no_text_holds_a(what: str) -> None:
    """Nothing under version control names a registry, a machine or a secret, since the repository is for everybody."""
    assert hits(UNWANTED[what]) == []


def test_no_foreign_scripts_or_fonts() -> None:
    """No minified script, font or vendored package is committed: what ships is readable, and ours to license."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert [name for name in listed if re.search(r"\.min\.(js|css)$|\.(woff2?|ttf|otf|eot)$|node_modules/", name)] == []


def test_readme_starts_with_the_two_commands() -> None:
    """Who follows the README types `make setup` and `make demo`, and both are targets of the Makefile."""
    readme, makefile = tracked()["README.md"], tracked()["Makefile"]
    for command in ("setup", "demo"):
        assert f"$ make {command}\n" in readme
        assert re.search(rf"^{command}:", makefile, flags=re.MULTILINE)


def test_every_target_is_explained() -> None:
    """`make` lists all targets that a person may call, so none is without its sentence."""
    makefile = tracked()["Makefile"]
    phony = re.search(r"^\.PHONY: (.+)$", makefile, flags=re.MULTILINE)
    assert phony is not None
    explained = re.findall(r"^([a-z-]+):.*## \S", makefile, flags=re.MULTILINE)
    assert sorted(explained) == sorted(phony[1].split())


def test_continuous_integration_runs_make_test() -> None:
    """CI runs the command that a developer runs, and nothing that a developer does not."""
    script = ROOT / ".ci" / "run"
    commands = [line for line in script.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    assert commands == ["set -euo pipefail", 'cd "$(dirname "$0")/.."', "make test"]
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("name", LOCKS)
def test_lock_pins_with_hashes_and_without_addresses(name: str) -> None:
    """Each locked package has one exact version and a hash, and the lock does not say where it came from."""
    text = tracked()[name]
    packages = re.split(r"\n(?=[a-z0-9])", text.partition("\n#")[2].partition("\n")[2].strip())
    assert len(packages) > 20
    assert [
        package
        for package in packages
        if not re.match(r"[a-z0-9._-]+==\S+( ; .*)? \\\n +--hash=sha256:[0-9a-f]{64}", package)
    ] == []
    assert not re.search(r"https?:|--(extra-)?index-url|--find-links|file:", text)


def locked(name: str) -> dict[str, set[str]]:
    """The versions of each package in a lock; two where they differ by the version of Python."""
    versions: dict[str, set[str]] = {}
    for package_name, version in re.findall(r"^(\S+)==(\S+)", tracked()[name], flags=re.MULTILINE):
        versions.setdefault(package_name, set()).add(version)
    return versions


def test_lock_is_of_what_is_declared() -> None:
    """Each declared dependency is locked, at a version that its declaration allows; else `make lock` was forgotten."""
    extras = project()["project"]["optional-dependencies"]
    for name, declared in (
        ("requirements.txt", project()["project"]["dependencies"] + project()["build-system"]["requires"]),
        ("requirements-dev.txt", [requirement for extra in extras.values() for requirement in extra]),
    ):
        for requirement in map(Requirement, declared):
            versions = locked(name).get(package(requirement.name), set())
            assert versions, requirement
            assert all(map(requirement.specifier.contains, versions)), requirement


def test_tests_run_with_what_users_run() -> None:
    """Both locks have the same version of every package that runs, so that what was tested is what is used."""
    run, develop = map(locked, LOCKS)
    assert {name: develop.get(name) for name in run} == run


def imported_by_the_package() -> set[str]:
    """First names of all modules from elsewhere that the package imports, at the top of a file or later."""
    found = set()
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - sys.stdlib_module_names - {"revgauge"}


def test_dependencies_are_what_the_package_imports() -> None:
    """What is imported is declared, and what is declared is imported; only tzdata is data and no module.

    Drivers of other warehouses are extras.
    """
    owners = packages_distributions()
    imported = {package(owner) for name in imported_by_the_package() for owner in owners.get(name, [name])}
    declared = {package(requirement) for requirement in project()["project"]["dependencies"]}
    extras = project()["project"]["optional-dependencies"]
    drivers = {package(requirement) for name in ("postgres", "spark") for requirement in extras[name]}
    assert imported - declared - drivers == set()
    assert declared - imported == {"tzdata"}


def test_version_stands_once() -> None:
    """The version is written in the package and read from there, so the two cannot differ."""
    assert project()["project"]["dynamic"] == ["version"]
    written = re.findall(r'^__version__ = "\d+\.\d+\.\d+"$', tracked()["src/revgauge/__init__.py"], flags=re.MULTILINE)
    assert len(written) == 1


def test_links_of_the_pages_lead_somewhere() -> None:
    """Every relative link of every page names a file or folder that is there, and a heading that is on the page."""
    broken = []
    for page in pages():
        for target in links(page):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (page.parent / unquote(name)).resolve() if name else page
            if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
                broken.append(f"{page.relative_to(ROOT)}: {target}")
    assert broken == []


def test_every_page_of_the_documentation_can_be_reached() -> None:
    """Following links from docs/index.md leads to every page of docs, so nothing is written for nobody."""
    reached, waiting = set(), [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md" and page.is_file():
            reached.add(page)
            waiting += relative_links(page)
    assert [
        str(page.relative_to(ROOT)) for page in pages() if page.is_relative_to(ROOT / "docs") and page not in reached
    ] == []


def user_seconds(command: Sequence[str | Path]) -> float:
    """Seconds of CPU in user code that a command takes."""
    before = os.times().children_user
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
    return os.times().children_user - before


@pytest.mark.slow
def test_help_answers_at_once() -> None:
    """`revgauge --help` takes less CPU than four million squares in Python: about a quarter of a second.

    Beside work of a known size, since machines differ and are busy; in turns, and the best of five counts.
    """
    asked: list[str | Path] = [Path(sys.executable).with_name("revgauge"), "--help"]
    squares: list[str | Path] = [sys.executable, "-c", "sum(number * number for number in range(4_000_000))"]
    times = [(user_seconds(asked), user_seconds(squares)) for _ in range(5)]
    assert min(help_ for help_, _ in times) < min(known for _, known in times)


def test_help_imports_nothing_heavy() -> None:
    """Asking for help loads neither the engine nor the checks of files: they wait until a command needs them."""
    script = (
        "import sys\n"
        "sys.argv = ['revgauge', '--help']\n"
        "from revgauge.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as exit:\n"
        "    assert not exit.code, exit.code\n"
        "print('modules:', *sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    answer = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=ROOT).stdout
    text, _, modules = answer.rpartition("modules:")
    assert "demo" in text
    assert HEAVY & set(modules.split()) == set()
