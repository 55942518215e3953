"""The servers of the tests, beyond what devstack starts for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devstack.ports import free_port
from devstack.postgres import SUPERUSER, Postgres
from devstack.product import ensure_role

from .connections import PASSWORD, ROLE

_SECRET = "secret"
# Nothing here has to outlive a power cut.
NO_POWER_CUT = ("fsync = off", "full_page_writes = off")


@contextmanager
def made_postgres(directory: Path) -> Iterator[Postgres]:
    server = Postgres(directory, free_port(), _SECRET)
    server.start()
    # Every test opens connections. With hundreds of databases the naptime has autovacuum start ten times a second.
    configure(server, *NO_POWER_CUT, "scram_iterations = 1", "autovacuum_naptime = '1h'")
    with server.connect() as connection:
        connection.execute("SET scram_iterations = 1")
        connection.execute(f"ALTER ROLE {SUPERUSER} PASSWORD '{_SECRET}'")
    ensure_role(server, ROLE, PASSWORD)
    yield server
    server.stop()


def configure(server: Postgres, *settings: str) -> None:
    with server.connect() as connection:
        for setting in settings:
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")
