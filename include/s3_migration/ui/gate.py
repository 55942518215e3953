"""may_delete: the gate, which asks a person first where that is declared, and waits without a worker slot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from airflow.sdk import BaseOperator, Context
from airflow.sdk.api.datamodels._generated import HITLUser
from airflow.sdk.exceptions import AirflowSkipException, TaskAwaitingInput
from airflow.sdk.execution_time.comms import CreateHITLDetailPayload

from s3_migration.model.approval import APPROVE, REJECT, Decision, Question
from s3_migration.model.declaration import Declaration
from s3_migration.steps.deletion import may_delete
from s3_migration.steps.gate_errors import ApprovalWanted, GateClosed, closed
from s3_migration.ui import alerts
from s3_migration.ui.sensors import retries_left


class DeletionGate(BaseOperator):
    """Skipped when the run is to delete nothing. What it waits for is under Required Actions in the UI."""

    def __init__(self, *, declaration: Declaration, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.declaration = declaration

    def execute(self, context: Context, event: Mapping[str, Any] | None = None) -> None:
        """:param event: what Airflow has for the question of an earlier call: an answer, or that the time is over."""
        run_id, decision = str(context["run_id"]), None if event is None else _decision(event)
        try:
            if may_delete(self.declaration, run_id, retries_left=retries_left(context), decision=decision):
                return
        except ApprovalWanted as wanted:
            question = wanted.question
        else:
            raise AirflowSkipException("the mode deletes nothing")
        self._ask(question, context)

    def _ask(self, question: Question, context: Context) -> NoReturn:
        """:raises GateClosed: a person would be shown another question than this one."""
        self.log.info("%s\n%s", question.subject, question.body)
        asked = CreateHITLDetailPayload(
            ti_id=context["ti"].id,
            options=[APPROVE, REJECT],
            subject=question.subject,
            body=question.body,
            params={},  # absent, the server refuses the request
            assigned_users=[HITLUser(id=user, name=user) for user in self.declaration.approvers or []],
        )
        # As upsert_hitl_detail does, which keeps the answer to itself: Airflow never changes what it once showed for a
        # task, however often that is cleared.
        from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS  # there is one in a task alone

        shown = SUPERVISOR_COMMS.send(asked)
        if _told(shown) != _told(asked):
            raise GateClosed(
                f"{closed(self.declaration.name)} what would be deleted, or who may approve it, is not what run "
                f"{context['run_id']} asked about before, and Airflow would show that question again. So nobody is "
                f"asked. Fix: trigger a new run: it takes over what is left, and asks anew "
                f"(docs/runbook.md#approving-a-deletion)."
            )
        alerts.tell_asked(self.declaration, context, question)
        raise TaskAwaitingInput(method_name="execute", timeout=self.declaration.patience)


def _told(question: Any) -> tuple[object, ...]:
    return question.subject, question.body, question.options, [user.id for user in question.assigned_users or []]


def _decision(event: Mapping[str, Any]) -> Decision:
    if "error" in event:  # the time is over
        return Decision(None)
    user = event["responded_by_user"] or {"id": "?", "name": "somebody"}
    by = user["name"] if user["name"] == user["id"] else f"{user['name']} ({user['id']})"
    return Decision(APPROVE in event["chosen_options"], by, event["responded_at"], str(user["id"]))
