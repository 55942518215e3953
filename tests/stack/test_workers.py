"""Several workers, each as on a machine of its own: CeleryExecutor, a real queue; only S3 and PostgreSQL are shared."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from devstack import seed
from devstack.audit import World, broken_promises, look
from devstack.errors import LocalError
from devstack.redis import server
from devstack.stack import Stack
from s3_migration.model import declaration as declarations
from s3_migration.steps.copying import MARKED_TOGETHER
from tests.support.live_stack import BIG, DAG, LIVE, SETTINGS, Platform, until
from tests.support.product import declare
from tests.support.servers import NO_POWER_CUT, configure

SLOTS = 1  # of a worker
AVATARS = 250  # with the awkward ones some 280: four chunks
BIGGER = 2_000  # four chunks that take a while
TIMES = {
    "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
    # A task of a worker that was killed is missed sooner than after a minute.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """The embedded stack with workers; how many, each test says."""
    try:
        server()
    except LocalError as error:
        pytest.skip(str(error))
    directory = tmp_path_factory.mktemp("workers")
    declared = directory / "declared"
    declared.mkdir()
    (declared / "avatars.yaml").write_text(f"{LIVE}chunk_size: 75\n")
    (declared / "big.yaml").write_text(f"{LIVE}chunk_size: 500\nrequests_in_flight: 2\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(declarations, "DIRECTORY", declared)
        settings = {**SETTINGS, **TIMES, "S3_MIGRATION_DECLARATIONS": str(declared)}
        stack = Stack(directory / "stack", settings, workers=1)
        try:
            stack.up()
            configure(stack.postgres, *NO_POWER_CUT)
            api = stack.airflow.api()
            for dag in (DAG, BIG):
                api.pause(dag, paused=False)
            uri = stack.postgres.dsn("proddatabase")
            with psycopg.connect(uri, autocommit=True) as connection:
                product = (declare(), stack.s3.client(), connection, stack.s3.endpoint_url, uri)
                yield Platform(*product, api=api, stack=stack)
        finally:
            stack.down()


def scale(cluster: Platform, workers: int) -> None:
    """So many workers, with an empty product before them."""
    cluster.stack = replace(cluster.stack, workers=workers)
    cluster.stack.airflow.start()
    cluster.reset()
    cluster.stack.airflow.wait()


def seen(cluster: Platform) -> World:
    return look(cluster.declaration, cluster.s3, cluster.database)


def hosts(cluster: Platform, dag: str, run_id: str) -> set[str]:
    """Where the tasks of a run were at work."""
    return {each["hostname"] for each in cluster.api.instances(dag, run_id) if each["hostname"]}


def names(workers: int) -> set[str]:
    return {f"worker-{number}" for number in range(1, workers + 1)}


def moved_by(cluster: Platform, workers: int) -> tuple[World, dict[str, Any]]:
    """The awkward world after so many workers moved it, and the account of it without what is each run's own."""
    scale(cluster, workers)
    seed.seed(seed.Target.find(cluster.stack.variables()), objects=AVATARS, awkward_cases=True)
    before = seen(cluster)
    run_id, state = cluster.run()
    after = seen(cluster)
    assert state == "success"
    assert broken_promises(cluster.declaration.keys, before, after) == []
    assert hosts(cluster, DAG, run_id) == names(workers)
    account = cluster.api.account(DAG, run_id)
    return after, {name: value for name, value in account.items() if name not in {"run_id", "seconds", "requests"}}


def test_the_awkward_world_ends_the_same_however_many_workers_move_it(cluster: Platform) -> None:
    one, two, four = (moved_by(cluster, workers) for workers in (1, 2, 4))
    assert one == two == four


def copying(cluster: Platform, run_id: str, worker: str) -> list[int]:
    """The chunks that a worker has in its hands."""
    return [
        each["map_index"]
        for each in cluster.api.instances(BIG, run_id)
        if (each["task_id"], each["state"], each["hostname"]) == ("copy_chunk", "running", worker)
    ]


def written(cluster: Platform) -> dict[str, Any]:
    """When each object of production was."""
    pages = cluster.s3.get_paginator("list_objects_v2").paginate(Bucket=cluster.bucket("production"))
    return {entry["Key"]: entry["LastModified"] for page in pages for entry in page.get("Contents", [])}


def test_a_worker_that_dies_in_the_middle_is_missed_and_the_other_repeats_nothing(cluster: Platform) -> None:
    scale(cluster, 2)
    cluster.seed_many([f"image/{number:05}.png" for number in range(BIGGER)])
    before = seen(cluster)
    run_id = cluster.api.trigger(BIG)
    until(lambda: len(cluster.objects("production")) > 100)
    chunks = until(lambda: copying(cluster, run_id, "worker-1"))
    cluster.stack.airflow.worker(1).process.stop(signal.SIGKILL, patience=0)
    there = written(cluster)
    assert len(there) < BIGGER, "killed too late"

    assert cluster.api.wait(BIG, run_id) == "success"
    assert broken_promises(cluster.declaration.keys, before, seen(cluster)) == []
    again = {
        each["map_index"]: (each["try_number"], each["hostname"])
        for each in cluster.api.instances(BIG, run_id)
        if each["task_id"] == "copy_chunk" and each["map_index"] in chunks
    }
    assert again == dict.fromkeys(chunks, (2, "worker-2"))
    assert there.items() <= written(cluster).items(), "an object was copied twice"
    account = cluster.api.account(BIG, run_id)
    assert account["copied"] + account["already_there"] == account["deleted"] == BIGGER
    assert account["already_there"] <= len(chunks) * (MARKED_TOGETHER + 2)


def test_a_task_marked_failed_stops_on_its_worker_within_seconds(cluster: Platform) -> None:
    scale(cluster, 2)
    cluster.seed_many([f"image/{number:05}.png" for number in range(BIGGER)])
    run_id = cluster.api.trigger(BIG, mode="copy")
    until(lambda: len(cluster.objects("production")) > 100)
    chunk = until(lambda: copying(cluster, run_id, "worker-2"))[0]
    path = f"/dags/{BIG}/dagRuns/{run_id}/taskInstances/copy_chunk/{chunk}"
    cluster.api.ask("PATCH", path, json={"new_state": "failed"})
    begun = time.monotonic()
    until(lambda: not at_work(cluster, chunk + 1))
    assert time.monotonic() - begun < 10
    assert sum(cluster.sql("SELECT count(*)::int FROM s3_migration.ledger WHERE production_modified IS NULL")[0]) > 0, (
        "too late"
    )


def at_work(cluster: Platform, chunk: int) -> bool:
    return bool(cluster.sql("SELECT 1 FROM s3_migration.timing WHERE chunk = %s AND ended_at IS NULL", chunk))
