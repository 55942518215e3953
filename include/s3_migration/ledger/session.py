"""One session with the product's database: what ours are set to, and another one where it is lost."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar, cast

from airflow.providers.postgres.hooks.postgres import PostgresHook
from botocore.exceptions import BotoCoreError, ClientError
from psycopg import Connection, OperationalError
from psycopg.rows import DictRow, dict_row

R = TypeVar("R")
log = logging.getLogger(__name__)

# For every session of ours, whatever the role or the database is set to.
SETTINGS: Mapping[str, str] = {
    # Rows of a live product are locked for moments only: rather give up than make the application wait, and do so
    # before its deadlock detector (1 s) looks for a victim.
    "lock_timeout": "500ms",
    # What a worker holds that dies or is frozen between two statements, or whose host does, the server gives back in
    # seconds: by itself TCP would keep such a session for two hours.
    "idle_in_transaction_session_timeout": "10s",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "10s",
    "client_connection_check_interval": "5s",
    # A listing, a merge, a pass over the table last as long as they last, and a task may be asleep in between.
    "statement_timeout": "0",
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    # As some set roles and databases by default, for people: a run writes. A standby stays read-only all the same.
    "default_transaction_read_only": "off",
    # Rows that a policy hides would look as if there were none, and their objects as if no row named them: an error.
    "row_security": "off",
    # As they are read here.
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
}
# The same on our side, of a server that is gone. Seconds.
SERVER_TIMEOUT = 60
# How long a server is waited for that is restarted, or a standby that takes over. Seconds.
RECONNECT_TIMEOUT = 60


class Session:
    """A connection of the declared `conn_id`, opened again on request.

    :raises psycopg.OperationalError: no such server, database, or login; no credentials to sign a token with.
    """

    def __init__(self, conn_id: str) -> None:
        self._conn_id = conn_id
        self.connection = self._open()
        self.staged = set[str]()  # the staging tables that were filled (ledger/staging.py)

    @property
    def lost(self) -> bool:
        return self.connection.closed

    def close(self) -> None:
        self.connection.close()

    def reopen(self) -> None:
        """In place of one that is lost."""
        self.connection = self._open()

    def outlast(self, work: Callable[[], R]) -> R:
        """Do the work, one transaction that may be done twice; where the connection is lost, over a new one.

        Of the old session nothing is left: no temporary table, no lock.
        """
        try:
            return work()
        except OperationalError as error:
            if not self.lost:
                raise
            log.warning("the connection to the database was lost, another is opened: %s", error)
        self._reconnect()
        return work()

    def _reconnect(self) -> None:
        deadline = time.monotonic() + RECONNECT_TIMEOUT
        while time.monotonic() < deadline:
            with suppress(OperationalError):
                return self.reopen()
            time.sleep(1)
        return self.reopen()

    def _open(self) -> Connection[DictRow]:
        # A hook each time: with IAM database authentication it signs a token, which lets in for a quarter of an hour.
        hook = PostgresHook(postgres_conn_id=self._conn_id)
        try:
            connection = cast("Connection[DictRow]", hook.get_conn())
        except (BotoCoreError, ClientError) as error:
            raise OperationalError(f"no token for IAM database authentication: {error}") from error
        connection.autocommit = True
        connection.row_factory = dict_row
        # pg_stat_activity tells whose statement it is, and which process to look at.
        settings = {**SETTINGS, "application_name": f"s3_migration pid {os.getpid()}"}
        connection.execute(
            "SELECT set_config(o.name, o.setting, false) "
            "FROM unnest(%s::text[], %s::text[]) AS o (name, setting) "
            # An older server does not know them all. pg_settings would make a row of each of its 400.
            "WHERE current_setting(o.name, true) IS NOT NULL",
            [list(settings), list(settings.values())],
        )
        _notice_a_dead_server(connection)
        return connection


def _notice_a_dead_server(connection: Connection[DictRow]) -> None:
    """A server that is gone without a word ends the session, and not the night."""
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        if ours.family not in {socket.AF_INET, socket.AF_INET6}:
            return
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            ("TCP_KEEPIDLE", SERVER_TIMEOUT // 2),
            ("TCP_KEEPINTVL", SERVER_TIMEOUT // 6),
            ("TCP_KEEPCNT", 3),
            ("TCP_USER_TIMEOUT", SERVER_TIMEOUT * 1000),
        ):
            if hasattr(socket, option):
                ours.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
