"""What every part of the bench works with: the servers, the size of it all, and a place for the figures."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.processes import Child
from bench.servers import Product, Servers

# Added to each request by the delaying proxy: a store in another region.
FAR = 20.0
PLACES = {"near": 0.0, "far": FAR}
# So many objects are moved one at a time, and the rate taken for all; far away the rate is settled by fewer.
SAMPLES = {"near": 2_000, "far": 500}


@dataclass(frozen=True)
class Options:
    """How much is measured, and how often."""

    objects: int = 5_000
    rows: int = 1_000_000
    keys: int = 1_000_000
    runs: int = 5
    in_flight: int | None = None  # requests_in_flight of ours; none: as a declaration has it by default


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

    def require(self, held: bool, what: str) -> None:
        """Note what was asserted and did not hold; the bench goes on, and fails at its end."""
        if not held and what not in self.missed:
            self.missed.append(what)
            self.say(f"MISSED: {what}")

    def patience(self, objects: int) -> float:
        """Seconds after which whatever handles so many objects is taken for hung."""
        return 120 + objects / 5

    def fields(self, **fields: Any) -> dict[str, Any]:
        """Of the declaration."""
        return {**fields, **({"requests_in_flight": self.options.in_flight} if self.options.in_flight else {})}

    def ours(
        self, product: Product, run_id: str, do: str, environment: Mapping[str, str] | None = None, **job: Any
    ) -> Child:
        """A process of ours, about to do a step of a run."""
        described = {"declaration": product.declared, "run_id": run_id, "do": do, **job}
        log = self.servers.log(f"ours-{do}-{secrets.token_hex(2)}")
        return Child("ours", described, {**product.environment, **(environment or {})}, log)


Part = Callable[[Bench], object]


def rounds(bench: Bench, contenders: list[str]) -> list[list[str]]:
    """The order of each round, each begun by another one: nobody always comes first, or after the same one."""
    return [
        contenders[first:] + contenders[:first] for first in (n % len(contenders) for n in range(bench.options.runs))
    ]
