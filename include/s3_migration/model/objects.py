"""An object of S3, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

# The class of what says nothing of its class.
STANDARD = "STANDARD"


@dataclass(frozen=True)
class Version:
    """One content of a key: its size in bytes and its ETag without quotes."""

    size: int
    etag: str


class S3Object(NamedTuple):
    """A key as the store shows it now. `etag` has no quotes; `size` is in bytes; `modified` is ISO 8601;
    `storage_class` is as a listing has it.

    A tuple, and the time as text: a hundred thousand of them pass every second, from the store to the database.
    """

    key: str
    size: int
    etag: str
    modified: str
    storage_class: str = STANDARD

    @property
    def version(self) -> Version:
        return Version(self.size, self.etag)
