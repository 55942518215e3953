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
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from devstack.environment import ROOT
from devstack.errors import LocalError


@dataclass(frozen=True)
class Usage:
    """What a piece of work took: wall-clock seconds, processor seconds, bytes of memory at most."""

    seconds: float
    cpu: float
    rss: int
    answer: dict[str, Any]


class Child:
    """A process of this package that answers in lines of JSON, the first one as soon as it is ready.

    :param what: a function (`child`), or the name of a module that is a server (`devstack.http_server`).
    :param log: of its errors and progress; None: for all to see.
    """

    def __init__(self, what: str, job: Mapping[str, Any], environment: Mapping[str, str], log: Path | None) -> None:
        self._name, self._log = what, log
        module = ["bench.child", what] if "." in what else [f"bench.{what}"]
        with log.open("wb") if log else nullcontext() as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module, json.dumps(job)],
                env=dict(environment),
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                start_new_session=True,
                text=True,
            )
        self._to, self._from = cast("tuple[IO[str], IO[str]]", (self._process.stdin, self._process.stdout))

    def answer(self, patience: float) -> dict[str, Any]:
        """:raises LocalError: it failed, or takes too long."""
        if not select.select([self._from], [], [], patience)[0]:
            raise LocalError(f"{self._name} has not ended after {patience:.0f} s; see {self._log or 'above'}")
        if line := self._from.readline():
            return dict(json.loads(line))
        log = self._log.read_text(errors="replace").splitlines() if self._log else ["see above"]
        raise LocalError("\n    ".join([f"{self._name} failed:", *log[-15:]]))

    def go(self) -> None:
        """The measured part begins."""
        self._to.write("go\n")
        self._to.flush()

    def end(self) -> None:
        """Let it end, and end it with its children where it does not."""
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
            return  # its number may be anyone's now
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def run_children(children: Sequence[Child], patience: float) -> Usage:
    """Let them all work at once; the time is from the word to the last answer, the memory that of the biggest."""
    try:
        for child in children:
            child.answer(patience)
        begun = time.monotonic()
        for child in children:
            child.go()
        used = [Usage(**child.answer(patience)) for child in children]
        seconds = time.monotonic() - begun
    finally:
        for child in children:
            child.end()
    if len(used) == 1:
        return used[0]
    return Usage(seconds, sum(each.cpu for each in used), max(each.rss for each in used), {})


def run_tool(command: Sequence[str | Path], environment: Mapping[str, str], log: Path, patience: float) -> Usage:
    """Run a program to its end, accounted from its start by the operating system, with all its children."""
    return run_children([Child("child.tool", {"command": [*map(str, command)]}, environment, log)], patience)


@contextmanager
def helper(
    module: str, job: Mapping[str, Any], environment: Mapping[str, str], log: Path, patience: float = 60
) -> Iterator[None]:
    """A server of this package, for as long as it is needed; it ends by itself should we be killed."""
    child = Child(module, job, environment, log)
    try:
        child.answer(patience)
        yield
    finally:
        child.end()
