"""One DAG a declaration in include/migrations: S3 objects move, the database rows that name them follow.

Wiring only. What each task does is in `include/s3_migration/steps`, what it promises in the README.
"""

from __future__ import annotations

from pathlib import Path

import pendulum
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, get_current_context, task
from airflow.sdk.bases.sensor import PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import DURATION, Declaration, DeclarationError, duration_text
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import WINDOWS, BadRequest, Request
from s3_migration.model.states import PROBLEMS
from s3_migration.steps import check as checking
from s3_migration.steps import copying, deletion, listing, switching, verification
from s3_migration.ui import alerts
from s3_migration.ui.sensors import GracePeriodSensor, ReconciliationSensor

DOCS = Path(__file__).parent.parent / "docs" / "dag.md"


def run_id() -> str:
    return str(get_current_context()["run_id"])


def set_label(text: str) -> None:
    """Name the mapped instance in the UI, a failing one too."""
    get_current_context()["label"] = text  # type: ignore[typeddict-unknown-key]


def migration(declared: Declaration) -> DAG:
    """The DAG of one migration. Trigger rules: see "The rule of red" in docs/safety.md before touching one."""
    with DAG(
        dag_id=f"migrate_{declared.name}",
        description=declared.description,
        doc_md=DOCS.read_text(encoding="utf-8"),
        schedule=CronDataIntervalTimetable(declared.schedule, timezone=declared.timezone)
        if declared.schedule
        else None,
        # No object is older than S3 itself: a backfill may reach back to any.
        start_date=pendulum.datetime(2006, 1, 1, tz=declared.timezone),
        catchup=False,
        max_active_runs=1,
        params={
            "mode": Param(
                Mode.MOVE.value,
                type="string",
                enum=[mode.value for mode in Mode],
                title="What to do",
                description="plan: count and forecast only, change nothing. copy: copy only. switch: copy, then point "
                "the rows at the copies. move: all of it, then delete from legacy what is proven. undo: point the rows "
                "that were switched at legacy again, as far as it still holds their objects.",
            ),
            "limit": Param(
                None,
                type=["null", "integer"],
                minimum=1,
                maximum=1_000_000,
                title="Only the first N objects",
                description="A canary run: at most this many objects. Empty: all of them.",
            ),
            "window": Param(
                WINDOWS[0],
                type="string",
                enum=list(WINDOWS),
                title="Objects of which age",
                description="auto: a backfill run takes the objects last modified in its data interval, any other run "
                "takes all. all: whatever their age. data_interval: as a backfill run.",
                section="Which objects",
            ),
            "grace_period": Param(
                None,
                type=["null", "string"],
                pattern=f"^{DURATION}$",
                title="Grace period before deletion",
                description=f"From the switch of the rows to the deletion, e.g. 90s, 15m, 24h, 7d. Up to 30 minutes "
                f"are waited for within the run; what takes longer, a later run deletes. "
                f"Empty: {duration_text(declared.grace_period)}, as declared.",
                section="Before anything is deleted",
            ),
            "acknowledge": Param(
                None,
                type=["null", "object"],
                title="Known problems",
                description=f"Reasons by legacy key, or by problem ({', '.join(PROBLEMS)}) for all "
                'that have it now: {"image/a.png": "broken since 2019"}. They turn no run red any more, and are still '
                "counted; null instead of a reason takes it back.",
                section="Known problems",
            ),
            "remove_copies": Param(
                False,
                type="boolean",
                title="Remove our copies from production",
                description="Only with mode undo: after the grace period, remove the copies that this migration made "
                "and that no row names any more. Needs a right that the other modes do without.",
                section="Undo",
            ),
        },
        default_args={
            "owner": ", ".join(declared.owners),
            "retries": declared.retries,
            "retry_delay": declared.retry_delay,
            "retry_exponential_backoff": True,
            "max_retry_delay": pendulum.duration(minutes=15),
        },
        tags=["s3-migration"],
        on_failure_callback=alerts.when_failed(declared),
        deadline=alerts.when_late(declared),
    ) as dag:

        @task.sensor(mode="reschedule", poke_interval=30, timeout=12 * 3600)
        def check() -> PokeReturnValue:
            """Fail in seconds when something needed is missing; wait while another run is at work."""
            context = get_current_context()
            dag_run = context["dag_run"]
            # The server lets unknown params pass; they are in the run's conf.
            params = {**context["params"], **(dag_run.conf or {})}
            start, end = context.get("data_interval_start"), context.get("data_interval_end")
            interval = (start, end) if start and end else None
            try:
                request = Request.of(params, declared, run_type=dag_run.run_type, interval=interval)
            except BadRequest as error:
                raise AirflowFailException(str(error)) from error
            scheduled = dag_run.run_type == "scheduled"
            return PokeReturnValue(is_done=checking.check(declared, run_id(), request, scheduled=scheduled))

        @task
        def list_legacy() -> list[int]:
            """Both sides into the ledger; returns chunk numbers, never keys."""
            return listing.take_listing(declared, run_id())

        @task(
            pool=declared.pool,
            max_active_tis_per_dagrun=declared.parallel_chunks,
            map_index_template="{{ label }}",
        )
        def copy_chunk(chunk: int) -> None:
            """Conditional copies of one chunk, many in flight."""
            copying.copy_chunk(declared, run_id(), chunk, set_label)

        @task(trigger_rule="all_done")
        def switch_paths() -> None:
            """Rows name the copies that are there, in bounded batches."""
            switching.switch_paths(declared, run_id())

        @task(trigger_rule="all_done")
        def verify_copies() -> None:
            """Both sides looked at anew, against the ledger: the proof that deletion rests on."""
            verification.verify_copies(declared, run_id())

        @task(trigger_rule="all_done")
        def may_delete() -> None:
            """The gate. Skipped when the run is to delete nothing."""
            if not deletion.may_delete(declared, run_id()):
                raise AirflowSkipException("the mode deletes nothing")

        @task(
            trigger_rule="none_skipped",
            pool=declared.pool,
            max_active_tis_per_dagrun=declared.parallel_chunks,
            map_index_template="{{ label }}",
        )
        def delete_chunk(chunk: int) -> None:
            """What is proven goes from legacy, the server checking each ETag."""
            deletion.delete_chunk(declared, run_id(), chunk, set_label)

        wait_grace = GracePeriodSensor(task_id="wait_grace", declaration=declared, trigger_rule="all_done")
        reconcile = ReconciliationSensor(
            task_id="reconcile",
            declaration=declared,
            trigger_rule="all_done",
            poke_interval=15,
            timeout=600,
            outlets=[alerts.production_asset(declared)],
            on_success_callback=alerts.when_finished(declared),
        )

        chunks = list_legacy()
        verified, gate, deleted = verify_copies(), may_delete(), delete_chunk.expand(chunk=chunks)
        check() >> chunks
        copy_chunk.expand(chunk=chunks) >> switch_paths() >> wait_grace >> verified >> gate >> deleted >> reconcile
        verified >> reconcile
    return dag


class BrokenDeclarations(DAG):
    """Makes an import error of this file in the UI, and leaves the DAGs of the sound declarations alone."""

    def validate(self) -> None:
        raise DeclarationError(self.description)


def migrations() -> dict[str, DAG]:
    """A DAG for each sound declaration, by DAG id, and one that names what is wrong with the others."""
    dags: dict[str, DAG] = {}
    faults = []
    for path in declarations.paths():
        try:
            declared = declarations.load(path)
            alerts.check(path, declared)
            dag = migration(declared)
            if dag.dag_id in dags:
                raise DeclarationError(f"{path}: name: another file declares {dag.dag_id}. Fix: rename one.")
            dags[dag.dag_id] = dag
        except DeclarationError as error:
            faults.append(str(error))
    if faults:
        dags["broken"] = BrokenDeclarations("broken_declarations", description="\n".join(faults), schedule=None)
    return dags


globals().update(migrations())
