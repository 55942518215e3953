"""What is asked of S3, and what comes of it, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from s3_migration.model.objects import S3Object, Version

# One DeleteObjects request takes this many keys, one page of a listing holds as many.
BATCH = 1_000


# A version of an object; the ETag without quotes.
KeyAndEtag = tuple[str, str]


@dataclass(frozen=True)
class Copy:
    """One copy to make, of exactly this version, onto nothing or onto our own earlier copy."""

    key: str
    target: str
    version: Version
    replaces: str | None = None  # ETag of our earlier copy
    acknowledged: bool = False  # a person knows that it cannot be made

    @property
    def condition(self) -> dict[str, Any]:
        """What production has to hold at that moment, as boto3's parameter."""
        return {"IfMatch": f'"{self.replaces}"'} if self.replaces else {"IfNoneMatch": "*"}

    @property
    def source_condition(self) -> str:
        """The ETag that legacy has to hold, as a header says it."""
        return f'"{self.version.etag}"'


class Copied(NamedTuple):
    """What the store says of a copy that it made."""

    etag: str  # without quotes
    modified: str  # ISO 8601


@dataclass(frozen=True)
class CopyResult:
    """What became of a copy. `problem` is None when production holds the content now, else the state's name."""

    copy: Copy  # with the version that was really copied
    target: Version | None = None
    modified: str | None = None  # ISO 8601
    requested: bool = True  # False: the content was there before
    problem: str | None = None
    detail: str | None = None  # `code: message` of the store
    code: str = ""


@dataclass(frozen=True)
class DeleteResult:
    """What became of a deletion. `problem` is None when the object is gone."""

    key: str
    problem: str | None = None
    now: S3Object | None = None  # what is there instead
    detail: str | None = None
    code: str = ""


class Deletions(NamedTuple):
    """What became of some deletions, and whether the store may still carry one out: a request was not answered."""

    results: list[DeleteResult]
    under_way: bool
