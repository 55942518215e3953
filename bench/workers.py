"""The whole move under Airflow itself, by the number of Celery workers: real scheduler, queue, store and database."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from bench.bench import PLACES, Bench, rounds
from bench.servers import ROWS, Product, Servers
from devstack.airflow import ADMIN, VIEWER, Airflow
from devstack.ports import free_port
from devstack.product import ensure_database, ensure_role, set_up
from devstack.redis import Redis
from s3_migration.model.declaration import Declaration

WORKERS = (1, 2, 4)
SLOTS = 2  # of a worker
CHUNKS = 8  # as many as four workers have slots
# So few that the way to the store is the limit, not the cores: one task of 128 keeps both of them busy.
IN_FLIGHT = 2
_AIRFLOW = "airflow"


def measure(bench: Bench) -> None:
    """In each round every number of workers has its turn, near and far, after a plan that nobody measures."""
    servers, objects = bench.servers, bench.options.objects
    with ExitStack() as opened:
        far = opened.enter_context(servers.far_away(PLACES["far"]))
        legacy, production = (opened.enter_context(servers.bucket(side)) for side in ("legacy", "production"))
        product = opened.enter_context(servers.product(legacy, production, 0, servers.s3.endpoint_url))
        airflow = opened.enter_context(_airflow(bench, product, far))
        for number, order in enumerate(rounds(bench, [str(workers) for workers in WORKERS]), start=1):
            for workers in map(int, order):
                airflow = replace(airflow, workers=workers)
                airflow.start()
                airflow.wait()
                airflow.api().wait("migrate_near", airflow.api().trigger("migrate_near", mode="plan"))
                for place in PLACES:
                    bench.say(f"workers, round {number} of {bench.options.runs}: {workers}, {place}")
                    _prepare(servers, product, objects)
                    _move(bench, airflow, product, place)


@contextmanager
def _airflow(bench: Bench, product: Product, far: str) -> Iterator[Airflow]:
    """Airflow with a DAG for each place, which differ in their connections alone."""
    servers = bench.servers
    directory, redis = servers.directory / "airflow", _redis(servers.directory)
    declared = directory / "declarations"
    declared.mkdir(parents=True)
    fields = {
        **product.declared,
        "chunk_size": -(-bench.options.objects // CHUNKS),
        "parallel_chunks": CHUNKS,
        "requests_in_flight": bench.options.in_flight or IN_FLIGHT,
    }
    settings = servers.connections(product.database, servers.s3.endpoint_url)
    settings["AIRFLOW_CONN_FAR_S3"] = servers.connections(product.database, far)["AIRFLOW_CONN_LEGACY_S3"]
    for place in PLACES:
        sides = {side: dict(fields[side]) for side in ("legacy", "production")}
        if place == "far":
            for side in sides.values():
                side["conn_id"] = "far_s3"
        described = {**fields, **sides, "name": place}
        (declared / f"{place}.yaml").write_text(yaml.safe_dump(described))
        with servers.connect(product) as connection:
            set_up(connection, Declaration.model_validate(described))
    ensure_role(servers.postgres, _AIRFLOW, servers.postgres.password)
    ensure_database(servers.postgres, _AIRFLOW, owner=_AIRFLOW)
    airflow = Airflow(
        directory,
        free_port(),
        servers.postgres.dsn(_AIRFLOW, _AIRFLOW).replace("postgresql://", "postgresql+psycopg2://"),
        {ADMIN: secrets.token_hex(16), VIEWER: secrets.token_hex(16)},
        secrets.token_hex(32),
        {
            **settings,
            "AIRFLOW__CELERY__WORKER_CONCURRENCY": str(SLOTS),
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            "S3_MIGRATION_DECLARATIONS": str(declared),
        },
        WORKERS[0],
        redis.url,
    )
    try:
        redis.start()
        airflow.migrate()
        airflow.start()
        airflow.wait()
        for place in PLACES:
            airflow.api().pause(f"migrate_{place}", paused=False)
        yield airflow
    finally:
        stop(servers.directory)


def _redis(directory: Path) -> Redis:
    return Redis(directory / "redis", free_port(), secrets.token_hex(16))


def stop(directory: Path) -> None:
    """Stop what runs of it in there, and remove its data."""
    Airflow(directory / "airflow", 0, "", {}, "").stop()
    _redis(directory).stop()
    for part in ("airflow", "redis"):
        shutil.rmtree(directory / part, ignore_errors=True)


def _prepare(servers: Servers, product: Product, objects: int) -> None:
    """All objects in legacy, none in production, a row for each, and nothing known of any run."""
    s3 = servers.s3.client()
    legacy, production = (product.declared[side]["bucket"] for side in ("legacy", "production"))
    for bucket in (legacy, production):
        s3.delete_bucket(Bucket=bucket)  # with all that is in it
        servers.create_bucket(bucket)
    servers.copy_kept(legacy, objects)
    with servers.connect(product) as connection:
        connection.execute("TRUNCATE avatars RESTART IDENTITY")
        connection.execute("TRUNCATE s3_migration.ledger, s3_migration.chunk, s3_migration.tally, s3_migration.timing")
        connection.execute(ROWS, [objects])
        connection.execute("VACUUM ANALYZE avatars")


def _move(bench: Bench, airflow: Airflow, product: Product, place: str) -> None:
    api, dag, objects = airflow.api(), f"migrate_{place}", bench.options.objects
    run_id = api.trigger(dag, mode="move")
    state = api.wait(dag, run_id, seconds=bench.patience(objects))
    account: dict[str, Any] = api.account(dag, run_id) if state == "success" else {}
    done = {each: account.get(each) for each in ("copied", "deleted", "rows_switched")}
    bench.require(set(done.values()) == {objects}, f"a move by {airflow.workers} workers ended {state}: {done}")
    at_work = {each["hostname"] for each in api.instances(dag, run_id) if each["task_id"] == "copy_chunk"}
    bench.require(len(at_work) == airflow.workers, f"of {airflow.workers} workers copied only {sorted(at_work)}")
    if not account:
        return
    took = api.seconds(dag, run_id)
    copying = account["seconds"]["copy"]
    bench.say(
        f"  copies {objects / copying:8,.0f} objects/s, the whole run {took:6.1f} s {objects / took:8,.0f} objects/s"
    )
    bench.record(f"workers/{place}/{airflow.workers}", copy=objects / copying, seconds=took, rate=objects / took)
