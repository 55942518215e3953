"""What a person does in the UI, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.browser import opened_page
from tests.support.live_stack import DAG, Platform


@pytest.fixture
def platform(live: Platform) -> Iterator[Platform]:
    live.quiet()
    live.reset()
    yield live
    live.api.pause(DAG, paused=False)


@pytest.fixture
def page(platform: Platform) -> Iterator[Any]:
    with opened_page(platform) as page:
        yield page


def trigger_with_the_default_params(platform: Platform, page: Any) -> str:
    """Press Trigger twice, on the page and in the form; answers the id of the new run, ended."""
    url = platform.stack.variables()["AIRFLOW_URL"]

    def by_hand() -> set[str]:
        runs = platform.api.ask("GET", f"/dags/{DAG}/dagRuns", params={"order_by": "-run_after", "limit": 100})
        return {run["dag_run_id"] for run in runs["dag_runs"] if run["run_type"] == "manual"}

    before = by_hand()
    page.goto(f"{url}/dags/{DAG}")
    page.get_by_role("button", name="Trigger").first.click()
    form = page.get_by_role("dialog")
    form.get_by_text("What to do (mode)").wait_for()
    form.get_by_text("deletes from legacy what is proven, 0s after the switch of its rows at the earliest").wait_for()
    form.get_by_role("button", name="Trigger").click()
    form.wait_for(state="hidden")
    (run_id,) = by_hand() - before
    page.goto("about:blank")  # the page of the DAG draws itself anew all the time, without a graphics card
    assert platform.api.wait(DAG, run_id) == "success"
    return run_id


def test_trigger_in_the_ui_moves_everything_and_again_changes_nothing(platform: Platform, page: Any) -> None:
    """Paused, as a new DAG is: the form unpauses it by itself."""
    names = [f"image/{number}.png" for number in range(5)]
    platform.seed(*names)
    platform.api.pause(DAG, paused=True)

    account = platform.api.account(DAG, trigger_with_the_default_params(platform, page))
    assert (account["copied"], account["rows_switched"], account["deleted"]) == (5, 5, 5)
    assert platform.objects("legacy") == {}
    assert all(path.startswith("avatar/") for path in platform.rows() if path)

    account = platform.api.account(DAG, trigger_with_the_default_params(platform, page))
    assert (account["copied"], account["rows_switched"], account["deleted"]) == (0, 0, 0)


def test_the_docs_of_the_dag_explain_the_steps_and_the_modes(platform: Platform, page: Any) -> None:
    page.goto(f"{platform.stack.variables()['AIRFLOW_URL']}/dags/{DAG}")
    page.get_by_role("button", name="Dag Docs").click()
    docs = page.get_by_role("dialog")
    docs.get_by_text("Red means: clear me.").wait_for()
    docs.get_by_text("moves everything from s3://legacy-s3/image/ to s3://production-s3/avatar/, points").wait_for()
    assert docs.get_by_role("table").count() == 2
