"""The statements of `sql/run` that check asks about the column of a reference."""

from __future__ import annotations

from typing import NamedTuple

from s3_migration.ledger.connection import ReferenceLedger


class Column(NamedTuple):
    """A declared column as the database has it. `kind` is None without the table, `type` without the column."""

    kind: str | None  # pg_class.relkind
    type: str | None  # of the domain's base; an array's with []
    length: int | None  # of a varchar(n), in characters
    may_select: bool | None
    hides_rows: bool | None
    may_update: bool | None
    generated: bool | None
    nondeterministic: bool | None
    part_of: str | None  # the table that it is a partition of, or inherits from
    foreign_part: str | None  # a partition that lies on another server
    referenced_by: str | None  # a table whose foreign key does not follow an update
    follows: str | None  # the table that its own foreign key names
    elsewhere: str | None  # a schema that has a table of this name, where the declared one has not
    encoding: str
    standby: bool
    connections: int  # that the role may have; -1: any number


class RowToTry(NamedTuple):
    """`relation` is the oid of the table that holds the row."""

    relation: int
    ctid: str


def check_column(ledger: ReferenceLedger) -> Column:
    return ledger.one(Column, "check_column", column=ledger.reference.column, name=ledger.reference.table)


def find_rows_to_try(ledger: ReferenceLedger, limit: int) -> list[RowToTry]:
    return ledger.rows(RowToTry, "find_rows_to_try", limit=limit)


def try_switch(ledger: ReferenceLedger, row: RowToTry | None) -> bool | None:
    """Switch a row, for the caller to roll back. Answers whether it names the old path even so; None: it is gone.

    :param row: None: no row, which shows what refuses every update.
    """
    relation, ctid = row or RowToTry(0, "(0,0)")
    return ledger.first("try_switch", relation=relation, ctid=ctid)  # type: ignore[no-any-return]


def find_undecodable(ledger: ReferenceLedger) -> str | None:
    """A path whose percent-encoding is none."""
    return ledger.first("find_undecodable")  # type: ignore[no-any-return]


def find_too_long(ledger: ReferenceLedger, longest: int) -> str | None:
    """:param longest: what fits, in characters."""
    return ledger.first("find_too_long", longest=longest)  # type: ignore[no-any-return]
