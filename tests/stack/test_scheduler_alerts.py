"""Who is told what of a run, and what a pool limits, under the real scheduler: two tries of one run show all of it."""

from __future__ import annotations

import itertools
from datetime import datetime
from typing import Any

import pytest

from tests.support.live_stack import TOLD, Platform, until
from tests.support.mail import Mail


@pytest.fixture
def platform(live: Platform) -> Platform:
    live.quiet()
    live.reset()
    live.mail.messages.clear()
    return live


def test_people_and_other_dags_are_told_and_the_pool_holds(platform: Platform) -> None:
    api = platform.api
    platform.seed(*(f"image/{number}.png" for number in range(8)))
    platform.put("production", "avatar/3.png", b"someone else's")

    def told(event: str) -> list[Mail]:
        return [mail for mail in platform.mail.mails if mail.subject == f"Migration told {event}: run {run_id}"]

    def events() -> list[dict[str, Any]]:
        found = api.ask("GET", "/assets/events", params={"source_dag_id": TOLD, "source_run_id": run_id})
        return list(found["asset_events"])

    run_id = api.trigger(TOLD)
    # By the triggerer, while the run is at work still.
    (late,) = until(lambda: told("is late"))
    assert late.to == ["ops@example.com"]
    assert "is late: running, and not finished 0:00:02 after it was queued" in late.html
    assert api.wait(TOLD, run_id) == "failed"
    # By the DAG processor.
    (failed,) = until(lambda: told("failed"))
    assert (failed.sender, failed.to) == ("airflow@example.com", ["ops@example.com"])
    assert "mode move, failed (task_failure)" in failed.html
    assert f"{platform.stack.airflow.url}/dags/{TOLD}/runs/" in failed.html
    assert (told("finished"), events()) == ([], [])

    copies = [each for each in api.instances(TOLD, run_id) if each["task_id"] == "copy_chunk"]
    at_work = sorted((datetime.fromisoformat(c["start_date"]), datetime.fromisoformat(c["end_date"])) for c in copies)
    assert len(at_work) == 4
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(at_work)), "one slot, one chunk at once"

    platform.s3.delete_object(Bucket=platform.bucket("production"), Key="avatar/3.png")
    api.clear(TOLD, run_id, only_failed=True)
    assert api.wait(TOLD, run_id) == "success"
    # By the task itself, once Airflow knows that it succeeded.
    (finished,) = until(lambda: told("finished"))
    assert "deleted        8" in finished.html
    assert len(told("failed")) == 1
    (event,) = events()
    assert (event["uri"], event["name"]) == ("s3://production-s3/avatar", "s3://production-s3/avatar")
    assert event["source_task_id"] == "reconcile"
    assert event["extra"] == api.account(TOLD, run_id)
