"""The figures of all parts, as they are kept from one bench to the next."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from devstack.files import write_private


@dataclass(frozen=True)
class Options:
    """How much is measured, and how often."""

    objects: int = 5_000
    rows: int = 1_000_000
    keys: int = 1_000_000
    runs: int = 5
    sizes: tuple[float, ...] = (1, 3, 10)  # of scale, in millions


@dataclass(frozen=True)
class Figure:
    """What all rounds came to."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figure | None:
        return cls(median(values), min(values), max(values)) if values else None


@dataclass
class Results:
    """Samples by name, a name beginning with that of its part; when, how and on what each part was measured."""

    samples: dict[str, list[float]] = field(default_factory=dict)
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Results:
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def write(self, path: Path) -> None:
        write_private(path, json.dumps(asdict(self), indent=1))

    def replace(self, part: str, samples: dict[str, list[float]], options: Options, machine: dict[str, str]) -> None:
        """A part measured again: what was known of it is forgotten."""
        others = {name: values for name, values in self.samples.items() if not name.startswith(f"{part}/")}
        self.samples = {**others, **samples}
        at = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
        self.parts[part] = {"at": at, "options": asdict(options), "machine": machine}

    def option(self, part: str, name: str) -> int:
        return int(self.parts[part]["options"][name]) if part in self.parts else 0

    def figure(self, name: str, factor: float = 1) -> Figure | None:
        return Figure.of([value * factor for value in self.samples.get(name, ())])

    def ratio(self, name: str, to: str) -> Figure | None:
        """Round by round, so that whatever slowed the machine down for a while slowed both."""
        pairs = zip(self.samples.get(name, ()), self.samples.get(to, ()), strict=False)
        return Figure.of([one / other for one, other in pairs if other])


def number(value: float) -> str:
    """Three digits that count."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}" if abs(value) < 0.1 else f"{value:.2f}"
