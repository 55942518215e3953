"""What docker-compose.yaml does once before its servers are of use, from secrets in the environment. May be repeated.

python -m devstack.compose identities    # who may log in: files for the S3 server and for Airflow
python -m devstack.compose setup         # databases, roles, buckets; the set-up of each declaration
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from devstack import product
from devstack.airflow import ADMIN, VIEWER
from devstack.environment import ROOT
from devstack.errors import LocalError
from devstack.files import write_private
from devstack.s3 import Identity, configuration
from devstack.seed import Target

AIRFLOW, ADMINISTRATOR, MIGRATOR = "airflow", "administrator", "migrator"


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server to its superuser."""

    uri: str

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(self.uri, dbname=database, autocommit=True, connect_timeout=10)


def write_identities(directory: Path, environment: Mapping[str, str]) -> None:
    """The S3 server's administrator and migrator (with the shipped policies of all declarations); Airflow's users."""
    identities = (
        Identity(ADMINISTRATOR, ADMINISTRATOR, environment["S3_ADMIN_SECRET_KEY"]),
        Identity(MIGRATOR, MIGRATOR, environment["S3_MIGRATOR_SECRET_KEY"], product.migrator_policy()),
    )
    passwords = {ADMIN: environment["AIRFLOW_ADMIN_PASSWORD"], VIEWER: environment["AIRFLOW_VIEWER_PASSWORD"]}
    write_private(directory / "passwords" / "passwords.json", json.dumps(passwords))
    # The S3 server reads it as another user; nobody else has the volume.
    file = directory / "identities" / "identities.json"
    write_private(file, configuration(identities))
    file.chmod(0o644)


def set_up(environment: Mapping[str, str]) -> list[str]:
    """What a product already has, Airflow's database, and the set-up of each declaration; answers what failed of that.

    :raises LocalError: S3 or PostgreSQL cannot be reached, or refuses.
    """
    target = Target.find(environment)
    server = Server(target.database)
    with target.in_use():
        product.ensure_role(server, AIRFLOW, environment["AIRFLOW_DATABASE_PASSWORD"])
        product.ensure_database(server, AIRFLOW, owner=AIRFLOW)
        notes = product.create_database(server, environment["MIGRATOR_DATABASE_PASSWORD"])
        product.create_buckets(target)
    return notes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["identities", "setup"])
    options = parser.parse_args()
    try:
        if options.command == "identities":
            write_identities(ROOT, os.environ)
        else:
            for note in set_up(os.environ):
                print(note)
    except KeyError as error:
        sys.exit(f"{options.command}: {error.args[0]} is not set; see .env.example")
    except LocalError as error:
        sys.exit(f"{options.command}: {error}")


if __name__ == "__main__":
    main()
