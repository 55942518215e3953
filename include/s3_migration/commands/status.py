"""How a migration stands, by its ledger: the run at work, objects by state, what is left. S3 is not asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click

from s3_migration.commands.answer import PROGRAM, Answer, answers, as_json, migration
from s3_migration.commands.session import open_ledger
from s3_migration.ledger.lease import LeaseHolder, find_run_at_work
from s3_migration.ledger.retirement import StateCount, count_all_states, find_last_run
from s3_migration.ledger.run import LatestRun, StepAtWork, find_latest_run, find_steps_at_work
from s3_migration.model.completion import Rows, find_unfinished
from s3_migration.model.declaration import Declaration
from s3_migration.model.states import PROBLEMS, STATES


@dataclass(frozen=True)
class Status:
    """What the ledger knows."""

    migration: str
    deletion_stopped: str | None  # the reason
    at_work: LeaseHolder | None
    steps: list[StepAtWork]
    latest: LatestRun | None
    counts: list[StateCount]
    left: list[str]  # nothing: it is finished, as far as the ledger knows

    @property
    def problems(self) -> dict[str, int]:
        """What turns a run red: less what was acknowledged."""
        left = {count.state: count.objects - count.acknowledged for count in self.counts if count.state in PROBLEMS}
        return {state: objects for state, objects in left.items() if objects}


def look(declaration: Declaration) -> Status:
    """:raises CommandError: nobody can tell."""
    with open_ledger(declaration) as (ledger, known):
        at_work = find_run_at_work(ledger)
        counts = count_all_states(ledger)
        unacknowledged = {count.state: count.objects - count.acknowledged for count in counts}
        latest = find_latest_run(ledger)
        asked = latest.run_id if latest and latest.waits_for_a_person else None
        return Status(
            migration=declaration.name,
            deletion_stopped=known.deletion_stopped,
            at_work=at_work,
            steps=find_steps_at_work(ledger) if at_work else [],
            latest=latest,
            counts=counts,
            left=find_unfinished(find_last_run(ledger), unacknowledged, Rows(), [], asked=asked),
        )


def report(status: Status) -> Iterator[str]:
    """All of it, for a person: a line each."""
    stopped, latest = status.deletion_stopped, status.latest
    state = "may go on: nobody has stopped it" if stopped is None else f"is stopped: {stopped}"
    yield f"Deletion of migration {status.migration} {state}"
    if status.at_work:
        steps = ", ".join(f"{step.step} ({step.tasks} tasks, since {_time(step.since)})" for step in status.steps)
        yield f"Run {status.at_work.run} is at work: {steps or 'between two steps'}"
    else:
        yield "No run is at work."
    if latest:
        part = ", a part of legacy" if latest.partial else ""
        ended = f"ended {_time(latest.ended_at)}" if latest.ended_at else "has not come to its end"
        yield f"Last run: {latest.run_id} (mode {latest.mode}{part}), began {_time(latest.started_at)}, {ended}"
        if latest.approval_asked_at:
            asked = f"Run {latest.run_id} asked at {_time(latest.approval_asked_at)} whether objects may be deleted"
            yield f"{asked}: {_answer(latest)}"
    yield f"Objects: {sum(count.objects for count in status.counts):,}"
    for kind, objects in status.problems.items():
        yield f"  {objects:,} {kind}: {STATES[kind].meaning}"
    for count in status.counts:
        if count.acknowledged:
            yield f"  {count.acknowledged:,} {count.state}, acknowledged"
        if count.state not in PROBLEMS:
            until = f": a move after {_time(count.waits_until)} deletes them" if count.waits_until else ""
            yield f"  {count.objects:,} {count.state}{until}"
    if not status.left:
        yield f"By its ledger it is finished. Rows and legacy are asked by: {PROGRAM} retire {status.migration} show"
        return
    yield "What is left, by its ledger:"
    yield from (f"  - {item}" for item in status.left)


def document(status: Status) -> dict[str, Any]:
    """All of it, for a program."""
    at_work, latest = status.at_work, status.latest
    return {
        "migration": status.migration,
        "deletion_stopped": status.deletion_stopped,
        "run_at_work": at_work
        and {
            "run_id": at_work.run_id,
            "mode": at_work.mode,
            "lease_until": _iso(at_work.lease_until),
            "steps": [{**step._asdict(), "since": _iso(step.since)} for step in status.steps],
        },
        "last_run": latest
        and {
            **{name: _iso(value) if isinstance(value, datetime) else value for name, value in latest._asdict().items()},
            "waits_for_a_person": latest.waits_for_a_person,
        },
        "problems": status.problems,
        "states": {
            count.state: {"objects": count.objects, "acknowledged": count.acknowledged} for count in status.counts
        },
        "waits_until": next((_iso(count.waits_until) for count in status.counts if count.waits_until), None),
        "finished": not status.left,
        "left": status.left,
    }


def _answer(run: LatestRun) -> str:
    if run.waits_for_a_person:
        return "nobody has answered yet"
    if run.approved is None or run.answered_at is None:
        return "nobody answered"
    return f"{'approved' if run.approved else 'rejected'} by {run.answered_by}, {_time(run.answered_at)}"


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


@click.command()
@migration
@as_json
@answers
def status(declaration: Declaration) -> Answer:
    """How the migration stands, by its ledger: it asks neither S3 nor the rows.

    Whether deletion is stopped and why, which run is at work, objects by state (problems first), what waits, and what
    is left to do. It always ends with 0: for a yes or no ask retire NAME show.
    """
    seen = look(declaration)
    return Answer("\n".join(report(seen)), document(seen))
