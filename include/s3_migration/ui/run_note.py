"""The note on a red run: its first red task in that task's own words, so that seven red squares show one cause.

plugins/s3_migration_notes.py calls this in Airflow's scheduler. What a person wrote into the note stays above it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from airflow.models.dag import DagTag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import select
from sqlalchemy.orm import Session, object_session

from s3_migration.ui.dag_names import PREFIX, TAG
from s3_migration.ui.last_words import CAUSE

# Airflow keeps so many characters of a note.
LONGEST_NOTE = 1_000
_OURS = "Red: "
KILLED = "it was killed, or never came to say why."
_NEXT = "Next: the last lines of that task's log say what to do; the tab Migration of this run lists each problem."


@dataclass(frozen=True)
class RedTask:
    """A failed task, or an instance of a mapped one, with its `last_words.cause` (none: it was killed)."""

    task_id: str
    cause: str | None


def note_of(red: Sequence[RedTask], above: str = "") -> str:
    """The note on a run with these red tasks, in the order in which they ended.

    :param above: the note so far: what a person wrote stays, alone if there is no room for both.
    """
    first, instances = red[0], Counter(each.task_id for each in red)
    number = f" ({instances[first.task_id]} instances)" if instances[first.task_id] > 1 else ""
    lines = [f"{_OURS}{first.task_id}{number}: {first.cause or KILLED}"]
    del instances[first.task_id]
    gate = next((each.cause for each in red if each.task_id == "may_delete"), None)
    if gate and instances.pop("may_delete", 0):
        lines.append(f"may_delete: {gate}")
    if later := list(instances):
        lines.append(f"Red for as long as that is: {', '.join(later)}.")
    said, theirs = "\n".join([*lines, _NEXT]), without_ours(above)
    note = f"{theirs}\n{said}" if theirs else said
    return note if len(note) <= LONGEST_NOTE else theirs


def without_ours(note: str) -> str:
    """What a person wrote of a note, above and below our lines."""
    start = note.find(_OURS)
    end = note.find(_NEXT, start)
    if start < 0 or end < 0:
        return note
    return "\n".join(part for part in (note[:start].strip(), note[end + len(_NEXT) :].strip()) if part)


def write_cause(dag_run: DagRun, msg: str) -> None:
    """Of a run that has failed, in the scheduler's session, which keeps what is set here.

    :param msg: as Airflow tells its listeners: where a person marked the run as failed, that person knows why.
    """
    session = object_session(dag_run)
    if session is None or msg != "task_failure" or not is_migration(session, dag_run.dag_id):
        return
    if red := _red_tasks(session, dag_run):
        dag_run.note = note_of(red, dag_run.note or "")


def remove_cause(dag_run: DagRun) -> None:
    """Of a run that is green now: it was cleared since."""
    if not dag_run.dag_id.startswith(PREFIX) or not dag_run.note:
        return
    if theirs := without_ours(dag_run.note):
        dag_run.note = theirs
    else:
        dag_run.dag_run_note = None


def is_migration(session: Session, dag_id: str) -> bool:
    """Whether a DAG is one of ours: by its name, then, since others may have such a one, by its tag."""
    ours = select(DagTag.name).filter_by(dag_id=dag_id, name=TAG)
    return dag_id.startswith(PREFIX) and session.scalar(ours) is not None


def _red_tasks(session: Session, dag_run: DagRun) -> list[RedTask]:
    of_run = {"dag_id": dag_run.dag_id, "run_id": dag_run.run_id}
    said = select(XComModel.task_id, XComModel.map_index, XComModel.value).filter_by(**of_run, key=CAUSE)
    causes = {(task_id, map_index): value for task_id, map_index, value in session.execute(said)}
    failed = select(TaskInstance.task_id, TaskInstance.map_index).filter_by(**of_run, state="failed")
    return [
        RedTask(task_id, _text(causes.get((task_id, map_index))))
        for task_id, map_index in session.execute(failed.order_by(TaskInstance.end_date))
    ]


def _text(value: Any) -> str | None:
    """As Airflow keeps an XCom: JSON, decoded by some of its databases and not by others."""
    if isinstance(value, str) and value.startswith('"'):
        value = json.loads(value)
    return value if isinstance(value, str) else None
