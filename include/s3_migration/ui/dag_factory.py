"""One DAG a declaration: S3 objects move, the database rows that name them follow.

Wiring only. What each task does is in `s3_migration/steps`, what it promises in the README.
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pendulum
from airflow.sdk import DAG, get_current_context, get_parsing_context, task
from airflow.sdk.bases.sensor import PokeReturnValue
from airflow.sdk.exceptions import AirflowFailException

from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import Declaration, DeclarationError
from s3_migration.model.run_params import defaults_in_words
from s3_migration.model.run_request import BadRequest
from s3_migration.steps import check as checking
from s3_migration.steps import copying, deletion, listing, switching, verification
from s3_migration.ui import alerts, last_words, trigger_form
from s3_migration.ui.dag_names import TAG, dag_id_of
from s3_migration.ui.gate import DeletionGate
from s3_migration.ui.schedule import NightlySchedule
from s3_migration.ui.sensors import GracePeriodSensor, ReconciliationSensor, retries_left

MAX_RETRY_DELAY = timedelta(minutes=15)
DOCS = Path(__file__).parents[3] / "docs" / "dag.md"


def run_id() -> str:
    return str(get_current_context()["run_id"])


def set_label(text: str) -> None:
    """Name the mapped instance in the UI, a failing one too."""
    get_current_context()["label"] = text  # type: ignore[typeddict-unknown-key]


def docs_of(declared: Declaration) -> str:
    """What the UI shows with the DAG: first what it does to what; its links lead to pages in this migration's words."""
    docs = re.sub(r"s3-migration/docs/\w+", rf"\g<0>?migration={declared.name}", DOCS.read_text(encoding="utf-8"))
    return f"*Trigger*, with the form as it is, **{defaults_in_words(declared)}** {docs}"


def make_dag(declared: Declaration) -> DAG:
    """The DAG of one migration. Trigger rules: see "The rule of red" in docs/safety.md before touching one."""
    with DAG(
        dag_id=dag_id_of(declared.name),
        description=declared.description or defaults_in_words(declared),
        doc_md=docs_of(declared),
        schedule=declared.schedule and NightlySchedule(declared.schedule, timezone=declared.timezone),
        # No object is older than S3 itself: a backfill may reach back to any.
        start_date=pendulum.datetime(2006, 1, 1, tz=declared.timezone),
        catchup=False,
        max_active_runs=1,  # in the order they were asked for, behind one that waits for a person too
        params=trigger_form.form(declared),
        default_args={
            "owner": ", ".join(declared.owners),
            "retries": declared.retries,
            "retry_delay": declared.retry_delay,
            "retry_exponential_backoff": True,
            # Airflow doubles with every try that there ever was: of a task that was cleared, with the earlier ones too.
            "max_retry_delay": min(declared.retry_delay * 2**declared.retries, MAX_RETRY_DELAY),
            "on_failure_callback": last_words.tell_red,
            "on_retry_callback": last_words.tell_retry,
        },
        tags=[TAG],
        on_failure_callback=alerts.callback(alerts.tell_failed, declared),
        deadline=alerts.when_late(declared),
        auto_register=False,  # it belongs to the DAG file that keeps it, not to each that makes it
    ) as dag:

        @task.sensor(mode="reschedule", poke_interval=30, timeout=timedelta(hours=12).total_seconds())
        def check() -> PokeReturnValue:
            """Fail in seconds when something needed is missing; wait while another run is at work."""
            context = get_current_context()
            try:
                request = trigger_form.requested(declared, context)
            except BadRequest as error:
                raise AirflowFailException(str(error)) from error
            scheduled = context["dag_run"].run_type == "scheduled"
            return PokeReturnValue(is_done=checking.check(declared, run_id(), request, scheduled=scheduled))

        @task
        def list_legacy() -> list[int]:
            """Both sides into the ledger; returns chunk numbers, never keys."""
            return listing.take_listing(declared, run_id(), retries_left=retries_left())

        @task(pool=declared.pool, max_active_tis_per_dagrun=declared.parallel_chunks, map_index_template="{{ label }}")
        def copy_chunk(chunk: int) -> None:
            """Conditional copies of one chunk, many in flight."""
            copying.copy_chunk(declared, run_id(), chunk, set_label, retries_left=retries_left())

        @task(trigger_rule="all_done")
        def switch_paths() -> None:
            """Rows name the copies that are there, in bounded batches."""
            switching.switch_paths(declared, run_id(), retries_left=retries_left())

        @task(
            trigger_rule="all_done",
            pool=declared.pool,
            max_active_tis_per_dagrun=declared.parallel_chunks,
            map_index_template="{{ label }}",
        )
        def verify_chunk(chunk: int) -> None:
            """Both sides of one chunk looked at again, against the ledger."""
            verification.verify_chunk(declared, run_id(), chunk, set_label, retries_left=retries_left())

        @task(trigger_rule="all_done")
        def verify_copies() -> None:
            """The rest of it, and the rows: the proof that deletion rests on."""
            verification.verify_copies(declared, run_id(), retries_left=retries_left())

        @task(
            trigger_rule="none_skipped",
            pool=declared.pool,
            max_active_tis_per_dagrun=declared.parallel_chunks,
            map_index_template="{{ label }}",
        )
        def delete_chunk(chunk: int) -> None:
            """What is proven goes from legacy, the server checking each ETag."""
            deletion.delete_chunk(declared, run_id(), chunk, set_label, retries_left=retries_left())

        wait_grace = GracePeriodSensor(task_id="wait_grace", declaration=declared, trigger_rule="all_done")
        gate = DeletionGate(task_id="may_delete", declaration=declared, trigger_rule="all_done")
        reconcile = ReconciliationSensor(
            task_id="reconcile",
            declaration=declared,
            trigger_rule="all_done",
            poke_interval=15,
            timeout=600,
            outlets=[alerts.production_asset(declared)],
            on_success_callback=alerts.callback(alerts.tell_finished, declared),
        )

        chunks = list_legacy()
        copied, compared, deleted = (each.expand(chunk=chunks) for each in (copy_chunk, verify_chunk, delete_chunk))
        verified = verify_copies()
        check() >> chunks
        copied >> switch_paths() >> wait_grace >> compared >> verified >> gate >> deleted >> reconcile
        verified >> reconcile
    return dag


def sound_dags() -> dict[str, DAG]:
    """The DAG of each sound declaration, by DAG id; where a task is to run, its own alone.

    :raises DeclarationError: in a task alone, whose own declaration is broken: its log says why it has to wait.
    """
    asked = get_parsing_context().dag_id  # none, unless a task is to run
    dags, faults = _make_dags(asked)
    if faults and asked and asked not in dags:
        raise DeclarationError("\n".join(faults))
    return dags


def refuse_broken() -> None:
    """Do nothing while all declarations are sound.

    :raises DeclarationError: some are not; names file, field, value and fix of each.
    """
    _, faults = _make_dags()
    if faults:
        raise DeclarationError("\n".join(faults))


def _make_dags(asked: str | None = None) -> tuple[dict[str, DAG], list[str]]:
    """What can be made of the declarations, and what is wrong with the others. One never harms another.

    :param asked: the one DAG to make: each takes 10 ms of processor time, and a run has thousands of tasks.
    """
    dags: dict[str, DAG] = {}
    faults: list[str] = []
    try:
        paths = declarations.paths()
    except DeclarationError as error:
        return dags, [str(error)]
    for path in paths:
        try:
            declared = declarations.load(path)
            dag_id = dag_id_of(declared.name)
            if dag_id in dags:
                raise DeclarationError(f"{path}: name: another file declares {dag_id}. Fix: rename one.")
            if asked in {None, dag_id}:
                alerts.check(path, declared)
                dags[dag_id] = make_dag(declared)
        except DeclarationError as error:
            faults.append(str(error))
        except Exception as error:
            faults.append(f"{path}: Airflow makes no DAG of it: {error}. Fix: correct the field that this is about.")
    return dags, faults
