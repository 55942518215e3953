"""Processes that outlive the command that started them, and that are stopped by us alone.

A process holds a lock on its pid file, inherited by its children, for as long as it lives. So a pid file left behind
by a kill or a reboot is told from a live one whatever has become of the number in it, and no recycled pid is killed.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn

import psutil

from devstack.errors import LocalError

# The shell becomes the process, which thus writes its own pid: no kill of ours can come between start and note.
_NOTE_PID_AND_RUN = 'echo $$ > "$0" && exec "$@"'


@contextmanager
def alone(directory: Path, refusal: str) -> Iterator[None]:
    """Nobody else of this machine works in the directory meanwhile.

    :raises LocalError: somebody does, with this refusal.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LocalError(refusal) from error
        yield


@dataclass(frozen=True)
class Process:
    """A process in a session of its own: `<name>.pid` and `<name>.log` lie in the directory."""

    name: str
    directory: Path

    @property
    def log(self) -> Path:
        return self.directory / f"{self.name}.log"

    @property
    def _pid_file(self) -> Path:
        return self.directory / f"{self.name}.pid"

    def start(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        """Start it, unless it runs."""
        if self.running():
            return
        self.stop(patience=0)  # children of one that was killed
        self.directory.mkdir(parents=True, exist_ok=True)
        with self._pid_file.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with self.log.open("wb") as log:
                process = subprocess.Popen(
                    ["/bin/sh", "-c", _NOTE_PID_AND_RUN, self._pid_file, *command],
                    env=dict(environment),
                    cwd=self.directory,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[lock.fileno()],
                )
            process.returncode = 0  # it outlives us, of which Popen would warn

    def run(self, command: Sequence[str | Path], environment: Mapping[str, str], and_then: str) -> None:
        """Run it to its end. Whether it went well is seen by what `and_then`, a line of shell, does in that case.

        Process and line end together, whatever becomes of us.
        """
        self.start(["/bin/sh", "-c", f'"$@" && {and_then}', self.name, *command], environment)
        while self.running():
            time.sleep(0.05)
        _reap(self._pid())

    def running(self) -> bool:
        return self._held() and _lives(self._pid())

    def started(self) -> datetime:
        """When it was started, if it runs."""
        return datetime.fromtimestamp(self._pid_file.stat().st_mtime, timezone.utc)

    def send(self, number: int) -> None:
        """Send a signal to the process itself, if it runs."""
        if self.running():
            _send(self._pid(), number)

    def stop(self, number: int = signal.SIGTERM, *, patience: float = 5) -> None:
        """Ask it to end, and after `patience` seconds end it with all its children. Returns when none is left."""
        if not self._held():
            return
        pid = self._pid()
        _send(pid, number)
        deadline = time.monotonic() + patience
        while self._held() or list(_session(pid)):
            if time.monotonic() > deadline + 10:
                raise LocalError(f"{self.name} (process {pid}) does not end; see `ps -p {pid}`, then repeat")
            if time.monotonic() > deadline:
                for each in _session(pid):
                    _send(each, signal.SIGKILL)
            time.sleep(0.05)
        _reap(pid)

    def wait(self, ready: Callable[[], bool], *, seconds: float) -> None:
        """Wait until it is ready.

        :raises LocalError: it ended, or did not become ready in time; with the end of its log.
        """
        deadline = time.monotonic() + seconds
        while True:
            if not self.running():
                self.fail("ended while starting")
            if ready():
                return
            if time.monotonic() > deadline:
                self.fail(f"is not ready after {seconds:.0f} s")
            time.sleep(0.1)

    def fail(self, what: str) -> NoReturn:
        """:raises LocalError: with the end of the log."""
        tail = self.log.read_text(errors="replace").splitlines()[-15:]
        raise LocalError("\n".join([f"{self.name} {what}; the end of {self.log}:", *(f"    {line}" for line in tail)]))

    def _held(self) -> bool:
        """Whether it, or a child of it, lives."""
        try:
            with self._pid_file.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            pass
        return False

    def _pid(self) -> int:
        # The lock is held a moment before the number is written.
        for _ in range(100):
            if text := self._pid_file.read_text().strip():
                return int(text)
            time.sleep(0.02)
        raise LocalError(f"{self._pid_file} names no process, and someone holds it; `lsof {self._pid_file}` tells who")


def _session(leader: int) -> Iterator[int]:
    """The living processes of a session: children stay in it even where they make process groups of their own."""
    for pid in psutil.pids():
        try:
            if os.getsid(pid) == leader and _lives(pid):
                yield pid
        except (ProcessLookupError, PermissionError):
            continue


def _lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _reap(pid: int) -> None:
    """Let go of a process that ended, where it was this very Python that started it."""
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
