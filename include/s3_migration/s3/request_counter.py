"""How many requests were sent."""

from __future__ import annotations

import threading
from collections import Counter

# Requests, retries included, by (operation, HTTP status or `ConnectionError`).
Requests = Counter[tuple[str, str]]


class RequestCounter:
    """Counts tries; safe to share between threads."""

    def __init__(self) -> None:
        self._requests: Requests = Counter()
        self._lock = threading.Lock()

    def count(self, operation: str, outcome: str) -> None:
        with self._lock:
            self._requests[operation, outcome] += 1

    def take(self) -> Requests:
        """What was counted since the last call."""
        with self._lock:
            taken, self._requests = self._requests, Counter()
        return taken
