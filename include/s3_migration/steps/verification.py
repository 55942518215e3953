"""verify_copies: both sides, looked up again and independently of the copying, against the ledger."""

from __future__ import annotations

from s3_migration.ledger.verification import begin_verification
from s3_migration.model.declaration import Declaration
from s3_migration.model.states import Step
from s3_migration.steps.completeness import require_complete
from s3_migration.steps.copying import copy_uncopied
from s3_migration.steps.proof import prove
from s3_migration.steps.run import working


def verify_copies(declaration: Declaration, run_id: str, *, retries_left: bool = False) -> None:
    """Prove what may be deleted; name what may not. Then hold to the rule of red."""
    with working(declaration, run_id, "verify", retries_left=retries_left) as run:
        if run.mode.changes:
            begin_verification(run.ledger)
            if run.mode.copies:
                # None at the first try. A person who clears the task wants what was found missing copied again.
                copy_uncopied(run, "damaged")
            prove(run)
        require_complete(run, Step.VERIFY)
