"""Databases with an empty product. One in which a test changed nothing but rows is emptied, and used by another."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import psycopg
from psycopg.pq import PGconn

from devstack.postgres import Postgres
from s3_migration.ledger.schema import statements

from .connections import ROLE, left_session, session_left
from .transitions import GUARD

Connection = psycopg.Connection[tuple[Any, ...]]
Mark = tuple[Any, ...]

_CATALOGS = (
    *("attrdef", "attribute", "class", "constraint", "default_acl", "depend", "event_trigger", "extension", "index"),
    *("inherits", "policy", "proc", "publication", "publication_rel", "rewrite", "sequence", "statistic"),
    *("statistic_ext", "trigger", "type"),
)
# What tells whether anything but rows was changed: of each catalog how many rows it has, and the newest of them.
_MARK = "SELECT " + ", ".join(  # noqa: S608
    (
        *(f"(SELECT (count(*), max(xmin::text::bigint))::text FROM pg_{catalog})" for catalog in _CATALOGS),  # noqa: S608
        "(SELECT (count(*), max(xmin::text::bigint))::text FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_')",
        "(SELECT xmin::text FROM pg_database WHERE datname = current_database())",
        "(SELECT count(*) FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase"
        " WHERE d.datname = current_database())",
        "(SELECT count(*) FROM pg_class WHERE reltuples >= 0 AND oid >= 16384)",  # of whoever vacuums
    )
)
_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
_TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid >= 16384 AND pg_relation_size(oid) > 0"
_SEQUENCES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S' AND oid >= 16384"


@dataclass
class _Databases:
    """Of one server, made from one template, to which nobody is ever connected afterwards."""

    template: str
    rows: dict[str, bytes]  # by table, as COPY has them
    sequences: dict[str, tuple[Any, ...]]
    free: list[tuple[str, Mark, PGconn]] = field(default_factory=list)  # each with a session of the superuser

    def make(self, postgres: Postgres) -> tuple[str, Mark, PGconn]:
        name = f"product_{secrets.token_hex(4)}"
        with postgres.connect() as connection:
            # Past the log: half the work. It stays: a file system finds room slowly where much was just removed.
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {self.template} STRATEGY file_copy")  # type: ignore[call-overload]
            # What a database allows is not in its template.
            connection.execute(f"GRANT CONNECT, TEMPORARY ON DATABASE {name} TO {ROLE}")  # type: ignore[call-overload]
        connection = postgres.connect(name)
        mark = _mark(connection)
        session = left_session(connection)
        assert session
        return name, mark, session

    def take_back(self, name: str, mark: Mark, connection: Connection) -> None:
        """Empty it, where it is as it was made, but for its rows. Any other is left alone."""
        until = time.monotonic() + 0.2
        while connection.execute(_OTHERS).fetchone() != (0,):
            if time.monotonic() > until:
                return
            time.sleep(0.005)
        if _mark(connection) != mark:
            return
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '1s'")  # of a transaction that was prepared
            written = [table for (table,) in connection.execute(_TABLES) if table not in self.rows]
            if written:
                connection.execute(f"TRUNCATE {', '.join(written)} CASCADE")  # type: ignore[call-overload]
            for table, rows in self.rows.items():
                # Not emptied as the others are: that would empty all that refers to it, one file after the other.
                if _rows(connection, table) != rows:
                    connection.execute(f"DELETE FROM {table}")  # type: ignore[call-overload]  # noqa: S608
                    with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:  # type: ignore[call-overload]
                        copy.write(rows)
            for sequence, state in self.sequences.items():
                connection.execute("SELECT setval(%s::regclass, %s, %s)", [sequence, *state])
        connection.execute("SELECT pg_stat_reset()")
        mark = _mark(connection)
        if session := left_session(connection):
            self.free.append((name, mark, session))


def _rows(connection: Connection, table: str) -> bytes:
    with connection.cursor().copy(f"COPY {table} TO STDOUT") as copy:  # type: ignore[call-overload]
        return b"".join(map(bytes, copy))


def _mark(connection: Connection) -> Mark:
    return tuple(connection.execute(_MARK, prepare=True).fetchone() or ())  # type: ignore[call-overload]


@cache
def _databases(postgres: Postgres) -> _Databases:
    """The template is a database with the table of avatars and all that the set-up makes."""
    # Here, and not above: what a product is like takes these databases for granted.
    from .product import declare

    name = "product_template"
    with postgres.connect() as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    with postgres.connect(name) as connection:
        connection.execute("CREATE TABLE avatars (id serial PRIMARY KEY, path varchar)")
        for text in (*statements(declare(), ROLE), *GUARD):
            connection.execute(text)  # type: ignore[call-overload]
        rows = {table: _rows(connection, table) for (table,) in connection.execute(_TABLES).fetchall()}
        sequences = {
            sequence: connection.execute(f"SELECT last_value, is_called FROM {sequence}").fetchone() or ()  # noqa: S608
            for (sequence,) in connection.execute(_SEQUENCES).fetchall()
        }
    return _Databases(name, rows, sequences)


@contextmanager
def made_database(postgres: Postgres) -> Iterator[Connection]:
    """The superuser's connection to a database with an empty product."""
    databases = _databases(postgres)
    name, mark, session = databases.free.pop() if databases.free else databases.make(postgres)
    connection = session_left(session)
    yield connection
    # A new session would read the catalogs anew: that takes longer than all that is done here.
    left = left_session(connection)
    connection.close()
    # Whoever renamed it, or keeps a table locked, has it for himself as well.
    with suppress(psycopg.Error), session_left(left) if left else postgres.connect(name) as connection:
        databases.take_back(name, mark, connection)
