"""The last lines of a failed task's log: what is wrong, where, what to do, and a link that can be clicked.

Airflow logs an exception with its traceback, whatever it is: these lines come after it.
"""

from __future__ import annotations

import logging
import re
import textwrap

from airflow.sdk import Context
from airflow.sdk.configuration import conf

from s3_migration.ui.dag_names import migration_of

log = logging.getLogger(__name__)

# Under this key a red task leaves the first line of its message, for the note on its run (run_note.py).
CAUSE = "cause"
# In characters: an XCom of each red instance.
LONGEST_CAUSE = 250
DOCS = "s3-migration/docs"  # where plugins/s3_migration_docs.py serves them, below Airflow's own address
# Airflow's page of a log is not wrapped unless one asks for it.
WIDTH = 110
# Where the runbook is about a task, for a message that names no place in it.
_RUNBOOK = {
    "check": "docs/runbook.md#check-is-red-or-waits",
    "list_legacy": "docs/runbook.md#first-look",
    "copy_chunk": "docs/runbook.md#copy_chunk-is-red",
    "switch_paths": "docs/runbook.md#switch_paths-is-red-or-retries",
    "wait_grace": "docs/runbook.md#switch_paths-is-red-or-retries",
    "verify_chunk": "docs/runbook.md#verify_copies-is-red",
    "verify_copies": "docs/runbook.md#verify_copies-is-red",
    "may_delete": "docs/runbook.md#may_delete-is-red-open-or-closed",
    "delete_chunk": "docs/runbook.md#delete_chunk-is-red",
    "reconcile": "docs/runbook.md#reconcile-waits-or-is-red",
}
_PLACE = re.compile(r"docs/(\w+)\.md#([\w-]+)")
_COMMAND = re.compile(r"python -m s3_migration [^;.,|)…\n]+")  # never broken: it is there to be pasted
_IN_BRACKETS = re.compile(r" \(docs/\w+\.md#[\w-]+\)")


def tell_red(context: Context) -> None:
    """For a task's on_failure_callback: runs in the task's own process, after Airflow has logged the exception."""
    _tell(context, "")
    if (error := context.get("exception")) is not None:
        context["ti"].xcom_push(CAUSE, cause(error))


def tell_retry(context: Context) -> None:
    """For a task's on_retry_callback."""
    _tell(context, "This try failed, and Airflow tries the task again by itself.\n")


def _tell(context: Context, first: str) -> None:
    error = context.get("exception")
    if error is None:  # the task was killed: Airflow's server calls this, elsewhere
        return
    log.info("::endgroup::")  # what follows the exception is folded away in the UI until then
    log.error("%s%s", first, last_words(error, context["ti"].task_id, context["ti"].dag_id))


def last_words(error: BaseException | str, task_id: str, dag_id: str) -> str:
    """The message in short lines, and where the runbook is about it as the last one."""
    said = str(error).strip()
    if isinstance(error, BaseException) and not type(error).__module__.startswith(("s3_migration.", "airflow.")):
        said = f"Unexpected {type(error).__name__}: {said} Fix: see the traceback above; then clear this task."
    place = _PLACE.search(said) or _PLACE.search(_RUNBOOK.get(task_id, "docs/runbook.md#first-look"))
    said = re.sub(r"\s+Fix: ", "\nFix: ", _IN_BRACKETS.sub("", said))
    lines = [_wrapped(line) for line in said.splitlines()]
    migration = migration_of(dag_id)
    return "\n".join([*lines, f"Runbook: {_address(place[1], place[2], migration)}" if place else ""])


def cause(error: BaseException | str) -> str:
    """The first line of its message, with the next one where it only leads to that: what is wrong, then where, since
    the UI shows of a note what one line has room for."""
    first, *more = (str(error).strip() or type(error).__name__).splitlines()
    said = (f"{first} {more[0].strip()}" if more and first.endswith(":") else first).partition(" Fix: ")[0]
    where, _, found = said.partition(": incomplete after ")
    if found:
        said = f"{found.partition(': ')[2].rstrip('.')} ({where})"
    return said if len(said) <= LONGEST_CAUSE else f"{said[: LONGEST_CAUSE - 1]}…"


def _wrapped(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    whole = _COMMAND.sub(lambda command: command[0].replace(" ", "\0"), line)
    filled = textwrap.fill(whole, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
    return filled.replace("\0", " ")


def _address(page: str, anchor: str, migration: str) -> str:
    """As a link where Airflow knows its own address; as the file where it does not."""
    base = str(conf.get("api", "base_url", fallback="") or "").rstrip("/")
    if not base:
        return f"docs/{page}.md#{anchor}, in the UI under Docs"
    return f"{base}/{DOCS}/{page}?migration={migration}#{anchor}"
