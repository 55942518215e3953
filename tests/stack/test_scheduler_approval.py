"""A deletion that a person has to approve, under the real scheduler: by REST, in the browser, and by nobody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from devstack.airflow import VIEWER
from devstack.api import ENDED, AirflowApi
from tests.support.browser import opened_page
from tests.support.live_stack import APPROVED, HASTY, Platform, keys, until
from tests.support.runbook import APPROVAL, BLOCKS

Answer = Callable[[Platform, str, str], None]
LEGACY, COPIES = keys(3), [key.replace("image/", "avatar/") for key in keys(3)]


@pytest.fixture
def platform(live: Platform) -> Platform:
    live.quiet()
    live.reset()
    live.mail.messages.clear()
    live.seed(*LEGACY)
    return live


@pytest.fixture
def page(platform: Platform) -> Iterator[Any]:
    with opened_page(platform) as page:
        yield page


def waits(platform: Platform, run_id: str) -> None:
    """Until the run waits for a person."""
    until(lambda: platform.api.states(APPROVED, run_id)["may_delete"] == ["awaiting_input"])
    assert platform.objects("legacy").keys() == set(LEGACY)
    assert platform.rows() == COPIES
    time.sleep(3)  # a person is no quicker: see decide


def details(run_id: str) -> str:
    return f"/dags/{APPROVED}/dagRuns/{run_id}/taskInstances/may_delete/-1/hitlDetails"


def answer(api: AirflowApi, run_id: str, option: str) -> None:
    api.ask("PATCH", details(run_id), json={"chosen_options": [option], "params_input": {}})


def by_rest(platform: Platform, run_id: str, option: str) -> None:
    answer(platform.api, run_id, option)
    time.sleep(5)  # until it has arrived


def decide(platform: Platform, run_id: str, option: str, by: Answer = by_rest) -> str:
    """Answer, and wait for the end of the run; answers its state.

    Whoever answers in the second in which the task begins to wait may be asked once more: Airflow's scheduler then
    takes the end of the asking process for that of the answered task, and tries this again.
    """
    answers = 0

    def ended() -> str:
        nonlocal answers
        state = platform.api.state(APPROVED, run_id)
        if state in ENDED:
            return state
        if platform.api.states(APPROVED, run_id)["may_delete"] == ["awaiting_input"]:
            by(platform, run_id, option)
            answers += 1
        return ""

    state: str = until(ended, 150)
    assert 1 <= answers <= 2
    assert answered(platform, run_id) == (option == "Approve", "admin")
    return state


def log(platform: Platform, dag: str, run_id: str) -> str:
    """Of the last try of may_delete."""
    (gate,) = [each for each in platform.api.instances(dag, run_id) if each["task_id"] == "may_delete"]
    return platform.api.log(dag, run_id, "may_delete", attempt=gate["try_number"])


def as_the_runbook_says(platform: Platform, run_id: str, option: str) -> None:
    """Its commands as printed, of another DAG."""
    (block,) = [block.text for block in BLOCKS if block.heading == APPROVAL and block.language == "bash"]
    commands = f"set -e -o pipefail; {block.replace('migrate_avatars', APPROVED).replace('Approve', option)}"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **platform.stack.variables(), "RUN_ID": run_id, "PATH": path}
    done = subprocess.run(["bash", "-c", commands], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["chosen_options"] == [option]
    time.sleep(5)  # until it has arrived


def answered(platform: Platform, run_id: str) -> Any:
    (row,) = platform.sql("SELECT approved, answered_by FROM s3_migration.run WHERE run_id = %s", run_id)
    return row


def test_by_rest_it_is_refused_and_then_approved(platform: Platform) -> None:
    api = platform.api
    run_id = api.trigger(APPROVED)
    waits(platform, run_id)
    assert platform.at_work() == set(), "no worker waits with it"
    (mail,) = until(lambda: platform.mail.mails)
    assert mail.subject == f"Migration approved asks for an approval: run {run_id}"

    airflow = platform.stack.airflow
    viewer = AirflowApi(airflow.url, VIEWER, airflow.passwords[VIEWER])
    assert "delete 3 objects" in viewer.ask("GET", details(run_id))["subject"]
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        answer(viewer, run_id, "Approve")
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        answer(api, run_id, "Yes")

    assert decide(platform, run_id, "Reject") == "failed"
    states = api.states(APPROVED, run_id)
    assert {task for task, found in states.items() if "failed" in found} == {"may_delete", "delete_chunk", "reconcile"}
    said = log(platform, APPROVED, run_id)
    assert "admin rejected the deletion" in said
    assert "clear may_delete with its downstream, and it asks again" in said
    assert platform.objects("legacy").keys() == set(LEGACY)

    api.clear(APPROVED, run_id, "may_delete")
    waits(platform, run_id)
    assert decide(platform, run_id, "Approve", as_the_runbook_says) == "success"
    assert platform.objects("legacy") == {}
    assert api.account(APPROVED, run_id)["deleted"] == 3


def test_in_the_browser_it_is_refused_and_then_approved(platform: Platform, page: Any) -> None:
    api, url = platform.api, platform.stack.variables()["AIRFLOW_URL"]

    def clicked(_: Platform, run_id: str, option: str) -> None:
        page.goto(f"{url}/dags/{APPROVED}/runs/{run_id}/tasks/may_delete/required_actions")
        page.get_by_text("to be deleted: 3 objects").wait_for()
        page.get_by_role("button", name=option).click()
        until(lambda: answered(platform, run_id) == (option == "Approve", "admin"))
        page.goto("about:blank")  # the page of a run draws itself anew all the time, without a graphics card

    run_id = api.trigger(APPROVED)
    waits(platform, run_id)
    assert decide(platform, run_id, "Reject", clicked) == "failed"
    assert platform.objects("legacy").keys() == set(LEGACY)
    api.clear(APPROVED, run_id, only_failed=True)
    waits(platform, run_id)
    assert decide(platform, run_id, "Approve", clicked) == "success"
    assert platform.objects("legacy") == {}


def test_nobody_answers_in_time(platform: Platform) -> None:
    run_id, state = platform.run(HASTY)
    assert state == "failed"
    said = log(platform, HASTY, run_id)
    assert "nobody answered within approval_timeout (2s) whether 3 objects may be deleted" in said
    assert "Who could have: whoever may act on the DAG" in said
    assert platform.objects("legacy").keys() == set(LEGACY)


def test_marked_success_by_hand_it_deletes_nothing(platform: Platform) -> None:
    run_id = platform.api.trigger(APPROVED)
    waits(platform, run_id)
    path = f"/dags/{APPROVED}/dagRuns/{run_id}/taskInstances/may_delete"
    platform.api.ask("PATCH", path, json={"new_state": "success"})
    assert platform.api.wait(APPROVED, run_id) == "failed"
    assert set(platform.api.states(APPROVED, run_id)["delete_chunk"]) == {"failed"}
    assert "nobody has approved the deletion" in platform.api.log(APPROVED, run_id, "delete_chunk", map_index=0)
    assert platform.objects("legacy").keys() == set(LEGACY)


def test_an_undo_is_queued_behind_it_until_it_is_rejected(platform: Platform) -> None:
    run_id = platform.api.trigger(APPROVED)
    waits(platform, run_id)
    undo = platform.api.trigger(APPROVED, mode="undo")
    time.sleep(3)  # the scheduler has looked at it by now
    assert platform.api.state(APPROVED, undo) == "queued"
    assert decide(platform, run_id, "Reject") == "failed"
    assert platform.api.wait(APPROVED, undo) == "success"
    assert platform.rows() == LEGACY
    assert platform.objects("legacy").keys() == set(LEGACY)


def test_another_account_than_the_one_that_airflow_shows_is_not_asked_about(platform: Platform) -> None:
    """Cleared from the listing on, the run finds more; Airflow would show the first question again."""
    run_id = platform.api.trigger(APPROVED)
    waits(platform, run_id)
    assert decide(platform, run_id, "Reject") == "failed"
    platform.seed("image/more.png")
    platform.api.clear(APPROVED, run_id, "list_legacy")
    assert platform.api.wait(APPROVED, run_id) == "failed"
    assert "Airflow would show that question again" in log(platform, APPROVED, run_id)
    assert len(platform.objects("legacy")) == 4
    again = platform.api.trigger(APPROVED)
    until(lambda: platform.api.states(APPROVED, again)["may_delete"] == ["awaiting_input"])
    assert "delete 4 objects" in platform.api.ask("GET", details(again))["subject"]
    assert decide(platform, again, "Approve") == "success"
    assert platform.objects("legacy") == {}
