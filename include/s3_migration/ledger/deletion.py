"""The statements of `sql/deletion`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from s3_migration.ledger import walk
from s3_migration.ledger.chunk import WHOLE_RUN, Chunk
from s3_migration.ledger.connection import Ledger, MigrationLedger, ReferenceLedger, RunLedger


class Gate(NamedTuple):
    """Whether the run may delete now."""

    verified_at: datetime | None
    fresh: bool  # what rows name is known, or asked by each batch
    damaged: int | None
    deletion_stopped: str | None  # the reason
    requests_expire: bool  # the store was seen to refuse what comes after its expiry


class Unreferenced(NamedTuple):
    """Objects of the run's listing, and how many of them no row names."""

    objects: int
    unreferenced: int


class Unapproved(NamedTuple):
    """What may be deleted, and of that what still needs somebody's word."""

    due: int  # all of it
    objects: int
    bytes: int
    first_key: str | None
    last_key: str | None


class Deletable(NamedTuple):
    legacy_key: str
    etag: str  # of the object in legacy; of an undo, of our copy in production


class Answer(NamedTuple):
    """What became of one object that a store was asked to delete."""

    key: str  # in legacy
    problem: str | None = None
    error_code: str = ""
    detail: str | None = None
    # What legacy holds now, where that is another version.
    size: int | None = None
    etag: str | None = None
    modified: str | None = None


def stop_deletion(ledger: Ledger, name: str, reason: str) -> None:
    ledger.execute("stop_deletion", name=name, reason=reason)


def allow_deletion(ledger: Ledger, name: str) -> None:
    ledger.execute("allow_deletion", name=name)


def lock_migration(ledger: Ledger, name: str) -> None:
    """:raises psycopg.errors.LockNotAvailable: a batch that is being written down holds it."""
    ledger.execute("lock_migration", name=name)


def gate(ledger: RunLedger, *, rows_asked: bool) -> Gate:
    """:param rows_asked: each batch asks all rows itself."""
    return ledger.one(Gate, "gate", rows_asked=rows_asked)


def count_unreferenced(ledger: RunLedger) -> Unreferenced:
    return ledger.one(Unreferenced, "count_unreferenced")


def count_undeclared(ledger: RunLedger) -> int | None:
    """Columns that the gate found; None: it never came to its end."""
    return ledger.value("count_undeclared")  # type: ignore[no-any-return]


def count_unapproved(ledger: RunLedger, chunk: Chunk) -> Unapproved:
    found = []
    for piece in walk.pieces(ledger, chunk, walk.PIECE, every=False):
        with ledger.by_index():
            found.append(ledger.one(Unapproved, "count_unapproved", **piece.bounds))
    wanted = [each for each in found if each.objects]
    return Unapproved(
        sum(each.due for each in found),
        sum(each.objects for each in found),
        sum(each.bytes for each in found),
        wanted[0].first_key if wanted else None,
        wanted[-1].last_key if wanted else None,
    )


def ask_for_approval(ledger: RunLedger) -> None:
    ledger.execute("ask_for_approval")


def answer_approval(
    ledger: Ledger, name: str, run_id: str, *, approved: bool, answered_by: str, answered_at: datetime
) -> None:
    values = {"approved": approved, "answered_by": answered_by, "answered_at": answered_at}
    ledger.execute("answer_approval", name=name, run_id=run_id, **values)


def find_rows_beside(ledger: ReferenceLedger, limit: int) -> list[str]:
    """Values of rows that contain the legacy path without beginning with it."""
    inside = ledger.reference.keys.legacy_path_prefix
    return ledger.column("find_rows_beside", inside=inside, limit=limit)


def is_indexed(ledger: ReferenceLedger) -> bool:
    """Whether an index can tell which rows hold some paths, so that a batch of deletions may ask for its own."""
    if ledger.reference.array or ledger.reference.url_encoded:
        return False
    with ledger.batch():
        ledger.connection.execute("SET LOCAL enable_seqscan = off")
        (plan,) = ledger.value("explain_rows_named", asked=["a", "b"])
    nodes = list(_nodes(plan["Plan"]))
    indexes = [node["Index Name"] for node in nodes if "Index Name" in node]
    starts = ledger.column("find_index_starts", indexes=indexes)
    expected = None if ledger.reference.json_path else ledger.reference.column
    return all(map(_by_index, nodes)) and starts == [expected]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", []):
        yield from _nodes(part)


def _by_index(node: dict[str, Any]) -> bool:
    """A whole index may be read in place of the table, which is no faster."""
    kind = node["Node Type"]
    return kind != "Seq Scan" and ("Index" not in kind or "Index Cond" in node)


def find_rows_named(ledger: ReferenceLedger, keys: Sequence[str]) -> list[str]:
    """Which of these legacy keys rows name now, by the path that they were switched from."""
    spell = ledger.reference.legacy_path if ledger.sides[0] == "legacy" else ledger.reference.production_path
    # The planner takes a small table for read sooner as a whole; that it is small it need not know.
    ledger.connection.execute("SET LOCAL enable_seqscan = off")
    return ledger.column("find_rows_named", asked=[spell(key) for key in keys])


def restart_grace(ledger: RunLedger, keys: list[str]) -> None:
    ledger.execute("restart_grace", keys=keys)


def set_requests_expire(ledger: MigrationLedger, *, expire: bool) -> None:
    ledger.execute("set_requests_expire", expire=expire)


def grace_left(ledger: RunLedger) -> timedelta | None:
    """Until the last object of the run that waits may be deleted; None where none waits."""
    longest: timedelta | None = None
    for piece in walk.pieces(ledger, WHOLE_RUN, walk.PIECE, every=False):
        with ledger.by_index():
            left = ledger.value("grace_left", **piece.bounds)
        longest = max(left, longest or left) if left is not None else longest
    return longest


def has_unproven(ledger: RunLedger, chunk: Chunk) -> bool:
    for piece in walk.pieces(ledger, chunk, walk.PIECE, every=False):
        with ledger.by_index():
            if ledger.value("has_unproven", **piece.bounds):
                return True
    return False


def find_deletable(ledger: RunLedger, chunk: Chunk, after: str, limit: int, *, rows_asked: bool) -> list[Deletable]:
    """The next ones after this key.

    :param rows_asked: as in `gate`.
    """
    with ledger.by_index():
        return ledger.rows(Deletable, "find_deletable", **chunk.bounds, after=after, limit=limit, rows_asked=rows_asked)


def begin_deletion(ledger: RunLedger, chunk: Chunk, lasts: timedelta) -> int:
    """Its number. After `lasts` nothing of it can take effect any more."""
    return int(ledger.value("begin_deletion", chunk=chunk.number, lasts=lasts))


def end_deletion(ledger: RunLedger, deletion_no: int) -> None:
    ledger.execute("end_deletion", deletion_no=deletion_no)


def deletions_left(
    ledger: MigrationLedger, run_no: int = 0, chunk: int = 0, *, beside: bool = False
) -> timedelta | None:
    """How long deletions of the migration may still take effect; None: none is under way.

    :param beside: those of other chunks of this run do not count.
    """
    return ledger.value(  # type: ignore[no-any-return]
        "deletions_left", run_no=run_no, chunk=chunk, beside=beside
    )


def wait_for_deletions(ledger: MigrationLedger, say: Callable[[timedelta], None], **beside: Any) -> Iterator[None]:
    """Until nothing that was asked of a store to delete, by whoever died or lost the lease since, can take effect.

    Between two looks it is the caller's turn.

    :param say: is told once how long that may last, if there is anything to wait for.
    :param beside: as in `deletions_left`.
    """
    said = False
    while left := deletions_left(ledger, **beside):
        if not said:
            say(left)
            said = True
        yield
        time.sleep(min(left.total_seconds(), 0.2))


def retry_refused_deletes(ledger: RunLedger, chunk: Chunk) -> None:
    with ledger.by_index():
        ledger.execute("retry_refused_deletes", **chunk.bounds)


def mark_deleted(ledger: RunLedger, answers: Sequence[Answer]) -> None:
    sizes, etags, modifieds = ([answer[field] for answer in answers] for field in (4, 5, 6))
    ledger.execute_by_hash("mark_deleted", **_columns(answers), sizes=sizes, etags=etags, modifieds=modifieds)


def mark_removed(ledger: RunLedger, answers: Sequence[Answer]) -> None:
    ledger.execute_by_hash("mark_removed", **_columns(answers))


def _columns(answers: Sequence[Answer]) -> dict[str, list[Any]]:
    return {
        "keys": [answer.key for answer in answers],
        "problems": [answer.problem for answer in answers],
        "error_codes": [answer.error_code for answer in answers],
        "details": [answer.detail for answer in answers],
    }
