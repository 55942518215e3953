"""A database with an empty product, set up as shipped."""

from __future__ import annotations

import secrets

import psycopg
from psycopg import sql

from devstack.postgres import Postgres
from s3_migration.ledger.schema import statements
from tests.support.connections import ROLE
from tests.support.product import declare


def set_up(postgres: Postgres) -> str:
    """A database of its own with an empty product, set up as shipped; answers its name."""
    name = f"sql_{secrets.token_hex(4)}"
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(postgres.dsn(name), autocommit=True) as connection:
        connection.execute("CREATE TABLE avatars (id serial PRIMARY KEY, path varchar)")
        for text in statements(declare(), ROLE):
            connection.execute(text)  # type: ignore[call-overload]
    return name
