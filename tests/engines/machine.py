"""What the servers of the tests need of the machine."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port of the loopback interface that nobody uses."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def install(package: str) -> None:
    """Install a Debian package where that is possible, one after the other if several tests want one."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    unasked = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with (Path(tempfile.gettempdir()) / "revgauge-tests-apt").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in (["update"], ["install", "--no-install-recommends", package]):
            subprocess.run(["apt-get", "-qq", *words], check=True, stdout=subprocess.DEVNULL, env=unasked)


def with_java() -> None:
    """Java for Spark; without it the product says in each test what to install."""
    if not os.environ.get("JAVA_HOME") and not shutil.which("java"):
        install("openjdk-17-jre-headless")
