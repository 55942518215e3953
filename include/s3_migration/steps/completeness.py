"""The rule of red: a step fails if anything in its range is incomplete up to and including this step."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from s3_migration.ledger.counting import Problem, States, find_failure_codes, find_problems
from s3_migration.ledger.run import find_chunk_of
from s3_migration.model.error_codes import retryable
from s3_migration.model.states import RUNBOOK, Step, incomplete_states
from s3_migration.steps.progress import place
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)

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
    if problem.state == "copied":
        return "not deleted: it was copied again, or named by a row again, after the proof; the next run deletes it"
    if problem.state != "listed" or run.chunk.number:
        return "no detail"
    chunk = find_chunk_of(run.ledger, problem.legacy_key)
    if chunk is None:
        return "not copied"
    return (
        f"not copied, though copy_chunk is over: clear its instance of chunk {chunk} (map index {chunk - 1}), which "
        f"was marked success by hand, or whose record is gone"
    )


def require_complete(
    run: Run,
    step: Step,
    *,
    retry: bool = False,
    undecided: Mapping[str, int] | None = None,
    gate: str | None = None,
    closed: str | None = None,
) -> None:
    """Fail if anything of the run's chunk is incomplete.

    :param retry: a retry of this very task would try again what failed.
    :param undecided: by state so many that a later step decides upon.
    :param gate: whether it is open or closed, and what follows: the first words of the message.
    :param closed: why nothing was deleted: said once, and not of each object that is copied and still there.
    :raises Incomplete: names what, why and what next.
    :raises IncompleteRetryable: the same, and time may fix some of it.
    """
    counted = run.count_ranges()
    states = Counter(States.total(each for _, each in counted).unacknowledged)
    states.subtract(undecided or {})
    left = incomplete_states(states, run.mode, step, remove_copies=run.record.remove_copies)
    if not left:
        if gate:
            log.info("%s", gate)
        return
    numbers, total = ", ".join(f"{number:,} {state}" for state, number in sorted(left.items())), sum(left.values())
    head = f"{place(run)}: incomplete after {run.step}: {numbers}"
    if gate:
        stay = "1 object stays" if total == 1 else f"{total:,} objects stay"
        head = f"{gate}; {stay}: {numbers} ({place(run)[0].lower()}{place(run)[1:]})"
    explained = {"copied": left["copied"]} if closed and "copied" in left else {}
    named = find_problems(run.ledger, counted, left.keys() - explained.keys(), NAMED)
    lines = [f"  {problem.state}: {problem.legacy_key!r}: {problem.detail or _why(run, problem)}" for problem in named]
    if (unnamed := total - sum(explained.values()) - len(lines)) > 0 and lines:
        lines.append(f"  … and {unnamed:,} more, each in s3_migration.ledger with its detail")
    lines += [f"  copied: {number:,} of them are still in legacy. {closed}" for number in explained.values()]
    # Whatever else is in the chunk.
    fixable = retry and "failed" in left and any(map(retryable, find_failure_codes(run.ledger, run.chunk)))
    fix = ""
    if left.keys() != explained.keys():
        anchor = next(anchor for state, anchor in RUNBOOK.items() if state in left)
        fix = (
            "\nAll others went on. Fix: remove the cause, then clear the first red task of the run with its "
            f"downstream, or all that failed (docs/runbook.md#{anchor})."
        )
    raise (IncompleteRetryable if fixable else Incomplete)(f"{head}.\n" + "\n".join(lines) + fix)
