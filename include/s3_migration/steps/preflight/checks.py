"""All that check asks, in its order. The task ends with the first that fails; who asks by hand sees them all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import NamedTuple

from s3_migration.ledger.columns import Column
from s3_migration.ledger.connection import Ledger, MigrationLedger
from s3_migration.ledger.deletion import is_indexed
from s3_migration.ledger.references import create_index
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.model.reference import Reference
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.steps.completion_report import check_place
from s3_migration.steps.preflight.approvers import check_approvers
from s3_migration.steps.preflight.canary import check_removal, check_rights
from s3_migration.steps.preflight.columns import check_reference, check_update
from s3_migration.steps.preflight.database import check_lag, check_no_pooler, check_set_up, connect
from s3_migration.steps.preflight.errors import Refusal
from s3_migration.steps.preflight.others import check_others
from s3_migration.steps.preflight.stores import check_one_store, check_store, unfinished_uploads


class Check(NamedTuple):
    """One thing that a run needs."""

    name: str
    # Raises PreflightFailed or PreflightRetryable. What it answers is told, although all is well.
    ask: Callable[[], str | None]
    needs: tuple[str, ...] = ()  # names of those without which it cannot be asked
    warns: bool = False  # what it answers is for a person to do something about


@dataclass
class Preflight:
    """The checks of one run, or of what a run would need; and what they have seen."""

    declaration: Declaration
    mode: Mode
    remove_copies: bool
    run_id: str  # or whatever else tells its canaries from those of others
    legacy: BulkS3Hook
    production: BulkS3Hook
    expires: bool | None = None  # whether the store was seen to refuse a deletion after its expiry; None: not asked
    _columns: dict[Reference, Column] = field(default_factory=dict)

    @cached_property
    def ledger(self) -> Ledger:
        return connect(self.declaration)

    def close(self) -> None:
        """The connection to the database, if there is one; whoever made the hooks closes them."""
        if "ledger" in self.__dict__:
            self.ledger.close()

    @cached_property
    def of_migration(self) -> MigrationLedger:
        return check_set_up(self.ledger)

    def before_the_run(self) -> list[Check]:
        """They change nothing, and hinder nobody."""
        database, refuse = self.declaration.database, Refusal(self.declaration)
        references, connection, set_up = self.declaration.references, f"connection {database.conn_id}", "ledger"
        legacy, production = self._bucket("legacy"), self._bucket("production")

        def column(reference: Reference) -> None:
            self._columns[reference] = check_reference(self.ledger.of_reference(reference), refuse)

        def update(reference: Reference) -> None:
            check_update(self.ledger.of_reference(reference), self._columns[reference], refuse)

        checks = [
            Check(connection, self._connect),
            Check("no pooler", lambda: check_no_pooler(self.ledger), (connection,)),
            *(Check(_column(each), partial(column, each), (connection,)) for each in references),
        ]
        if query := database.lag_query:
            checks.append(Check("database.lag_query", lambda: check_lag(self.ledger, query), (connection,)))
        checks.append(Check(set_up, self._set_up, (connection,)))
        if self.mode.switches:
            checks += [
                Check(f"update of {each.name}", partial(update, each), (_column(each), set_up)) for each in references
            ]
        if self.mode.deletes and self.declaration.approve_deletion is not None:
            checks.append(Check("approvers", lambda: check_approvers(self.declaration)))
        return [
            *checks,
            Check(legacy, lambda: check_store(self.declaration, "legacy", self.legacy)),
            Check(production, lambda: check_store(self.declaration, "production", self.production)),
            Check("one store", lambda: check_one_store(self.declaration, *self._hooks), (legacy, production)),
            Check("other declarations", lambda: check_others(self.declaration, self.legacy), (legacy,)),
        ]

    def of_the_run(self) -> list[Check]:
        """They write: canaries, which are deleted again. A run asks them once it has the lease."""
        legacy, production = self._bucket("legacy"), self._bucket("production")
        checks = []
        if self.mode.copies or self.remove_copies:
            checks += [
                Check("rights and conditions", self._rights, (legacy, production, "one store")),
                Check(
                    "unfinished uploads",
                    lambda: unfinished_uploads(self.declaration, self.production) or None,
                    (production,),
                    warns=True,
                ),
            ]
        if self.mode.deletes and self.declaration.completion_report:
            checks.append(
                Check("completion report", lambda: check_place(self.declaration, self.production), (production,))
            )
        if self.remove_copies:
            checks.append(
                Check("removal of copies", lambda: check_removal(self.declaration, self.production), (production,))
            )
        return [
            *checks,
            *(
                Check(f"index on {each.name}", partial(self._index, each), (_column(each),))
                for each in self.declaration.references
            ),
        ]

    @property
    def _hooks(self) -> tuple[BulkS3Hook, BulkS3Hook]:
        return self.legacy, self.production

    def _bucket(self, side: str) -> str:
        return f"{side} s3://{getattr(self.declaration, side).bucket}"

    def _connect(self) -> None:
        _ = self.ledger

    def _set_up(self) -> None:
        _ = self.of_migration

    def _rights(self) -> None:
        self.expires = check_rights(self.declaration, self.run_id, *self._hooks)

    def _index(self, reference: Reference) -> str:
        """Whether a deletion can ask the rows themselves just before it is sent."""
        if is_indexed(self.ledger.of_reference(reference)):
            return f"{reference.name}: rows are asked once more just before each batch is deleted"
        if reference.array or reference.url_encoded:
            return f"{reference.name}: no index can tell which rows name an object: the pass of the proof has to do"
        return (
            f"{reference.name}: without an index, rows are asked by the pass of the proof alone. "
            f"For each batch to ask again: {create_index(reference)}"
        )


def _column(reference: Reference) -> str:
    return f"column {reference.name}"
