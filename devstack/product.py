"""The product whose avatars move: empty buckets and an empty table, and the rights of who moves them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol

import psycopg
from botocore.exceptions import ClientError
from psycopg import Connection, sql

from devstack import users
from devstack.awkward import LEGACY, PRODUCTION
from devstack.ports import HOST
from devstack.postgres import SUPERUSER, Postgres
from devstack.s3 import REGION, Identity
from s3_migration.commands import policies
from s3_migration.ledger import schema
from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKETS = ("legacy-s3", "production-s3")
DATABASE = "proddatabase"
ROLE = schema.ROLE
# No index on path: there is none in the product.
TABLE = "CREATE TABLE IF NOT EXISTS avatars (id serial PRIMARY KEY, path varchar)"


class Database(Protocol):
    """A PostgreSQL server to its superuser."""

    def connect(self, database: str = ...) -> Connection[tuple[Any, ...]]: ...


class Store(Protocol):
    """An S3 server to its administrator."""

    def client(self) -> S3Client: ...


def migrator_policy() -> dict[str, Any]:
    """The shipped policies of all declarations, and nothing more."""
    statements = [part for declaration in declarations.sound() for part in policies.policy(declaration)["Statement"]]
    return {"Version": "2012-10-17", "Statement": statements}


def declare(legacy: str = BUCKETS[0], production: str = BUCKETS[1], **fields: Any) -> dict[str, Any]:
    """The fields of a declaration of this product, without a grace period; `fields` are more of them, or others."""
    return {
        "name": "avatars",
        "legacy": {"conn_id": "legacy_s3", "bucket": legacy, "prefix": LEGACY},
        "production": {"conn_id": "production_s3", "bucket": production, "prefix": PRODUCTION},
        "database": {"conn_id": "proddatabase", "table": "avatars", "column": "path"},
        "grace_period": "0s",
        **fields,
    }


def connections(
    postgres: Postgres, password: str, endpoint_url: str, migrator: Identity, database: str = DATABASE
) -> dict[str, str]:
    """Airflow's connections, as environment: those of the migrator, never an administrator's."""
    store = {
        "conn_type": "aws",
        "login": migrator.access_key,
        "password": migrator.secret_key,
        "extra": {"endpoint_url": endpoint_url, "region_name": REGION},
    }
    rows = {"conn_type": "postgres", "host": HOST, "port": postgres.port, "login": ROLE, "password": password}
    return {
        "AIRFLOW_CONN_LEGACY_S3": json.dumps(store),
        "AIRFLOW_CONN_PRODUCTION_S3": json.dumps(store),
        "AIRFLOW_CONN_PRODDATABASE": json.dumps({**rows, "schema": database}),
    }


def create_buckets(s3: Store) -> None:
    client = s3.client()
    for bucket in BUCKETS:
        try:
            client.head_bucket(Bucket=bucket)
        except ClientError as error:
            if error.response["Error"]["Code"] not in {"404", "NoSuchBucket"}:
                raise
            client.create_bucket(Bucket=bucket)


def create_database(postgres: Database, password: str) -> list[str]:
    """Database, table, role, and the one-time set-up of each declaration; answers what could not be set up."""
    ensure_role(postgres, ROLE, password)
    ensure_database(postgres, DATABASE, owner=SUPERUSER)
    notes = []
    with postgres.connect(DATABASE) as connection:
        connection.execute(TABLE)
        connection.execute(users.TABLE)
        for declaration in declarations.sound():
            try:
                set_up(connection, declaration)
            except psycopg.Error as error:
                notes.append(f"migration {declaration.name} is not set up: {str(error).splitlines()[0]}")
    return notes


def set_up(connection: Connection[Any], declaration: Declaration) -> None:
    """The one-time set-up, as an administrator runs what `setup --sql` prints."""
    with connection.transaction():
        for statement in schema.statements(declaration, ROLE):
            connection.execute(statement.encode())


def ensure_role(postgres: Database, role: str, password: str) -> None:
    with postgres.connect() as connection:
        names = {"role": sql.Identifier(role), "password": sql.Literal(password)}
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {role}").format(**names))
        connection.execute(sql.SQL("ALTER ROLE {role} LOGIN PASSWORD {password}").format(**names))


def ensure_database(postgres: Database, name: str, owner: str) -> None:
    """A database that nobody but its owner may connect to until granted."""
    with postgres.connect() as connection:
        names = {"name": sql.Identifier(name), "owner": sql.Identifier(owner)}
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {name} OWNER {owner}").format(**names))
            connection.execute(sql.SQL("REVOKE CONNECT ON DATABASE {name} FROM PUBLIC").format(**names))
