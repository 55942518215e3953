"""Real servers once a session; a product of its own (database, buckets) for each test."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from botocore.config import Config
from xdist.scheduler import LoadScopeScheduling

from devstack.ports import free_port
from devstack.postgres import Postgres, binary
from devstack.product import ensure_role
from devstack.s3 import Identity, SeaweedFS
from s3_migration.commands.policies import SIDES, policy
from s3_migration.ledger.schema import statements
from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration

from .support import proxy as faults
from .support.proxy import Proxy


class OneStack(LoadScopeScheduling):  # type: ignore[misc]
    """A file at a time to each process of xdist; all files that need the stack, which mostly waits, to one of them."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "the stack" if re.search(r"test_(browser|nights|scheduler)", file) else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> OneStack:
    return OneStack(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs the stack comes first: it takes longest."""
    items.sort(key=lambda item: {"live", "cluster"}.isdisjoint(getattr(item, "fixturenames", ())))


ROLE, PASSWORD = "migrator", "migrator-password"
# Rights to leave out, one identity each: (statement's Sid, action) of include/iam/policy.json.
RIGHTS = {
    "list-legacy": ("ListLegacy", "s3:ListBucket"),
    "list-production": ("ListProduction", "s3:ListBucket"),
    "get-legacy": ("ReadLegacy", "s3:GetObject"),
    "get-tags": ("ReadLegacyTags", "s3:GetObjectTagging"),
    "delete-legacy": ("DeleteLegacy", "s3:DeleteObject"),
    "get-production": ("ReadAndWriteProduction", "s3:GetObject"),
    "put-production": ("ReadAndWriteProduction", "s3:PutObject"),
    "put-canary": ("WriteTheLegacyCanary", "s3:PutObject"),
    "delete-canary": ("DeleteTheProductionCanary", "s3:DeleteObject"),
}


def declare(legacy: str = "legacy-s3", production: str = "production-s3", **fields: Any) -> Declaration:
    """A declaration as in include/migrations/avatars.yaml, small and without a grace period."""
    return Declaration.model_validate(
        {
            "name": "avatars",
            "legacy": {"conn_id": "legacy_s3", "bucket": legacy, "prefix": "image/"},
            "production": {"conn_id": "production_s3", "bucket": production, "prefix": "avatar/"},
            "database": {"conn_id": "proddatabase", "table": "avatars", "column": "path"},
            "grace_period": "0s",
            "retries": 0,
            **fields,
        }
    )


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _identity(without: str = "", side: str | None = None) -> Identity:
    """Who has the shipped rights on the buckets of all tests (`*` for their random part), less one right; or those of
    one connection, with the right to remove copies."""
    # In a bucket's name the policy takes no `*` for a wildcard.
    shipped = policy(declare("legacy-any", "production-any"), side, undo=side is not None)
    rendered = json.loads(json.dumps(shipped).replace("-any", "-*"))
    left_out = RIGHTS.get(without)
    for part in rendered["Statement"]:
        if left_out and part["Sid"] == left_out[0]:
            part["Action"] = [action for action in _as_list(part["Action"]) if action != left_out[1]] or ["s3:None"]
    name = f"without-{without}" if without else f"{side}-alone" if side else "migrator"
    return Identity(name, name, "secret", rendered)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    server = Postgres(tmp_path_factory.mktemp("postgres"), free_port(), "secret")
    server.start()
    with server.connect() as connection:
        # Nothing here has to outlive a power cut, and every step of every test opens connections.
        for setting in ("fsync = off", "scram_iterations = 1"):
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")
    ensure_role(server, ROLE, PASSWORD)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    identities = (
        Identity("admin", "admin", "secret"),
        _identity(),
        *map(_identity, RIGHTS),
        *(_identity(side=side) for side in SIDES),
    )
    server = SeaweedFS(tmp_path_factory.mktemp("s3"), free_port(), identities)
    server.start()
    yield server
    server.stop()


def client(endpoint_url: str, key: str = "admin", secret: str = "secret") -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(max_pool_connections=32, s3={"addressing_style": "path"}),
    )


@dataclass
class Product:
    """One company's avatars: two buckets and a table, as an administrator sees them."""

    declaration: Declaration
    s3: Any
    database: psycopg.Connection[tuple[Any, ...]]
    endpoint_url: str
    database_uri: str
    connections: dict[str, str] = field(default_factory=dict)

    def put(self, side: str, key: str, body: bytes = b"x", **kwargs: Any) -> str:
        """Write an object into `legacy` or `production`; answers its ETag without quotes."""
        answer = self.s3.put_object(Bucket=self.bucket(side), Key=key, Body=body, **kwargs)
        return str(answer["ETag"]).strip('"')

    def bucket(self, side: str) -> str:
        return str(getattr(self.declaration, side).bucket)

    def objects(self, side: str) -> dict[str, str]:
        """ETag by key, of all the bucket."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket(side))
        return {entry["Key"]: entry["ETag"].strip('"') for page in pages for entry in page.get("Contents", [])}

    def remove(self, side: str, *keys: str) -> None:
        for key in keys:
            self.s3.delete_object(Bucket=self.bucket(side), Key=key)

    def body(self, side: str, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.bucket(side), Key=key)["Body"].read())

    def row(self, *paths: str | None) -> None:
        self.database.cursor().executemany("INSERT INTO avatars (path) VALUES (%s)", [(path,) for path in paths])

    def rows(self) -> list[str | None]:
        """All paths, in the order of their ids."""
        return [path for (path,) in self.database.execute("SELECT path FROM avatars ORDER BY id")]

    def sql(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        cursor = self.database.execute(text, values)
        return cursor.fetchall() if cursor.description else []

    def problems(self) -> dict[str, str | None]:
        return dict(self.sql("SELECT legacy_key, problem FROM s3_migration.ledger"))  # type: ignore[arg-type]

    def seed(self, *keys: str) -> None:
        """An object in legacy with a body of its own, and its row."""
        for key in keys:
            self.put("legacy", key, f"body of {key}".encode())
        self.row(*keys)


@pytest.fixture
def product(postgres: Postgres, s3: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    """An empty product; Airflow's connections (by environment) are the migrator's, with the shipped rights."""
    with made_product(postgres, s3, monkeypatch) as made:
        yield made


@contextmanager
def made_product(postgres: Postgres, s3: SeaweedFS, monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    name = secrets.token_hex(4)
    declaration = declare(f"legacy-{name}", f"production-{name}")
    admin = client(s3.endpoint_url)
    for bucket in (declaration.legacy.bucket, declaration.production.bucket):
        admin.create_bucket(Bucket=bucket)
    with psycopg.connect(postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE product_{name}")
    with psycopg.connect(postgres.dsn(f"product_{name}"), autocommit=True) as connection:
        connection.execute("CREATE TABLE avatars (id serial PRIMARY KEY, path varchar)")
        for text in statements(declaration, ROLE):
            connection.execute(text)  # type: ignore[call-overload]
        made = Product(declaration, admin, connection, s3.endpoint_url, postgres.dsn(f"product_{name}"))
        connect_s3(monkeypatch, s3.endpoint_url)
        connect_database(monkeypatch, postgres.port, f"product_{name}")
        yield made
    # Each bucket keeps volumes of the store to itself: a hundred tests would use them all up.
    for side in ("legacy", "production"):
        made.remove(side, *made.objects(side))
        admin.delete_bucket(Bucket=made.bucket(side))


def connect_s3(
    monkeypatch: pytest.MonkeyPatch, endpoint_url: str, key: str = "migrator", secret: str = "secret", side: str = ""
) -> None:
    """Point Airflow's S3 connections (or the one of `side`) at an endpoint, as an identity."""
    extra = {"endpoint_url": endpoint_url, "region_name": "us-east-1"}
    uri = json.dumps({"conn_type": "aws", "login": key, "password": secret, "extra": extra})
    for conn_id in (f"{side}_s3",) if side else ("legacy_s3", "production_s3"):
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", uri)


def connect_database(
    monkeypatch: pytest.MonkeyPatch, port: int, database: str, role: str = ROLE, password: str = PASSWORD
) -> None:
    fields = {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "login": role, "password": password}
    monkeypatch.setenv("AIRFLOW_CONN_PRODDATABASE", json.dumps({**fields, "schema": database}))


def psql(uri: str, script: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """What an administrator does with what our commands print."""
    command = [*binary("psql"), "--no-psqlrc", "--quiet", uri]
    return subprocess.run(command, input=script, capture_output=True, text=True, check=False, **options)


@pytest.fixture(autouse=True, scope="session")
def _airflow_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the Airflow of the person who runs it."""
    os.environ["AIRFLOW_HOME"] = str(tmp_path_factory.mktemp("airflow"))


ROOT = Path(__file__).parent.parent


# Small chunks, so that a handful of objects makes several; short waits. One more with chunks that take a while, and one
# that tells people and shares a pool.
LIVE = """
legacy: {conn_id: legacy_s3, bucket: legacy-s3, prefix: image/}
production: {conn_id: production_s3, bucket: production-s3, prefix: avatar/}
database: {conn_id: proddatabase, table: avatars, column: path}
grace_period: 4s
retry_delay: 1s
"""


# A tighter loop of the scheduler: most of a small run is waiting for its next one.
SETTINGS = {"S3_MIGRATION_GRACE_PERIOD": "4s", "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2"}
# Of `image/2025-01-31T23:59:59….png`, its colons encoded.
_AGED = re.compile(
    rb"(<Key>image/([0-9-]{10}T\d\d)%3A(\d\d)%3A(\d\d)[^<]*</Key>.*?<LastModified>)[^<]*(</LastModified>)"
)


def aged_by_name(request: faults.Request, forward: faults.Forward) -> faults.Answer:
    """Show an object as old as its name says: no real store lets its age be set."""
    answer = forward(request)
    return replace(answer, body=_AGED.sub(rb"\1\2:\3:\4.000Z\5", answer.body))


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The embedded stack, whole, in a directory of its own."""
    from devstack.stack import Stack

    from .support.live_stack import BIG, DAG, POOL, TOLD, Platform
    from .support.mail import mail_sink

    directory = tmp_path_factory.mktemp("live")
    (directory / "avatars.yaml").write_text(f'{LIVE}chunk_size: 2\nschedule: "0 2 * * *"\n')
    (directory / "big.yaml").write_text(f"{LIVE}chunk_size: 3000\n")
    (directory / "nightly.yaml").write_text(f'{LIVE}schedule: "0 2 * * *"\nscheduled_mode: move\n')
    aged = LIVE.replace("legacy_s3", "aged_s3").replace("production_s3", "aged_s3")
    (directory / "archive.yaml").write_text(f'{aged}chunk_size: 2\nschedule: "0 0 1 * *"\n')
    (directory / "stack").mkdir()
    told = "alerts: {emails: [ops@example.com], late_after: 2s}"
    (directory / "told.yaml").write_text(f"{LIVE}chunk_size: 2\npool: {POOL}\n{told}\n")
    with mail_sink() as mail, pytest.MonkeyPatch.context() as patch, ExitStack() as proxies:
        patch.setattr(declarations, "DIRECTORY", directory)
        stack = Stack(directory / "stack")
        stack.prepare()
        proxy = proxies.enter_context(Proxy(stack.s3.endpoint_url))
        proxy.fault("ListObjectsV2", aged_by_name)
        store = json.loads(stack.airflow.settings["AIRFLOW_CONN_LEGACY_S3"])
        store["extra"]["endpoint_url"] = proxy.endpoint_url
        own = {"S3_MIGRATION_DECLARATIONS": str(directory), "AIRFLOW_CONN_AGED_S3": json.dumps(store)}
        stack = replace(stack, settings={**SETTINGS, **own})
        stack.up()
        try:
            api = stack.airflow.api()
            for dag in (DAG, BIG, TOLD):
                api.pause(dag, paused=False)
            # Both as a person makes them in the UI: what runs has to ask Airflow's server for the connection.
            api.ask("POST", "/connections", json={"connection_id": "smtp_default", **mail.connection()})
            api.ask("POST", "/pools", json={"name": POOL, "slots": 1})
            uri = stack.postgres.dsn("proddatabase")
            with psycopg.connect(uri, autocommit=True) as connection:
                product = (declare(), stack.s3.client(), connection, stack.s3.endpoint_url, uri)
                yield Platform(*product, api=api, stack=stack, mail=mail)
        finally:
            stack.down()
