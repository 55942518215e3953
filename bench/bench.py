"""What every part of the bench works with: the servers, the size of it all, and a place for the figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.processes import Child, Usage, run_children
from bench.results import Options, number
from bench.servers import Product, Servers

# Milliseconds added to each request by the delaying proxy: a store in another region.
PLACES = {"near": 0.0, "far": 20.0}


@dataclass
class Bench:
    """One run of the bench. Figures are kept by name, one for each round."""

    servers: Servers
    options: Options
    begun: float = field(default_factory=time.monotonic)
    samples: dict[str, list[float]] = field(default_factory=dict)
    missed: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        print(f"[{time.monotonic() - self.begun:4.0f} s] {line}", flush=True)

    def record(self, name: str, **values: float) -> None:
        for what, value in values.items():
            self.samples.setdefault(f"{name}/{what}", []).append(value)
        self.say(f"  {name}: {', '.join(f'{what} {number(value)}' for what, value in values.items())}")

    def require(self, held: bool, what: str) -> None:
        """Note what was asserted and did not hold; the bench goes on, and fails at its end."""
        if not held and what not in self.missed:
            self.missed.append(what)
            self.say(f"MISSED: {what}")

    def rounds(self, what: str, contenders: Iterable[str] = ()) -> Iterator[list[str]]:
        """The order of each round, each begun by another one: nobody always comes first, or after the same one."""
        order = list(contenders)
        for each in range(1, self.options.runs + 1):
            self.say(f"{what}, round {each} of {self.options.runs}")
            yield order
            order = order[1:] + order[:1]

    @property
    def patience(self) -> float:
        """Seconds after which whatever is measured is taken for hung."""
        return 120 + self.options.objects / 5 + self.options.keys / 1_000

    def ours(self, product: Product, run_id: str, *steps: str, before: Sequence[str] = (), **job: Any) -> Child:
        """A process of ours, about to do these steps of a run."""
        job |= {"declared": product.declared, "run_id": run_id, "before": before, "measured": steps}
        return self.servers.child("ours.work", product.environment, **job)

    def run(self, *children: Child) -> Usage:
        return run_children(children, self.patience)

    def client(self, what: str, endpoint: str, **job: Any) -> Usage:
        """What a child took that asks the S3 server."""
        return self.run(self.servers.child(what, self.servers.environment(endpoint), endpoint=endpoint, **job))


Part = Callable[[Bench], object]
