"""What the bench measures against: a real S3 server and a real PostgreSQL, with nothing else on them."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from bench.processes import Child
from devstack.environment import environment
from devstack.ports import HOST, free_port
from devstack.postgres import Postgres
from devstack.product import ROLE, TABLE, connections, declare, ensure_role, set_up
from devstack.s3 import REGION, Identity, SeaweedFS
from devstack.seed import Target, put_avatars
from devstack.stack import Stack
from s3_migration.commands import policies
from s3_migration.model.declaration import Declaration

# A row for each object.
ROWS = "INSERT INTO avatars (path) SELECT format('image/avatar-%%s.png', n) FROM generate_series(1, %s) AS n"
_NUMBERS = count(1)


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
        identities = (Identity("administrator"), Identity("migrator", policy=json.loads(policy)))
        return cls(directory, SeaweedFS(directory / "s3", free_port(), identities), Postgres(directory / "postgres"))

    def start(self) -> None:
        config = self.directory / ".aws" / "config"
        config.parent.mkdir(exist_ok=True)
        config.write_text("[default]\ns3 =\n    max_concurrent_requests = 64\n")  # of aws-cli
        self.s3.launch()
        self.postgres.start()
        ensure_role(self.postgres, ROLE, self.postgres.password)
        self.s3.wait()

    def stop(self) -> None:
        self.s3.stop()
        self.postgres.stop()

    # -- objects ------------------------------------------------------------------------------------------------

    @contextmanager
    def bucket(self, kind: str, objects: int = 0) -> Iterator[str]:
        """A bucket of its own, with `image/avatar-1.png` to `image/avatar-<objects>.png` in it."""
        client, name = self.s3.client(), f"{kind}-{secrets.token_hex(4)}"
        client.create_bucket(Bucket=name)
        # Its volumes are made when the first object comes.
        client.put_object(Bucket=name, Key="first", Body=b"first")
        client.delete_object(Bucket=name, Key="first")
        try:
            fill(self.s3, name, objects)
            yield name
        finally:
            client.delete_bucket(Bucket=name)  # with all that is in it

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
                fill_rows(connection, rows)
                set_up(connection, Declaration.model_validate(declared))
            yield Product(declared, name, self.environment(endpoint, name))
        finally:
            with self.postgres.connect() as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    # -- processes ----------------------------------------------------------------------------------------------

    def environment(self, endpoint: str, database: str = "") -> dict[str, str]:
        """Of every process of the bench: the migrator's keys, and nothing of the person's own Airflow or AWS."""
        _, migrator = self.s3.identities
        return {
            **environment(),
            **connections(self.postgres, self.postgres.password, endpoint, migrator, database),
            "HOME": str(self.directory),
            "AIRFLOW_HOME": str(self.directory / "airflow"),
            "AWS_ACCESS_KEY_ID": migrator.access_key,
            "AWS_SECRET_ACCESS_KEY": migrator.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }

    def log(self, name: str) -> Path:
        logs = self.directory / "log"
        logs.mkdir(parents=True, exist_ok=True)
        return logs / f"{next(_NUMBERS):03}-{name}.log"

    @contextmanager
    def served(self, module: str, patience: float = 60, **job: Any) -> Iterator[str]:
        """A server of this package for as long as it is needed; where it is."""
        port = free_port()
        with Child(module, {"port": port, **job}, environment(), self.log(module), patience):
            yield f"http://{HOST}:{port}"

    @contextmanager
    def far_away(self, milliseconds: float) -> Iterator[str]:
        """The S3 server's address with a delay on the way; its own address without one."""
        far = self.served("delay", to=self.s3.port, milliseconds=milliseconds)
        with far if milliseconds else nullcontext(self.s3.endpoint_url) as endpoint:
            yield endpoint


def fill(s3: SeaweedFS, bucket: str, objects: int) -> None:
    """Put `image/avatar-1.png` to `image/avatar-<objects>.png` into it."""
    who = s3.identities[0]
    target = Target(s3.endpoint_url, who.access_key, who.secret_key, REGION, "")
    put_avatars(target, bucket, range(1, objects + 1))


def fill_rows(connection: psycopg.Connection[Any], rows: int, index: str = "", made: str = ROWS) -> None:
    """A fresh table with a row for each object, as a product has it: vacuumed, analysed, on disk."""
    connection.execute("TRUNCATE avatars RESTART IDENTITY")
    connection.execute("DROP INDEX IF EXISTS avatars_path")
    connection.execute(made.encode(), [rows])
    connection.execute(index.encode())
    connection.execute("VACUUM ANALYZE avatars")
    connection.execute("CHECKPOINT")


def number(connection: psycopg.Connection[Any], query: str) -> int:
    """The one number that a query answers."""
    return int(connection.execute(query.encode()).fetchall()[0][0])


@contextmanager
def servers(directory: Path) -> Iterator[Servers]:
    """Fresh servers; nothing is left of them, nor of those of a bench that was killed."""
    clean(directory)
    started = Servers.of(directory)
    try:
        started.start()
        yield started
    finally:
        clean(directory)


def clean(directory: Path) -> None:
    """Stop what runs in there, and remove its data; logs and results stay."""
    Stack(directory / "stack").down()
    Servers.of(directory).stop()
    for part in ("s3", "postgres", "airflow", "stack"):
        shutil.rmtree(directory / part, ignore_errors=True)
