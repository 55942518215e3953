"""Airflow's connections, by environment, and the clients of an administrator."""

from __future__ import annotations

import json
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import boto3
import psycopg
import pytest
from airflow.providers.postgres.hooks.postgres import PostgresHook
from botocore.config import Config
from psycopg.pq import ExecStatus, PGconn, TransactionStatus
from psycopg.types.json import register_default_adapters

from devstack.postgres import binary

ROLE, PASSWORD = "migrator", "migrator-password"


def client(endpoint_url: str, key: str = "admin", secret: str = "secret") -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        region_name="us-east-1",
        config=Config(max_pool_connections=32, s3={"addressing_style": "path"}),
    )


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


class _Kept(psycopg.Connection[Any]):
    """A connection that leaves its session, as new (DISCARD ALL), to the next one that asks for the same."""

    left: list[PGconn] | None = None

    def close(self) -> None:
        session = None if self.left is None else left_session(self)
        if session is None or self.left is None:
            super().close()
        else:
            self.left.append(session)


def left_session(connection: psycopg.Connection[Any]) -> PGconn | None:
    """What a connection that is closed by this leaves to another one, as new; None where it cannot."""
    session = connection.pgconn
    if session.transaction_status != TransactionStatus.IDLE or not _renewed(session):
        return None
    connection.pgconn = _finished()
    return session


def session_left(session: PGconn) -> psycopg.Connection[tuple[Any, ...]]:
    """A connection that commits each statement, over what another one has left."""
    connection = psycopg.Connection[tuple[Any, ...]](session)
    connection.autocommit = True
    return connection


def _renewed(session: PGconn) -> bool:
    return session.exec_(b"DISCARD ALL").status == ExecStatus.COMMAND_OK


@cache
def _finished() -> PGconn:
    """What a connection that is closed has in place of a session."""
    session = PGconn.connect_start(b"")
    session.finish()
    return session


@contextmanager
def kept_sessions(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Most steps are done in less time than a session takes to start: those of our connections are kept."""
    left: defaultdict[str, list[PGconn]] = defaultdict(list)

    def connect(_: PostgresHook, asked: dict[str, Any]) -> _Kept:
        sessions = left[json.dumps(asked, sort_keys=True)]
        while sessions and not _renewed(sessions[-1]):  # ended meanwhile
            sessions.pop()
        made = _Kept(sessions.pop()) if sessions else _Kept.connect(**asked)
        register_default_adapters(made)
        made.left = sessions
        return made

    monkeypatch.setattr(PostgresHook, "_create_connection", connect)
    yield
    for session in (session for sessions in left.values() for session in sessions):
        session.finish()


def psql(uri: str, script: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """What an administrator does with what our commands print."""
    command = [*binary("psql"), "--no-psqlrc", "--quiet", uri]
    return subprocess.run(command, input=script, capture_output=True, text=True, check=False, **options)
