"""The steps that wait: deferred in the triggerer, so that no worker slot is held."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseSensorOperator, Context, get_current_context

from s3_migration.ledger.deletion import grace_left
from s3_migration.model.account import ASLEEP
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.model.states import Step
from s3_migration.steps.completeness import require_complete
from s3_migration.steps.reconciliation import reconcile
from s3_migration.steps.run import LEASE_BETWEEN_TASKS, working
from s3_migration.ui import lineage

# A grace period up to this long is waited for within the run; past it a later run deletes.
LONGEST_GRACE_IN_RUN = timedelta(minutes=30)


def retries_left(context: Context | None = None) -> bool:
    """Whether Airflow tries the current task again where it fails.

    As its server decides it (`_is_eligible_to_retry`), but for a task that is cleared while it is at work: that one it
    stops, and tries again at once.
    """
    ti = (context or get_current_context())["ti"]
    return ti.try_number <= ti.max_tries


class _MigrationSensor(BaseSensorOperator):
    """A deferrable step of one migration."""

    def __init__(self, *, declaration: Declaration, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.declaration = declaration

    def sleep(self, pause: timedelta) -> None:
        self.defer(trigger=DateTimeTrigger(moment=datetime.now(timezone.utc) + pause), method_name="execute")


class GracePeriodSensor(_MigrationSensor):
    """Waits until what this run switched may be deleted, if that is soon; then red where the switch left problems.

    One bad object holds up no good one: a red run waits as well, for the proof of all that is well.
    """

    def execute(self, context: Context, event: object = None) -> None:
        with working(self.declaration, context["run_id"], "grace", retries_left=retries_left(context)) as run:
            # By the database's clock, as the deletion has it: those of the workers may differ.
            left = grace_left(run.ledger) if run.deletes else None
            if left is None or left <= timedelta() or left > LONGEST_GRACE_IN_RUN:
                later = f"{left} of the grace period is left, for a later run"
                said = "nothing is in it" if left is None else "it is over" if left <= timedelta() else later
                self.log.info("no reason to wait: %s", said)
                require_complete(run, Step.SWITCH)
                return
            self.log.info("of the grace period is left: %s; asleep until then", left)
            run.lease.hold(left + LEASE_BETWEEN_TASKS)
            run.tally(ASLEEP, round(left / timedelta(milliseconds=1)))
        self.sleep(left + timedelta(seconds=1))


class ReconciliationSensor(_MigrationSensor):
    """Green once legacy, production and rows agree for everything in the run's scope; its XCom is the account."""

    def execute(self, context: Context, event: object = None) -> dict[str, Any] | None:
        # Of a first look that takes hours, as of many objects, none counts: the time-out is for what may still settle.
        patience = timedelta(seconds=self.timeout)
        account = reconcile(self.declaration, context["run_id"], patience=patience, retries_left=retries_left(context))
        if account is None:
            self.sleep(timedelta(seconds=self.poke_interval))
            return None
        if account.mode == Mode.PLAN.value:
            self.outlets = []  # nothing was changed: whoever waits for production must not run
        for production in self.outlets:
            context["outlet_events"][production].extra = account.as_dict()
        context["account"] = account  # type: ignore[typeddict-unknown-key]  # for who is told (include/s3_migration/ui/alerts.py)
        return account.as_dict()

    def get_openlineage_facets_on_complete(self, task_instance: object) -> Any:
        """By this name OpenLineage's provider asks, where it is installed."""
        return lineage.of_run(self.declaration, changes=bool(self.outlets))
