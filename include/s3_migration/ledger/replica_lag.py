"""The replicas' lag as a query of the declaration tells it: of a heartbeat table, or with Aurora's own function."""

from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row


class NoLag(ValueError):
    """The query gives something else than a number of seconds."""


def declared_lag(connection: Connection[Any], query: str) -> float | None:
    """Seconds; None where the query gives no row or null: unknown.

    :raises NoLag: it gives something else.
    :raises psycopg.Error: it fails, takes too long, or does more than to read.
    """
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SET TRANSACTION READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = '5s'")
        # Prepared, as PostgreSQL then takes no more than one statement: a COMMIT would end the read-only transaction.
        cursor.execute(query.encode(), prepare=True)
        if cursor.description is None:
            raise NoLag("it gives no rows")
        return _seconds(cursor.fetchmany(2))


def _seconds(rows: list[tuple[Any, ...]]) -> float | None:
    if not rows:
        return None
    if len(rows) > 1 or len(rows[0]) != 1:
        raise NoLag("it gives more than one value")
    (value,) = rows[0]
    if value is None:
        return None
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or math.isnan(value):
        raise NoLag(f"it gives {value!r}, no number of seconds")
    return float(value)
