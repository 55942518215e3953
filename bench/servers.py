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

from bench.processes import Child, helper, run_children
from devstack.awkward import LEGACY, PRODUCTION
from devstack.environment import ROOT, environment
from devstack.ports import HOST, free_port
from devstack.postgres import Postgres
from devstack.product import ROLE, TABLE, connections, declare, ensure_role, set_up
from devstack.s3 import REGION, Identity, SeaweedFS
from devstack.seed import Target, put_avatars
from s3_migration.commands import policies
from s3_migration.model.declaration import Declaration

# The objects that every measurement starts from; none takes anything away from here.
KEPT = "legacy-kept"
# A row for each object.
ROWS = "INSERT INTO avatars (path) SELECT format('image/avatar-%%s.png', n) FROM generate_series(1, %s) AS n"


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
        put_avatars(
            Target(self.s3.endpoint_url, who.access_key, who.secret_key, REGION, ""), KEPT, range(1, objects + 1)
        )

    @contextmanager
    def bucket(self, kind: str, objects: int = 0) -> Iterator[str]:
        """A bucket of its own for one measurement, with so many of the objects in it."""
        name = f"{kind}-{secrets.token_hex(4)}"
        self.create_bucket(name)
        try:
            if objects:
                self.copy_kept(name, objects)
            yield name
        finally:
            self.s3.client().delete_bucket(Bucket=name)  # with all that is in it

    def create_bucket(self, name: str) -> None:
        client = self.s3.client()
        client.create_bucket(Bucket=name)
        # Its volumes are made when the first object comes.
        client.put_object(Bucket=name, Key="first", Body=b"first")
        client.delete_object(Bucket=name, Key="first")

    def copy_kept(self, bucket: str, objects: int) -> None:
        """Fill a legacy bucket with so many of the objects that are kept."""
        run_children([self.raw_copies(bucket, objects, prefix=LEGACY, who=self.s3.identities[0])], 600)

    def raw_copies(self, bucket: str, objects: int, **job: Any) -> Child:
        """The fastest client there is, about to copy the kept objects into the bucket."""
        how = {"prefix": PRODUCTION, "conditional": False, "connections": 64, **job}
        return self.client("raw_copies", source=KEPT, bucket=bucket, objects=objects, **how)

    def client(self, module: str, *, who: Identity | None = None, **job: Any) -> Child:
        """A child that asks the S3 server, as the migrator where nobody else is named."""
        who = who or self.migrator
        keys = {"endpoint": self.s3.endpoint_url, "access_key": who.access_key, "secret_key": who.secret_key}
        return Child(module, {**keys, **job}, self.environment(), self.log(module))

    @contextmanager
    def far_away(self, milliseconds: float) -> Iterator[str]:
        """The S3 server's address with a delay on the way; its own address without one."""
        if not milliseconds:
            yield self.s3.endpoint_url
            return
        with self.served("delay", to=self.s3.port, milliseconds=milliseconds) as port:
            yield f"http://{HOST}:{port}"

    @contextmanager
    def served(self, module: str, patience: float = 60, **job: Any) -> Iterator[int]:
        """A server of this package for as long as it is needed; its port."""
        job["port"] = free_port()
        with helper(module, job, self.environment(), self.log(module), patience):
            yield job["port"]

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
                connection.execute(ROWS, [rows])
                connection.execute("VACUUM ANALYZE avatars")
                set_up(connection, Declaration.model_validate(declared))
            yield Product(declared, name, {**self.environment(), **self.connections(name, endpoint)})
        finally:
            with self.postgres.connect() as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def connect(self, product: Product) -> psycopg.Connection[tuple[Any, ...]]:
        return self.postgres.connect(product.database)

    def number(self, product: Product, query: str) -> int:
        """The answer of a query, as an administrator."""
        with self.connect(product) as connection:
            return int(connection.execute(query.encode()).fetchall()[0][0])

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

    def connections(self, database: str, endpoint_url: str) -> dict[str, str]:
        return connections(self.postgres, self.postgres.password, endpoint_url, self.migrator, database)


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
