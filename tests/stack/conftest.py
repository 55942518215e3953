"""The embedded stack, live: one, in each process, for all its tests under the real scheduler and in the browser."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from shutil import copytree, ignore_patterns

import psycopg
import pytest

from devstack.stack import Stack
from devstack.users import CDN
from s3_migration.model import declaration as declarations
from tests.support import ROOT
from tests.support.live_stack import (
    APPROVED,
    BIG,
    DAG,
    GALLERY,
    HASTY,
    LATE,
    LIVE,
    POOL,
    SETTINGS,
    TOLD,
    Platform,
    aged_by_name,
)
from tests.support.mail import mail_sink
from tests.support.product import declare
from tests.support.proxy import Proxy
from tests.support.servers import NO_POWER_CUT, configure

# Three references in two tables, one of these partitioned; URLs are percent-encoded.
NAMED_BY = {
    "conn_id": "proddatabase",
    "references": [
        {"table": "avatars", "column": "path"},
        {
            "table": "users",
            "column": "picture",
            "path_prefix": {"legacy": f"{CDN}gallery/", "production": f"{CDN}show/"},
            "path_encoding": "url",
        },
        {"table": "users", "column": "badges", "array": True},
    ],
}


@pytest.fixture(scope="package")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The embedded stack, whole, in a directory of its own; not for longer: idle, it takes a quarter of a core."""
    directory = tmp_path_factory.mktemp("live")
    # Half a day away: a night that falls due while the tests run would be a run that no test expects.
    now = datetime.now(timezone.utc)
    night = f'schedule: "0 {(now.hour + 12) % 24} * * *"\n'
    just_due = f'schedule: "{now - timedelta(minutes=1):%M %H} * * *"\n'
    (directory / "avatars.yaml").write_text(f"{LIVE}chunk_size: 2\n{night}")
    (directory / "big.yaml").write_text(f"{LIVE}chunk_size: 2000\n")
    (directory / "nightly.yaml").write_text(f"{LIVE}{just_due}scheduled_mode: move\n")
    aged = LIVE.replace("legacy_s3", "aged_s3").replace("production_s3", "aged_s3")
    (directory / "archive.yaml").write_text(f'{aged}chunk_size: 2\nschedule: "0 0 1 * *"\n')
    (directory / "late.yaml").write_text(f"{aged}chunk_size: 1000\n")
    gallery = LIVE.replace("image/", "gallery/").replace("avatar/", "show/")
    gallery = gallery.replace("{conn_id: proddatabase, table: avatars, column: path}", json.dumps(NAMED_BY))
    (directory / "gallery.yaml").write_text(f"{gallery}chunk_size: 500\n")
    (directory / "stack").mkdir()
    told = "alerts: {emails: [ops@example.com], late_after: 2s}"
    (directory / "told.yaml").write_text(f"{LIVE}chunk_size: 2\npool: {POOL}\n{told}\n")
    approved = "approve_deletion: every\nalerts: {emails: [ops@example.com]}"
    (directory / "approved.yaml").write_text(f"{LIVE}chunk_size: 2\napprovers: [admin]\n{approved}\n")
    (directory / "hasty.yaml").write_text(f"{LIVE}approve_deletion: first\napproval_timeout: 2s\n")
    with mail_sink() as mail, pytest.MonkeyPatch.context() as patch, ExitStack() as proxies:
        patch.setattr(declarations, "DIRECTORY", directory)
        stack = Stack(directory / "stack")
        stack.prepare()
        proxy = proxies.enter_context(Proxy(stack.s3.endpoint_url))
        for operation in ("ListObjectsV2", "HeadObject"):
            proxy.fault(operation, aged_by_name)
        store = json.loads(stack.airflow.settings["AIRFLOW_CONN_LEGACY_S3"])
        store["extra"]["endpoint_url"] = proxy.endpoint_url
        copytree(ROOT / "dags", directory / "dags", ignore=ignore_patterns("__pycache__"))
        own = {
            "S3_MIGRATION_DECLARATIONS": str(directory),
            "AIRFLOW_CONN_AGED_S3": json.dumps(store),
            "AIRFLOW__CORE__DAGS_FOLDER": str(directory / "dags"),
        }
        stack = replace(stack, settings={**SETTINGS, **own})
        stack.up()
        configure(stack.postgres, *NO_POWER_CUT)
        try:
            api = stack.airflow.api()
            for dag in (DAG, BIG, TOLD, LATE, GALLERY, APPROVED, HASTY):
                api.pause(dag, paused=False)
            # Both as a person makes them in the UI: what runs has to ask Airflow's server for the connection.
            api.ask("POST", "/connections", json={"connection_id": "smtp_default", **mail.connection()})
            api.ask("POST", "/pools", json={"name": POOL, "slots": 1})
            uri = stack.postgres.dsn("proddatabase")
            with psycopg.connect(uri, autocommit=True) as connection:
                product = (declare(), stack.s3.client(), connection, stack.s3.endpoint_url, uri)
                yield Platform(*product, api=api, stack=stack, mail=mail, proxy=proxy)
        finally:
            stack.down()
