"""The whole move under Airflow itself, by the number of Celery workers: real scheduler, queue, store and database."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import yaml

from bench.bench import PLACES, Bench
from bench.servers import fill, fill_rows
from devstack.errors import LocalError
from devstack.product import BUCKETS, DATABASE, create_buckets, declare
from devstack.stack import Stack
from s3_migration.model import declaration as declarations

WORKERS = (1, 2, 4)
SLOTS = 2  # of a worker
CHUNKS = 8  # as many as four workers have slots
# So few that the way to the store is the limit, not the cores: one task of 128 keeps both of them busy.
IN_FLIGHT = 2


def measure(bench: Bench) -> None:
    """In each round every number of workers has its turn, near and far, after a plan that nobody measures."""
    with _stack(bench) as stack:
        for order in bench.rounds("workers", [str(workers) for workers in WORKERS]):
            for workers in map(int, order):
                bench.say(f"  {workers} workers")
                stack = replace(stack, workers=workers)
                stack.airflow.start()
                stack.airflow.wait()
                api = stack.airflow.api()
                api.wait("migrate_near", api.trigger("migrate_near", mode="plan"))
                for place in PLACES:
                    _prepare(stack, bench.options.objects)
                    _move(bench, stack, place)


@contextmanager
def _stack(bench: Bench) -> Iterator[Stack]:
    """A stack with a DAG for each place, which differ in their connections alone."""
    directory = bench.servers.directory / "stack"
    declared = directory / "declarations"
    declared.mkdir(parents=True)
    settings = {
        "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "S3_MIGRATION_DECLARATIONS": str(declared),
        "S3_MIGRATION_GRACE_PERIOD": "0s",
    }
    chunk_size = -(-bench.options.objects // CHUNKS)
    for place in PLACES:
        fields = declare(chunk_size=chunk_size, parallel_chunks=CHUNKS, requests_in_flight=IN_FLIGHT) | {"name": place}
        for side in ("legacy", "production"):
            fields[side] |= {"conn_id": f"{place}_s3"}
        (declared / f"{place}.yaml").write_text(yaml.safe_dump(fields))
    with patch.object(declarations, "DIRECTORY", declared):
        stack = Stack(directory, settings, WORKERS[0])
        stack.prepare()  # its ports are known from here on
        store = json.loads(stack.airflow.settings["AIRFLOW_CONN_LEGACY_S3"])
        with bench.servers.served("delay", to=stack.s3.port, milliseconds=PLACES["far"]) as far:
            for place, endpoint in (("NEAR", stack.s3.endpoint_url), ("FAR", far)):
                store["extra"]["endpoint_url"] = endpoint
                settings[f"AIRFLOW_CONN_{place}_S3"] = json.dumps(store)
            try:
                stack.up(bench.say)
                for place in PLACES:
                    stack.airflow.api().pause(f"migrate_{place}", paused=False)
                yield stack
            finally:
                stack.down()


def _prepare(stack: Stack, objects: int) -> None:
    """All objects in legacy, none in production, a row for each, and nothing known of any run."""
    for bucket in BUCKETS:
        stack.s3.client().delete_bucket(Bucket=bucket)  # with all that is in it
    create_buckets(stack.s3)
    fill(stack.s3, BUCKETS[0], objects)
    with stack.postgres.connect(DATABASE) as connection:
        connection.execute("TRUNCATE s3_migration.ledger, s3_migration.chunk, s3_migration.tally, s3_migration.timing")
        fill_rows(connection, objects)


def _move(bench: Bench, stack: Stack, place: str) -> None:
    api, dag, objects = stack.airflow.api(), f"migrate_{place}", bench.options.objects
    run_id = api.trigger(dag, mode="move")
    state = api.wait(dag, run_id, seconds=bench.patience)
    account = api.account(dag, run_id) if state == "success" else {}
    done = {each: account.get(each) for each in ("copied", "deleted", "rows_switched")}
    at_work = {each["hostname"] for each in api.instances(dag, run_id) if each["task_id"] == "copy_chunk"}
    if set(done.values()) != {objects}:
        raise LocalError(f"a move by {stack.workers} workers ended {state}: {done}")
    if len(at_work) != stack.workers:
        bench.say(f"  of {stack.workers} workers copied only {sorted(at_work)}")
    took, copying = api.seconds(dag, run_id), account["seconds"]["copy"]
    bench.record(f"workers/{place}/{stack.workers}", copy=objects / copying, seconds=took, rate=objects / took)
