"""Processes whose time, processor time and memory are measured, each in a session of its own; both sides of it.

The child's: `python -m bench.processes <module>.<function> <its arguments, as JSON>`. The function gets ready and
answers the work, which is done once for each line of JSON that comes, the work's arguments. What a child prints is the
protocol: a line once it is ready, and one for each piece of work; what libraries print goes to the log with the errors.
"""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any, cast

from devstack.environment import ROOT
from devstack.errors import LocalError

Job = dict[str, Any]
Work = Callable[..., Job | None]
_WHOSE = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)


@dataclass(frozen=True)
class Usage:
    """What a piece of work took: wall-clock seconds, processor seconds, bytes of memory at most."""

    seconds: float
    cpu: float
    rss: int
    answer: Job


class Child:
    """A process of this package, ready when entered.

    :param what: a function as above, or the name of a module that is a server (`devstack.http_server`).
    :param log: of its errors.
    :param patience: seconds after which it is taken for hung.
    """

    def __init__(
        self, what: str, job: Mapping[str, Any], environment: Mapping[str, str], log: Path, patience: float = 60
    ) -> None:
        self._name, self._log, self._patience = what, log, patience
        module = ["bench.processes", what] if "." in what else [f"bench.{what}"]
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *module, json.dumps(job)],
                env={**environment, "PYTHONPATH": str(ROOT / "include")},  # this checkout's, wherever the venv lies
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
                start_new_session=True,
                text=True,
            )
        self._to, self._from = cast("tuple[IO[str], IO[str]]", (self._process.stdin, self._process.stdout))

    def __enter__(self) -> Child:
        try:
            self._line()
        except BaseException:
            self.__exit__()
            raise
        return self

    def ask(self, **job: Any) -> Usage:
        """Have a piece of work done.

        :raises LocalError: it failed, or takes too long.
        """
        self.go(**job)
        return self.took()

    def go(self, **job: Any) -> None:
        """The measured part begins."""
        self._to.write(f"{json.dumps(job)}\n")
        self._to.flush()

    def ready(self, seconds: float) -> bool:
        """Whether the work ends, well or not, within so many seconds."""
        return bool(select.select([self._from], [], [], seconds)[0])

    def kill(self) -> None:
        """As a machine that fails: nothing is let end."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def took(self) -> Usage:
        return Usage(**json.loads(self._line()))

    def __exit__(self, *_: object) -> None:
        """Let it end, and end it with its children where it does not."""
        for pipe in (self._to, self._from):
            with suppress(OSError):
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
            return  # its number may be anyone's now
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _line(self) -> str:
        if not select.select([self._from], [], [], self._patience)[0]:
            raise LocalError(f"{self._name} has not ended after {self._patience:.0f} s; see {self._log}")
        if line := self._from.readline():
            return line
        log = self._log.read_text(errors="replace").splitlines()
        raise LocalError("\n    ".join([f"{self._name} failed:", *log[-15:]]))


def run_together(children: Sequence[tuple[Child, Job]]) -> Usage:
    """Let them all work at once; the time is from the word to the last answer, the memory that of the biggest."""
    with ExitStack() as entered:
        for child, _ in children:
            entered.enter_context(child)
        begun = time.monotonic()
        for child, job in children:
            child.go(**job)
        used = [child.took() for child, _ in children]
        seconds = time.monotonic() - begun
    return Usage(seconds, sum(each.cpu for each in used), max(each.rss for each in used), {})


# -- the child's side ---------------------------------------------------------------------------------------------


def tool(command: list[str]) -> Work:
    """A program from its start to its end, accounted by the operating system with all its children.

    In here, where little is imported: this process is to hold less memory than any tool.
    """

    def work() -> None:
        if status := subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode:
            sys.exit(f"{command[0]} ended with {status}")

    return work


def _peak() -> int:
    """Bytes of memory that this process, or one that it ran, held at most."""
    own, others = (resource.getrusage(who).ru_maxrss for who in _WHOSE)
    with suppress(OSError):  # on Linux, where rusage begins with the memory of whoever started the process
        own = int(re.findall(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[0])
    return max(own, others) * (1 if sys.platform == "darwin" else 1024)


def _cpu() -> float:
    return sum(used.ru_utime + used.ru_stime for used in map(resource.getrusage, _WHOSE))


def main() -> None:
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module, _, function = sys.argv[1].partition(".")
    work: Work = getattr(import_module(f"bench.{module}"), function)(**json.loads(sys.argv[2]))
    print("{}", file=out, flush=True)
    for line in sys.stdin:
        cpu, begun = _cpu(), time.monotonic()
        answer = work(**json.loads(line)) or {}
        took = {"seconds": max(time.monotonic() - begun, 1e-6), "cpu": _cpu() - cpu, "rss": _peak()}
        print(json.dumps({**took, "answer": answer}), file=out, flush=True)


if __name__ == "__main__":
    main()
