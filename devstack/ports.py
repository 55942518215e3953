"""Free ports on loopback, the only address that anything here listens on."""

from __future__ import annotations

import random
import socket

HOST = "127.0.0.1"
# Below the ranges from which Linux and macOS take the ports of outgoing connections.
_OURS = range(20_000, 32_000)


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
        return preferred
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    candidates = random.sample(_OURS, len(_OURS))
    free = (port for port in candidates if is_free(port))
    return [next(free) for _ in range(count)]
