"""What is asked of S3, and what comes of it, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from include.kinds import Version


@dataclass(frozen=True)
class S3Object:
    """A key as the store shows it now. `etag` has no quotes; `size` is in bytes."""

    key: str
    size: int
    etag: str
    modified: datetime

    @property
    def version(self) -> Version:
        return Version(self.size, self.etag)


@dataclass(frozen=True)
class Copy:
    """One copy to make, of exactly this version, onto nothing or onto our own earlier copy."""

    key: str
    target: str
    version: Version
    replaces: str | None = None  # ETag of our earlier copy


@dataclass(frozen=True)
class CopyResult:
    """What became of a copy. `kind` is None when production holds the content now, else the state's name."""

    copy: Copy  # with the version that was really copied
    target: Version | None = None
    modified: datetime | None = None
    requested: bool = True  # False: the content was there before
    kind: str | None = None
    detail: str | None = None  # `code: message` of the store
    code: str = ""


@dataclass(frozen=True)
class DeleteResult:
    """What became of a deletion. `kind` is None when the object is gone."""

    key: str
    kind: str | None = None
    now: S3Object | None = None  # what is there instead
    detail: str | None = None
    code: str = ""
