"""Whole runs under the real scheduler: the truth table of the wiring, cleared both ways, killed, and adopted.

One stack for all of them; every test begins with an empty product.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.live_stack import BIG, DAG, Platform, keys, until

GREEN = {
    "check": ["success"],
    "list_legacy": ["success"],
    "copy_chunk": ["success"],
    "switch_paths": ["success"],
    "wait_grace": ["success"],
    "verify_chunk": ["success"],
    "verify_copies": ["success"],
    "may_delete": ["success"],
    "delete_chunk": ["success"],
    "reconcile": ["success"],
}
MAPPED = ("copy_chunk", "verify_chunk", "delete_chunk")
SINGLES_AFTER_CHECK = ("switch_paths", "wait_grace", "verify_copies", "may_delete", "reconcile")


@pytest.fixture
def platform(live: Platform) -> Platform:
    live.quiet()
    live.reset()
    return live


def moved(platform: Platform, names: list[str]) -> bool:
    """Whether exactly these avatars have moved, rows and all."""
    copies = [name.replace("image/", "avatar/", 1) for name in names]
    return (
        platform.objects("legacy") == {}
        and sorted(platform.objects("production")) == copies
        and sorted(path for path in platform.rows() if path) == copies
    )


def test_everything_moves_and_a_second_run_changes_nothing(platform: Platform) -> None:
    platform.seed(*keys(5))
    run_id, state = platform.run()
    assert state == "success"
    assert platform.api.states(DAG, run_id) == {**GREEN, **dict.fromkeys(MAPPED, ["success"] * 3)}
    assert moved(platform, keys(5))

    before = platform.requests()
    run_id, state = platform.run()
    assert state == "success"
    assert platform.api.states(DAG, run_id) == {**GREEN, **{task: ["skipped"] for task in MAPPED}}
    account = platform.api.account(DAG, run_id)
    assert (account["copied"], account["rows_switched"], account["deleted"]) == (0, 0, 0)
    assert account["requests"] == {"ListObjectsV2 200": 1}
    assert platform.requests() == before
    assert moved(platform, keys(5))


def test_modes_that_delete_nothing_close_the_gate_by_a_skip_and_an_undo_is_the_way_back(platform: Platform) -> None:
    platform.seed(*keys(3))
    copies = [key.replace("image", "avatar") for key in keys(3)]
    for mode, rows in {"plan": keys(3), "switch": copies, "undo": keys(3)}.items():
        run_id, state = platform.run(mode=mode)
        assert state == "success"
        states = platform.api.states(DAG, run_id)
        assert (states["may_delete"], states["reconcile"]) == (["skipped"], ["success"])
        assert set(states["delete_chunk"]) == {"skipped"}
        assert len(platform.objects("legacy")) == 3
        assert platform.rows() == rows
    assert platform.api.account(DAG, run_id)["rows_switched"] == 3


def one_instance(platform: Platform, run_id: str) -> None:
    """Clear the one red instance with its downstream."""
    (red,) = [
        instance["map_index"]
        for instance in platform.api.instances(DAG, run_id)
        if instance["task_id"] == "copy_chunk" and instance["state"] == "failed"
    ]
    platform.api.clear(DAG, run_id, ("copy_chunk", red))


def all_that_failed(platform: Platform, run_id: str) -> None:
    """Clear what is red on the run."""
    platform.api.clear(DAG, run_id, only_failed=True)


def a_new_run(platform: Platform, run_id: str) -> str:
    """Leave the red run as it is."""
    return platform.api.trigger(DAG)


@pytest.mark.parametrize("goes_on", [one_instance, all_that_failed, a_new_run])
def test_a_failed_chunk_is_red_and_all_is_whole_once_it_is_mended(
    platform: Platform, goes_on: Callable[[Platform, str], str | None]
) -> None:
    platform.seed(*keys(5))
    platform.put("production", "avatar/0003.png", b"someone else's")
    run_id, state = platform.run()
    assert state == "failed"
    states = platform.api.states(DAG, run_id)
    assert sorted(states["copy_chunk"]) == sorted(states["verify_chunk"]) == ["failed", "success", "success"]
    (red,) = [
        each
        for each in platform.api.instances(DAG, run_id)
        if each["rendered_map_index"] and each["state"] == "failed" and each["task_id"] == "copy_chunk"
    ]
    assert red["rendered_map_index"] == "2: image/0002.png … image/0003.png: 1 conflict, 1 copied"
    assert red["try_number"] == 1, "a person has to look: no retry fixes it"
    assert all(states[task] == ["failed"] for task in SINGLES_AFTER_CHECK)
    # the others moved all the same
    assert sorted(platform.objects("legacy")) == ["image/0003.png"]
    assert platform.body("production", "avatar/0003.png") == b"someone else's"
    log = platform.api.log(DAG, run_id, "copy_chunk", map_index=states["copy_chunk"].index("failed"))
    assert "conflict: 'image/0003.png'" in log
    lines = log.partition("::endgroup::\n::group::Pre")[2].partition("::endgroup::\n")[2].splitlines()
    assert lines[0] == f"copy, chunk 2: copies what production lacks (run {run_id}, mode move)"
    assert "copy, chunk 2: ended after" in log
    assert "credentials retrieved" not in log, "of a library, and of no use"
    last = [line for line in lines if not line.startswith("::")][-1]
    assert last == f"Runbook: {platform.stack.airflow.url}/s3-migration/docs/runbook?migration=avatars#conflict"

    copies = platform.requests()["CopyObject 200"]
    platform.s3.delete_object(Bucket=platform.bucket("production"), Key="avatar/0003.png")
    run_id = goes_on(platform, run_id) or run_id
    assert platform.api.wait(DAG, run_id) == "success"
    assert {state for states in platform.api.states(DAG, run_id).values() for state in states} == {"success"}
    assert moved(platform, keys(5))
    assert platform.requests()["CopyObject 200"] == copies + 1  # no finished work again


@pytest.mark.parametrize(
    ("breaks", "fixes", "first_red"),
    [
        (
            "REVOKE UPDATE (path) ON avatars FROM migrator",
            "GRANT UPDATE (path) ON avatars TO migrator",
            "check",
        ),
        (
            "REVOKE INSERT ON s3_migration.ledger FROM migrator",
            "GRANT INSERT ON s3_migration.ledger TO migrator",
            "list_legacy",
        ),
        (
            "CREATE UNIQUE INDEX one_path ON avatars (path); INSERT INTO avatars (path) VALUES ('avatar/0001.png')",
            "DROP INDEX one_path; DELETE FROM avatars WHERE path = 'avatar/0001.png' AND id > 5",
            "switch_paths",
        ),
    ],
)
def test_a_red_step_makes_every_later_single_step_red_and_clearing_what_failed_makes_it_whole(
    platform: Platform, breaks: str, fixes: str, first_red: str
) -> None:
    platform.seed(*keys(5))
    platform.sql(breaks)
    try:
        run_id, state = platform.run()
    finally:
        platform.sql(fixes)
    assert state == "failed"
    states = platform.api.states(DAG, run_id)
    assert states[first_red] == ["failed"]
    later = SINGLES_AFTER_CHECK[SINGLES_AFTER_CHECK.index(first_red) :] if first_red in SINGLES_AFTER_CHECK else ()
    assert all(states[task] == ["failed"] for task in later or SINGLES_AFTER_CHECK)
    if first_red == "check":
        assert platform.requests() == {}
    platform.api.clear(DAG, run_id, only_failed=True)
    assert platform.api.wait(DAG, run_id) == "success"
    assert moved(platform, keys(5))


def test_damage_closes_the_gate_for_all_and_clearing_the_verification_heals_it(platform: Platform) -> None:
    platform.seed(*keys(5))
    run_id = platform.api.trigger(DAG, grace_period="4s")
    # between switch and verification: during the grace period
    until(lambda: platform.rows() and all(path.startswith("avatar/") for path in platform.rows() if path))
    platform.s3.delete_object(Bucket=platform.bucket("production"), Key="avatar/0002.png")
    assert platform.api.wait(DAG, run_id) == "failed"
    states = platform.api.states(DAG, run_id)
    assert (states["verify_copies"], states["may_delete"], states["reconcile"]) == (["failed"],) * 3
    assert set(states["delete_chunk"]) == {"failed"}
    assert sorted(platform.objects("legacy")) == keys(5)  # nothing at all was deleted
    platform.api.clear(DAG, run_id, "verify_copies")
    assert platform.api.wait(DAG, run_id) == "success"
    assert moved(platform, keys(5))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told to go"])
def test_a_copy_task_that_ends_in_the_middle_is_run_again_and_repeats_a_batch_at_most(
    platform: Platform, how: signal.Signals
) -> None:
    """Beside it the DAG is paused and resumed: what runs goes on, what follows waits."""
    names = [f"image/{number:05}.png" for number in range(4_000)]
    platform.seed_many(names)
    run_id = platform.api.trigger(BIG, mode="copy")

    def pid() -> int | None:
        rows = platform.sql(
            "SELECT split_part(a.application_name, ' ', 3)::int FROM pg_stat_activity AS a "
            "WHERE a.application_name LIKE 's3_migration pid %%' "
            "AND (SELECT count(*) FROM s3_migration.ledger WHERE production_modified IS NOT NULL) "
            "BETWEEN 1 AND 3000 LIMIT 1"
        )
        return int(rows[0][0]) if rows else None

    told = until(pid)
    os.kill(told, how)
    platform.api.pause(BIG, paused=True)
    until(lambda: not Path(f"/proc/{told}").exists(), seconds=10)
    until(lambda: "running" not in copy_states(platform, run_id))
    time.sleep(3)
    states = platform.api.states(BIG, run_id)
    assert ("switch_paths" not in states) or set(states["switch_paths"]) <= {"None", "scheduled"}
    platform.api.pause(BIG, paused=False)
    assert platform.api.wait(BIG, run_id) == "success"
    tries = [each["try_number"] for each in platform.api.instances(BIG, run_id) if each["task_id"] == "copy_chunk"]
    assert max(tries) >= 2
    assert len(platform.objects("production")) == 4_000
    account = platform.api.account(BIG, run_id)
    assert account["states"] == {"copied": 4_000}
    assert account["copied"] + account["already_there"] == 4_000
    assert account["already_there"] <= 1_000


def copy_states(platform: Platform, run_id: str) -> list[str]:
    return platform.api.states(BIG, run_id)["copy_chunk"]


def test_what_a_run_left_half_done_another_adopts(platform: Platform) -> None:
    platform.seed(*keys(5))
    first = platform.api.trigger(DAG, grace_period="4s")
    until(lambda: platform.rows() and all(path.startswith("avatar/") for path in platform.rows() if path))
    platform.give_up(DAG, first)
    until(lambda: not platform.at_work())  # its last task has held the lease for the next one
    time.sleep(1)
    platform.sql("UPDATE s3_migration.migration SET lease_until = now()")  # as some minutes later
    second, state = platform.run()
    assert state == "success"
    account = platform.api.account(DAG, second)
    assert (account["staged"], account["already_there"], account["copied"], account["deleted"]) == (5, 5, 0, 5)
    assert moved(platform, keys(5))


def test_unknown_params_are_refused_before_anything_is_touched(platform: Platform) -> None:
    platform.seed(*keys(1))
    run_id, state = platform.run(moed="plan")
    assert state == "failed"
    assert "unknown run params moed" in platform.api.log(DAG, run_id, "check")
    assert sorted(platform.objects("legacy")) == keys(1)
