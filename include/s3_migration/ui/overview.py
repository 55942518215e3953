"""What the pages show of a run, a migration and one object, as JSON. Changes nothing.

Whatever the ledger holds, a look costs the same: totals are what the tasks have counted, not what is counted for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from s3_migration.ledger import overview
from s3_migration.ledger.connection import MigrationLedger
from s3_migration.ledger.overview import ChunkTime, ProblemShown, RunShown, Story, find_paths_of_row
from s3_migration.ledger.pace import Pace
from s3_migration.ledger.run import find_tallies, find_timings
from s3_migration.model.account import Account
from s3_migration.model.declaration import Declaration
from s3_migration.model.field_types import duration_text
from s3_migration.model.modes import Mode
from s3_migration.model.run_bars import Progress
from s3_migration.model.states import PROBLEMS, RUNBOOK, STATES
from s3_migration.ui.dag_names import dag_id_of

# Points of a plot.
POINTS = 60
PAST_RUNS = 20


def run_shown(ledger: MigrationLedger, run: RunShown) -> dict[str, Any]:
    """A run: its bars, plots, requests, problems, and what it waits for."""
    mode = Mode(run.mode)
    of_run = ledger.of_run(run.run_no, undo=mode.undoes)
    tallies, steps, compared = find_tallies(of_run), find_timings(of_run), overview.count_compared(of_run)
    progress = Progress(
        mode,
        run.remove_copies,
        listed=run.listed_at is not None,
        switched=run.switched_at is not None,
        verified=run.verified_at is not None,
        tallies=tallies,
        seconds={step.step: step.seconds for step in steps},
        # Between two of its tasks the last step that began is at work as well.
        at_work=frozenset(step.step for step in steps if step.at_work or (run.at_work and step is steps[-1])),
        in_chunks=compared.objects,
        compared=compared.compared,
    )
    account = Account(**run.account) if run.account else None
    return {
        "run_id": run.run_id,
        "mode": run.mode,
        "partial": run.partial,
        "began_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
        "at_work": run.at_work,
        "bytes": tallies.get(("list", "bytes"), 0),
        "bars": [
            {
                "name": bar.name,
                "unit": bar.unit,
                "done": bar.done,
                "total": bar.total,
                "about": bar.about,
                "rate": bar.rate,
                "seconds": bar.seconds,
                "seconds_left": bar.seconds_left,
                "at_work": bar.at_work,
            }
            for bar in progress.bars()
        ],
        "steps": [
            {
                "step": step.step,
                "tasks": step.tasks,
                "at_work": step.at_work,
                "began_at": iso(step.began_at),
                "ended_at": None if step.at_work else iso(step.ended_at),
                "seconds": step.seconds,
            }
            for step in steps
        ],
        "throughput": throughput(overview.find_chunk_times(of_run)),
        "requests": _requests(tallies),
        "waits": _waits(run, account),
        "forecast": account.forecast_lines if account else [],
        "account": account.as_text() if account else None,
        "report": (account and account.report) or None,
        "approval": _approval(run),
    }


def throughput(times: Sequence[ChunkTime]) -> dict[str, Any]:
    """Objects a second over time, by step: each chunk's as if its task had gone at one pace."""
    if not times:
        return {"began_at": None, "seconds": 0, "steps": {}}
    first, last = min(time.started_at for time in times), max(time.ended_at for time in times)
    width = max((last - first).total_seconds() / POINTS, 0.001)
    steps: dict[str, list[float]] = {}
    for time in times:
        points = steps.setdefault(time.step, [0.0] * POINTS)
        begun, ended = ((moment - first).total_seconds() / width for moment in (time.started_at, time.ended_at))
        pace = time.objects / max(ended - begun, 0.001)  # objects a point
        for place in range(int(begun), min(int(ended), POINTS - 1) + 1):
            points[place] += pace * max(0.0, min(ended, place + 1) - max(begun, place)) / width
    return {"began_at": iso(first), "seconds": width * POINTS, "steps": steps}


def _requests(tallies: dict[tuple[str, str], int]) -> list[dict[str, Any]]:
    """By operation and outcome, the most first."""
    counted: Counter[str] = Counter()
    for (_, what), number in tallies.items():
        if what.startswith("S3 "):
            counted[what[3:]] += number
    found = []
    for what, number in counted.most_common():
        operation, _, outcome = what.partition(" ")
        found.append({"operation": operation, "outcome": outcome, "number": number})
    return found


def _waits(run: RunShown, account: Account | None) -> dict[str, Any] | None:
    """What its grace period keeps in legacy, and until when at the latest."""
    waiting = account.states.get("waiting", 0) if account else 0
    if not waiting or run.switched_at is None:
        return None
    return {"objects": waiting, "until": iso(run.switched_at + run.grace_period)}


def _approval(run: RunShown) -> dict[str, Any] | None:
    if run.approval_asked_at is None:
        return None
    return {
        "asked_at": iso(run.approval_asked_at),
        "approved": run.approved,
        "answered_by": run.answered_by,
        "answered_at": iso(run.answered_at),
    }


def problem_counts(ledger: MigrationLedger) -> dict[str, Any]:
    """What is red of the migration, by kind; of a great many only that they are."""
    counts = overview.count_problems(ledger)
    return {
        "or_more": sum(count.objects for count in counts) >= overview.COUNTED,
        "kinds": [
            {
                "problem": count.problem,
                "objects": count.objects,
                "acknowledged": count.acknowledged,
                "meaning": STATES[count.problem].meaning,
                "advice": _advice(count.problem),
            }
            for count in counts
        ],
    }


def _advice(problem: str | None) -> str | None:
    """The page that says what to do about it, in the UI."""
    return f"runbook#{RUNBOOK[problem]}" if problem in RUNBOOK else None


def problem_shown(declared: Declaration, found: ProblemShown) -> dict[str, Any]:
    return {
        "key": found.legacy_key,
        # Which of the two a row holds is not asked: of a column without an index that would read the table.
        "rows": [
            f"{each.name} = {each.legacy_path(found.legacy_key)} or {each.production_path(found.legacy_key)}"
            for each in declared.references
        ],
        "problem": found.problem,
        "error": found.error_code,
        "detail": found.detail,
        "size": found.size,
        "run_id": found.run_id,
        "since": iso(found.owned_since),
        "acknowledged": found.acknowledged,
        "advice": _advice(found.problem),
    }


def pace_shown(declared: Declaration, pace: Pace) -> dict[str, dict[str, int | None]]:
    """What may be set of a run at work, as it is declared and as a person has set it (null: as declared)."""
    return {
        "requests_in_flight": {"declared": declared.requests_in_flight, "set": pace.requests_in_flight, "most": 1_000},
        "parallel_chunks": {
            "declared": declared.parallel_chunks,
            "set": pace.parallel_chunks,
            "most": declared.parallel_chunks,
        },
        "max_lag": {
            "declared": round(declared.database.max_lag.total_seconds()),
            "set": round(pace.max_lag.total_seconds()) if pace.max_lag else None,
            "most": 86_400,
        },
    }


# From legacy. What is damaged may be gone as well: until somebody has looked it counts as there.
_GONE = ("moved", "withdrawn", "dangling")


def migration_shown(ledger: MigrationLedger, declared: Declaration) -> dict[str, Any]:
    """A migration: from where to where, its last runs, what they left."""
    runs = overview.find_runs_shown(ledger, PAST_RUNS)
    done = [run for run in runs if run.account and run.mode != Mode.PLAN.value]
    account = (done[0].account or {}) if done else {}
    states = account.get("states", {})
    return {
        **sides(declared),
        "runs": [
            {
                "run_id": run.run_id,
                "mode": run.mode,
                "partial": run.partial,
                "began_at": iso(run.started_at),
                "ended_at": iso(run.ended_at),
                "problems": sum((run.account or {}).get("states", {}).get(kind, 0) for kind in PROBLEMS)
                if run.account
                else None,
            }
            for run in runs
        ],
        "in_legacy": sum(number for state, number in states.items() if state not in _GONE),
        "moved": states.get("moved", 0),
        "waiting": states.get("waiting", 0),
        "rows_left": {name: of["left"] for name, of in account.get("references", {}).items()},
        "nights_without_problem": nights_without_problem(
            [sum((run.account or {}).get("states", {}).get(kind, 0) for kind in PROBLEMS) for run in done]
        ),
        "as_of": iso(done[0].ended_at) if done else None,
    }


def sides(declared: Declaration) -> dict[str, Any]:
    """What a declaration joins."""
    return {
        "migration": declared.name,
        "dag_id": dag_id_of(declared.name),
        "legacy": declared.legacy.address,
        "production": declared.production.address,
        "references": [reference.name for reference in declared.references],
        "grace_period": duration_text(declared.grace_period),
        "scheduled_mode": declared.scheduled_mode.value,
    }


def nights_without_problem(problems: Sequence[int]) -> int:
    """How many of the last runs, the newest first, ended without one."""
    return next((number for number, found in enumerate(problems) if found), len(problems))


# -- one object ---------------------------------------------------------------------------------------------------


def possible_keys(declared: Declaration, *asked: str) -> list[str]:
    """The legacy keys that a person may mean, each once: by a key of either side, or a path as rows hold it."""
    places = [(declared.legacy.prefix, False), (declared.production.prefix, False)]
    for reference in declared.references:
        keys = reference.keys
        places += [(each, reference.url_encoded) for each in (keys.legacy_path_prefix, keys.production_path_prefix)]
    rests = (
        unquote(said[len(prefix) :]) if url_encoded else said[len(prefix) :]
        for said in asked
        for prefix, url_encoded in dict.fromkeys(places)
        if said.startswith(prefix)
    )
    return list(dict.fromkeys(declared.legacy.prefix + rest for rest in rests))


def rows_of_id(ledger: MigrationLedger, declared: Declaration, asked: str) -> list[tuple[str, str]]:
    """Reference and path of each path that a row of this id holds, whichever table it is of."""
    return [
        (reference.name, path)
        for reference in declared.references
        for path in find_paths_of_row(ledger.of_reference(reference), asked)
    ]


def story_shown(declared: Declaration, story: Story) -> dict[str, Any]:
    """One object: what became of it, when, by which run; or why not."""
    copied = story.production_modified is not None
    switched_at = story.switched_at or story.run_switched_at if copied else None
    grace_ends = switched_at + story.grace_period if switched_at else None
    copy = declared.keys.production_key(story.legacy_key)
    events = [
        _event("last modified in legacy", story.legacy_modified, f"ETag {story.legacy_etag}"),
        _event("listed", story.owned_since, f"by run {story.run_id} (mode {story.mode})"),
        _event("copied", story.production_modified, f"as {copy}, ETag {story.production_etag}")
        if copied
        else _event("not copied", None, story.detail or STATES[story.state].meaning),
    ]
    if copied:
        events.append(
            _event("its rows were switched", switched_at, "all that named it by then")
            if switched_at
            else _event("its rows are not switched", None, "no switch has ended since")
        )
        events.append(
            _event("verified", story.run_verified_at, "both sides were compared")
            if story.run_verified_at
            else _event("not verified", None, "no proof has been taken since")
        )
    if story.legacy_gone_at:
        events.append(_event("gone from legacy", story.legacy_gone_at, "deleted, or found to be gone"))
    elif grace_ends:
        events.append(_event("may be deleted from", grace_ends, "the end of its grace period"))
    return {
        "key": story.legacy_key,
        "copy": copy,
        "paths": {
            reference.name: [reference.legacy_path(story.legacy_key), reference.production_path(story.legacy_key)]
            for reference in declared.references
        },
        "state": story.state,
        "meaning": STATES[story.state].meaning,
        "size": story.size,
        "problem": story.problem,
        "error": story.error_code,
        "detail": story.detail,
        "acknowledged": story.acknowledged,
        "advice": _advice(story.problem),
        "events": events,
    }


def _event(what: str, when: datetime | None, how: str) -> dict[str, Any]:
    return {"what": what, "at": iso(when), "how": how}


def iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
