"""docs/ as the real API server serves it."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from devstack.airflow import VIEWER
from tests.support import ROOT
from tests.support.live_stack import DAG, Platform
from tests.support.runbook import COMMANDS

RUNBOOK = "/s3-migration/docs/runbook"


def test_nobody_reads_the_docs_without_a_login(live: Platform) -> None:
    for path in (RUNBOOK, "/s3-migration/docs/performance-copy.png", "/s3-migration/docs/openapi.json"):
        answer = httpx.get(f"{live.stack.airflow.url}{path}")
        assert answer.status_code == 401
        assert "Stop all deletion now" not in answer.text


def test_a_viewer_reads_the_runbook_as_a_browser_and_as_a_program(live: Platform) -> None:
    airflow = live.stack.airflow
    login = {"username": VIEWER, "password": airflow.passwords[VIEWER]}
    token = httpx.post(f"{airflow.url}/auth/token", json=login).raise_for_status().json()["access_token"]
    for logged_in in (
        httpx.Client(headers={"Authorization": f"Bearer {token}"}),
        httpx.Client(cookies={"_token": token}),
    ):
        answer = logged_in.get(f"{airflow.url}{RUNBOOK}")
        assert answer.status_code == 200
        assert "Stop all deletion now" in answer.text
        assert logged_in.get(f"{airflow.url}/s3-migration/docs/dag.md").status_code == 404


def test_the_plugin_is_in_the_ui_and_the_dags_docs_lead_to_it(live: Platform) -> None:
    assert live.api.ask("GET", "/plugins/importErrors")["total_entries"] == 0
    (plugin,) = [each for each in live.api.ask("GET", "/plugins")["plugins"] if each["name"] == "s3_migration_docs"]
    (view,) = plugin["external_views"]
    assert (view["name"], view["href"], view["category"]) == ("S3 migration runbook", RUNBOOK[1:], "docs")
    assert f"({RUNBOOK[1:]}?migration=avatars)" in live.api.ask("GET", f"/dags/{DAG}/details")["doc_md"]


@pytest.mark.parametrize(
    "command",
    [
        "python -m s3_migration status avatars",
        """python -c 'import boto3; boto3.client("s3").head_bucket(Bucket="legacy-s3")'""",
    ],
)
def test_in_make_shell_the_commands_of_the_docs_work_as_printed(live: Platform, command: str, tmp_path: Path) -> None:
    environment = live.stack.shell_environment()
    done = subprocess.run(
        ["/bin/sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_runbooks_commands_of_airflow_work_as_written(live: Platform) -> None:
    commands = [line for _, line in COMMANDS if line.startswith("airflow ")]
    paused = []
    for command in commands:
        binary = str(Path(sys.executable).parent / "airflow")
        arguments, environment = [binary, *shlex.split(command)[1:]], live.stack.airflow.environment()
        done = subprocess.run(arguments, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        paused.append(live.api.ask("GET", f"/dags/{DAG}")["is_paused"])
    live.api.pause(DAG, paused=False)
    assert paused == ["unpause" not in command for command in commands]
