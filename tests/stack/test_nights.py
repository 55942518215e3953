"""Backfills and nights under the real scheduler: slice by slice, one run at a time, caught up by one run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx
import pytest

from tests.support.live_stack import ARCHIVE, NIGHTLY, Platform, keys, until

# By the month that they were last modified in, which a proxy reads from their names; boundary instants among them.
JANUARY = ["image/2025-01-01T00:00:00.png", "image/2025-01-17T12:00:00.png", "image/2025-01-31T23:59:59.png"]
FEBRUARY = ["image/2025-02-01T00:00:00.png"]
OUTSIDE = ["image/2024-12-31T23:59:59.png", "image/2025-03-01T00:00:00.png"]


@pytest.fixture
def platform(live: Platform) -> Iterator[Platform]:
    live.quiet()
    live.reset()
    yield live
    for dag in (ARCHIVE, NIGHTLY):
        live.api.pause(dag, paused=True)


def backfill(platform: Platform, first: str, last: str, reprocess: str = "none") -> list[str]:
    """As `airflow backfill create` does it; answers the ids of its runs, oldest first."""
    asked: dict[str, Any] = {
        "dag_id": ARCHIVE,
        "from_date": f"{first}T00:00:00Z",
        "to_date": f"{last}T00:00:00Z",
        "dag_run_conf": {},
    }
    asked |= {"max_active_runs": 1, "reprocess_behavior": reprocess}

    def accepted() -> bool:
        # 409, until Airflow has noticed that the one before is over.
        with suppress(httpx.HTTPStatusError):
            platform.api.ask("POST", "/backfills", json=asked)
            return True
        return False

    until(accepted)
    return platform.runs(ARCHIVE, "backfill")[::-1]


def work(platform: Platform, run_ids: list[str]) -> list[tuple[Any, ...]]:
    """When each run was at work, first to last."""
    return sorted(
        platform.sql(
            "SELECT min(t.started_at), max(t.ended_at) FROM s3_migration.timing AS t "
            "JOIN s3_migration.run AS r USING (run_no) WHERE r.run_id = ANY(%s) GROUP BY t.run_no",
            run_ids,
        )
    )


def test_a_backfill_moves_an_archive_slice_by_slice_while_other_runs_wait(platform: Platform) -> None:
    """A backfill and a manual run at once: `max_active_runs` does not keep them apart, the lease does."""
    platform.seed(*JANUARY, *FEBRUARY, *OUTSIDE)
    # Paused: both kinds of runs begin together, once it is not.
    slices = backfill(platform, "2025-01-01", "2025-02-01")
    by_hand = platform.api.trigger(ARCHIVE, mode="plan")
    assert len(slices) == 2
    platform.api.pause(ARCHIVE, paused=False)
    run_ids = [*slices, by_hand]
    assert [platform.api.wait(ARCHIVE, run_id) for run_id in run_ids] == ["success"] * len(run_ids)
    accounts = [platform.api.account(ARCHIVE, run_id) for run_id in slices]
    assert [(each["staged"], each["copied"], each["deleted"]) for each in accounts] == [(3, 3, 3), (1, 1, 1)]
    assert sorted(platform.objects("legacy")) == sorted(OUTSIDE)
    assert sorted(path for path in platform.rows() if path and path.startswith("image/")) == sorted(OUTSIDE)
    assert all(first[1] <= second[0] for first, second in itertools.pairwise(work(platform, run_ids)))
    logs = "".join(platform.api.log(ARCHIVE, run_id, "check") for run_id in run_ids)
    assert "is held by run" in logs, "whoever waits says for whom"
    assert platform.runs(ARCHIVE, "scheduled") == [], "unpausing starts no run that nobody asked for"

    # Asked for again it makes no run; run again all the same, it changes nothing.
    before = platform.requests()
    assert backfill(platform, "2025-01-01", "2025-02-01") == slices
    backfill(platform, "2025-01-01", "2025-01-01", reprocess="completed")
    until(lambda: platform.api.state(ARCHIVE, slices[0]) != "success")
    assert platform.api.wait(ARCHIVE, slices[0]) == "success"
    account = platform.api.account(ARCHIVE, slices[0])
    assert (account["staged"], account["states"]) == (0, {"moved": 3})
    assert platform.requests() == before


def test_nights_catch_up_with_all_that_was_left(platform: Platform) -> None:
    platform.seed(*keys(3))
    # This night is due; every one before, since the start date, was missed: one run catches up with them all.
    platform.api.pause(NIGHTLY, paused=False)
    (run_id,) = until(lambda: platform.runs(NIGHTLY, "scheduled"))
    assert platform.api.wait(NIGHTLY, run_id) == "success"
    account = platform.api.account(NIGHTLY, run_id)
    assert (account["mode"], account["copied"], account["deleted"]) == ("move", 3, 3)
    assert platform.runs(NIGHTLY, "scheduled") == [run_id]

    # A restored backup names a legacy path again; a late writer has put a new object there.
    platform.sql("UPDATE avatars SET path = 'image/0000.png' WHERE path = 'avatar/0000.png'")
    platform.seed("image/late.png")
    run_id, state = platform.run(NIGHTLY, grace_period="7d")
    assert state == "success"
    account = platform.api.account(NIGHTLY, run_id)
    assert account["states"] == {"moved": 1, "waiting": 1}
    assert sorted(path for path in platform.rows() if path) == [
        *(f"avatar/{n:04}.png" for n in range(3)),
        "avatar/late.png",
    ]
    assert platform.objects("legacy").keys() == {"image/late.png"}

    # The grace period is this run's; it has been over for a while, counted from that switch.
    run_id, state = platform.run(NIGHTLY)
    assert state == "success"
    assert platform.api.account(NIGHTLY, run_id)["deleted"] == 1
    assert platform.objects("legacy") == {}
