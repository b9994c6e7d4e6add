"""A real PostgreSQL server for the tests, in a folder of its own, without rights on the machine."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.engines.machine import LOOPBACK, free_port, install

USER = "revgauge"
PASSWORD = "correct horse"  # noqa: S105 - of a server that lives for the length of a test


@dataclass(frozen=True)
class Server:
    """A running server; `user` may do anything in it."""

    folder: Path
    port: int
    user: str = USER
    password: str = PASSWORD
    database: str = "postgres"

    def url(self, schema: str | None = None, *, user: str = USER, host: str = LOOPBACK) -> str:
        """The address as it stands in revgauge.yml, which never has a password."""
        query = f"?schema={schema}" if schema else ""
        return f"postgresql://{user}@{host}:{self.port}/{self.database}{query}"


def _programs() -> Path:
    """The folder of the server's programs; installed with apt-get where that is possible."""
    if found := _installed():
        return found
    install("postgresql")
    if found := _installed():
        return found
    raise RuntimeError(
        "The tests of PostgreSQL start a server, and there is none on this machine: install it (on Debian or Ubuntu "
        "`apt-get install postgresql`, on macOS `brew install postgresql@15`), or put its folder `bin` on PATH."
    )


def _installed() -> Path | None:
    on_path = shutil.which("initdb")
    places = [Path(on_path).resolve().parent] if on_path else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists() and (place / "initdb").exists()), None)


def _unprivileged() -> dict[str, int]:
    """Who runs the server: root may not, so a system user does in its place."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid}
    raise RuntimeError("PostgreSQL does not run as root, and there is neither a user `postgres` nor `nobody`")


@contextmanager
def server() -> Iterator[Server]:
    """A server on a free port of the loopback interface, until the block ends."""
    programs, runner = _programs(), _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="revgauge-postgresql-"))
    secret = folder / "password"
    secret.write_text(PASSWORD, encoding="utf-8")
    if runner:
        for path in (folder, secret):
            os.chown(path, runner["user"], runner["group"])
    data, port = folder / "data", free_port()
    # Texts are compared as people in the United States sort them, as on many a server: the answers must not change.
    options = ["--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US", "--encoding=UTF8"]
    made = [programs / "initdb", "-D", data, "-U", USER, f"--pwfile={secret}", "-A", "scram-sha-256", "-N", *options]
    log = (folder / "log").open("wb")
    try:
        subprocess.run(made, check=True, stdout=log, stderr=log, cwd=folder, **runner)  # type: ignore[call-overload] # user and group, or neither
        settings = {"fsync": "off", "timezone": "Asia/Kathmandu", "unix_socket_directories": "", "datestyle": "German"}
        given = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [programs / "postgres", "-D", data, "-h", LOOPBACK, "-p", str(port), *given]
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **runner)  # type: ignore[call-overload] # the same
        try:
            _wait(process, port, folder / "log")
            yield Server(folder, port)
        finally:
            process.send_signal(signal.SIGINT)  # without waiting for those who are connected
            process.wait(60)
    finally:
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until the server answers."""
    import psycopg

    deadline = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(host=LOOPBACK, port=port, user=USER, password=PASSWORD, dbname="postgres").close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')}") from None
            time.sleep(0.1)
        else:
            return
