"""Write the generated reference: `python -m revgauge.reference FOLDER [CASES]`."""

from __future__ import annotations

import sys
from pathlib import Path

from revgauge.reference import write

if __name__ == "__main__":
    folder, *rest = sys.argv[1:]
    write(Path(folder), Path(rest[0] if rest else "tests/cases"))
