"""Processes whose time, processor time and memory are measured, each in a session of its own."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from bench.child import in_bytes, peak
from devstack.errors import LocalError


@dataclass(frozen=True)
class Usage:
    """What a piece of work took: wall-clock seconds, processor seconds, bytes of memory at most."""

    seconds: float
    cpu: float
    rss: int
    answer: dict[str, Any] = field(default_factory=dict)


def run_tool(command: Sequence[str | Path], environment: Mapping[str, str], log: Path, patience: float) -> Usage:
    """Run a program to its end, accounted from its start by the operating system, with all its children.

    :raises LocalError: it failed, or takes too long.
    """
    begun = time.monotonic()
    with log.open("wb") as file:
        process = subprocess.Popen(
            [str(part) for part in command],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    held = 0
    try:
        while True:
            held = peak(process.pid) or held
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() - begun > patience:
                raise LocalError(f"{command[0]} has not ended after {patience:.0f} s; see {log}")
            time.sleep(0.005)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        _end(process)
    if process.returncode:
        raise LocalError(f"{command[0]} ended with {process.returncode}:\n{tail(log)}")
    return Usage(seconds, used.ru_utime + used.ru_stime, held or in_bytes(used.ru_maxrss))


class Child:
    """A module of this package that serves one job (`child.serve`).

    :param log: of its errors and progress; None: for all to see.
    """

    def __init__(self, module: str, job: Mapping[str, Any], environment: Mapping[str, str], log: Path | None) -> None:
        self.name, self.log = module, log
        with log.open("wb") if log else nullcontext() as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"bench.{module}", json.dumps(job)],
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                start_new_session=True,
                text=True,
            )
        if self._process.stdin is None or self._process.stdout is None:
            raise LocalError(f"{module} has no pipes")
        self._to, self._from = self._process.stdin, self._process.stdout

    def wait_until_ready(self, patience: float) -> None:
        if self._line(patience) != "ready\n":
            self._fail("ended before it was ready")

    def go(self) -> None:
        """The measured part begins."""
        self._to.write("go\n")
        self._to.flush()

    def result(self, patience: float) -> dict[str, Any]:
        """What the work answered.

        :raises LocalError: it failed, or takes too long.
        """
        line = self._line(patience)
        if not line:
            self._fail("failed")
        return dict(json.loads(line))

    def end(self) -> None:
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        _end(self._process)

    def _line(self, patience: float) -> str:
        if not select.select([self._from], [], [], patience)[0]:
            raise LocalError(f"{self.name} has not answered after {patience:.0f} s; see {self.log or 'above'}")
        return self._from.readline()

    def _fail(self, what: str) -> NoReturn:
        raise LocalError(f"{self.name} {what}:\n{tail(self.log)}" if self.log else f"{self.name} {what}, see above")


def run_children(children: Sequence[Child], patience: float) -> Usage:
    """Let them all work at once; the time is from the word to the last answer, the memory that of the biggest."""
    try:
        for child in children:
            child.wait_until_ready(patience)
        begun = time.monotonic()
        for child in children:
            child.go()
        answers = [child.result(patience) for child in children]
        seconds = max(time.monotonic() - begun, 1e-6)
    finally:
        for child in children:
            child.end()
    if len(children) == 1:
        seconds = answers[0]["seconds"]
    return Usage(
        seconds, sum(answer["cpu"] for answer in answers), max(answer["rss"] for answer in answers), answers[0]
    )


@contextmanager
def helper(
    module: str, job: Mapping[str, Any], environment: Mapping[str, str], log: Path, patience: float = 60
) -> Iterator[None]:
    """A server of this package, for as long as it is needed; it ends by itself should we be killed."""
    child = Child(module, job, environment, log)
    try:
        child.result(patience)
        yield
    finally:
        child.end()


def _end(process: subprocess.Popen[Any]) -> None:
    """End it with its children, whatever state it is in; once it is reaped its number may be anyone's."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(ChildProcessError):
        process.wait(10)


def tail(log: Path) -> str:
    return "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
