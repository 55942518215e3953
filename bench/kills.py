"""A whole move under Airflow's own scheduler, with the default settings, while its tasks are killed at random.

The embedded stack, its connections at the store of arithmetic. Whatever fails for good is cleared, until the run is
green; then nothing may be left in legacy, and no row may name it. Of the greatest of the sizes.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from unittest.mock import patch

import httpx
import psutil
import yaml

from bench.bench import Bench
from bench.scale import MOSTLY_COPIED
from bench.scaled_run import ROWS_LEFT, ask_store, is_empty, requests_of
from bench.servers import fill_rows, number
from bench.watching import EVERY, Watch
from devstack.api import AirflowApi
from devstack.errors import LocalError
from devstack.product import DATABASE, declare
from devstack.stack import Stack
from s3_migration.model import declaration as declarations

DAG = "migrate_avatars"
# Processes of tasks, by what they call their connections; of this stack's own server.
AT_WORK = """
SELECT DISTINCT split_part(application_name, ' ', 3)::int FROM pg_stat_activity
WHERE application_name LIKE 's3_migration pid %'
"""
STEPS_AT_WORK = "SELECT DISTINCT step FROM s3_migration.timing WHERE ended_at IS NULL ORDER BY step"
# Fewer than that are moved in less time than the default settings wait between a few tries: a task that is killed is
# tried again at once, and more often is.
FEW = 1_000_000
# A run that is cleared more often than that will never be green.
MAX_CLEARED = 100


def measure(bench: Bench) -> None:
    objects = round(bench.options.sizes[-1] * 1_000_000)
    job = {"keys": objects, "already": 9 if objects >= MOSTLY_COPIED else 0}
    with (
        bench.servers.served("arithmetic_store", bench.patience, **job) as endpoint,
        _stack(bench, endpoint, hurried=objects < FEW) as stack,
    ):
        with stack.postgres.connect(DATABASE) as connection:
            fill_rows(connection, objects)
        bench.say(f"{objects:,} objects and rows are there")
        killer = Killer(bench, stack, every=15 if objects < FEW else 120)
        api = stack.airflow.api()
        api.pause(DAG, paused=False)
        begun = time.monotonic()
        with _watched(stack) as watch:
            run_id = api.trigger(DAG, mode="move")
            cleared = _until_green(bench, api, run_id, killer)
        seconds = time.monotonic() - begun
        bench.say(f"green; its account:\n{json.dumps(api.account(DAG, run_id), indent=1)}")
        bench.say(f"killed while at work: {dict(killer.killed)}")
        if not killer.killed:
            raise LocalError("the run was green before any of its tasks was killed, and shows nothing. Fix: SIZES=1")
        with stack.postgres.connect(DATABASE) as connection:
            left = number(connection, ROWS_LEFT)
        if left or not is_empty(endpoint):
            raise LocalError(f"a green run left {left} rows that name legacy, or objects there: {ask_store(endpoint)}")
        figures = {
            "seconds": seconds,
            "cleared": cleared,
            "requests": requests_of(ask_store(endpoint)) / objects,
            "longest": watch.longest,
            "beside_bytes": watch.beside,
        }
        bench.say(f"longest transaction {watch.longest:.2f} s: {watch.query}")
        bench.record("kills", objects=objects, killed=killer.killed.total(), **figures)


@contextmanager
def _watched(stack: Stack) -> Iterator[Watch]:
    """What the tasks do to the database meanwhile."""
    ended = Event()
    with stack.postgres.connect(DATABASE) as connection, ThreadPoolExecutor(1) as pool:
        watch = Watch(connection, stack.postgres.data, stack.directory / "scratch")

        def look() -> None:
            while not ended.wait(5 * EVERY):
                watch.look()

        looked = pool.submit(look)
        try:
            yield watch
        finally:
            ended.set()
            looked.result()


def _until_green(bench: Bench, api: AirflowApi, run_id: str, killer: Killer) -> int:
    """Answers how often what had failed was cleared.

    :raises LocalError: it does not become green.
    """
    cleared = 0
    for _ in range(MAX_CLEARED):
        try:
            state = api.wait(DAG, run_id, seconds=bench.patience, meanwhile=killer.kill_perhaps)
            if state == "success":
                return cleared
            _tell_failed(bench, api, run_id)
            api.clear(DAG, run_id, only_failed=True)
            cleared += 1
        except httpx.HTTPError as error:  # a machine that is busy with the run itself
            bench.say(f"  Airflow does not answer: {error!r}")
    raise LocalError(f"run {run_id} is not green though it was cleared {cleared} times")


def _tell_failed(bench: Bench, api: AirflowApi, run_id: str) -> None:
    """What is red, and what the log of the first of each task says of it."""
    failed = [each for each in api.instances(DAG, run_id) if each["state"] == "failed"]
    bench.say(f"  to be cleared: {dict(Counter(each['task_id'] for each in failed))}")
    for each in {each["task_id"]: each for each in reversed(failed)}.values():
        where = {"map_index": each["map_index"], "attempt": each["try_number"]}
        lines = api.log(DAG, run_id, each["task_id"], **where).splitlines()
        said = [line for line in lines if "Fix:" in line or "terminated by signal" in line]
        bench.say(f"    {each['task_id']}: {(said or lines or [''])[-1][:300]}")


@dataclass
class Killer:
    """Kills a process of a task now and then, without a word to it or to the supervisor that started it.

    :param every: seconds from one to the next, on average.
    """

    bench: Bench
    stack: Stack
    every: float
    killed: Counter[str] = field(default_factory=Counter)  # by the steps that were at work
    _next: float = 0.0
    _chance: random.Random = field(default_factory=lambda: random.Random(0))  # noqa: S311 - of no secret

    def kill_perhaps(self) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        if self._next:
            self._kill()
        # Where nothing is at work nothing is made up for: else each try after a pause would be killed as it begins.
        self._next = now + self._chance.expovariate(1 / self.every)

    def _kill(self) -> None:
        with self.stack.postgres.connect(DATABASE) as connection:
            found = [pid for (pid,) in connection.execute(AT_WORK.encode()) if self._is_ours(pid)]
            steps = " and ".join(step for (step,) in connection.execute(STEPS_AT_WORK))
        if not found:
            return
        with suppress(ProcessLookupError):
            os.kill(self._chance.choice(found), signal.SIGKILL)
            self.killed[steps] += 1
            self.bench.say(f"  killed a task: {steps}")

    def _is_ours(self, pid: int) -> bool:
        """Whether the stack's scheduler started it, through whomever."""
        with suppress(psutil.Error):
            parents = [each for each in psutil.Process(pid).parents() if each.pid > 1]
            return any(Path(each.cwd()).is_relative_to(self.stack.directory) for each in parents)
        return False


@contextmanager
def _stack(bench: Bench, endpoint: str, *, hurried: bool) -> Iterator[Stack]:
    """A stack whose one DAG moves what the store of arithmetic has, as declared by default.

    :param hurried: what was killed is tried again at once.
    """
    directory = bench.servers.directory / "stack"
    declared = directory / "declarations"
    declared.mkdir(parents=True)
    fields = declare(**({"retry_delay": "1s"} if hurried else {}))
    del fields["name"]  # the file's is
    (declared / "avatars.yaml").write_text(yaml.safe_dump(fields))
    settings = {"S3_MIGRATION_DECLARATIONS": str(declared), "S3_MIGRATION_GRACE_PERIOD": "0s"}
    with patch.object(declarations, "DIRECTORY", declared):
        stack = Stack(directory, settings)
        stack.prepare()  # its keys are known from here on
        for side in ("LEGACY", "PRODUCTION"):
            store = json.loads(stack.airflow.settings[f"AIRFLOW_CONN_{side}_S3"])
            store["extra"]["endpoint_url"] = endpoint
            settings[f"AIRFLOW_CONN_{side}_S3"] = json.dumps(store)
        try:
            stack.up(bench.say)
            yield stack
        finally:
            stack.down()
