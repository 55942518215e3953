"""The child's side of a measurement: get ready, wait for the word, work, answer what it took.

What a child prints is the protocol; what libraries print goes to the log with the errors.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

Job = dict[str, Any]
_BEGUN = time.monotonic()


def serve(prepare: Callable[[Job], Callable[[], Job | None]]) -> None:
    """Run one job: `prepare` does what is not measured and answers the work, which is."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    work = prepare(json.loads(sys.argv[1]))
    print("ready", file=out, flush=True)
    if sys.stdin.readline() != "go\n":
        return  # the bench is gone
    cpu, begun = _cpu(), time.monotonic()
    answer = work() or {}
    took = {"seconds": time.monotonic() - begun, "cpu": _cpu() - cpu}
    print(json.dumps({**took, "rss": own_peak(), **answer}), file=out, flush=True)


def say(line: str) -> None:
    """Progress, to where the errors go."""
    print(f"[{time.monotonic() - _BEGUN:4.0f} s] {line}", file=sys.stderr, flush=True)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def own_peak() -> int:
    """Bytes of memory that this process held at most."""
    return peak("self") or in_bytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def peak(pid: int | str) -> int:
    """The same of any process, as long as it lives; 0 where /proc does not tell.

    Its rusage would not do on Linux: that begins with the memory of whoever started it.
    """
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


def in_bytes(maxrss: int) -> int:
    """Linux counts it in KiB, macOS in bytes."""
    return maxrss if sys.platform == "darwin" else maxrss * 1024
