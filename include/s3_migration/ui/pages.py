"""The pages of the migrations in Airflow's UI: a tab on each run, a menu entry over all, and the JSON that they show.

Who may read a DAG may see its migration here; who may clear its runs may act. Nothing is open to anyone else: a sub-app
is, unless it says otherwise.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any

from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView, DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_access_view
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from botocore.exceptions import BotoCoreError, ClientError
from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import FileResponse, Response, StreamingResponse
from pydantic import BaseModel, Field

from s3_migration.commands.answer import CommandError
from s3_migration.commands.session import open_ledger
from s3_migration.commands.stop_deletion import resume_all, stop_all
from s3_migration.ledger import overview as ledger_overview
from s3_migration.ledger.acknowledgement import acknowledge as write_acknowledgement
from s3_migration.ledger.connection import MigrationLedger
from s3_migration.ledger.lease import find_run_at_work
from s3_migration.ledger.overview import STATEMENT_TIMEOUT
from s3_migration.ledger.pace import Pace, find_pace, set_pace
from s3_migration.ledger.run import Migration
from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration
from s3_migration.model.states import PROBLEMS
from s3_migration.steps import completion_report
from s3_migration.steps.hooks import opened_hooks
from s3_migration.ui import overview
from s3_migration.ui.dag_names import dag_id_of
from s3_migration.ui.rights import may

ASSETS = Path(__file__).parent / "assets"
# Problems a page of the table, and of a file at most: what is more is for SQL.
PAGE, IN_FILE = 50, 100_000

may_see = requires_access_view(AccessView.PLUGINS)
may_read = requires_access_dag("GET", DagAccessEntity.RUN)
may_act = requires_access_dag("PUT", DagAccessEntity.RUN)
app = FastAPI(dependencies=[Depends(may_see)], docs_url=None, redoc_url=None, openapi_url=None)

DagId = Annotated[str, Query(max_length=250)]
RunId = Annotated[str, Query(max_length=250)]


# -- the pages: they hold nothing of any migration ---------------------------------------------------------------


@app.get("/")
def migrations_page() -> Response:
    return FileResponse(ASSETS / "migrations.html")


@app.get("/run")
def run_page() -> Response:
    return FileResponse(ASSETS / "run.html")


@app.get("/assets/{name}")
def asset(name: str) -> Response:
    served = {path.name: path for path in ASSETS.iterdir() if path.suffix in {".css", ".js"}}
    if name not in served:
        raise HTTPException(404, "There is no such file.")
    return FileResponse(served[name])


# -- what they show ---------------------------------------------------------------------------------------------


@app.get("/api/migrations")
def migrations(user: GetUserDep) -> dict[str, Any]:
    """All that the user may read: one that cannot be looked at says why, and hides no other."""
    shown = []
    for declared in declarations.sound():
        if not may(user, "GET", declared):
            continue
        entry: dict[str, Any] = {**overview.sides(declared), "may_act": may(user, "PUT", declared)}
        try:
            with _opened(declared) as (ledger, migration):
                at_work = find_run_at_work(ledger)
                entry |= overview.migration_shown(ledger, declared)
                entry |= {
                    "deletion_stopped": migration.deletion_stopped,
                    "at_work": at_work and at_work.run_id,
                    "problems": overview.problem_counts(ledger),
                }
        except HTTPException as error:
            entry["error"] = error.detail
        shown.append(entry | _airflow_knows(entry["dag_id"]))
    return {"migrations": shown, "read_at": _now()}


@app.get("/api/run", dependencies=[Depends(may_read)])
def run(dag_id: DagId, run_id: RunId, user: GetUserDep) -> dict[str, Any]:
    declared = _declared(dag_id)
    with _opened(declared) as (ledger, migration):
        found = ledger_overview.find_run_shown(ledger, run_id)
        return {
            **overview.sides(declared),
            "may_act": may(user, "PUT", declared),
            "run": overview.run_shown(ledger, found) if found else None,
            "pace": overview.pace_shown(declared, find_pace(ledger.of_run(found.run_no))) if found else None,
            "deletion_stopped": migration.deletion_stopped,
            "problems": overview.problem_counts(ledger),
            "read_at": _now(),
        }


@app.get("/api/problems", dependencies=[Depends(may_read)])
def problems(
    dag_id: DagId,
    after: Annotated[str, Query(max_length=1100)] = "",
    problem: Annotated[str | None, Query(max_length=40)] = None,
    containing: Annotated[str | None, Query(max_length=1100)] = None,
) -> dict[str, Any]:
    """A page of them; `after` of the next one is there where there may be more."""
    declared = _declared(dag_id)
    with _opened(declared) as (ledger, _):
        found = ledger_overview.find_problems_shown(
            ledger, after=after, limit=PAGE + 1, problem=_kind(problem), containing=containing or None
        )
        page = found[:PAGE]
        return {
            "problems": [overview.problem_shown(declared, each) for each in page],
            "after": page[-1].legacy_key if len(found) > PAGE else None,
        }


@app.get("/api/problems.csv", dependencies=[Depends(may_read)])
def problems_as_csv(dag_id: DagId, problem: Annotated[str | None, Query(max_length=40)] = None) -> Response:
    declared, kind = _declared(dag_id), _kind(problem)
    with _opened(declared):  # whatever refuses does so before the file begins
        pass
    name = f"{declared.name}-problems.csv"
    return StreamingResponse(
        _csv_lines(declared, kind),
        media_type="text/csv",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _csv_lines(declared: Declaration, kind: str | None) -> Iterator[str]:
    columns = ("key", "problem", "error", "detail", "size", "run_id", "since", "acknowledged")
    yield _csv(columns)
    after, told = "", 0
    with _opened(declared) as (ledger, _):
        while told < IN_FILE:
            found = ledger_overview.find_problems_shown(ledger, after=after, limit=1_000, problem=kind)
            if not found:
                return
            for each in found:
                shown = overview.problem_shown(declared, each)
                yield _csv([_harmless(shown[column]) for column in columns])
            after, told = found[-1].legacy_key, told + len(found)


def _csv(values: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(values)
    return line.getvalue()


def _harmless(value: Any) -> Any:
    """A spreadsheet takes what begins so for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


@app.get("/api/object", dependencies=[Depends(may_read)])
def story(dag_id: DagId, asked: Annotated[str, Query(min_length=1, max_length=2200)]) -> dict[str, Any]:
    """One object's story: by a key of either side, a path as rows hold it, or the id of a row that names it."""
    declared = _declared(dag_id)
    with _opened(declared) as (ledger, _):
        rows: list[tuple[str, str]] = []
        tried = overview.possible_keys(declared, asked)
        if not (found := ledger_overview.find_stories(ledger, tried)):
            rows = overview.rows_of_id(ledger, declared, asked)
            of_rows = overview.possible_keys(declared, *(path for _, path in rows))
            tried, found = [*tried, *of_rows], ledger_overview.find_stories(ledger, of_rows)
    return {
        "found": [overview.story_shown(declared, each) for each in found],
        "rows": [{"reference": reference, "path": path} for reference, path in rows],
        "tried": tried,
    }


@app.get("/api/report", dependencies=[Depends(may_read)])
def report_manifest(dag_id: DagId, run_id: RunId) -> Response:
    """The manifest of the completion report that a run has written."""
    declared = _declared(dag_id)
    with _opened(declared) as (ledger, _):
        found = ledger_overview.find_run_shown(ledger, run_id)
    if found is None or not (found.account or {}).get("report"):
        raise HTTPException(404, f"Run {run_id} has written no completion report.")
    with opened_hooks(declared, attempts=2) as (_, production):
        place = completion_report.declared_place(declared, production, run_id)
        try:
            content = place.read(completion_report.MANIFEST) if place else b""
        except (OSError, ClientError, BotoCoreError) as error:
            raise HTTPException(502, f"It cannot be read from here: {error}") from error
    if not content:
        raise HTTPException(404, "completion_report is not declared any more.")
    return Response(content, media_type="application/json")


# -- what may be done -------------------------------------------------------------------------------------------


class Why(BaseModel):
    reason: str = Field(min_length=3, max_length=500)


def from_our_page(request: Request) -> None:
    """JSON alone, and from here: a form of another site can send neither.

    :raises HTTPException: 403.
    """
    site = request.headers.get("sec-fetch-site", "same-origin")
    if site not in {"same-origin", "none"} or request.headers.get("content-type", "") != "application/json":
        raise HTTPException(403, "Only the page itself, or a program with a token, may ask for this, in JSON.")


may_change = [Depends(may_act), Depends(from_our_page)]


@app.post("/api/stop", dependencies=may_change)
def stop(dag_id: DagId, why: Why, user: GetUserDep) -> dict[str, str]:
    """Stop all deletion."""
    return {"said": _told(lambda: stop_all(_declared(dag_id), _signed(why, user)).text)}


@app.post("/api/resume", dependencies=may_change)
def resume(dag_id: DagId, why: Why, user: GetUserDep) -> dict[str, str]:
    """Let deletion go on; Airflow's audit log keeps who said so, and why."""
    said = _told(lambda: resume_all(_declared(dag_id)).text)
    _write_down(dag_id, user, "resume deletion", why.reason)
    return {"said": said}


@app.post("/api/acknowledge", dependencies=may_change)
def acknowledge(
    dag_id: DagId, key: Annotated[str, Query(min_length=1, max_length=1100)], why: Why, user: GetUserDep
) -> dict[str, int]:
    """The problem that the object of this legacy key has now."""
    with _opened(_declared(dag_id), read_only=False) as (ledger, _):
        found = ledger_overview.find_story(ledger, key)
        if found is None or found.problem not in PROBLEMS:
            raise HTTPException(409, f"{key} has no problem any more.")
        of_run = ledger.of_run(found.run_no)
        number = write_acknowledgement(of_run, key, None, _signed(why, user), list(PROBLEMS))
    return {"acknowledged": number}


class Set(Why):
    """Absent: as declared."""

    requests_in_flight: int | None = Field(None, ge=1, le=1_000)
    parallel_chunks: int | None = Field(None, ge=1, le=256)
    max_lag: int | None = Field(None, ge=1, le=86_400, description="seconds")


@app.post("/api/pace", dependencies=may_change)
def pace(dag_id: DagId, run_id: RunId, wanted: Set, user: GetUserDep) -> dict[str, str]:
    """How fast a run at work is to go on; its tasks take it on between two batches."""
    lag = None if wanted.max_lag is None else timedelta(seconds=wanted.max_lag)
    asked = Pace(wanted.requests_in_flight, wanted.parallel_chunks, lag)
    with _opened(_declared(dag_id), read_only=False) as (ledger, _):
        if not set_pace(ledger, run_id, asked):
            raise HTTPException(409, f"Run {run_id} is over, or has not begun: nothing was set.")
    _write_down(dag_id, user, "pace", f"{wanted.reason} ({run_id}: {asked.as_text()})")
    return {"said": asked.as_text()}


def _signed(why: Why, user: BaseUser) -> str:
    return f"{why.reason} ({user.get_name()}, in the UI, {datetime.now(timezone.utc):%Y-%m-%d %H:%M UTC})"


def _write_down(dag_id: str, user: BaseUser, what: str, reason: str) -> None:
    from airflow.models.log import Log

    with create_session() as session:
        session.add(Log(event=f"s3_migration: {what}", dag_id=dag_id, owner=user.get_name(), extra=reason))


def _told(act: Callable[[], str]) -> str:
    try:
        return act()
    except CommandError as error:
        raise HTTPException(503, str(error)) from error


# -- with what --------------------------------------------------------------------------------------------------


def _declared(dag_id: str) -> Declaration:
    """:raises HTTPException: it is no migration's, or its declaration cannot be read."""
    for declared in declarations.sound():
        if dag_id_of(declared.name) == dag_id:
            return declared
    raise HTTPException(404, f"{dag_id} is no migration: no sound declaration has that name.")


@contextmanager
def _opened(declared: Declaration, *, read_only: bool = True) -> Iterator[tuple[MigrationLedger, Migration]]:
    """The ledger, each statement for a moment at most.

    :raises HTTPException: the database refuses, or takes too long.
    """
    try:
        with open_ledger(declared) as (ledger, migration):
            if read_only:
                ledger.connection.execute("SET default_transaction_read_only = on")
            for setting in ("statement_timeout", "lock_timeout"):
                ledger.connection.execute(f"SET {setting} = '{STATEMENT_TIMEOUT}'")
            yield ledger, migration
    except CommandError as error:
        raise HTTPException(503, str(error)) from error


def _kind(problem: str | None) -> str | None:
    if problem and problem not in PROBLEMS:
        raise HTTPException(422, f"problem: one of {', '.join(PROBLEMS)}")
    return problem or None


def _airflow_knows(dag_id: str) -> dict[str, Any]:
    with create_session() as session:
        model = session.get(DagModel, dag_id)
        if model is None:
            return {"paused": None, "next_run": None}
        return {"paused": model.is_paused, "next_run": overview.iso(model.next_dagrun_create_after)}


def _now() -> str:
    return datetime.now(timezone.utc).isoformat()
