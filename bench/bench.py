"""What every part of the bench works with: the servers, the size of it all, and a place for the figures."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from bench.processes import Child, Usage
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

    def say(self, line: str) -> None:
        print(f"[{time.monotonic() - self.begun:4.0f} s] {line}", flush=True)

    def record(self, name: str, **values: float) -> None:
        for what, value in values.items():
            self.samples.setdefault(f"{name}/{what}", []).append(value)
        self.say(f"  {name}: {', '.join(f'{what} {number(value)}' for what, value in values.items())}")

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
        of_scale = 10_000 * max(self.options.sizes)
        return 600 + self.options.objects / 5 + self.options.keys / 1_000 + self.options.rows / 100 + of_scale

    def child(self, what: str, environment: dict[str, str], **job: Any) -> Child:
        return Child(what, job, environment, self.servers.log(what), self.patience)

    def ours(self, product: Product, run_id: str) -> Child:
        """A process of ours, to do steps of a run."""
        return self.child("ours.work", product.environment, declared=product.declared, run_id=run_id)

    def take(self, what: str, endpoint: str, **job: Any) -> Usage:
        """What a child took that asks the S3 server once."""
        with self.child(what, self.servers.environment(endpoint), endpoint=endpoint, **job) as child:
            return child.ask()
