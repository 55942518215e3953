"""What production holds against our copy, and what the refusal of a conditional copy means by it. Pure.

`production_holds` is the one comparison; the SQL asks the same by `{production_holds}` (ledger/predicates.py), and a
test holds the one against the other on all combinations.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from s3_migration.model.objects import Version


class Holds(Enum):
    """What production holds under the key."""

    NOTHING = "nothing"
    SAME = "same"  # what legacy holds, by size and ETag
    KNOWN = "known"  # what the ledger knows of: our copy, or what a row was pointed at
    EARLIER = "earlier"  # the version that legacy held when it was last listed: our copy, whose mark a crash lost
    NEWER = "newer"  # something else, written after our copy
    OTHER = "other"  # something else that is no newer


@dataclass(frozen=True)
class Known:
    """What the ledger knows of production's object, and of legacy's when it was last listed."""

    ours: bool = False  # it is our copy (or the same content); else a row was pointed at it, or nothing is known
    etag: str | None = None
    modified: datetime | None = None
    listed: Version | None = None


def production_holds(
    known: Known, legacy: Version | None, held: Version | None, held_modified: datetime | None = None
) -> Holds:
    """Compare what production holds now with what legacy holds now and with what is known of our copy."""
    if held is None:
        return Holds.NOTHING
    if held == legacy:
        return Holds.SAME
    if known.etag is not None and held.etag == known.etag:
        return Holds.KNOWN
    if not known.ours and known.listed is not None and held == known.listed:
        return Holds.EARLIER
    # A listing tells whole seconds.
    if known.modified and held_modified and held_modified >= known.modified.replace(microsecond=0):
        return Holds.NEWER
    return Holds.OTHER


# The problem that it makes: where production was known to hold our copy (or what rows were pointed at), and where a
# copy is still to be made and nothing of ours is there.
PROBLEM_OF_COPY: dict[Holds, str | None] = {
    Holds.NOTHING: "damaged",
    Holds.SAME: None,
    Holds.KNOWN: None,
    Holds.EARLIER: None,
    Holds.NEWER: "superseded",
    Holds.OTHER: "damaged",
}
PROBLEM_WITHOUT_COPY: dict[Holds, str | None] = {
    Holds.NOTHING: None,
    Holds.SAME: None,
    Holds.KNOWN: "conflict",
    Holds.EARLIER: None,
    Holds.NEWER: "conflict",
    Holds.OTHER: "conflict",
}


class Verdict(Enum):
    """What to do when a conditional copy was refused."""

    GONE = "gone"  # the source is no more
    REWRITTEN = "rewritten"  # the source is another one by now: copy that
    RETRY = "retry"  # both look as expected again: the other party was faster to undo it than we to look
    SAME = "same"  # production holds this very content
    COMPARE = "compare"  # same size, other ETag (multipart, KMS): only the bytes can tell
    SUPERSEDED = "superseded"  # production was written after our copy
    CONFLICT = "conflict"  # someone else's content


def judge_refusal(
    wanted: Version, replaces: str | None, source: Version | None, destination: Version | None
) -> Verdict:
    """Judge a refused copy of `wanted` by what both sides hold now.

    :param replaces: ETag of our own earlier copy, which this one was to replace; None: nothing was to be there.
    """
    if source is None:
        return Verdict.GONE
    if source.etag != wanted.etag:
        return Verdict.REWRITTEN
    holds = production_holds(Known(ours=replaces is not None, etag=replaces), source, destination)
    if destination is None or holds is Holds.KNOWN:
        return Verdict.RETRY
    if holds is Holds.SAME:
        return Verdict.SAME
    if destination.size == source.size:
        return Verdict.COMPARE
    return Verdict.CONFLICT if replaces is None else Verdict.SUPERSEDED
