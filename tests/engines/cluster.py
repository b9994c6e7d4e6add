"""A real Spark cluster for the tests: a master and two workers on the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.engines.conftest import JAVA, QUICK
from tests.engines.machine import LOOPBACK, free_port, with_java

PATIENCE = 120
"""Seconds that a busy machine may need to start a part of the cluster."""


@dataclass
class Cluster:
    """A running cluster."""

    folder: Path
    port: int
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where the master is."""
        return f"spark://{LOOPBACK}:{self.port}"

    @property
    def settings(self) -> Path:
        """A folder with settings for whoever connects, as SPARK_CONF_DIR names it: tables here have few rows."""
        place = self.folder / "conf"
        place.mkdir(exist_ok=True)
        told = QUICK | {"spark.executor.memory": "512m", "spark.executor.extraJavaOptions": QUICK[JAVA]}
        text = "\n".join(f"{name} {value}" for name, value in told.items())
        (place / "spark-defaults.conf").write_text(f"{text}\n", encoding="utf-8")
        return place

    def executors(self, number: int) -> list[int]:
        """The processes that compute for a worker."""
        mark = str(self.folder / f"worker-{number}")
        found = []
        for place in Path("/proc").iterdir():
            if place.name.isdigit():
                try:
                    words = (place / "cmdline").read_text(encoding="utf-8", errors="replace")
                    here = str((place / "cwd").readlink())
                except OSError:
                    continue
                if "CoarseGrainedExecutorBackend" in words and here.startswith(mark):
                    found.append(int(place.name))
        return found

    def kill(self, number: int) -> None:
        """A worker goes, and with it what it computes, as when a machine loses power."""
        computing = self.executors(number)
        self.workers[number].kill()
        for process in computing:
            os.kill(process, signal.SIGKILL)


@contextmanager
def cluster(workers: int = 2) -> Iterator[Cluster]:
    """A cluster on free ports, until the block ends."""
    import pyspark

    with_java()
    starter = Path(pyspark.__file__).parent / "bin" / "spark-class"
    folder = Path(tempfile.mkdtemp(prefix="revgauge-spark-"))
    running = Cluster(folder, free_port())
    environment = {**os.environ, "SPARK_LOCAL_IP": LOOPBACK, "SPARK_NO_DAEMONIZE": "1"}
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *words: str) -> subprocess.Popen[bytes]:
        (folder / name).mkdir()
        with (folder / f"{name}.log").open("wb") as log:
            command = [str(starter), f"org.apache.spark.deploy.{words[0]}", "--host", LOOPBACK, *words[1:]]
            process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder / name, env=environment)
        started.append(process)
        return process

    try:
        start("master", "master.Master", "--port", str(running.port), "--webui-port", "0")
        _wait(running.port, folder / "master.log")
        for number in range(workers):
            words = ["--cores", "1", "--memory", "1g", "--webui-port", "0", "--work-dir", f"{folder}/worker-{number}"]
            running.workers.append(start(f"worker-{number}", "worker.Worker", *words, running.address))
        _joined(folder / "master.log", workers)
        yield running
    finally:
        for process in reversed(started):
            process.kill()
            process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the Spark master did not start:\n{log.read_text(errors='replace')}") from None
            time.sleep(0.2)
        else:
            return


def _joined(log: Path, workers: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while log.read_text(errors="replace").count("Registering worker") < workers:
        if time.monotonic() > deadline:
            raise RuntimeError(f"the workers did not join the cluster:\n{log.read_text(errors='replace')}")
        time.sleep(0.2)
