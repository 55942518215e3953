"""The proof that deletion rests on, and its parts: what verify, delete and reconcile share."""

from __future__ import annotations

import logging
from dataclasses import replace

from s3_migration.ledger import copying, staging, verification
from s3_migration.ledger.run import WHOLE_RUN, database_time
from s3_migration.steps.checksums import prove_bytes
from s3_migration.steps.copying import copy_uncopied
from s3_migration.steps.inventory import both_sides
from s3_migration.steps.missing import judge_missing
from s3_migration.steps.progress import Progress
from s3_migration.steps.properties import compare_properties
from s3_migration.steps.run import Run
from s3_migration.steps.settling import settle_rows

log = logging.getLogger(__name__)

# How often a legacy object that is rewritten again and again is copied again by one task.
MAX_RECOPIES = 3


def prove(run: Run) -> None:
    """Take the proof of the whole run, whichever task asks for it; its age counts from the start."""
    run = replace(run, step="verify", chunk=WHOLE_RUN)
    since = database_time(run.ledger)
    compare_all(run)
    copy_changed_again(run)
    prove_bytes(run)
    settle_rows(run)
    with run.ledger.batch():
        run.lease.fence()
        damaged = verification.end_verification(run.ledger, since)
    states = run.states()
    run.tally("objects", sum(states.get(state, 0) for state in ("copied", "waiting", "moved")), add=False)
    log.info("verified, %d damaged; objects by state: %s", damaged, states)


def compare_all(run: Run) -> None:
    """Hold every copy of the run against what both sides hold now."""
    _compare(run, None)


def compare_keys(run: Run, keys: list[str]) -> None:
    """The same of the copies of these legacy keys. Damage that is found so closes the gate."""
    _compare(run, keys)
    if run.declaration.compare == "head" and run.mode.copies:
        compare_properties(run, keys)


def copy_changed_again(run: Run) -> None:
    """Copy what was rewritten in legacy since its copy over that copy, a few times at most. It then waits: rows are
    asked about it again, by the next proof, before it may be deleted."""
    if not run.mode.copies:
        return
    for _ in range(MAX_RECOPIES):
        changed = copying.find_changed(run.ledger, run.chunk)
        if not changed:
            return
        log.info("%d objects were rewritten in legacy since they were copied: copied again", len(changed))
        copy_uncopied(run, "changed")
        compare_keys(run, changed)


def _compare(run: Run, keys: list[str] | None) -> None:
    compared, progress = 0, Progress()
    for some, legacy, production in both_sides(run, keys):
        staging.create(run.ledger)
        staging.fill(run.ledger, "legacy", legacy)
        staging.fill(run.ledger, "production", production)
        with run.ledger.batch():
            run.lease.fence()
            verification.compare(run.ledger, some[0], some[-1], keys, proving=run.step == "verify")
        compared += len(some)
        run.stop_if_asked()
        progress.tell("%d copies compared", compared)
    staging.drop(run.ledger)
    if not compared:
        return
    if run.mode.copies:
        judge_missing(run, "damaged", keys)
    if keys is not None:
        with run.ledger.batch():
            run.lease.fence()
            verification.record_damage(run.ledger, keys)
