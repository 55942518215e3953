"""What the bench measures against: a real S3 server and a real PostgreSQL, with nothing else on them."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.children import Child, helper, run_children
from devstack.environment import ROOT, environment
from devstack.ports import HOST, free_port
from devstack.postgres import Postgres
from devstack.product import TABLE, ensure_role
from devstack.s3 import REGION, Identity, SeaweedFS
from devstack.seed import Target, Uploader, put_avatars
from s3_migration.commands import policies
from s3_migration.ledger import schema
from s3_migration.model.declaration import Declaration

# The objects that every measurement starts from; none takes anything away from here.
KEPT = "legacy-kept"
ROLE = schema.ROLE


def declare(legacy: str, production: str, **fields: Any) -> dict[str, Any]:
    """The fields of include/migrations/avatars.yaml, without a grace period."""
    return {
        "name": "avatars",
        "legacy": {"conn_id": "legacy_s3", "bucket": legacy, "prefix": "image/"},
        "production": {"conn_id": "production_s3", "bucket": production, "prefix": "avatar/"},
        "database": {"conn_id": "proddatabase", "table": "avatars", "column": "path"},
        "grace_period": "0s",
        **fields,
    }


@dataclass(frozen=True)
class Product:
    """A product to move, and the environment of the processes that move it: connections of the migrator alone."""

    declared: dict[str, Any]
    database: str
    environment: dict[str, str]


@dataclass(frozen=True)
class Servers:
    """Both servers, started in `directory`."""

    directory: Path
    s3: SeaweedFS
    postgres: Postgres

    @classmethod
    def of(cls, directory: Path) -> Servers:
        # In the name of a bucket a policy takes no `*` for a wildcard, a resource's name may hold one.
        any_bucket = Declaration.model_validate(declare("legacy-any", "production-any"))
        policy = json.dumps(policies.policy(any_bucket)).replace("-any", "-*")
        migrator = Identity("migrator", policy=json.loads(policy))
        return cls(
            directory,
            SeaweedFS(directory / "s3", free_port(), (Identity("administrator"), migrator)),
            Postgres(directory / "postgres"),
        )

    @property
    def migrator(self) -> Identity:
        return self.s3.identities[1]

    def start(self) -> None:
        self.s3.launch()
        self.postgres.start()
        ensure_role(self.postgres, ROLE, self.postgres.password)
        self.s3.wait()

    def stop(self) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda part: part.stop(), (self.s3, self.postgres)))

    # -- objects ------------------------------------------------------------------------------------------------

    def fill(self, objects: int) -> None:
        """Put `image/avatar-1.png` to `image/avatar-<objects>.png` into the bucket that is kept."""
        who = self.s3.identities[0]
        self.s3.client().create_bucket(Bucket=KEPT)
        target = Target(self.s3.endpoint_url, who.access_key, who.secret_key, REGION, "")
        with Uploader(target, KEPT) as uploader:
            put_avatars(uploader, range(1, objects + 1))

    @contextmanager
    def bucket(self, kind: str, objects: int = 0) -> Iterator[str]:
        """A bucket of its own for one measurement, with so many of the objects in it."""
        name = f"{kind}-{secrets.token_hex(4)}"
        self.create_bucket(name)
        try:
            if objects:
                run_children([self.raw_copies(name, objects, prefix="image/", who=self.s3.identities[0])], 600)
            yield name
        finally:
            self.s3.client().delete_bucket(Bucket=name)  # with all that is in it

    def create_bucket(self, name: str) -> None:
        client = self.s3.client()
        client.create_bucket(Bucket=name)
        # Its volumes are made when the first object comes.
        client.put_object(Bucket=name, Key="first", Body=b"first")
        client.delete_object(Bucket=name, Key="first")

    def raw_copies(
        self,
        bucket: str,
        objects: int,
        *,
        endpoint: str = "",
        prefix: str = "avatar/",
        conditional: bool = False,
        connections: int = 64,
        who: Identity | None = None,
    ) -> Child:
        """The fastest client there is, about to copy the kept objects into the bucket."""
        who = who or self.migrator
        job = {
            "endpoint": endpoint or self.s3.endpoint_url,
            "access_key": who.access_key,
            "secret_key": who.secret_key,
            "source": KEPT,
            "bucket": bucket,
            "prefix": prefix,
            "first": 1,
            "last": objects,
            "connections": connections,
            "conditional": conditional,
        }
        return Child("raw_copies", job, self.environment(), self.log("raw_copies"))

    @contextmanager
    def far_away(self, milliseconds: float) -> Iterator[str]:
        """The S3 server's address with a delay on the way; its own address without one."""
        if not milliseconds:
            yield self.s3.endpoint_url
            return
        port = free_port()
        job = {"port": port, "to": self.s3.port, "milliseconds": milliseconds}
        with helper("delay", job, self.environment(), self.log("delay")):
            yield f"http://{HOST}:{port}"

    # -- rows ---------------------------------------------------------------------------------------------------

    @contextmanager
    def product(self, legacy: str, production: str, rows: int, endpoint: str, **fields: Any) -> Iterator[Product]:
        """A database of its own with a row for each object, set up as the README says."""
        declared, name = declare(legacy, production, **fields), f"product_{secrets.token_hex(4)}"
        with self.postgres.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            with self.postgres.connect(name) as connection:
                connection.execute(TABLE)
                connection.execute(
                    "INSERT INTO avatars (path) SELECT format('image/avatar-%%s.png', n) FROM generate_series(1, %s) n",
                    [rows],
                )
                connection.execute("VACUUM ANALYZE avatars")
                for statement in schema.statements(Declaration.model_validate(declared), ROLE):
                    connection.execute(statement.encode())
            yield Product(declared, name, {**self.environment(), **self.connections(name, endpoint)})
        finally:
            with self.postgres.connect() as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def connect(self, database: str) -> psycopg.Connection[tuple[Any, ...]]:
        return self.postgres.connect(database)

    # -- processes ----------------------------------------------------------------------------------------------

    def environment(self) -> dict[str, str]:
        """Of every process of the bench: nothing of the person's own Airflow or AWS."""
        return {
            **environment(),
            "PYTHONPATH": f"{ROOT}:{ROOT / 'include'}",
            "AIRFLOW_HOME": str(self.directory / "airflow"),
        }

    def log(self, name: str) -> Path:
        logs = self.directory / "log"
        logs.mkdir(parents=True, exist_ok=True)
        return logs / f"{name}.log"

    def connections(self, database: str, endpoint: str) -> dict[str, str]:
        who = self.migrator
        store = {"conn_type": "aws", "login": who.access_key, "password": who.secret_key}
        described = json.dumps({**store, "extra": {"endpoint_url": endpoint, "region_name": REGION}})
        rows = {"conn_type": "postgres", "host": HOST, "port": self.postgres.port, "schema": database}
        return {
            "AIRFLOW_CONN_LEGACY_S3": described,
            "AIRFLOW_CONN_PRODUCTION_S3": described,
            "AIRFLOW_CONN_PRODDATABASE": json.dumps({**rows, "login": ROLE, "password": self.postgres.password}),
        }


@contextmanager
def servers(directory: Path) -> Iterator[Servers]:
    """Fresh servers; nothing is left of them, nor of those of a bench that was killed."""
    clean(directory)
    started = Servers.of(directory)
    try:
        started.start()
        yield started
    finally:
        started.stop()
        clean(directory)


def clean(directory: Path) -> None:
    """Stop what runs in there, and remove its data; logs and results stay."""
    Servers.of(directory).stop()
    for part in ("s3", "postgres", "airflow"):
        shutil.rmtree(directory / part, ignore_errors=True)
