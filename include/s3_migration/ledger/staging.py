"""The staging tables of a slice, of this session alone: filled by COPY, joined, emptied for the next one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from psycopg import Cursor, sql
from psycopg.rows import DictRow

from s3_migration.ledger import statements
from s3_migration.ledger.connection import STAGING, Ledger
from s3_migration.model.objects import S3Object

_ESCAPED = re.compile(r"[\\\t\n\r]").search
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


def _copy_text(page: Iterable[S3Object]) -> str:
    """Rows in COPY's text format: what psycopg does row by row takes half of a listing's time."""
    return "".join(
        f"{key.translate(_ESCAPES) if _ESCAPED(key) else key}\t{size}\t{etag}\t{modified}\n"
        for key, size, etag, modified, _ in page
    )


def parts(ledger: Ledger, side: str) -> dict[str, sql.Composable]:
    """The parts of a statement that is about one staging table."""
    return {**ledger.parts, "staging": ledger.parts[side]}


def _execute(ledger: Ledger, side: str, file: str) -> Cursor[DictRow]:
    return statements.run(ledger.connection, statements.statement(file, **parts(ledger, side)), {})


def create(ledger: Ledger) -> None:
    """Make them, empty, whatever was there."""
    drop(ledger)
    for side in STAGING:
        _execute(ledger, side, "create_staging")


def clear(ledger: Ledger) -> None:
    """Empty, for the next slice. What is empty already is left alone: it would be another file."""
    for side in STAGING:
        if side in ledger.session.staged:
            _execute(ledger, side, "clear_staging")
    ledger.session.staged.clear()


def drop(ledger: Ledger) -> None:
    for side in STAGING:
        _execute(ledger, side, "drop_staging")
    ledger.session.staged.clear()


def fill(ledger: Ledger, side: str, pages: Iterable[list[S3Object]]) -> None:
    """COPY what was seen of a slice, as it comes; `key` must be the legacy key. May be called again, with other keys.

    A store may list a key twice: the later look counts.
    """
    into = statements.statement("fill_staging", staging=ledger.parts[side])
    keys, number = set[str](), 0
    with ledger.connection.cursor() as cursor, cursor.copy(into) as copy:
        for page in pages:
            copy.write(_copy_text(page))
            keys.update([entry.key for entry in page])
            number += len(page)
    if number:
        ledger.session.staged.add(side)
    if len(keys) < number:
        _execute(ledger, side, "drop_duplicates")


def fill_absent(ledger: Ledger, keys: Sequence[str]) -> None:
    """What legacy does not hold, though somebody names it: into staging table `rows`."""
    if keys:
        ledger.session.staged.add("rows")
        ledger.execute("fill_absent", keys=list(keys))
