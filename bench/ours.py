"""A child that does our steps as the tasks of a run would, in one process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from bench.child import Job, Work
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.steps import check, copying, deletion, listing, reconciliation, switching, verification

# Of a declaration and a run; those of one chunk take its number as well, and a label for the grid.
STEPS: dict[str, Callable[..., Any]] = {
    "check": partial(check.check, request=Request(Mode.MOVE)),
    "list": listing.take_listing,
    "copy": copying.copy_chunk,
    "switch": switching.switch_paths,
    "verify": verification.verify_copies,
    "gate": deletion.may_delete,
    "delete": deletion.delete_chunk,
    "reconcile": partial(reconciliation.reconcile, last=True),
}


def work(
    declared: Job, run_id: str, before: Sequence[str], measured: Sequence[str], chunks: Sequence[int] = ()
) -> Work:
    """Answers seconds by step, the chunks that were listed (or given), and the account of the run where it ends.

    :param before: steps to do first, unmeasured.
    """
    logging.basicConfig(level=logging.WARNING)
    declaration, known, found = Declaration.model_validate(declared), list(chunks), Job(account={})

    def do(step: str) -> float:
        begun = time.monotonic()
        if step in {"copy", "delete"}:
            for chunk in known:
                STEPS[step](declaration, run_id, chunk, lambda text: None)
        elif (answer := STEPS[step](declaration, run_id)) is False:
            raise RuntimeError(f"{step} said no")
        elif step == "list":
            known[:] = answer
        elif step == "reconcile":
            found["account"] = answer.as_dict()
        return time.monotonic() - begun

    for step in before:
        do(step)
    return lambda: {"steps": {step: do(step) for step in measured}, "chunks": known, **found}
