"""The columns that name the objects: there, readable, and such that their rows can be switched."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from psycopg import DatabaseError, OperationalError
from psycopg.errors import InsufficientPrivilege, LockNotAvailable, ObjectNotInPrerequisiteState, QueryCanceled

from s3_migration.ledger.columns import (
    Column,
    RowToTry,
    check_column,
    find_rows_to_try,
    find_too_long,
    find_undecodable,
    try_switch,
)
from s3_migration.ledger.connection import ReferenceLedger, first_line
from s3_migration.model.reference import Reference
from s3_migration.steps.preflight.errors import PreflightFailed, Refusal

R = TypeVar("R")

# Rows that the switch is tried out on. One that the database refuses need not be like the others.
TRIED = 5
# How long such rows are looked for: where none is found in that time, the switch itself will tell.
LOOKED_FOR = "5s"

_TEXTS = {"text", "varchar", "citext"}
_KINDS = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}


def check_reference(ledger: ReferenceLedger, refuse: Refusal) -> Column:
    """The column is there, of a type that can be rewritten, and the role may read it all: what the catalog says of it.

    :raises PreflightFailed: says which is not so, and what fixes it.
    """
    reference, declaration = ledger.reference, ledger.declaration
    name, table = reference.name, reference.table_name
    unseen = refuse(
        f"the database of {declaration.database.conn_id!r} has no table {table!r} that its role can see",
        f"correct database.table in the declaration, or GRANT USAGE on its schema ({refuse.set_up})",
    )
    try:
        column = check_column(ledger)
    except InsufficientPrivilege as error:
        raise unseen from error
    if column.kind is None and column.elsewhere:
        raise refuse(
            f"schema {reference.schema!r} has no table {reference.table!r}, but schema {column.elsewhere!r} has",
            f"declare table: {column.elsewhere}.{reference.table}",
        )
    if column.kind is None:
        raise unseen
    if column.kind not in {"r", "p"}:
        what = _KINDS.get(column.kind, "no table")
        raise refuse(f"{table!r} is not an ordinary table: {what}", "declare the table that holds the rows")
    if column.part_of:
        raise refuse(
            f"{table!r} is a partition of {column.part_of!r}, or inherits from it: its siblings would be left out",
            f"declare table: {column.part_of}",
        )
    if column.foreign_part:
        raise refuse(
            f"{column.foreign_part!r}, a part of {table!r}, is a foreign table: its rows cannot be switched in bounded "
            f"transactions here",
            "detach it, and migrate its rows on the server that has them",
        )
    if column.type is None:
        raise refuse(
            f"table {table!r} has no column {reference.column!r}", "correct database.column in the declaration"
        )
    _check_type(reference, column.type, refuse)
    if column.encoding != "UTF8":
        raise refuse(f"the database's encoding is {column.encoding}, S3 keys are UTF-8", "use a UTF8 database")
    if not column.may_select:
        raise refuse(f"no SELECT on {table}", f"GRANT SELECT ON {table} TO the role ({refuse.set_up})")
    if column.hides_rows:
        raise refuse(
            f"row-level security hides rows of {table!r}, so their objects would look as if no row named them",
            "ALTER ROLE … BYPASSRLS for the role",
        )
    if column.nondeterministic:
        raise refuse(
            f"column {name} has a nondeterministic collation, and keys compare as bytes",
            f'ALTER TABLE {table} ALTER COLUMN {reference.column} TYPE text COLLATE "C", or declare another column',
        )
    # A pass by several sessions has its task's two beside them.
    chunks, passes = declaration.parallel_chunks + 1, declaration.parallel_passes + 2
    needed, field, more = max((chunks, "parallel_chunks", 1), (passes, "parallel_passes", 2))
    if 0 <= column.connections < needed:
        raise refuse(
            f"the role may have {column.connections} connections at once, a run needs {needed} ({field} + {more})",
            f"ALTER ROLE … CONNECTION LIMIT {needed}, or lower {field}",
        )
    return column


def _check_type(reference: Reference, found: str, refuse: Refusal) -> None:
    element = found.removesuffix("[]")
    if found.endswith("[]") and element in _TEXTS:
        if not reference.array:
            raise refuse(
                f"column {reference.name} is of type {found}", "declare array: true, if each element is a path"
            )
    elif found == "jsonb":
        if not reference.json_path:
            raise refuse(
                f"column {reference.name} is of type jsonb", "declare json_path: the keys that lead to the path in it"
            )
    elif found not in _TEXTS or reference.array or reference.json_path:
        expected = "text[]" if reference.array else "jsonb" if reference.json_path else "text or varchar"
        raise refuse(f"column {reference.name} is of type {found}, expected {expected}", "declare another column")


def check_update(ledger: ReferenceLedger, column: Column, refuse: Refusal) -> None:
    """The role may update the column, and an update is seen to work, of some rows: it is rolled back.

    :raises PreflightFailed: every switch would fail; says why, and what fixes it.
    """
    reference = ledger.reference
    if column.standby:
        raise refuse(
            f"the server of {ledger.declaration.database.conn_id!r} is a standby, which takes no writes",
            "give the connection the host of the primary",
        )
    if not column.may_update:
        raise refuse(
            f"no UPDATE on {reference.name}",
            f"GRANT UPDATE ({reference.column}) ON {reference.table_name} TO the role ({refuse.set_up})",
        )
    if column.generated:
        raise refuse(
            f"column {reference.name} is generated from others", "declare the column that it is generated from"
        )
    if column.referenced_by:
        raise refuse(
            f"a foreign key of {column.referenced_by!r} names {reference.name}, and does not follow its updates",
            "make that foreign key anew with ON UPDATE CASCADE: its rows are then switched along",
        )
    if column.follows:
        raise refuse(
            f"{reference.name} has a foreign key to {column.follows!r}: a path is there once its row has it",
            f"declare the column of {column.follows} in its place, and make the foreign key ON UPDATE CASCADE",
        )
    _check_length(ledger, column, refuse)
    _check_encoding(ledger, refuse)
    _try(ledger, refuse)


def _check_length(ledger: ReferenceLedger, column: Column, refuse: Refusal) -> None:
    keys = ledger.reference.keys
    growth = len(keys.production_path_prefix) - len(keys.legacy_path_prefix)
    if column.length is None or growth <= 0:
        return
    longest = column.length - growth
    path = _found(ledger, lambda: find_too_long(ledger, longest))
    if path is not None:
        raise refuse(
            f"{path!r} becomes {growth} characters longer, and {ledger.reference.name} holds {column.length}",
            f"ALTER TABLE {ledger.reference.table_name} ALTER COLUMN {ledger.reference.column} TYPE varchar",
        )


def _check_encoding(ledger: ReferenceLedger, refuse: Refusal) -> None:
    if not ledger.reference.url_encoded:
        return
    path = _found(ledger, lambda: find_undecodable(ledger))
    if path is not None:
        raise refuse(
            f"{ledger.reference.name} has path_encoding: url, and {path!r} is the percent-encoding of no text",
            "correct or remove that row (there may be others like it), or declare path_encoding: plain",
        )


def _found(ledger: ReferenceLedger, look: Callable[[], R]) -> R | None:
    """What a look at the rows finds, if it finds it in time."""
    try:
        with ledger.batch():
            ledger.connection.execute(f"SET LOCAL statement_timeout = '{LOOKED_FOR}'")
            return look()
    except (QueryCanceled, LockNotAvailable):
        return None


class _RolledBack(Exception):
    """Nothing of the trial stays."""


def _try(ledger: ReferenceLedger, refuse: Refusal) -> None:
    # Where there is none, an update of nothing shows what refuses every update.
    rows: list[RowToTry | None] = [*(_found(ledger, lambda: find_rows_to_try(ledger, TRIED)) or [])] or [None]
    refusals: list[str] = []
    for row in rows:
        refusal = _refusal(ledger, row)
        if refusal is None:
            return
        refusals.append(refusal)
    raise refuse(
        f"no update of {ledger.reference.name} works, tried on {len(rows)} rows and rolled back: {refusals[0]}",
        "remove the cause: a trigger, a rule, a constraint, a right, or a publication of a table without replica "
        f"identity (ALTER TABLE {ledger.reference.table_name} REPLICA IDENTITY FULL, or with an index)",
    )


def _refusal(ledger: ReferenceLedger, row: RowToTry | None) -> str | None:
    """What the database says to the switch of this row; None: nothing, or a lock is in the way."""
    try:
        with ledger.batch():
            ledger.connection.execute(f"SET LOCAL statement_timeout = '{LOOKED_FOR}'")
            kept = try_switch(ledger, row)
            ledger.connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            raise _RolledBack
    except _RolledBack:
        if row is None or kept is False:
            return None
        return "the row keeps its old path" if kept else "a rule or a trigger updates no row"
    except (QueryCanceled, LockNotAvailable):
        return None
    except PreflightFailed:
        raise
    except DatabaseError as error:
        # 55000 speaks of the table, as of one that is published without replica identity; the others of the server.
        if isinstance(error, OperationalError) and not isinstance(error, ObjectNotInPrerequisiteState):
            raise
        return first_line(error)
