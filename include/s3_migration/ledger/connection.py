"""The ledger's connection, and how a statement of `ledger/sql` is run on it.

What a statement is about grows with what is known: `Ledger` knows the declaration, `MigrationLedger` which migration
it is, `RunLedger` which run. The functions beside this file say which of them each statement needs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from psycopg import Connection, Cursor, Error, sql
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow

from s3_migration.ledger import references
from s3_migration.ledger.session import Session
from s3_migration.ledger.statements import run, statement, takes
from s3_migration.model.declaration import Declaration
from s3_migration.model.reference import Reference

# The staging tables of a slice: what legacy holds, what production holds, what was named and legacy does not hold.
STAGING = ("legacy", "production", "rows")
Row = TypeVar("Row")


def first_line(error: BaseException) -> str:
    """What PostgreSQL says, without its hints and where in the statement it was."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


class Ledger:
    """One connection to the product's database; every statement is its own transaction, or part of `batch()`.

    `values` and `parts` are what is known for every statement: each takes of them what it names.
    """

    def __init__(self, session: Session, declaration: Declaration) -> None:
        self.session = session
        self.declaration = declaration
        self.sides = references.MOVE
        # substr counts characters from 1
        legacy_rest = len(declaration.legacy.prefix) + 1
        self.values: dict[str, Any] = {
            "proof_max_age": declaration.proof_max_age,
            "legacy_rest": legacy_rest,
            "checksum_share": float(declaration.checksum_share) if declaration.verify == "checksum" else 0.0,
            "approve_deletion": declaration.approve_deletion,
        }
        names = (*STAGING, "sample")
        self.parts: dict[str, sql.Composable] = {name: sql.Identifier("pg_temp", f"listed_{name}") for name in names}
        self._know_all_rows()

    def _know_all_rows(self) -> None:
        self.parts |= references.parts_of_all(self.declaration.references, self.sides)

    @classmethod
    def connect(cls, declaration: Declaration) -> Ledger:
        """Open a connection of the declared `conn_id`.

        :raises psycopg.OperationalError: no such server, database, or login; no credentials to sign a token with.
        """
        return Ledger(Session(declaration.database.conn_id), declaration)

    @property
    def connection(self) -> Connection[DictRow]:
        return self.session.connection

    def of_migration(self, migration_id: int) -> MigrationLedger:
        """The same connection, for the statements about one migration."""
        return MigrationLedger(self, migration_id)

    def of_reference(self, reference: Reference) -> ReferenceLedger:
        """The same connection, for the statements about the rows of one reference."""
        return ReferenceLedger(self, reference)

    def close(self) -> None:
        self.session.close()

    # -- statements ---------------------------------------------------------------------------------------------

    def execute(self, file: str, /, **values: Any) -> Cursor[DictRow]:
        """Run the statement of `ledger/sql/*/<file>.sql`.

        :param values: exactly those that it takes and that are not known for every statement.
        :raises TypeError: other values.
        """
        query = statement(file, **self.parts)
        taken = takes(query)
        known = {name: value for name, value in self.values.items() if name in taken}
        return run(self.connection, query, {**known, **values})

    def rows(self, row: Callable[..., Row], file: str, /, **values: Any) -> list[Row]:
        """All rows of an answer; `row` has a field for each of its columns."""
        return [row(**found) for found in self.execute(file, **values)]

    def find(self, row: Callable[..., Row], file: str, /, **values: Any) -> Row | None:
        """The first row of an answer, if it has one."""
        found = self.execute(file, **values).fetchone()
        return None if found is None else row(**found)

    def one(self, row: Callable[..., Row], file: str, /, **values: Any) -> Row:
        """The row of an answer that cannot be empty."""
        found = self.find(row, file, **values)
        if found is None:
            raise LookupError(f"statement {file} answered no row for {values}")
        return found

    def value(self, file: str, /, **values: Any) -> Any:
        """The first column of the row of an answer that cannot be empty."""
        return next(iter(self.one(dict[str, Any], file, **values).values()))

    def column(self, file: str, /, **values: Any) -> list[Any]:
        """The first column of every row."""
        return [next(iter(found.values())) for found in self.execute(file, **values)]

    def first(self, file: str, /, **values: Any) -> Any:
        """The first column of the first row; None of an answer that is empty."""
        return next(iter(self.column(file, **values)), None)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """One transaction around several statements."""
        with self.connection.transaction():
            yield

    @contextmanager
    def by_index(self) -> Iterator[None]:
        """The same, of statements about the ledger that an index answers: by statistics of another night, when most of
        it was the run's, the planner would read a hundred million finished objects for the few that are not."""
        within = self.connection.info.transaction_status is not TransactionStatus.IDLE
        with self.batch():
            self.connection.execute("SET LOCAL enable_seqscan = off")
            yield
            if within:
                self.connection.execute("SET LOCAL enable_seqscan = on")

    def join_by_hash(self) -> None:
        """Of a slice, in the rest of a batch: an index is asked for its keys, and what that finds is joined by hash.

        By its statistics, of an earlier night, the ledger may seem empty, and of staging tables there are none: the
        planner then compares each row with each.
        """
        for way in ("seqscan", "bitmapscan", "nestloop", "mergejoin"):
            self.connection.execute(f"SET LOCAL enable_{way} = off")

    def execute_by_hash(self, file: str, /, **values: Any) -> Cursor[DictRow]:
        """As `execute`, within a batch, of a statement that joins the ledger with many keys."""
        self.join_by_hash()
        return self.execute(file, **values)


class MigrationLedger(Ledger):
    """What the ledger holds of one migration."""

    def __init__(self, ledger: Ledger, migration_id: int) -> None:
        super().__init__(ledger.session, ledger.declaration)
        self.migration_id = migration_id
        self.values["migration_id"] = migration_id

    def of_run(self, run_no: int, *, undo: bool = False) -> RunLedger:
        """The same connection, for the statements about one run, and the way in which it switches rows."""
        return RunLedger(self, run_no, undo=undo)

    @contextmanager
    def alone(self, work: str) -> Iterator[None]:
        """Let one task of the migration at a time do this work; the others wait."""
        name = f"s3_migration {self.migration_id} {work}"
        while not self.value("try_advisory_lock", name=name):
            time.sleep(1)
        try:
            yield
        except BaseException:
            with suppress(Error):  # the first error is the one to show; the lock goes with a lost connection
                self.execute("advisory_unlock", name=name)
            raise
        self.execute("advisory_unlock", name=name)


class RunLedger(MigrationLedger):
    """What the ledger holds of one run."""

    def __init__(self, ledger: MigrationLedger, run_no: int, *, undo: bool) -> None:
        super().__init__(ledger, ledger.migration_id)
        self.run_no = run_no
        self.values |= {"run_no": run_no, "undo": undo}
        self.sides = references.UNDO if undo else references.MOVE
        self._know_all_rows()


class ReferenceLedger(Ledger):
    """The rows of one reference: what another ledger knows, and where and how these name the objects."""

    def __init__(self, ledger: Ledger, reference: Reference) -> None:
        super().__init__(ledger.session, ledger.declaration)
        self.reference = reference
        self.sides = ledger.sides
        self.values = {**ledger.values, "table": references.table_name(reference)}
        self.parts = {**ledger.parts, **references.parts(reference, ledger.sides)}
