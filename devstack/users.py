"""A second table of the product, in partitions, that names the same avatars: in URLs, and in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from psycopg import Connection

from devstack.awkward import LEGACY, PRODUCTION

CDN = "https://cdn.example/"
TABLE = """
CREATE TABLE IF NOT EXISTS users (
    id bigint PRIMARY KEY, picture text, badges text[] NOT NULL DEFAULT '{}'
) PARTITION BY RANGE (id);
CREATE TABLE IF NOT EXISTS users_first PARTITION OF users FOR VALUES FROM (MINVALUE) TO (1000);
CREATE TABLE IF NOT EXISTS users_others PARTITION OF users FOR VALUES FROM (1000) TO (MAXVALUE);
"""
# As below `database` of a declaration.
REFERENCES: list[dict[str, Any]] = [
    {"table": "avatars", "column": "path"},
    {
        "table": "users",
        "column": "picture",
        "path_prefix": {"legacy": CDN + LEGACY, "production": CDN + PRODUCTION},
        "path_encoding": "url",
    },
    {"table": "users", "column": "badges", "array": True},
]


def seed_users(database: Connection[Any], keys: Sequence[str]) -> None:
    """A user for each of these legacy keys, whose picture it is; the next two keys are the user's badges."""
    rows = [
        (number, CDN + quote(key, safe="/"), [keys[(number + step) % len(keys)] for step in (1, 2)])
        for number, key in enumerate(keys)
    ]
    with database.cursor().copy("COPY users (id, picture, badges) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
