"""A Spark cluster of a master and two workers: the same answers, also when a worker dies in the middle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.build.company import LATE, company, published, workspace
from tests.engines.cluster import PATIENCE, Cluster, cluster

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
CASES = ("ops_zone", "rev_cash", "rev_arpu_users")


@pytest.fixture
def running() -> Iterator[Cluster]:
    """A cluster."""
    with cluster() as made:
        yield made


def revgauge(running: Cluster, *words: str) -> subprocess.Popen[str]:
    """The command in a process of its own, since a process works with one cluster only."""
    return subprocess.Popen(
        [sys.executable, "-c", "import sys; from revgauge.cli import main; sys.exit(main(sys.argv[1:]))", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "SPARK_CONF_DIR": str(running.settings)},
    )


def test_cases_on_a_cluster(running: Cluster) -> None:
    """Worked cases give the values worked out by hand when two workers share the work."""
    folders = [str(ROOT / "tests" / "cases" / case) for case in CASES]
    process = revgauge(running, "verify", *folders, "--engine", running.address, "--format", "json")
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    checks = json.loads(out)
    assert sum(check["ok"] is True for check in checks) > 10
    assert not [check for check in checks if check["ok"] is False]


def test_a_worker_that_dies_does_not_fail_a_build(running: Cluster, tmp_path: Path) -> None:
    """A worker is killed with all that it computes while a build is at work; the build ends with the same values."""
    folder = company(tmp_path / "project")
    settings = folder / "revgauge.yml"
    text = settings.read_text(encoding="utf-8").replace("[month, quarter]", "[month]")
    settings.write_text(f"{text}as_of: {LATE}\n", encoding="utf-8")
    workspace(folder, LATE).build()
    _facts, expected = published(folder)

    settings.write_text(f"{settings.read_text()}warehouse: {running.address}?folder={tmp_path}/shared\n", "utf-8")
    process = revgauge(running, "build", "--project", str(folder))
    deadline = time.monotonic() + PATIENCE
    while not (running.executors(0) and running.executors(1)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(3)
    running.kill(0)
    assert process.poll() is None, "the build was over before the worker was killed"
    out, err = process.communicate()
    assert process.returncode == 0, out + err
    facts, values = published(folder)
    assert facts["build_id"] != _facts["build_id"]
    assert values == expected
    assert not running.executors(0)
