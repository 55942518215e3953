"""The rule of red: a step fails if anything in its range is incomplete up to and including this step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from s3_migration.ledger.counting import Problem, States, find_failure_codes, find_problems
from s3_migration.ledger.run import find_chunk_of
from s3_migration.model.error_codes import retryable
from s3_migration.model.states import Step, incomplete_states
from s3_migration.steps.progress import place
from s3_migration.steps.run import Run

# How many problems a message names; the ledger has them all.
NAMED = 10


class Incomplete(AirflowFailException):
    """A range that this step should have completed is not: a person has to look, then clear the task."""


class IncompleteRetryable(AirflowException):
    """As Incomplete, but some errors in it are such that time fixes: worth a retry."""


def _why(run: Run, problem: Problem) -> str:
    """Of a state that says nothing by itself."""
    if problem.state == "copied" and run.declaration.verify == "checksum":
        return "its bytes may not be proven: clear verify_copies with its downstream"
    if problem.state != "listed" or run.chunk.number:
        return "no detail"
    chunk = find_chunk_of(run.ledger, problem.legacy_key)
    if chunk is None:
        return "not copied"
    return (
        f"not copied, though copy_chunk is over: clear its instance of chunk {chunk} (map index {chunk - 1}), which "
        f"was marked success by hand, or whose record is gone"
    )


def require_complete(run: Run, step: Step, *, retry: bool = False, undecided: Mapping[str, int] | None = None) -> None:
    """Fail if anything of the run's chunk is incomplete.

    :param retry: a retry of this very task would try again what failed.
    :param undecided: by state so many that a later step decides upon.
    :raises Incomplete: names what, why and what next.
    :raises IncompleteRetryable: the same, and time may fix some of it.
    """
    counted = run.count_ranges()
    states = Counter(States.total(each for _, each in counted).unacknowledged)
    states.subtract(undecided or {})
    left = incomplete_states(states, run.mode, step, remove_copies=run.record.remove_copies)
    if not left:
        return
    named = find_problems(run.ledger, counted, left, NAMED)
    total = sum(left.values())
    lines = [f"  {problem.state}: {problem.legacy_key!r}: {problem.detail or _why(run, problem)}" for problem in named]
    if total > len(lines) > 0:
        lines.append(f"  … and {total - len(lines)} more, each in s3_migration.ledger with its detail")
    # Whatever else is in the chunk.
    fixable = retry and "failed" in left and any(map(retryable, find_failure_codes(run.ledger, run.chunk)))
    raise (IncompleteRetryable if fixable else Incomplete)(
        f"{place(run)}: incomplete after {run.step}: "
        + ", ".join(f"{number} {state}" for state, number in sorted(left.items()))
        + ".\n"
        + "\n".join(lines)
        + "\nAll others went on. Fix: remove the cause, then clear the first red task of the run with its downstream, "
        "or all that failed: docs/runbook.md"
    )
