"""A range of keys of a run."""

from __future__ import annotations

from dataclasses import dataclass

# No key sorts after it.
LAST_KEY = "\U0010ffff" * 256


@dataclass(frozen=True)
class Chunk:
    """A range of keys, both included; number 0 is the whole run."""

    number: int = 0
    first_key: str = ""
    last_key: str = LAST_KEY
    objects: int = 0

    @property
    def bounds(self) -> dict[str, str]:
        return {"first_key": self.first_key, "last_key": self.last_key}


WHOLE_RUN = Chunk()
