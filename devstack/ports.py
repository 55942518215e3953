"""Free ports on loopback, the only address that anything here listens on."""

from __future__ import annotations

import os
import random
import socket

HOST = "127.0.0.1"
# Below the ranges from which Linux and macOS take the ports of outgoing connections.
_OURS = range(20_000, 32_000)
# Processes that look for ports at the same time, as those of the tests do, begin in other parts of the range.
_PARTS = 24
# Nobody may listen there yet, though somebody will: a server is started after the ports of all are chosen.
_given: set[int] = set()


def is_free(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        # As servers do; else a port of a connection closed a minute ago looks taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    # macOS lets a listener on all addresses be shadowed.
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) != 0


def free_port(preferred: int = 0) -> int:
    """The preferred port, or another one where it is taken."""
    if preferred and is_free(preferred):
        _given.add(preferred)
        return preferred
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Ports that nobody has, and that this process has not been given before."""
    part = os.getpid() % _PARTS * len(_OURS) // _PARTS
    mine, others = _OURS[part : part + len(_OURS) // _PARTS], [*_OURS[:part], *_OURS[part + len(_OURS) // _PARTS :]]
    candidates = [*random.sample(mine, len(mine)), *random.sample(others, len(others))]
    free = (port for port in candidates if port not in _given and is_free(port))
    chosen = [next(free) for _ in range(count)]
    _given.update(chosen)
    return chosen
