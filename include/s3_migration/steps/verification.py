"""verify_chunk, verify_copies: both sides, looked up again and independently of the copying, against the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from s3_migration.ledger.verification import begin_verification, count_undecided
from s3_migration.ledger.walk import find_range
from s3_migration.model.declaration import Declaration
from s3_migration.model.states import Step
from s3_migration.steps.completeness import require_complete
from s3_migration.steps.progress import labelled
from s3_migration.steps.proof import prove, prove_range
from s3_migration.steps.run import working


def verify_chunk(
    declaration: Declaration, run_id: str, chunk: int, label: Callable[[str], None], *, retries_left: bool = False
) -> None:
    """Hold one chunk, and what lies between it and the one before, against both sides. Of the rows it asks nothing.

    `label` is told the range, then what became of it.
    """
    with working(declaration, run_id, "verify", chunk, retries_left=retries_left) as run, labelled(run, label):
        of_range = replace(run, chunk=find_range(run.ledger, chunk))
        if run.mode.changes:
            begin_verification(run.ledger, chunk)
            prove_range(of_range)
        # Whether a copy that is gone is damage, the rows say: one pass over them, by verify_copies, for all chunks.
        undecided = {"damaged": count_undecided(run.ledger, of_range.chunk)}
        require_complete(of_range, Step.VERIFY, undecided=undecided)


def verify_copies(declaration: Declaration, run_id: str, *, retries_left: bool = False) -> None:
    """Prove what may be deleted; name what may not. Then hold to the rule of red.

    What verify_chunk has proven is left to be; cleared by itself, it proves all anew.
    """
    with working(declaration, run_id, "verify", retries_left=retries_left) as run:
        if run.mode.changes:
            begin_verification(run.ledger)
            prove(run)
        require_complete(run, Step.VERIFY)
