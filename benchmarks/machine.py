"""What the figures were measured on, and what a process used of it."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("duckdb", "ibis-framework", "polars", "pandas", "pyarrow", "numpy", "psycopg", "pyspark")


def describe() -> dict[str, str | int | float | dict[str, str]]:
    """Processor, cores, memory and versions of everything that takes part."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
            "java": _java(),
        },
    }


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _java() -> str:
    try:
        told = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    except FileNotFoundError:
        return "none"
    return told.partition('"')[2].partition('"')[0]


def peak_mib(process: int | None = None) -> float:
    """The most memory that a process held, this one if none is named; 0 where the system does not say.

    On Linux this is without what its parent held when it was started.
    """
    status = Path(f"/proc/{process or 'self'}/status")
    if status.exists():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0 if process else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cpu_seconds(process: int) -> float:
    """What another process used so far, with those of its children that have ended; 0 where the system does not say."""
    stat = Path(f"/proc/{process}/stat")
    if not stat.exists():
        return 0.0
    fields = stat.read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")
