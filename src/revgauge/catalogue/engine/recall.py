"""What earlier builds computed, by the identity of the question: what is asked again of the same rows is not computed.

Each answer is a file of its own, written beside and renamed, so that a build that is killed leaves none half. Answers
that a build did not use are removed when it has ended.
"""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa


class Recall:
    """A folder of answers."""

    def __init__(self, folder: Path) -> None:
        """Use a folder; it is made when the first answer is kept."""
        self.folder = folder
        self._used: set[str] = set()

    def knows(self, identity: str) -> bool:
        """Whether the answer is there."""
        return self._path(identity).exists()

    def answer(self, identity: str) -> pa.Table | None:
        """The answer to a question, or None if it was not asked before or cannot be read."""
        self._used.add(identity)
        try:
            with pa.memory_map(str(self._path(identity))) as file:
                return pa.ipc.open_file(file).read_all()
        except (OSError, pa.ArrowInvalid):
            return None

    def keep(self, identity: str, answer: pa.Table) -> None:
        """Note an answer for the next build."""
        self._used.add(identity)
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / f"{identity}.{os.getpid()}.new"
        with pa.OSFile(str(beside), "wb") as file, pa.ipc.new_file(file, answer.schema) as writer:
            writer.write_table(answer)
        beside.replace(self._path(identity))

    def forget_others(self) -> None:
        """Remove what was not asked for since this was opened."""
        for path in self.folder.glob("*") if self.folder.exists() else ():
            if path.suffix != ".arrow" or path.stem not in self._used:
                path.unlink(missing_ok=True)

    def _path(self, identity: str) -> Path:
        return self.folder / f"{identity}.arrow"
