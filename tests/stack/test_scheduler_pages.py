"""The pages of the migrations in the real UI: who may see them and act there, and what a person sees of a run."""

from __future__ import annotations

import csv
import itertools
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from devstack.airflow import VIEWER
from tests.support.browser import opened_page, violations
from tests.support.live_stack import DAG, LATE, Platform, keys
from tests.support.proxy import Answer, Fault, Forward, Request

PAGES = "s3-migration/pages"


@pytest.fixture
def platform(live: Platform) -> Platform:
    live.quiet()
    live.reset()
    return live


def token(platform: Platform, user: str) -> str:
    login = {"username": user, "password": platform.stack.airflow.passwords[user]}
    answer = httpx.post(f"{platform.stack.airflow.url}/auth/token", json=login).raise_for_status()
    return str(answer.json()["access_token"])


def client(platform: Platform, bearer: str | None) -> httpx.Client:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    return httpx.Client(base_url=f"{platform.stack.airflow.url}/{PAGES}/", headers=headers)


READ = [
    "",
    "run",
    "assets/page.js",
    "api/migrations",
    f"api/run?dag_id={DAG}&run_id=x",
    f"api/problems.csv?dag_id={DAG}",
]
WRITTEN = [f"api/stop?dag_id={DAG}", f"api/resume?dag_id={DAG}", f"api/pace?dag_id={DAG}&run_id=x"]
WHY = {"reason": "a test"}


def test_anonymous_and_foreign_tokens_are_refused(platform: Platform) -> None:
    for bearer, status in ((None, 401), ("of.another.place", 403)):
        with client(platform, bearer) as asking:
            assert {path: asking.get(path).status_code for path in READ} == dict.fromkeys(READ, status)
            answers = {path: asking.post(path, json=WHY).status_code for path in WRITTEN}
            assert answers == dict.fromkeys(WRITTEN, status)
            assert asking.get("openapi.json").status_code in {status, 404}


def test_a_viewer_reads_and_changes_nothing(platform: Platform) -> None:
    with client(platform, token(platform, VIEWER)) as asking:
        assert {path: asking.get(path).status_code for path in READ} == dict.fromkeys(READ, 200)
        (entry,) = [each for each in asking.get("api/migrations").json()["migrations"] if each["dag_id"] == DAG]
        assert entry["may_act"] is False
        assert {path: asking.post(path, json=WHY).status_code for path in WRITTEN} == dict.fromkeys(WRITTEN, 403)
    assert platform.sql("SELECT count(*) FROM s3_migration.migration WHERE deletion_stopped IS NOT NULL") == [(0,)]


@pytest.fixture
def page(platform: Platform) -> Iterator[Any]:
    with opened_page(platform) as page:
        yield page


def test_a_person_watches_a_run_and_finds_what_is_wrong(platform: Platform, page: Any) -> None:
    """From the run's tab: bars that reach 100 %, a conflict listed and downloaded, its story, stop and resume."""
    names = [f"image/{number}.png" for number in range(5)]
    platform.seed(*names)
    platform.put("production", "avatar/0.png", b"of another")
    run_id = platform.api.trigger(DAG, mode="move")
    assert platform.api.wait(DAG, run_id) == "failed"
    first, gate, later, _ = platform.api.ask("GET", f"/dags/{DAG}/dagRuns/{run_id}")["note"].splitlines()
    assert first == "Red: copy_chunk: 1 conflict (Migration avatars, chunk 1: image/0.png … image/1.png)"
    assert gate.startswith("may_delete: OPEN: what is proven will be deleted; 1 object stays: 1 conflict")
    assert later.startswith("Red for as long as that is: switch_paths, ")

    url = platform.stack.variables()["AIRFLOW_URL"]
    page.goto(f"{url}/dags/{DAG}/runs/{run_id}")
    page.get_by_role("link", name="Migration", exact=True).click()
    tab = page.frame_locator("iframe")
    assert tab.get_by_role("progressbar", name="listed").get_attribute("aria-valuenow") == "100"
    assert tab.get_by_role("progressbar", name="deleted").get_attribute("aria-valuenow") == "80"
    tab.get_by_role("cell", name="image/0.png", exact=True).wait_for()
    tab.get_by_role("cell", name="avatars.path = image/0.png").wait_for()
    (frame,) = [frame for frame in page.frames if PAGES in frame.url]
    assert violations(frame) == []
    with page.expect_download() as download:
        tab.get_by_role("link", name="Download as CSV").click()
    with open(download.value.path(), newline="", encoding="utf-8") as file:
        assert [(line["key"], line["problem"]) for line in csv.DictReader(file)] == [("image/0.png", "conflict")]

    platform.remove("production", "avatar/0.png")
    tab.get_by_role("button", name="Clear what failed").click()
    tab.get_by_label("Reason").fill("removed what was in the way")
    tab.get_by_role("button", name="Clear", exact=True).click()
    tab.get_by_role("heading", name="No problems").wait_for(timeout=120_000)
    assert platform.api.wait(DAG, run_id) == "success"
    run = platform.api.ask("GET", f"/dags/{DAG}/dagRuns/{run_id}")
    assert run["note"] == "cleared: removed what was in the way"
    tab.get_by_role("button", name="Clear what failed").wait_for(state="detached")
    assert platform.objects("legacy") == {}

    page.goto(f"{url}/{PAGES}/")
    page.get_by_label("Migration").select_option("avatars")
    page.get_by_label("Key, path or row id").fill("avatar/0.png")
    page.get_by_role("button", name="Find the object").click()
    page.get_by_text("gone from legacy").wait_for()
    assert violations(page) == []
    card = page.get_by_role("region", name="avatars", exact=True)
    card.get_by_role("button", name="Stop all deletion").click()
    page.get_by_label("Reason").fill("it looks odd")
    page.get_by_role("button", name="Stop deletion").click()
    card.get_by_text("Deletion is stopped: it looks odd (admin, in the UI").wait_for()
    card.get_by_role("button", name="Resume deletion").click()
    page.get_by_label("Reason").fill("it was nothing")
    page.get_by_role("button", name="Resume deletion").last.click()
    card.get_by_role("button", name="Stop all deletion").wait_for()
    said = platform.api.ask("GET", "/eventLogs", params={"dag_id": DAG, "event": "s3_migration: resume deletion"})
    assert [(each["owner"], each["extra"]) for each in said["event_logs"]][-1] == ("admin", "it was nothing")


def held_after(number: int, go: threading.Event) -> Fault:
    """So many are let pass, the others wait until they may go."""
    seen = itertools.count()

    def fault(request: Request, forward: Forward) -> Answer:
        if next(seen) >= number:
            go.wait()
        return forward(request)

    return fault


@pytest.fixture
def held(platform: Platform) -> Iterator[threading.Event]:
    """A thousand objects, one of which a row spells otherwise; 700 are copied, the others once the event is set."""
    platform.seed_many(keys(999))
    platform.put("legacy", "image/cafe\u0301.png", b"of a keyboard that composes")
    platform.sql("INSERT INTO avatars (path) VALUES (%s)", "image/caf\u00e9.png")
    go = threading.Event()
    platform.proxy.clear()
    platform.proxy.fault("CopyObject", held_after(700, go))
    yield go
    go.set()


def test_a_person_watches_a_run_at_work_and_sets_its_pace(platform: Platform, held: threading.Event, page: Any) -> None:
    """Bars that move from start to end, a pace set in between, and a row in another spelling among the problems."""
    run_id = platform.api.trigger(LATE, mode="move")
    page.goto(f"{platform.stack.variables()['AIRFLOW_URL']}/dags/{LATE}/runs/{run_id}/plugin/s3-migration")
    tab = page.frame_locator("iframe")

    def shows(bar: str, percent: int) -> None:
        expected = f'[role=progressbar][aria-label={bar}][aria-valuenow="{percent}"]'
        tab.locator(expected).wait_for(timeout=60_000)

    shows("copied", 50)  # of a thousand, marked by five hundred
    shows("listed", 100)
    shows("deleted", 0)
    tab.get_by_role("button", name="Set the pace").click()
    dialog = tab.get_by_role("dialog")
    dialog.get_by_label("S3 requests in flight, a task").fill("8")
    dialog.get_by_label("Reason").fill("the store is slow today")
    dialog.get_by_role("button", name="Set the pace").click()
    tab.get_by_text("A person has set the pace of this run: S3 requests in flight, a task 8 (declared: ").wait_for()
    held.set()
    shows("copied", 100)
    tab.get_by_role("cell", name="misspelt", exact=True).wait_for(timeout=120_000)
    tab.get_by_role("cell", name="image/cafe\u0301.png", exact=True).wait_for()
    shows("deleted", 99)
    assert platform.api.wait(LATE, run_id) == "failed"
    assert "1 misspelt" in platform.api.ask("GET", f"/dags/{LATE}/dagRuns/{run_id}")["note"]
    assert list(platform.objects("legacy")) == ["image/cafe\u0301.png"]


def test_each_page_can_be_used_by_anybody(platform: Platform, page: Any) -> None:
    """By keyboard and screen reader, in the dark, on a narrow screen: axe finds nothing, and nothing is wider."""
    platform.seed("image/0.png")
    platform.put("production", "avatar/0.png", b"of another")
    run_id, state = platform.run(DAG, mode="move")
    assert state == "failed"
    url = platform.stack.variables()["AIRFLOW_URL"]
    shown = {
        f"{url}/{PAGES}/run?dag_id={DAG}&run_id={quote(run_id, safe='')}": page.get_by_role(
            "cell", name="image/0.png", exact=True
        ),
        f"{url}/{PAGES}/": page.get_by_role("region", name="avatars", exact=True),
        f"{url}/s3-migration/docs/runbook?migration=avatars": page.get_by_role("heading", name="First look"),
    }
    for width in (1200, 600):
        page.set_viewport_size({"width": width, "height": 1000})
        for theme in ("light", "dark"):
            page.emulate_media(color_scheme=theme)
            for address, seen in shown.items():
                page.goto(address)
                seen.wait_for()
                assert violations(page) == [], (address, width, theme)
                wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
                assert not wide, (address, width)
