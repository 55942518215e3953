"""Who comes late under the real scheduler: a run cleared after an undo, and a worker frozen in a batch of deletions."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path

import psycopg
import pytest

from s3_migration.commands.answer import load_declaration
from s3_migration.commands.stop_deletion import resume_all, stop_all
from tests.support.flow import expire, lapse, unserved
from tests.support.live_stack import LATE, Platform, keys, until
from tests.support.proxy import Answer, Fault, Forward, Request, lose_request

KEYS = keys(300)
COPIES = [key.replace("image/", "avatar/") for key in KEYS]
SPACE = "image/at the end "  # deleted by a request of its own: not every XML names it


@pytest.fixture
def platform(live: Platform, monkeypatch: pytest.MonkeyPatch) -> Platform:
    live.quiet()
    live.reset()
    live.proxy.clear()
    # For the commands, which run where Airflow is configured.
    monkeypatch.setenv("AIRFLOW_CONN_PRODDATABASE", live.stack.airflow.settings["AIRFLOW_CONN_PRODDATABASE"])
    return live


def whole(platform: Platform) -> Callable[[], None]:
    """A look at all rows and both buckets: nothing that a row names is missing."""

    def look() -> None:
        assert unserved(platform) == set()

    return look


def test_a_run_cleared_after_an_undo_that_did_not_finish_rests_on_no_proof_of_before(platform: Platform) -> None:
    look = whole(platform)
    platform.seed_many(KEYS)
    stop_all(load_declaration("late"), "odd reads, Ada")
    move, state = platform.run(LATE, grace_period="5s")
    assert state == "failed"
    states = platform.api.states(LATE, move)
    assert (states["verify_copies"], states["may_delete"], states["delete_chunk"]) == (["success"],) + (["failed"],) * 2
    assert platform.rows() == COPIES

    # An undo that is killed in its switch, before the rows that somebody holds.
    with psycopg.connect(platform.database_uri) as other:
        other.execute("SELECT FROM avatars WHERE id % 3 = 0 FOR UPDATE")
        undo = platform.api.trigger(LATE, mode="undo")
        until(lambda: sum(path in KEYS for path in platform.rows()) == 200)
        (pid,) = platform.at_work()
        platform.give_up(LATE, undo)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{pid}").exists(), seconds=10)
    look()
    back = [path for path in platform.rows() if path in KEYS]
    assert len(back) == 200
    lapse(platform)  # as some minutes later

    resume_all(load_declaration("late"))
    proof = "SELECT verified_at FROM s3_migration.run WHERE run_id = %s"
    ((before,),) = platform.sql(proof, move)
    platform.api.clear(LATE, move, only_failed=True)
    platform.api.wait(LATE, move, meanwhile=look)
    look()
    ((after,),) = platform.sql(proof, move)
    assert after > before, "taken anew"
    assert platform.rows() == COPIES
    # Of those that the undo had switched back it has begun again; the others were named by nobody all the time.
    assert sorted(platform.objects("legacy")) == back, "their grace period has begun again"
    assert platform.api.states(LATE, move)["delete_chunk"] == ["success"]
    assert platform.api.account(LATE, move)["states"] == {"moved": 100, "waiting": 200}


def held(answers: list[Answer], go: threading.Event, then: Fault) -> Fault:
    """The network keeps a request until it is told to let it go."""

    def fault(request: Request, forward: Forward) -> Answer:
        go.wait()
        answers.append(then(request, forward))
        return answers[-1]

    return fault


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def refused_from(request: Request) -> datetime:
    """When its signature has expired."""
    signed = datetime.strptime(request.query["X-Amz-Date"][0], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    return signed + timedelta(seconds=int(request.query["X-Amz-Expires"][0]))


def test_what_a_frozen_worker_had_asked_to_delete_is_there_after_an_undo(platform: Platform) -> None:
    """One of its requests comes to the store late, the other never does, and is not sent again."""
    look, proxy = whole(platform), platform.proxy
    platform.seed_many([*KEYS, SPACE])
    named = sorted(platform.rows(), key=str)
    late: list[Answer] = []
    go = threading.Event()

    def is_many(request: Request) -> bool:
        return request.operation == "DeleteObjects" and KEYS[0].encode() in request.body

    def is_one(request: Request) -> bool:
        return request.operation == "DeleteObject" and request.key == SPACE

    def asked() -> list[Request]:
        return [request for request in list(proxy.requests) if is_many(request) or is_one(request)]

    proxy.fault(is_many, held(late, go, lambda request, forward: forward(request)), times=1)
    proxy.fault(is_one, held([], go, lose_request), times=1)
    try:
        move = platform.api.trigger(LATE)
        until(lambda: len(asked()) == 2, seconds=120)
        (pid,) = platform.at_work()
        supervisor = parent(pid)
        with frozen(pid, supervisor):
            platform.give_up(LATE, move)
            lapse(platform)
            undo = platform.api.trigger(LATE, mode="undo")
            expired = max(map(refused_from, asked())) + timedelta(seconds=1)
            while datetime.now(timezone.utc) < expired:
                assert platform.api.state(LATE, undo) in {"queued", "running"}
                assert not set(platform.rows()) & {*KEYS, SPACE}, "it waits for what may be deleted still"
                time.sleep(1)
            assert platform.api.states(LATE, undo)["list_legacy"] == ["running"]
            expire(platform)  # the half minute for a store that is at work on what it accepted before
            assert platform.api.wait(LATE, undo, meanwhile=look) == "success"
            assert sorted(platform.rows(), key=str) == named
            go.set()
            until(lambda: late)
        until(lambda: not platform.at_work())
    finally:
        go.set()
    assert late[0].status == 403, late[0].body
    assert len(asked()) == 2, "sent again"
    look()
    assert sorted(platform.objects("legacy")) == sorted([*KEYS, SPACE])
