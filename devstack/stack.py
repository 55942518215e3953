"""The embedded stack: a real S3 server, a real PostgreSQL and Airflow on loopback, with an empty product to move.

    python -m devstack.stack up|down [--directory D]

Everything lies in one directory, `.local`: `down` and `up` go on with the same data, ports and passwords.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from secrets import token_hex

from devstack import product
from devstack.airflow import ADMIN, VIEWER, Airflow
from devstack.environment import ROOT, reach_loopback_directly
from devstack.errors import LocalError
from devstack.files import write_private
from devstack.ports import free_port, is_free
from devstack.postgres import Postgres, binary
from devstack.processes import alone
from devstack.redis import Redis, server
from devstack.s3 import REGION, Identity, SeaweedFS, weed

DIRECTORY = ROOT / ".local"
_AIRFLOW = "airflow"
_PREFERRED_PORTS = {"airflow_port": 8080, "s3_port": 8333, "postgres_port": 5432}


def _secret(size: int = 16) -> str:
    """:param size: in bytes, of two characters each."""
    return field(default_factory=partial(token_hex, size))


@dataclass(frozen=True)
class Settings:
    """What a stack keeps from one start to the next."""

    airflow_port: int = 0
    s3_port: int = 0
    postgres_port: int = 0
    redis_port: int = 0
    admin_password: str = _secret()
    viewer_password: str = _secret()
    airflow_secret: str = _secret(32)
    airflow_database_password: str = _secret()
    postgres_password: str = _secret()
    redis_password: str = _secret()
    migrator_password: str = _secret()
    s3_admin_key: str = _secret(10)
    s3_admin_secret: str = _secret()
    s3_migrator_key: str = _secret(10)
    s3_migrator_secret: str = _secret()


@dataclass(frozen=True)
class Stack:
    """One stack in `directory`; several run side by side.

    :param settings: more environment for Airflow, e.g. shorter time-outs in tests.
    :param workers: run the tasks on so many Celery workers, with a Redis between; none: in the scheduler's processes.
    """

    directory: Path = DIRECTORY
    settings: Mapping[str, str] = field(default_factory=dict)
    workers: int = 0

    @property
    def kept(self) -> Settings:
        return Settings(**json.loads(self._settings_file.read_text())) if self._settings_file.exists() else Settings()

    @property
    def postgres(self) -> Postgres:
        return Postgres(self.directory / "postgres", self.kept.postgres_port, self.kept.postgres_password)

    @property
    def s3(self) -> SeaweedFS:
        administrator = Identity("administrator", self.kept.s3_admin_key, self.kept.s3_admin_secret)
        return SeaweedFS(self.directory / "s3", self.kept.s3_port, (administrator, self.migrator))

    @property
    def redis(self) -> Redis:
        return Redis(self.directory / "redis", self.kept.redis_port, self.kept.redis_password)

    @property
    def migrator(self) -> Identity:
        """Who moves the objects, with the shipped rights."""
        kept = self.kept
        return Identity("migrator", kept.s3_migrator_key, kept.s3_migrator_secret, product.migrator_policy())

    @property
    def airflow(self) -> Airflow:
        kept, postgres = self.kept, self.postgres
        database = postgres.dsn(_AIRFLOW, _AIRFLOW, kept.airflow_database_password)
        return Airflow(
            self.directory / "airflow",
            kept.airflow_port,
            database.replace("postgresql://", "postgresql+psycopg2://"),
            {ADMIN: kept.admin_password, VIEWER: kept.viewer_password},
            kept.airflow_secret,
            {
                "S3_MIGRATION_GRACE_PERIOD": os.environ.get("S3_MIGRATION_GRACE_PERIOD", "5s"),
                **product.connections(postgres, kept.migrator_password, self.s3.endpoint_url, self.migrator),
                **self.settings,
            },
            self.workers,
            self.redis.url,
        )

    def variables(self) -> dict[str, str]:
        """Where everything is, and the administrators' credentials: what stack.env holds."""
        kept = self.kept
        return {
            "AIRFLOW_URL": self.airflow.url,
            "AIRFLOW_USER": ADMIN,
            "AIRFLOW_PASSWORD": kept.admin_password,
            "S3_ENDPOINT_URL": self.s3.endpoint_url,
            "AWS_ENDPOINT_URL": self.s3.endpoint_url,  # else a plain client would go to AWS
            "AWS_ACCESS_KEY_ID": kept.s3_admin_key,
            "AWS_SECRET_ACCESS_KEY": kept.s3_admin_secret,
            "AWS_DEFAULT_REGION": REGION,
            "DB_CONN_STRING": self.postgres.dsn(product.DATABASE),
        }

    def shell_environment(self) -> dict[str, str]:
        """In which every command of README and runbook works as printed: `python` is this one, Airflow this stack's."""
        beside = str(Path(sys.executable).parent)
        path = os.pathsep.join([beside, os.environ.get("PATH", os.defpath)])
        return {**self.airflow.environment(), **self.variables(), "PATH": path}

    def running(self) -> bool:
        processes = [self.postgres.process, self.s3.process, *([self.redis.process] if self.workers else [])]
        return all(process.running() for process in processes) and self.airflow.running()

    def up(self, say: Callable[[str], None] = print) -> None:
        """Start what does not run, and wait until all is healthy.

        :raises LocalError: something is missing, or does not start; says what and where.
        """
        binary("postgres"), weed()  # before anything is started
        if self.workers:
            server()
        with self._alone():
            self.prepare()
            postgres, s3, airflow = self.postgres, self.s3, self.airflow
            say(f"S3 server: {s3.endpoint_url}")
            s3.launch()
            say(f"PostgreSQL: port {postgres.port}")
            postgres.start()
            for note in product.create_database(postgres, self.kept.migrator_password):
                say(f"  {note}")
            product.ensure_role(postgres, _AIRFLOW, self.kept.airflow_database_password)
            product.ensure_database(postgres, _AIRFLOW, owner=_AIRFLOW)
            if self.workers:
                say(f"Redis: port {self.redis.port}")
                self.redis.start()
            say("Airflow: its database")
            airflow.migrate()
            say(f"Airflow: {airflow.url}")
            airflow.start()
            s3.wait()
            product.create_buckets(s3)
            airflow.wait()
            lines = (f"{name}={shlex.quote(value)}\n" for name, value in self.variables().items())
            write_private(self.environment_file, "".join(lines))

    def down(self) -> None:
        """Stop what runs, and keep its data."""
        with self._alone():
            self.environment_file.unlink(missing_ok=True)
            self.airflow.stop()
            with ThreadPoolExecutor() as pool:
                list(pool.map(lambda part: part.stop(), (self.postgres, self.s3, self.redis)))

    @property
    def environment_file(self) -> Path:
        return self.directory / "stack.env"

    @property
    def _settings_file(self) -> Path:
        return self.directory / "settings.json"

    def prepare(self) -> None:
        """Keep passwords and ports: those of last time, where nobody took them; those in the environment (AIRFLOW_PORT,
        …) at any rate."""
        kept = self.kept
        processes = {
            "postgres_port": [self.postgres.process],
            "s3_port": [self.s3.process],
            "redis_port": [self.redis.process],
            "airflow_port": self.airflow.processes,
        }
        chosen = kept
        for name, of in processes.items():
            if not any(process.running() for process in of):
                chosen = replace(chosen, **{name: self._choose_port(name, getattr(kept, name))})  # type: ignore[arg-type]
        if (chosen.postgres_port, chosen.s3_port) != (kept.postgres_port, kept.s3_port):
            self.airflow.stop()  # it knows the old ones
        write_private(self._settings_file, json.dumps(asdict(chosen), indent=2))

    def _choose_port(self, name: str, kept: int) -> int:
        if fixed := os.environ.get(name.upper()):
            if not fixed.isdigit() or not 0 < int(fixed) < 65536:
                raise LocalError(f"{name.upper()}={fixed} is no port; give a number from 1 to 65535, or unset it")
            if not is_free(int(fixed)):
                raise LocalError(f"{name.upper()}={fixed}: this port is taken; stop who listens there, or unset it")
            return int(fixed)
        # Only the one that people open by hand: two stacks that start at once would both find 8080 free.
        return free_port(kept or (_PREFERRED_PORTS.get(name, 0) if self.directory == DIRECTORY else 0))

    def _alone(self) -> AbstractContextManager[None]:
        return alone(self.directory, f"another up or down is at work in {self.directory}; repeat then")


def _describe(stack: Stack) -> str:
    kept, variables = stack.kept, stack.variables()
    return f"""
Airflow   {variables["AIRFLOW_URL"]}   {ADMIN} / {kept.admin_password}
          to look only: {VIEWER} / {kept.viewer_password}
S3        {variables["S3_ENDPOINT_URL"]}   access key {kept.s3_admin_key}   secret key {kept.s3_admin_secret}
Database  {variables["DB_CONN_STRING"]}

For any client:  set -a; . {_short(stack.environment_file)}; set +a
For python -m s3_migration and airflow as well:  make shell
"""


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["up", "down", "shell"])
    parser.add_argument("--directory", type=Path, default=DIRECTORY, help="of another stack (default: .local)")
    options = parser.parse_args()
    command, stack = options.command, Stack(options.directory.resolve())
    reach_loopback_directly()
    begun = time.monotonic()
    try:
        if command == "down":
            stack.down()
            print(f"down after {time.monotonic() - begun:.0f} s; the data stays in {_short(stack.directory)}")
            return
        if command == "shell":
            if not (stack.environment_file.exists() and stack.running()):
                raise LocalError("nothing is up; make up starts it")
            shell = os.environ.get("SHELL", "/bin/sh")
            print("In here python, airflow and any S3 client are those of the embedded stack; exit leaves.")
            os.execve(shell, [shell], stack.shell_environment())  # noqa: S606 - in place of this process
        if stack.environment_file.exists() and stack.running():
            print("already up")
            stack.up(say=lambda line: None)
        else:
            stack.up(lambda line: print(f"[{time.monotonic() - begun:3.0f} s] {line}", flush=True))
        print(_describe(stack))
    except LocalError as error:
        sys.exit(f"make {command}: {error}")
    except KeyboardInterrupt:
        sys.exit(f"make {command}: interrupted; make up goes on from here, make down stops what runs")


if __name__ == "__main__":
    main()
