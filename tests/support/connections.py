"""Airflow's connections, by environment, and the clients of an administrator."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import boto3
import pytest
from botocore.config import Config

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


def psql(uri: str, script: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """What an administrator does with what our commands print."""
    command = [*binary("psql"), "--no-psqlrc", "--quiet", uri]
    return subprocess.run(command, input=script, capture_output=True, text=True, check=False, **options)
