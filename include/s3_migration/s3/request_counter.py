"""How many requests were sent."""

from __future__ import annotations

import threading
from collections import Counter

# Requests, retries included, by (operation, outcome): `200`, `503 SlowDown`, `ConnectionError`.
Requests = Counter[tuple[str, str]]


class RequestCounter:
    """Counts tries; safe to share between threads."""

    def __init__(self) -> None:
        self._requests: Requests = Counter()
        self._lock = threading.Lock()

    def count(self, operation: str, status: int, code: str = "") -> None:
        """:param status: of HTTP; 0 where no answer came, and the code says why."""
        outcome = " ".join(dict.fromkeys(part for part in (str(status or ""), code) if part))
        with self._lock:
            self._requests[operation, outcome] += 1

    def take(self) -> Requests:
        """What was counted since the last call."""
        with self._lock:
            taken, self._requests = self._requests, Counter()
        return taken
