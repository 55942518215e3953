"""A child that does our steps as the tasks of a run would, in one process.

Job: `declaration`, `run_id`, and `do`, the step that is measured: `check`, `list` (after a check; answers the chunks),
`list_checked`, `copy` (of these `chunks`) or `move` (after a check, all from the listing on; answers seconds and memory
by step, and the run's account).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from bench.child import Job, own_peak, serve
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.steps import check, copying, deletion, listing, switching, verification
from s3_migration.steps.reconciliation import reconcile


class Ours:
    """One run, step by step."""

    def __init__(self, job: Job) -> None:
        self.declaration = Declaration.model_validate(job["declaration"])
        self.run_id: str = job["run_id"]
        self.chunks: list[int] = job.get("chunks", [])

    def check(self) -> None:
        if not check.check(self.declaration, self.run_id, Request(Mode.MOVE)):
            raise TimeoutError("another run holds the lease")

    def list(self) -> None:
        self.chunks = listing.take_listing(self.declaration, self.run_id)

    def copy(self) -> None:
        for chunk in self.chunks:
            copying.copy_chunk(self.declaration, self.run_id, chunk, _no_label)

    def switch(self) -> None:
        switching.switch_paths(self.declaration, self.run_id)

    def verify(self) -> None:
        verification.verify_copies(self.declaration, self.run_id)

    def gate(self) -> None:
        if not deletion.may_delete(self.declaration, self.run_id):
            raise RuntimeError("the gate is closed")

    def delete(self) -> None:
        for chunk in self.chunks:
            deletion.delete_chunk(self.declaration, self.run_id, chunk, _no_label)

    def reconcile(self) -> Job:
        account = reconcile(self.declaration, self.run_id, last=True)
        return account.as_dict() if account else {}


def _no_label(text: str) -> None:
    """The grid is not there to show it."""


def prepare(job: Job) -> Callable[[], Job | None]:
    logging.basicConfig(level=logging.WARNING)
    ours, do = Ours(job), job["do"]
    if do in {"list", "move"}:
        ours.check()
    works: dict[str, Callable[[], Job | None]] = {
        "check": ours.check,
        "list": lambda: _list(ours),
        "list_checked": lambda: _list(ours),
        "copy": ours.copy,
        "move": lambda: _move(ours),
    }
    return works[do]


def _list(ours: Ours) -> Job:
    ours.list()
    return {"chunks": ours.chunks}


def _move(ours: Ours) -> Job:
    steps: dict[str, float] = {}
    memory: dict[str, int] = {}
    account: Job | None = None
    for step in (ours.list, ours.copy, ours.switch, ours.verify, ours.gate, ours.delete, ours.reconcile):
        begun = time.monotonic()
        account = step()  # of the last one
        steps[step.__name__] = time.monotonic() - begun
        memory[step.__name__] = own_peak()
    return {"steps": steps, "memory": memory, "chunks": ours.chunks, "account": account}


if __name__ == "__main__":
    serve(prepare)
