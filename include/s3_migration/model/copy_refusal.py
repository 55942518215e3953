"""What the refusal of a conditional copy means, by what both sides hold now. Pure."""

from __future__ import annotations

from enum import Enum

from s3_migration.model.objects import Version


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
    if destination is None or destination.etag == replaces:
        return Verdict.RETRY
    if destination == source:
        return Verdict.SAME
    if destination.size == source.size:
        return Verdict.COMPARE
    return Verdict.CONFLICT if replaces is None else Verdict.SUPERSEDED
