"""The steps of a run in the order of the DAG, as the scheduler would call them, for tests that need no scheduler."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from include.account import Account
from include.declaration import Declaration
from include.modes import Mode
from include.steps import check, copying, deletion, listing, switching, verification
from include.steps.reconciliation import reconcile

_runs = itertools.count(1)
Hook = Callable[[], None]


class Flow:
    """Runs of one migration. A step's exception ends the run, after what `all_done` would still have done is left."""

    def __init__(self, declaration: Declaration) -> None:
        self.declaration = declaration
        self.run_id = ""
        self.chunks: list[int] = []

    def begin(self, mode: Mode = Mode.MOVE, limit: int | None = None) -> None:
        """check and list_legacy."""
        self.run_id = f"test__{next(_runs)}"
        assert check.check(self.declaration, self.run_id, check.Request(mode, limit))
        self.chunks = listing.take_listing(self.declaration, self.run_id)

    def copy(self) -> None:
        for chunk in self.chunks:
            copying.copy_chunk(self.declaration, self.run_id, chunk, lambda _: None)

    def switch(self) -> None:
        switching.switch_paths(self.declaration, self.run_id)

    def verify(self) -> None:
        verification.verify_copies(self.declaration, self.run_id)

    def gate(self) -> bool:
        return deletion.may_delete(self.declaration, self.run_id)

    def delete(self) -> None:
        for chunk in self.chunks:
            deletion.delete_chunk(self.declaration, self.run_id, chunk, lambda _: None)

    def reconcile(self) -> Account:
        account = reconcile(self.declaration, self.run_id, last=True)
        assert account is not None
        return account

    def run(
        self,
        mode: Mode = Mode.MOVE,
        limit: int | None = None,
        *,
        before_copy: Hook = lambda: None,
        before_switch: Hook = lambda: None,
        before_verify: Hook = lambda: None,
        before_delete: Hook = lambda: None,
        before_reconcile: Hook = lambda: None,
    ) -> Account:
        """A whole run; each hook is what the product does just before that step."""
        self.begin(mode, limit)
        before_copy()
        if mode.copies:
            self.copy()
        before_switch()
        self.switch()
        before_verify()
        self.verify()
        before_delete()
        if self.gate():
            self.delete()
        before_reconcile()
        return self.reconcile()
