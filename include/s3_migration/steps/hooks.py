"""The S3 hooks of a migration. Tests put their own in place of `make_hooks`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from s3_migration.model.declaration import Declaration
from s3_migration.s3.hook import BulkS3Hook

Hooks = tuple[BulkS3Hook, BulkS3Hook]


def make_hooks(declaration: Declaration, **options: Any) -> Hooks:
    """The hooks of legacy and production; one and the same where the connection is one.

    :param options: of BulkS3Hook, in place of what is declared.
    """
    options = {"requests_in_flight": declaration.requests_in_flight, "engine": declaration.engine, **options}
    legacy = BulkS3Hook(declaration.legacy.conn_id, **options)
    if declaration.production.conn_id == declaration.legacy.conn_id:
        return legacy, legacy
    return legacy, BulkS3Hook(declaration.production.conn_id, **options)


@contextmanager
def opened_hooks(declaration: Declaration, **options: Any) -> Iterator[Hooks]:
    """As `make_hooks`, closed at the end."""
    legacy, production = make_hooks(declaration, **options)
    try:
        yield legacy, production
    finally:
        legacy.close()
        production.close()
