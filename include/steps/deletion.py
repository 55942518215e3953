"""may_delete and delete_chunk: what is proven goes from legacy, the server checking each ETag."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable

from airflow.sdk.exceptions import AirflowFailException

from include.bulk_s3 import BATCH
from include.declaration import Declaration
from include.kinds import Step
from include.steps.run import Run, working
from include.steps.verification import copy_changed_anew

log = logging.getLogger(__name__)


class GateClosed(AirflowFailException):
    """No object of this run may be deleted now."""


def may_delete(declaration: Declaration, run_id: str) -> bool:
    """Whether the mode asks for deletion at all; then whether the gate is open, and the run whole.

    :raises GateClosed: nothing may be deleted.
    :raises NotWhole: what is proven may be deleted, but not all is well.
    """
    with working(declaration, run_id, "gate") as run:
        if not run.mode.deletes:
            log.info("mode %s deletes nothing", run.mode.value)
            return False
        require_open(run)
        run.require_whole(Step.VERIFY)
        return True


def require_open(run: Run) -> None:
    """Ask the run row, not the gate's colour.

    :raises GateClosed: says why, and what opens it.
    """
    gate, name = run.ledger.one("gate"), run.declaration.name
    if gate["deletion_stopped"] is not None:
        raise GateClosed(
            f"Migration {name}: deletion was stopped by hand: {gate['deletion_stopped']}. To go on, an administrator "
            f"sets deletion_stopped to NULL in s3_migration.migration; then clear this task (docs/runbook.md)."
        )
    if gate["verified_at"] is None:
        raise GateClosed(f"Migration {name}: the verification never finished. Clear verify_copies with its downstream.")
    if gate["damaged"]:
        raise GateClosed(
            f"Migration {name}: {gate['damaged']} copies are damaged, so nothing is deleted: find out what touches "
            f"s3://{run.production_bucket}/{run.keys.production_prefix} first (docs/runbook.md)."
        )
    if not gate["fresh"]:
        raise GateClosed(
            f"Migration {name}: the proof of {gate['verified_at']:%Y-%m-%d %H:%M:%S %Z} is older than proof_max_age "
            f"({run.declaration.proof_max_age}). Clear verify_copies with its downstream."
        )


def delete_chunk(declaration: Declaration, run_id: str, chunk: int, label: Callable[[str], None]) -> None:
    """Delete what is proven of one chunk, past its grace period. `label` is told the range, then what became of it.

    :raises GateClosed: nothing may be deleted (any more).
    """
    with working(declaration, run_id, "delete", chunk) as run, run.labelled(label):
        require_open(run)
        run.ledger.execute("retry_refused_deletes", **run.chunk.bounds)
        # What was rewritten since its copy is refused by the store, copied anew, proven, and then deleted.
        copy_changed_anew(run)
        _delete_proven(run)
        copy_changed_anew(run)
        _delete_proven(run)
        require_open(run)
        run.require_whole(Step.DELETE, retry=True)


def _delete_proven(run: Run) -> None:
    after, done = "", 0
    while True:
        # One transaction around request and mark: a run that takes the lease waits for this batch to end.
        with run.ledger.batch():
            run.lease.fence()
            rows = run.ledger.execute("find_deletable", **run.chunk.bounds, after=after, most=BATCH).fetchall()
            if not rows:
                return
            after = rows[-1]["legacy_key"]
            _delete_batch(run, [(row["legacy_key"], row["legacy_etag"]) for row in rows])
        done += len(rows)
        log.info("%d of at most %d objects answered", done, run.chunk.objects)


def _delete_batch(run: Run, versions: list[tuple[str, str]]) -> None:
    results = run.legacy.delete_versions(run.legacy_bucket, versions)
    run.ledger.execute(
        "mark_deleted",
        keys=[result.key for result in results],
        kinds=[result.kind for result in results],
        details=[result.detail for result in results],
        sizes=[result.now.size if result.now else None for result in results],
        etags=[result.now.etag if result.now else None for result in results],
        modifieds=[result.now.modified if result.now else None for result in results],
    )
    for what, number in Counter(result.kind or "deleted" for result in results).items():
        run.tally(what, number)
    run.tally_requests()
