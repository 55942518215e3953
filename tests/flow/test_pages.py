"""What the pages in Airflow's UI are told, over HTTP. Who may read and act: tests/stack/test_scheduler_pages.py."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.core_api.security import get_user
from fastapi.testclient import TestClient

from s3_migration.model.modes import Mode
from s3_migration.ui import pages
from s3_migration.ui.overview import possible_keys
from tests.support.flow import Flow
from tests.support.product import Product, declare

DAG = "migrate_avatars"
NASTY = "image/<script>alert(1)</script>\"'.png"


@pytest.fixture
def browser(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Logged in as one who may do everything."""
    allowed = SimpleNamespace(get_name=lambda: "ann")
    monkeypatch.setattr(pages.declarations, "sound", lambda: [flow.declaration])
    monkeypatch.setattr(pages, "may", lambda *_: True)
    monkeypatch.setattr(pages, "_airflow_knows", lambda _: {"paused": False, "next_run": None})
    monkeypatch.setattr(pages, "_write_down", lambda *_: None)
    for dependency in (pages.may_see, pages.may_read, pages.may_act):
        monkeypatch.setitem(pages.app.dependency_overrides, dependency, lambda: None)
    monkeypatch.setitem(pages.app.dependency_overrides, get_user, lambda: allowed)
    with TestClient(pages.app) as client:
        yield client


def asked(browser: TestClient, path: str, **parameters: Any) -> Any:
    answer = browser.get(f"/api/{path}", params={"dag_id": DAG, **parameters})
    assert answer.status_code == 200, answer.text
    return answer.json()


def bars(shown: dict[str, Any]) -> dict[str, tuple[int, int | None]]:
    return {bar["name"]: (bar["done"], bar["total"]) for bar in shown["run"]["bars"]}


def test_the_bars_follow_a_move_from_its_listing_to_its_end(product: Product, flow: Flow, browser: TestClient) -> None:
    product.seed("image/a.png", "image/b.png", "image/c.png")
    product.row("image/a.png")
    assert asked(browser, "run", run_id="none")["run"] is None
    flow.begin()  # and lists
    assert bars(asked(browser, "run", run_id=flow.run_id)) == {
        "listed": (3, 3),
        "copied": (0, 3),
        "switched": (0, 4),
        "verified": (0, 3),
        "deleted": (0, 3),
    }
    flow.copy()
    flow.switch()
    shown = asked(browser, "run", run_id=flow.run_id)
    assert bars(shown)["copied"] == (3, 3)
    assert bars(shown)["switched"] == (4, 4)
    assert shown["run"]["at_work"]
    assert {step["step"] for step in shown["run"]["steps"]} == {"list", "copy", "switch"}
    flow.verify()
    assert flow.gate()
    flow.delete()
    flow.reconcile()
    shown = asked(browser, "run", run_id=flow.run_id)
    assert set(bars(shown).values()) == {(3, 3), (4, 4)}
    assert not shown["run"]["at_work"]
    assert shown["run"]["ended_at"]
    assert shown["run"]["account"].startswith("Account of run")
    assert shown["run"]["throughput"]["steps"].keys() == {"copy", "delete"}
    assert sum(each["number"] for each in shown["run"]["requests"] if each["operation"] == "CopyObject") == 3
    assert shown["problems"] == {"or_more": False, "kinds": []}
    (entry,) = asked(browser, "migrations")["migrations"]
    assert (entry["in_legacy"], entry["moved"], entry["nights_without_problem"]) == (0, 3, 1)
    assert entry["runs"][0]["run_id"] == flow.run_id


def test_a_plan_shows_its_forecast_and_no_bar_but_one(product: Product, flow: Flow, browser: TestClient) -> None:
    product.seed("image/a.png")
    flow.run(Mode.PLAN)
    shown = asked(browser, "run", run_id=flow.run_id)
    assert bars(shown) == {"listed": (1, 1)}
    assert [name for name, _ in shown["run"]["forecast"]] == ["S3 forecast", "dollars", "hours", "not declared"]


@pytest.fixture
def conflicts(product: Product, flow: Flow) -> list[str]:
    """Production holds other content under these keys."""
    keys = sorted([NASTY, *(f"image/{number:02}.png" for number in range(60)), "image/=1+1"])
    product.seed(*keys)
    for key in keys:
        product.put("production", key.replace("image/", "avatar/", 1), b"of another")
    flow.attempt()
    return keys


def test_problems_are_paged_filtered_and_a_file(
    product: Product, flow: Flow, browser: TestClient, conflicts: list[str]
) -> None:
    found, after = [], ""
    while after is not None:
        page = asked(browser, "problems", after=after)
        assert len(page["problems"]) <= pages.PAGE
        found += [each["key"] for each in page["problems"]]
        after = page["after"]
    assert found == conflicts
    assert [each["key"] for each in asked(browser, "problems", containing="<script>")["problems"]] == [NASTY]
    assert asked(browser, "problems", problem="damaged")["problems"] == []
    assert browser.get("/api/problems", params={"dag_id": DAG, "problem": "x' OR true"}).status_code == 422
    file = browser.get("/api/problems.csv", params={"dag_id": DAG})
    lines = list(csv.DictReader(io.StringIO(file.text)))
    assert [line["key"] for line in lines] == conflicts
    assert file.headers["content-disposition"] == 'attachment; filename="avatars-problems.csv"'
    (entry,) = asked(browser, "migrations")["migrations"]
    assert (entry["in_legacy"], entry["rows_left"]) == (len(conflicts), {"avatars.path": len(conflicts)})
    (kind,) = asked(browser, "run", run_id=flow.run_id)["problems"]["kinds"]
    assert (kind["problem"], kind["objects"], kind["advice"]) == ("conflict", len(conflicts), "runbook#conflict")


@pytest.mark.parametrize("asked_for", ["image/a.png", "avatar/a.png"])
def test_one_object_is_found_by_either_key(product: Product, flow: Flow, browser: TestClient, asked_for: str) -> None:
    product.seed("image/a.png")
    flow.run()
    (found,) = asked(browser, "object", asked=asked_for)["found"]
    assert (found["key"], found["copy"], found["state"]) == ("image/a.png", "avatar/a.png", "moved")
    assert [event["what"] for event in found["events"]] == [
        "last modified in legacy",
        "listed",
        "copied",
        "its rows were switched",
        "verified",
        "gone from legacy",
    ]
    times = [event["at"] for event in found["events"]]
    assert all(times)


def test_why_an_object_did_not_move_is_told(
    product: Product, flow: Flow, browser: TestClient, conflicts: list[str]
) -> None:
    (found,) = asked(browser, "object", asked=NASTY)["found"]
    assert (found["state"], found["advice"]) == ("conflict", "runbook#conflict")
    assert "not copied" in [event["what"] for event in found["events"]]


def test_what_no_ledger_knows_is_said_with_what_was_looked_for(
    product: Product, flow: Flow, browser: TestClient
) -> None:
    flow.run()
    assert asked(browser, "object", asked="avatar/none.png") == {"found": [], "rows": [], "tried": ["image/none.png"]}
    for no_id in ("elsewhere", "99999999999999999999", "12345", "1; DROP TABLE avatars", "\x01"):
        assert asked(browser, "object", asked=no_id) == {"found": [], "rows": [], "tried": []}


def test_one_object_is_found_by_the_id_of_a_row_that_names_it(
    product: Product, flow: Flow, browser: TestClient
) -> None:
    product.seed("image/a.png", "image/b.png")
    flow.run()
    ((row_id,),) = product.sql("SELECT id FROM avatars WHERE path = 'avatar/b.png'")
    answer = asked(browser, "object", asked=str(row_id))
    assert answer["rows"] == [{"reference": "avatars.path", "path": "avatar/b.png"}]
    assert [found["key"] for found in answer["found"]] == ["image/b.png"]


def test_a_percent_encoded_path_is_looked_up_by_what_it_means() -> None:
    declared = declare(
        database={
            "conn_id": "proddatabase",
            "references": [
                {
                    "table": "users",
                    "column": "picture",
                    "path_prefix": {
                        "legacy": "https://cdn.example/image/",
                        "production": "https://cdn.example/avatar/",
                    },
                    "path_encoding": "url",
                }
            ],
        }
    )
    assert list(possible_keys(declared, "https://cdn.example/avatar/a%20b%2Fc.png")) == ["image/a b/c.png"]


def test_deletion_is_stopped_and_resumed_with_a_reason(product: Product, flow: Flow, browser: TestClient) -> None:
    flow.run()
    refused = browser.post("/api/stop", params={"dag_id": DAG}, json={"reason": ""})
    assert refused.status_code == 422
    assert browser.post("/api/stop", params={"dag_id": DAG}, json={"reason": "looks odd"}).status_code == 200
    (entry,) = asked(browser, "migrations")["migrations"]
    assert entry["deletion_stopped"].startswith("looks odd (ann, in the UI, ")
    assert browser.post("/api/resume", params={"dag_id": DAG}, json={"reason": "it was nothing"}).status_code == 200
    (entry,) = asked(browser, "migrations")["migrations"]
    assert entry["deletion_stopped"] is None


def test_the_pace_of_a_run_at_work_is_set_and_shown(product: Product, flow: Flow, browser: TestClient) -> None:
    product.seed("image/a.png")
    flow.begin()
    declared = {"requests_in_flight": 128, "parallel_chunks": 4, "max_lag": 10}
    shown = asked(browser, "run", run_id=flow.run_id)["pace"]
    assert {name: (of["declared"], of["set"]) for name, of in shown.items()} == {
        name: (value, None) for name, value in declared.items()
    }
    where = {"dag_id": DAG, "run_id": flow.run_id}
    for wrong in ({"requests_in_flight": 0}, {"parallel_chunks": 1.5}, {"max_lag": -1}, {"reason": ""}):
        answer = browser.post("/api/pace", params=where, json={"reason": "the store is slow", **wrong})
        assert answer.status_code == 422, wrong
    wanted = {"requests_in_flight": 8, "max_lag": 60}
    assert browser.post("/api/pace", params=where, json={"reason": "it is slow", **wanted}).status_code == 200
    shown = asked(browser, "run", run_id=flow.run_id)["pace"]
    assert {name: of["set"] for name, of in shown.items()} == {**wanted, "parallel_chunks": None}
    flow.work_off(flow.tasks())
    late = browser.post("/api/pace", params=where, json={"reason": "too late", **wanted})
    assert (late.status_code, late.json()["detail"].partition(" is over")[0]) == (409, f"Run {flow.run_id}")


def test_the_report_of_a_run_is_linked_and_its_manifest_read(
    product: Product, flow: Flow, browser: TestClient, tmp_path: Path
) -> None:
    product.seed("image/a.png")
    asking = {"dag_id": DAG, "run_id": "none"}
    assert browser.get("/api/report", params=asking).status_code == 404
    place = declare(completion_report={"directory": str(tmp_path)}).completion_report
    flow.declaration = flow.declaration.model_copy(update={"completion_report": place})
    flow.run()
    shown = asked(browser, "run", run_id=flow.run_id)["run"]
    assert shown["report"] == f"{tmp_path}/avatars/{flow.run_id}/manifest.json"
    answer = browser.get("/api/report", params={**asking, "run_id": flow.run_id})
    assert (answer.status_code, answer.json()["states"]) == (200, {"moved": 1})
    Path(shown["report"]).unlink()
    gone = browser.get("/api/report", params={**asking, "run_id": flow.run_id})
    assert gone.status_code == 502
    assert "cannot be read from here" in gone.json()["detail"]


@pytest.mark.parametrize(
    "headers", [{"content-type": "text/plain"}, {"content-type": "application/json", "sec-fetch-site": "cross-site"}]
)
def test_no_other_site_can_make_a_browser_act(
    product: Product, flow: Flow, browser: TestClient, headers: dict[str, str]
) -> None:
    flow.run()
    body = '{"reason": "of another site"}'
    answer = browser.post("/api/stop", params={"dag_id": DAG}, content=body, headers=headers)
    assert answer.status_code in {403, 422}
    assert product.sql("SELECT deletion_stopped FROM s3_migration.migration") == [(None,)]


def test_what_is_no_migration_is_not_found(flow: Flow, browser: TestClient) -> None:
    assert browser.get("/api/run", params={"dag_id": "other", "run_id": "x"}).status_code == 404


def test_the_pages_load_nothing_from_elsewhere(browser: TestClient) -> None:
    for path in ("/", "/run", "/assets/page.css", "/assets/page.js", "/assets/run.js", "/assets/migrations.js"):
        answer = browser.get(path)
        assert answer.status_code == 200
        assert "//" not in answer.text.replace("http://www.w3.org/", "").replace("// ", "").replace("/* ", "")
    assert browser.get("/assets/../pages.py").status_code == 404


def test_who_may_not_read_a_dag_sees_nothing_of_its_migration(
    flow: Flow, browser: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "may", lambda *_: False)
    assert asked(browser, "migrations")["migrations"] == []


def test_a_problem_is_acknowledged_with_a_reason_and_turns_no_run_red(
    product: Product, flow: Flow, browser: TestClient, conflicts: list[str]
) -> None:
    for key in conflicts:
        answer = browser.post("/api/acknowledge", params={"dag_id": DAG, "key": key}, json={"reason": "both are cats"})
        assert answer.json() == {"acknowledged": 1}
    page = asked(browser, "problems")["problems"]
    assert all(each["acknowledged"].startswith("both are cats (ann, in the UI, ") for each in page)
    assert flow.run().acknowledged == len(conflicts)
    answer = browser.post("/api/acknowledge", params={"dag_id": DAG, "key": "image/none"}, json={"reason": "none"})
    assert answer.status_code == 409


def test_what_two_tries_of_a_chunk_have_copied_is_plotted_once(
    product: Product, flow: Flow, browser: TestClient
) -> None:
    product.seed(*(f"image/{number}.png" for number in range(8)))
    flow.begin()
    flow.copy()
    flow.copy()
    found = asked(browser, "run", run_id=flow.run_id)["run"]["throughput"]
    width = found["seconds"] / len(found["steps"]["copy"])
    assert sum(found["steps"]["copy"]) * width == pytest.approx(8)
