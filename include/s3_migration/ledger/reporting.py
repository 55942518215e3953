"""The statement of `sql/reporting`: what became of each object, as CSV."""

from __future__ import annotations

from collections.abc import Iterator

from s3_migration.ledger.chunk import WHOLE_RUN, Chunk
from s3_migration.ledger.connection import MigrationLedger
from s3_migration.ledger.statements import statement
from s3_migration.ledger.walk import PIECE, pieces

# Whatever the session has: it is read elsewhere.
_SETTINGS = ("TimeZone = 'UTC'", "DateStyle = 'ISO'")


def parts(ledger: MigrationLedger) -> Iterator[Chunk]:
    """All objects of the migration, whichever run's, in ranges of keys."""
    return pieces(ledger, WHOLE_RUN, PIECE, every=True)


def report_lines(ledger: MigrationLedger, part: Chunk) -> Iterator[bytes]:
    """The header, and a line for each object of the part."""
    with ledger.batch():
        for setting in _SETTINGS:
            ledger.connection.execute(f"SET LOCAL {setting}")
        values = {
            "migration_id": ledger.migration_id,
            "production_prefix": ledger.declaration.production.prefix,
            "legacy_rest": ledger.values["legacy_rest"],
            "first": part.first_key,
            "last": part.last_key,
        }
        with ledger.by_index(), ledger.connection.cursor().copy(statement("find_report_lines"), values) as copy:
            yield from map(bytes, copy)
