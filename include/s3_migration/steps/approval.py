"""A person's word before a move deletes, where that is declared: asked for in may_delete, kept in the ledger."""

from __future__ import annotations

import logging
from contextlib import closing

from s3_migration.ledger import deletion
from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.counting import States, find_problems
from s3_migration.ledger.run import find_tallies
from s3_migration.model.account import Account
from s3_migration.model.approval import Decision, Question, question
from s3_migration.model.declaration import Declaration
from s3_migration.model.field_types import duration_text
from s3_migration.model.states import PROBLEMS
from s3_migration.steps.gate_errors import ApprovalWanted, GateClosed, closed
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)

# How many problems a question names; the log and the ledger have more.
NAMED = 10
HOW = "docs/runbook.md#approving-a-deletion"
ASKS_AGAIN = f"clear may_delete with its downstream, and it asks again ({HOW})"
# Of a question that may be another one by now: Airflow shows the first one of a task for ever.
ASKS_ANEW = (
    f"trigger a new run, which takes over what is left, and asks; or, if nothing has changed since, {ASKS_AGAIN}"
)


def take_decision(declaration: Declaration, run_id: str, decision: Decision) -> None:
    """Write it down, before anything that may fail and be tried again.

    :raises GateClosed: it was no; or yes, by somebody who may not say so.
    """
    if decision.approved is None or decision.at is None:
        return
    approvers = declaration.approvers
    if decision.approved and approvers is not None and decision.user_id not in approvers:
        # Airflow asked those who were declared then, and where all are admins, everybody.
        raise GateClosed(
            f"{closed(declaration.name)} {decision.by} approved the deletion, {decision.at:%Y-%m-%d %H:%M %Z}, and "
            f"is none of the approvers ({', '.join(approvers)}), so this does not count for run {run_id}. "
            f"Fix: one of them answers: {ASKS_ANEW}; or correct approvers in the declaration."
        )
    with closing(Ledger.connect(declaration)) as ledger:
        deletion.answer_approval(
            ledger,
            declaration.name,
            run_id,
            approved=decision.approved,
            answered_by=decision.by,
            answered_at=decision.at,
        )
    if not decision.approved:
        raise GateClosed(
            f"{closed(declaration.name)} {decision.by} rejected the deletion, {decision.at:%Y-%m-%d %H:%M %Z}; "
            f"rows and copies of run {run_id} stay as they are. Fix: find out why. Then {ASKS_ANEW}."
        )
    log.info("the deletion was approved by %s, %s", decision.by, decision.at)


def ask_unless_approved(run: Run, decision: Decision | None) -> None:
    """Of may_delete, once nothing else keeps the gate closed.

    :raises ApprovalWanted: something would be deleted, and nobody has approved it.
    :raises GateClosed: the same, and nobody has answered in time.
    """
    if not run.wants_approval:
        return
    found = deletion.count_unapproved(run.ledger, run.chunk)
    if not found.due:
        taken = ", or is not the run's any more: a later run has taken it over" if decision is not None else ""
        log.info("nothing is to be deleted%s: nobody is asked", taken)
    if not found.objects:
        return
    if decision is not None and decision.approved is None:
        who = ", ".join(run.declaration.approvers or []) or "whoever may act on the DAG"
        timeout = duration_text(run.declaration.patience)
        raise GateClosed(
            f"{closed(run.declaration.name)} nobody answered within approval_timeout ({timeout}) whether "
            f"{found.objects} objects may be deleted. Who could have: {who}. Fix: see that one "
            f"of them has a login to Airflow that may act on the DAG, and is told (docs/alerts.md); then {ASKS_ANEW}."
        )
    deletion.ask_for_approval(run.ledger)
    raise ApprovalWanted(_question(run, found))


def require_approved(run: Run) -> None:
    """Of what deletes. No colour of may_delete counts: it may be marked by hand.

    :raises GateClosed: something of the run's chunk would be deleted, and nobody has approved it.
    """
    if not run.wants_approval:
        return
    found = deletion.count_unapproved(run.ledger, run.chunk)
    if found.objects:
        by = f"{run.record.answered_by} rejected" if run.record.approved is False else "nobody has approved"
        raise GateClosed(
            f"{closed(run.declaration.name, more=True)} {by} the deletion of {found.objects} objects of run "
            f"{run.run_id}, so these are kept. Fix: {ASKS_AGAIN if run.record.approved is None else ASKS_ANEW}."
        )


def _question(run: Run, found: deletion.Unapproved) -> Question:
    counted = run.count_ranges()
    states = States.total(each for _, each in counted)
    so_far = Account.of(run.declaration.name, run.run_id, run.mode.value, states.all, find_tallies(run.ledger), {})
    named = find_problems(run.ledger, counted, PROBLEMS, NAMED)
    return question(
        migration=run.declaration.name,
        run_id=run.run_id,
        due=(found.objects, found.bytes, found.first_key or "", found.last_key or ""),
        legacy=f"s3://{run.legacy_bucket}/{run.keys.legacy_prefix}",
        production=f"s3://{run.production_bucket}/{run.keys.production_prefix}",
        done={
            "objects copied": so_far.copied,
            "there already": so_far.already_there,
            "rows switched": so_far.rows_switched,
        },
        states=states.all,
        problems=[(each.state, each.legacy_key, each.detail or "no detail") for each in named],
    )
