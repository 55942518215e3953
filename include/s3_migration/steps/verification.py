"""verify_copies: both sides, looked at anew and independently of the copying, against the ledger."""

from __future__ import annotations

import logging
from dataclasses import replace

from s3_migration.model.declaration import Declaration
from s3_migration.model.states import Step
from s3_migration.steps.copying import copy_uncopied
from s3_migration.steps.inventory import both_sides
from s3_migration.steps.run import Chunk, Progress, Run, working
from s3_migration.steps.switching import switch_rows

log = logging.getLogger(__name__)

# How often a legacy object that is rewritten again and again is copied anew by one task.
MAX_RECOPIES = 3


def verify_copies(declaration: Declaration, run_id: str) -> None:
    """Prove what may be deleted; name what may not. Then hold to the rule of red."""
    with working(declaration, run_id, "verify") as run:
        if run.mode.changes:
            run.ledger.execute("begin_verification")
            if run.mode.copies:
                # None at the first try. A person who clears the task wants what was found missing copied anew.
                copy_uncopied(run, "damaged")
            prove(run)
        run.require_complete(Step.VERIFY)


def prove(run: Run) -> None:
    """Take the proof of the whole run, whichever task asks for it; its age counts from the start."""
    run = replace(run, step="verify", chunk=Chunk())
    since = run.ledger.value("database_time")
    compare_all(run)
    copy_changed_anew(run)
    settle_rows(run)
    damaged = run.ledger.value("end_verification", since=since)
    states = run.states()
    run.tally("objects", sum(states.get(state, 0) for state in ("copied", "waiting", "moved")), add=False)
    log.info("verified, %d damaged; objects by state: %s", damaged, states)


def compare_all(run: Run) -> None:
    """Hold every copy of the run against what both sides hold now."""
    _compare(run, None)


def copy_changed_anew(run: Run) -> None:
    """Copy what was rewritten in legacy since its copy over that copy, a few times at most. It then waits: rows are
    asked about it again, by the next proof, before it may be deleted."""
    if not run.mode.copies:
        return
    for _ in range(MAX_RECOPIES):
        changed = [row["legacy_key"] for row in run.ledger.execute("find_changed", **run.chunk.bounds)]
        if not changed:
            return
        log.info("%d objects were rewritten in legacy since they were copied: copied anew", len(changed))
        copy_uncopied(run, "changed")
        _compare(run, changed)


def settle_rows(run: Run) -> None:
    """Switch the rows that named a legacy path again since the switch; mark what rows name even so."""
    if run.mode.switches:
        switch_rows(run, late=True)
        run.ledger.execute("mark_still_referenced")


def _compare(run: Run, keys: list[str] | None) -> None:
    compared, progress = 0, Progress()
    for some, legacy, production in both_sides(run, keys):
        run.ledger.reset_staging()
        run.ledger.fill_staging("legacy", legacy)
        run.ledger.fill_staging("production", production)
        for side in ("legacy", "production"):
            run.ledger.finish_staging(side)
        with run.ledger.batch():
            run.lease.fence()
            run.ledger.execute("compare", first_key=some[0], last_key=some[-1], keys=keys, proving=run.step == "verify")
        compared += len(some)
        run.stop_if_asked()
        progress.tell("%d copies compared", compared)
    run.ledger.drop_staging()
    if not compared:
        return
    with run.ledger.batch():
        run.lease.fence()
        if run.mode.copies and run.ledger.value("count_missing", keys=keys):
            run.ledger.execute("judge_missing", keys=keys, problem_if_referenced="damaged")
        if keys is not None:
            run.ledger.execute("record_damage", keys=keys)
