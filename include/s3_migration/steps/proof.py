"""The proof that deletion rests on, and its parts: what verify, delete and reconcile share."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace

from s3_migration.ledger import copying, staging, verification, walk
from s3_migration.ledger.chunk import LAST_KEY, WHOLE_RUN
from s3_migration.ledger.run import database_time
from s3_migration.steps.checksums import prove_bytes
from s3_migration.steps.copying import copy_uncopied
from s3_migration.steps.inventory import Copies, both_sides, copies_left, copies_of_keys, copies_of_range
from s3_migration.steps.missing import judge_missing
from s3_migration.steps.progress import Progress
from s3_migration.steps.properties import compare_properties
from s3_migration.steps.run import Run
from s3_migration.steps.settling import settle_rows

log = logging.getLogger(__name__)

# How often a legacy object that is rewritten again and again is copied again by one task.
MAX_RECOPIES = 3


def prove(run: Run) -> None:
    """Take the proof of the whole run, but for what of it is there already, whichever task asks for it."""
    run = replace(run, step="verify", chunk=WHOLE_RUN)
    cleared = walk.find_place(run.ledger, "verified", WHOLE_RUN) is not None
    for each in walk.ranges(run.ledger):
        if cleared and copying.find_with_problem(run.ledger, each, "damaged"):
            # Of a chunk that may be green: that its copy is gone was no damage before the rows had been asked.
            walk.forget_places(run.ledger, "verify", chunk=each.number)
        prove_range(replace(run, chunk=each))
    if run.mode.copies:
        judge_missing(run, "damaged")
    ask_rows(run)
    walk.keep_place(run.ledger, "verified", WHOLE_RUN, LAST_KEY, ended=True)
    states = run.states()
    run.tally("objects", sum(states.get(state, 0) for state in ("copied", "waiting", "moved")), add=False)
    log.info("verified; objects by state: %s", states)


def prove_range(run: Run) -> None:
    """The part of it that is of the run's range, unless it is there: both sides, and the bytes. Of the rows nothing."""
    place = walk.find_place(run.ledger, "verify", run.chunk)
    if place is not None and place.ended:
        return
    if run.mode.copies and copying.find_with_problem(run.ledger, run.chunk, "damaged"):
        # None at the first try. A person who clears the task wants what was found missing copied again.
        copy_uncopied(run, "damaged")
    compare_range(run, "verify")
    copy_changed_again(run)
    prove_bytes(run)
    with run.ledger.batch():
        run.lease.fence()
        walk.keep_place(run.ledger, "verify", run.chunk, run.chunk.last_key, ended=True)


def ask_rows(run: Run) -> None:
    """The part of it that is of the rows: its age counts from the start."""
    run = replace(run, step="verify", chunk=WHOLE_RUN)
    since = database_time(run.ledger)
    settle_rows(run)
    with run.ledger.batch():
        run.lease.fence()
        damaged = verification.end_verification(run.ledger, since)
    log.info("rows were asked, %d copies are damaged", damaged)


def compare_range(run: Run, step: str) -> None:
    """Hold every copy of the run's range against what both sides hold now; killed, it goes on where it was.

    :param step: of the place that it keeps.
    """
    place = walk.find_place(run.ledger, step, run.chunk)
    _compare(run, copies_of_range(run, place.after_key if place else ""), step)


def compare_left(run: Run) -> None:
    """The same of what may have become otherwise since: what is due to be deleted, and what has a problem."""
    _compare(run, copies_left(run))


def compare_keys(run: Run, keys: list[str]) -> None:
    """The same of the copies of these legacy keys. Damage that is found so closes the gate."""
    if _compare(run, copies_of_keys(run, keys)):
        if run.mode.copies:
            judge_missing(run, "damaged", keys)
        with run.ledger.batch():
            run.lease.fence()
            verification.record_damage(run.ledger, keys)
    if run.declaration.compare == "head" and run.mode.copies:
        compare_properties(run, keys)


def copy_changed_again(run: Run) -> None:
    """Copy what was rewritten in legacy since its copy over that copy, a few times at most. It then waits: rows are
    asked about it again, by the next proof, before it may be deleted."""
    if not run.mode.copies:
        return
    for _ in range(MAX_RECOPIES):
        changed = copying.find_with_problem(run.ledger, run.chunk, "changed")
        if not changed:
            return
        log.info("%d objects were rewritten in legacy since they were copied: copied again", len(changed))
        copy_uncopied(run, "changed")
        compare_keys(run, changed)


def _compare(run: Run, copies: Iterator[Copies], step: str | None = None) -> int:
    """Answers how many copies were compared."""
    compared, progress = 0, Progress()
    staging.create(run.ledger)
    for some, legacy, production, reached in both_sides(run, copies):
        if some:
            staging.clear(run.ledger)
            staging.fill(run.ledger, "legacy", legacy)
            staging.fill(run.ledger, "production", production)
        with run.ledger.batch():
            run.lease.fence()
            if some and verification.compare(run.ledger, some, proving=run.step == "verify"):
                walk.forget_places(run.ledger, "states", chunk=run.chunk.number)
            if step:
                walk.keep_place(run.ledger, step, run.chunk, reached)
        compared += len(some)
        run.pacer.adjust()
        run.stop_if_asked()
        progress.tell("%d copies compared", compared)
    staging.drop(run.ledger)
    return compared
