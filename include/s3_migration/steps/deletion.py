"""may_delete and delete_chunk: what is proven goes from legacy, the server checking each ETag."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

from s3_migration.ledger import copying, deletion, walk
from s3_migration.ledger.chunk import WHOLE_RUN
from s3_migration.ledger.connection import ReferenceLedger
from s3_migration.ledger.deletion import Answer, Deletable, Gate
from s3_migration.ledger.run import owns_objects
from s3_migration.model.approval import Decision
from s3_migration.model.declaration import Declaration
from s3_migration.model.states import Step
from s3_migration.s3.types import BATCH
from s3_migration.steps.approval import ask_unless_approved, require_approved, take_decision
from s3_migration.steps.checksums import prove_bytes
from s3_migration.steps.completeness import require_complete
from s3_migration.steps.gate import (
    ask_gate,
    asks_all,
    find_idle_stop,
    find_spelling,
    indexed,
    look_for_undeclared,
    require_open,
)
from s3_migration.steps.gate_errors import GateClosed, ScopeUnreferenced
from s3_migration.steps.inventory import SLICE
from s3_migration.steps.missing import judge_missing
from s3_migration.steps.progress import Progress, labelled
from s3_migration.steps.proof import ask_rows, compare_keys, copy_changed_again, prove_range
from s3_migration.steps.run import Run, working

log = logging.getLogger(__name__)

# Some requests at once; between two such batches deletion can be stopped by hand.
DELETED_TOGETHER = 4 * BATCH
# How long a batch is sent, and sent again; then its requests expire.
SEND_TIME = timedelta(seconds=60)
# Seconds after which what is left of a slice is looked at again on both sides. With the few that a batch usually takes,
# no object goes on a proof of more than a minute.
MAX_SLICE_AGE = 45.0
# What a store is given for a request that it accepted just before.
STORE_TIME = timedelta(seconds=30)
# The same where requests do not expire: S3 refuses any signature that is a quarter of an hour old.
SIGNATURE_TIME = timedelta(minutes=15)


def may_delete(
    declaration: Declaration, run_id: str, *, retries_left: bool = False, decision: Decision | None = None
) -> bool:
    """Whether the mode asks for deletion at all; then whether the gate is open, and the run complete so far.

    :param decision: on what an ApprovalWanted of this run asked.
    :raises ApprovalWanted: a person is to be asked first.
    :raises GateClosed: nothing may be deleted.
    :raises Incomplete: what is proven may be deleted, but not all is well.
    """
    if decision is not None:
        take_decision(declaration, run_id, decision)
    with working(declaration, run_id, "gate", retries_left=retries_left) as run:
        if not run.deletes:
            log.info("mode %s deletes nothing%s", run.mode.value, ", unless asked to" if run.mode.undoes else "")
            return False
        stopped = find_idle_stop(run)
        try:
            ask_gate(run, asked_first=True, despite_stop=stopped is not None)
        except ScopeUnreferenced as unreferenced:
            raise GateClosed(f"{unreferenced} {find_spelling(run)}") from unreferenced
        # Else there is nothing that the gate could keep. Chunks may take back what a later run took over.
        if owns_objects(run.ledger) or walk.ranges(run.ledger) != [WHOLE_RUN]:
            if run.mode.deletes:
                look_for_undeclared(run)
            if stopped is None:
                require_open(run)
                ask_unless_approved(run, decision)
        proven = "our copies that no row names" if run.mode.undoes else "what is proven"
        said = f"OPEN: {proven} will be deleted" if stopped is None else f"CLOSED: nothing is deleted: {stopped}"
        require_complete(run, Step.VERIFY, gate=said)
        return True


def delete_chunk(
    declaration: Declaration, run_id: str, chunk: int, label: Callable[[str], None], *, retries_left: bool = False
) -> None:
    """Delete what is proven of one chunk, past its grace period. `label` is told the range, then what became of it.

    :raises GateClosed: nothing may be deleted (any more).
    """
    with working(declaration, run_id, "delete", chunk, retries_left=retries_left) as run, labelled(run, label):
        require_approved(run)
        # What another run took over after somebody was asked is not what that person saw (an undo's, say).
        if run.mode.deletes and not run.wants_approval_of_each:
            copying.reclaim(run.ledger, run.chunk)
        walk.forget_places(run.ledger, "reconcile", "settle")
        if stopped := find_idle_stop(run):
            log.info("CLOSED: nothing is deleted: %s", stopped)
        else:
            require_open(run)
            _prove_taken_back(run)
            prove_bytes(run)  # of what was copied again since
            deletion.retry_refused_deletes(run.ledger, run.chunk)
            delete_proven(run)
            # What the store refused to delete, since it was rewritten: copied again, for a later run to delete.
            copy_changed_again(run)
        require_complete(run, Step.DELETE, retry=True)


def _prove_taken_back(run: Run) -> None:
    """A later run had taken over some of these objects since the proof: it is taken again, of the chunk's range."""
    if not deletion.has_unproven(run.ledger, run.chunk):
        return
    with run.ledger.alone("proof"):
        if deletion.has_unproven(run.ledger, run.chunk):
            log.info(
                "a later run had taken over some of these objects since the proof: it is taken again of their range"
            )
            prove_range(replace(run, step="verify", chunk=walk.find_range(run.ledger, run.chunk.number)))
            if run.mode.copies:
                judge_missing(run, "damaged")
            ask_rows(run)


def delete_proven(run: Run) -> None:
    """Delete what may be deleted of the run's chunk, slice by slice: each is proven once more just before it goes.

    :raises GateClosed: nothing may be deleted any more.
    """
    after, done, oldest, length, progress = "", 0, 0.0, SLICE, Progress()
    while True:
        run.stop_if_asked()
        asked = indexed(run)  # an index may be dropped meanwhile
        require_open(run, rows_asked=asks_all(run, asked))
        due = deletion.find_deletable(run.ledger, run.chunk, after, length, rows_asked=asks_all(run, asked))
        if not due:
            require_approved(run)
            log.info("%d objects answered, on a proof of at most %.1f s", done, oldest)
            run.tally("proof seconds", math.ceil(oldest), add=False)
            return
        proven = time.monotonic()
        compare_keys(run, [each.legacy_key for each in due])
        took = time.monotonic() - proven
        last, sent = due[-1].legacy_key, False
        of_slice = replace(run, chunk=replace(run.chunk, last_key=last))
        while after < last:
            begun = time.monotonic()
            gate = require_open(run, rows_asked=asks_all(run, asked))
            # One batch goes at least, however long the look itself took; but not if rows were asked since.
            now = time.monotonic()
            if now - proven > MAX_SLICE_AGE and (sent or now - begun > 1):
                break
            found, sent = _delete_batch(of_slice, after, asked, gate), True
            after = found[-1].legacy_key if found else last
            done += len(found)
            oldest = max(oldest, time.monotonic() - proven) if found else oldest
            progress.tell("%d of at most %d objects answered", done, run.chunk.objects or done)
            run.pacer.adjust()
            run.stop_if_asked()
        if took > MAX_SLICE_AGE / 4:
            length = max(BATCH, int(length * MAX_SLICE_AGE / 4 / took))


def _delete_batch(run: Run, after: str, asked: Sequence[ReferenceLedger], gate: Gate) -> list[Deletable]:
    """Intend, send, mark: no transaction is open while the store is asked. After a known time nothing takes effect.

    Who may not act beside these deletions (another run, an undo, whoever stops deletion) waits for what is intended,
    whatever becomes of this process; and what we send expires before that.
    """
    lasts = SEND_TIME + (STORE_TIME if gate.requests_expire else SIGNATURE_TIME)
    until = time.monotonic() + SEND_TIME.total_seconds()  # before the database's clock is asked
    due, found, deletion_no = run.ledger.session.outlast(lambda: _intend(run, after, lasts, asked))
    if not found:
        return due
    answers, under_way = (_ask_production if run.mode.undoes else _ask_legacy)(run, found, until)

    def mark() -> None:
        with run.ledger.batch():
            run.lease.fence()
            (deletion.mark_removed if run.mode.undoes else deletion.mark_deleted)(run.ledger, answers)
            if not under_way:
                deletion.end_deletion(run.ledger, deletion_no)
            gone = "removed" if run.mode.undoes else "deleted"
            for what, number in Counter(answer.problem or gone for answer in answers).items():
                run.tally(what, number)

    run.ledger.session.outlast(mark)
    run.tally_requests()
    return due


def _intend(
    run: Run, after: str, lasts: timedelta, asked: Sequence[ReferenceLedger]
) -> tuple[list[Deletable], list[Deletable], int]:
    """What is due, what of it is asked for, and the number under which that is written down.

    :param asked: the references whose rows an index can tell: what they name by now is not asked for.
    """
    with run.ledger.batch():
        run.lease.fence()
        due = deletion.find_deletable(run.ledger, run.chunk, after, DELETED_TOGETHER, rows_asked=asks_all(run, asked))
        keys = [each.legacy_key for each in due]
        named = {key for rows in asked for key in deletion.find_rows_named(rows, keys)} if due else set()
        if named:
            log.info("%d objects are named by rows again, and stay until these are switched", len(named))
            deletion.restart_grace(run.ledger, sorted(named))
        found = [each for each in due if each.legacy_key not in named]
        return due, found, deletion.begin_deletion(run.ledger, run.chunk, lasts) if found else 0


def _ask_legacy(run: Run, found: Sequence[Deletable], until: float) -> tuple[list[Answer], bool]:
    results, under_way = run.legacy.delete_versions(run.legacy_bucket, found, until)
    return [
        Answer(each.key, each.problem, each.code, each.detail, *(each.now[1:4] if each.now else ())) for each in results
    ], under_way


def _ask_production(run: Run, found: Sequence[Deletable], until: float) -> tuple[list[Answer], bool]:
    """For our copies of these legacy keys, each with the ETag of the copy."""
    copies = [(run.keys.production_key(key), etag) for key, etag in found]
    results, under_way = run.production.delete_versions(run.production_bucket, copies, until)
    return [Answer(run.keys.legacy_key(each.key), each.problem, each.code, each.detail) for each in results], under_way
