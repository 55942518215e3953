"""The tasks of a run in the order, and under the trigger rules, of the DAG: for tests that need no scheduler."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from s3_migration.ledger.connection import Ledger
from s3_migration.model.account import Account
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.steps import check, copying, deletion, hooks, listing, switching, verification
from s3_migration.steps.reconciliation import reconcile

from .product import Product

_runs = itertools.count(1)
Hook = Callable[[], object]
Task = tuple[str, int]  # step and chunk; chunk 0 is the whole run
HOOKS = tuple(f"before_{step}" for step in ("copy", "switch", "verify", "gate", "delete", "reconcile"))


class Killed(BaseException):
    """The process is gone: nothing catches this."""


class Flow:
    """Runs of one migration, one at a time. `red` has the tasks that failed, and how."""

    def __init__(self, declaration: Declaration, hooks: tuple[BulkS3Hook, BulkS3Hook]) -> None:
        self.declaration = declaration
        self.hooks = hooks  # of legacy and production
        self.run_id = ""
        self.chunks: list[int] = []
        self.red: dict[Task, AirflowException] = {}

    # -- single steps -------------------------------------------------------------------------------------------

    def begin(self, mode: Mode = Mode.MOVE, limit: int | None = None, **asked: Any) -> None:
        """check and list_legacy of a new run; `asked` are more fields of its request."""
        self.run_id, self.red = f"test__{next(_runs)}", {}
        scheduled = asked.pop("scheduled", False)
        assert check.check(self.declaration, self.run_id, Request(mode, limit, **asked), scheduled=scheduled)
        self.list()

    def list(self) -> None:
        self.chunks = listing.take_listing(self.declaration, self.run_id)

    def copy_chunk(self, chunk: int) -> None:
        copying.copy_chunk(self.declaration, self.run_id, chunk, lambda _: None)

    def copy(self) -> None:
        for chunk in self.chunks:
            self.copy_chunk(chunk)

    def switch(self) -> None:
        switching.switch_paths(self.declaration, self.run_id)

    def verify_chunk(self, chunk: int) -> None:
        verification.verify_chunk(self.declaration, self.run_id, chunk, lambda _: None)

    def verify(self) -> None:
        """verify_copies by itself."""
        verification.verify_copies(self.declaration, self.run_id)

    def gate(self) -> bool:
        return deletion.may_delete(self.declaration, self.run_id)

    def delete_chunk(self, chunk: int) -> None:
        deletion.delete_chunk(self.declaration, self.run_id, chunk, lambda _: None)

    def delete(self) -> None:
        for chunk in self.chunks:
            self.delete_chunk(chunk)

    def reconcile(self) -> None:
        reconcile(self.declaration, self.run_id, last=True)

    # -- whole runs ---------------------------------------------------------------------------------------------

    def run(self, mode: Mode = Mode.MOVE, limit: int | None = None, **more: Any) -> Account:
        """A run that has to end green. A hook (`before_<step>`) is what happens just before that step."""
        account = self.attempt(mode, limit, **more)
        for failure in self.red.values():
            raise failure
        assert account is not None
        return account

    def attempt(self, mode: Mode = Mode.MOVE, limit: int | None = None, **more: Any) -> Account:
        """A run, however it ends. `more` are hooks, and fields of its request."""
        hooks = {name: more.pop(name) for name in HOOKS if name in more}
        self.begin(mode, limit, **more)
        return self.work_off(self.tasks(), **hooks)

    def clear_failed(self) -> Account:
        """Rerun what is red and nothing that succeeded, as "clear failed" on the run does."""
        return self.work_off([task for task in self.tasks() if task in self.red])

    def clear_chunk(self, chunk: int) -> Account:
        """Rerun one copy_chunk with its downstream: no sibling, all that follows."""
        return self.work_off([task for task in self.tasks() if task == ("copy", chunk) or task[0] != "copy"])

    def tasks(self) -> list[Task]:
        """Everything after the listing."""
        copies = [("copy", chunk) for chunk in self.chunks]
        compares = [("verify", chunk) for chunk in self.chunks]
        deletes = [("delete", chunk) for chunk in self.chunks]
        return [*copies, ("switch", 0), *compares, ("verify", 0), ("gate", 0), *deletes, ("reconcile", 0)]

    def work_off(self, tasks: Iterable[Task], **hooks: Hook) -> Account:
        """Every step waits for the one before to be done, red or not (all_done); a skipped gate skips delete_chunk."""
        assert set(hooks) <= set(HOOKS), hooks
        skipped = False
        for step, chunk in tasks:
            hooks.pop(f"before_{step}", lambda: None)()
            if step == "delete" and skipped:
                continue
            self.red.pop((step, chunk), None)
            try:
                if step == "gate":
                    skipped = not self.gate()
                elif chunk:
                    getattr(self, f"{step}_chunk")(chunk)
                else:
                    getattr(self, step)()
            except AirflowException as error:
                self.red[step, chunk] = error
        return self.account()

    def account(self) -> Account | None:
        """The account that reconcile left in the run's row, if it came that far: a red run has one too."""
        ledger = Ledger.connect(self.declaration)
        row = ledger.connection.execute(
            "SELECT account FROM s3_migration.run WHERE run_id = %s", [self.run_id]
        ).fetchone()
        ledger.close()
        return Account(**row["account"]) if row and row["account"] else None


@contextmanager
def shared_clients(
    declaration: Declaration, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[BulkS3Hook, BulkS3Hook]]:
    """One S3 client a side for all steps of a test: making one takes longer than most steps do."""
    made = hooks.make_hooks(declaration)
    for hook in made:
        # What a step has not counted is nobody's, as with a hook of its own.
        monkeypatch.setattr(hook, "close", hook.take_requests)
    monkeypatch.setattr(hooks, "make_hooks", lambda *_, **__: made)
    yield made
    for hook in made:
        BulkS3Hook.close(hook)


def unserved(product: Product) -> set[str]:
    """Rows that name an object that is not there: what promise 1 rules out."""
    there = set(product.objects("legacy")) | set(product.objects("production"))
    return {path for path in product.rows() if path and path.startswith(("image/", "avatar/"))} - there


def lapse(product: Product) -> None:
    """The run's worker is dead: nothing renews its lease any more."""
    product.sql("UPDATE s3_migration.migration SET lease_until = now() - interval '1s'")


def expire(product: Product) -> None:
    """What a dead worker had asked the store to delete has had its time."""
    product.sql("UPDATE s3_migration.deletion SET deleting_until = now()")
