"""What the tests compare the sample company with; run as a module, it brings both up to date after a change.

python -m tests.demo.refresh
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

from revgauge.demo import create

DIGEST = "digest.txt"
"""Beside the tests: the digest of all files of the default company."""
PAGE = "docs/explanation/sample-company.md"
"""The page that ends with the stories."""

_STORIES = "## The planted stories"


def hashes(folder: Path) -> dict[str, str]:
    """The hash of each file below the folder by its path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def digest(folder: Path) -> str:
    """One hash of all files below the folder and their names."""
    return hashlib.sha256("".join(f"{name}{value}" for name, value in hashes(folder).items()).encode()).hexdigest()


def told_stories(folder: Path) -> str:
    """The stories as the README of the project folder tells them."""
    readme = (folder / "README.md").read_text(encoding="utf-8")
    return readme[readme.index(_STORIES) :]


def refresh() -> None:
    """Write the digest and the stories of the default company."""
    here = Path(__file__).resolve().parent
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        create(folder)
        (here / DIGEST).write_text(f"{digest(folder)}\n", encoding="utf-8")
        page = here.parent.parent / PAGE
        own = page.read_text(encoding="utf-8").split(_STORIES)[0]
        page.write_text(own + told_stories(folder), encoding="utf-8")


if __name__ == "__main__":
    refresh()
