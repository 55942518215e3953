"""The database as Amazon RDS has it: an administrator who is no superuser, and tokens for passwords."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from airflow.providers.postgres.hooks.postgres import PostgresHook
from botocore.exceptions import NoCredentialsError
from psycopg import sql
from psycopg.errors import InsufficientPrivilege

from devstack.postgres import Postgres
from s3_migration.commands.answer import CommandError
from s3_migration.commands.status import look
from s3_migration.ledger import lease
from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.schema import ROLE, statements
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.steps.check import check
from s3_migration.steps.preflight.errors import PreflightRetryable
from tests.support.connections import PASSWORD
from tests.support.flow import Flow, shared_clients
from tests.support.product import Product

# -- the administrator --------------------------------------------------------------------------------------------


class Master:
    """RDS's first user, as its documentation has it: may create roles and databases, and is no superuser."""

    def __init__(self, product: Product, postgres: Postgres) -> None:
        self.product = product
        self.name = f"master_{product.database.info.dbname}"
        self.own("CREATE ROLE {master} LOGIN NOSUPERUSER INHERIT CREATEDB CREATEROLE NOREPLICATION PASSWORD 'secret'")
        self.own("ALTER DATABASE {database} OWNER TO {master}")
        self.own("DROP SCHEMA s3_migration CASCADE")
        dsn = postgres.dsn(product.database.info.dbname, self.name, "secret")
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.notices: list[str] = []
        self.connection.add_notice_handler(lambda notice: self.notices.append(str(notice.message_primary)))

    def own(self, text: str) -> None:
        """What the superuser does, that is AWS."""
        self.product.database.execute(self.named(text))

    def do(self, text: str) -> None:
        self.connection.execute(self.named(text))

    def named(self, text: str) -> sql.Composed:
        names = {"master": self.name, "app": f"app_of_{self.name}", "database": self.product.database.info.dbname}
        return sql.SQL(text).format(**{name: sql.Identifier(value) for name, value in names.items()})

    def set_up(self) -> None:
        for text in statements(self.product.declaration, ROLE):
            self.connection.execute(text.encode())


@pytest.fixture
def master(product: Product, postgres: Postgres) -> Iterator[Master]:
    made = Master(product, postgres)
    yield made
    made.connection.close()
    made.own("REASSIGN OWNED BY {master} TO postgres")
    made.own("DROP OWNED BY {master}")
    made.own("DROP ROLE {master}")


def test_the_set_up_needs_no_superuser(master: Master, monkeypatch: pytest.MonkeyPatch) -> None:
    master.own("ALTER TABLE avatars OWNER TO {master}")
    for _ in range(2):
        master.set_up()
    assert [text for text in master.notices if "privilege" in text] == []
    master.product.seed("image/1.png")
    with shared_clients(master.product.declaration, monkeypatch) as hooks:
        account = Flow(master.product.declaration, hooks).run()
    assert (account.copied, account.rows_switched, account.deleted) == (1, 1, 1)


def test_rights_on_the_applications_own_table_are_its_owners_to_give(master: Master) -> None:
    """As it stands in docs/aws.md: a master user who is not the table's owner becomes a member of it first."""
    master.do("CREATE ROLE {app}")
    master.own("ALTER TABLE avatars OWNER TO {app}")
    with pytest.raises(InsufficientPrivilege, match="permission denied for table avatars"):
        master.set_up()
    master.do("GRANT {app} TO CURRENT_USER")
    master.set_up()
    assert check(master.product.declaration, "r", Request(Mode.MOVE))
    master.own("ALTER TABLE avatars OWNER TO postgres")
    master.do("DROP ROLE {app}")


# -- tokens -------------------------------------------------------------------------------------------------------

HOST, REGION, LIFETIME = "avatars.abcdefghijkl.eu-central-1.rds.amazonaws.com", "eu-central-1", timedelta(minutes=15)


class Rds:
    """What stands before the real server, and lets in whoever brings a token that is young enough; botocore signs them.

    Its clock is ten minutes on with each token, so that none would serve for long.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=timezone.utc)
        self.tokens: list[str] = []
        self.port = port
        self._connect = PostgresHook._create_connection
        self._sign = PostgresHook.get_aws_iam_token
        monkeypatch.setattr(PostgresHook, "get_aws_iam_token", lambda hook, connection: self.sign(hook, connection))
        monkeypatch.setattr(PostgresHook, "_create_connection", lambda hook, asked: self.connect(hook, asked))

    def sign(self, hook: PostgresHook, connection: Any) -> Any:
        self.now += timedelta(minutes=10)
        with patch("botocore.crt.auth.get_current_datetime", lambda **_: self.now):
            return self._sign(hook, connection)

    def connect(self, hook: PostgresHook, asked: dict[str, Any]) -> Any:
        token = urlsplit(f"//{asked['password']}")
        said = {name: value for name, (value,) in parse_qs(token.query).items()}
        assert (token.hostname, token.port, asked["host"], asked["port"]) == (HOST, 5432, HOST, 5432)
        assert (said["Action"], said["DBUser"], said["X-Amz-Expires"]) == ("connect", ROLE, "900")
        assert re.fullmatch(f"AKIDRDS/[0-9]+/{REGION}/rds-db/aws4_request", said["X-Amz-Credential"])
        assert self.now - datetime.strptime(said["X-Amz-Date"] + "+0000", "%Y%m%dT%H%M%SZ%z") < LIFETIME
        assert asked["sslmode"] == "verify-full"
        assert not {"iam", "aws_conn_id"} & set(asked)
        self.tokens.append(asked["password"])
        del asked["sslmode"]
        return self._connect(hook, {**asked, "host": "127.0.0.1", "port": self.port, "password": PASSWORD})


def connect_by_token(monkeypatch: pytest.MonkeyPatch, database: str) -> None:
    extra = {"iam": True, "aws_conn_id": "rds", "sslmode": "verify-full"}
    fields = {"conn_type": "postgres", "host": HOST, "login": ROLE, "schema": database, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_PRODDATABASE", json.dumps(fields))
    signing = {"conn_type": "aws", "login": "AKIDRDS", "password": "secret", "extra": {"region_name": REGION}}
    monkeypatch.setenv("AIRFLOW_CONN_RDS", json.dumps(signing))


@pytest.fixture
def rds(product: Product, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Rds:
    connect_by_token(monkeypatch, product.database.info.dbname)
    return Rds(monkeypatch, postgres.port)


def test_each_connection_of_a_run_asks_for_a_token_of_its_own(
    product: Product, rds: Rds, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed("image/1.png", "image/2.png")
    opened = []
    connect = Ledger.connect.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(
        Ledger, "connect", classmethod(lambda cls, declared: opened.append(1) or connect(cls, declared))
    )
    with shared_clients(product.declaration, monkeypatch) as hooks:
        account = Flow(product.declaration, hooks).run()
    assert (account.rows_switched, account.deleted) == (2, 2)
    assert len(rds.tokens) == len(set(rds.tokens)) == len(opened)
    assert len(opened) > 14, "each task's, and one beside it that renews the lease"


def test_the_lease_is_renewed_over_a_new_connection_with_a_new_token(
    product: Product, rds: Rds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover; what keeps a token from being made ends one try, and not the renewing."""
    monkeypatch.setattr(lease, "TTL", timedelta(seconds=1))
    assert check(product.declaration, "r", Request(Mode.MOVE))
    run_no = product.sql("SELECT max(run_no) FROM s3_migration.run")[0][0]
    ledger = Ledger.connect(product.declaration).of_migration(1).of_run(run_no)
    with lease.Lease(ledger):
        before = len(rds.tokens)
        failing = Failing(monkeypatch)
        product.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'migrator' AND pid <> %s "
            "AND datname = current_database()",
            ledger.connection.info.backend_pid,
        )
        wait_for(lambda: failing.times == 0 and len(rds.tokens) > before)
        product.sql("UPDATE s3_migration.migration SET lease_until = now() - interval '1s'")
        wait_for(lambda: product.sql("SELECT lease_until > now() FROM s3_migration.migration") == [(True,)])
    ledger.close()


class Failing:
    """Twice the worker has no credentials to sign with: those of an instance come over the network."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.times = 2
        self._sign = PostgresHook.get_iam_token
        monkeypatch.setattr(PostgresHook, "get_iam_token", lambda hook, connection: self.sign(hook, connection))

    def sign(self, hook: PostgresHook, connection: Any) -> Any:
        if self.times:
            self.times -= 1
            raise NoCredentialsError()
        return self._sign(hook, connection)


def wait_for(seen: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not seen():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_without_credentials_to_sign_with_it_is_said_so(
    product: Product, rds: Rds, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = Failing(monkeypatch)
    with pytest.raises(
        PreflightRetryable, match="no token for IAM database authentication: Unable to locate credentials"
    ):
        check(product.declaration, "r", Request(Mode.MOVE))
    with pytest.raises(CommandError, match="no token for IAM database authentication"):
        look(product.declaration)
    assert (failing.times, rds.tokens) == (0, [])
