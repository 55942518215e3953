"""A live stack and its product: what the tests under the real scheduler, and in the browser, drive."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx

from devstack.api import AirflowApi
from devstack.http_client import Signer
from devstack.s3 import REGION
from devstack.stack import Stack

from . import ROOT
from . import proxy as faults
from .mail import Sink
from .many import delete_many
from .product import Product

DAG, BIG, TOLD = "migrate_avatars", "migrate_big", "migrate_told"
LATE = "migrate_late"  # its store is behind a proxy
GALLERY = "migrate_gallery"  # its objects are named by three columns of two tables
NIGHTLY, ARCHIVE = "migrate_nightly", "migrate_archive"  # paused
APPROVED, HASTY = "migrate_approved", "migrate_hasty"  # a person approves what they delete; HASTY waits for 2 s
POOL = "s3_migration"
# Small chunks, so that a handful of objects makes several; short waits. One more with chunks that take a while, and one
# that tells people and shares a pool.
LIVE = """
legacy: {conn_id: legacy_s3, bucket: legacy-s3, prefix: image/}
production: {conn_id: production_s3, bucket: production-s3, prefix: avatar/}
database: {conn_id: proddatabase, table: avatars, column: path}
grace_period: 0s
retry_delay: 1s
"""


# A tighter loop of the scheduler: most of a small run is waiting for its next one. Tighter still, it takes a sixth of a
# core where nothing is to be done, and a run is no shorter.
SETTINGS = {
    "PYTHONPATH": f"{ROOT / 'include'}:{Path(__file__).parent / 'preloaded'}",
    # Those who are about it ask for one; for the others it would be four seconds of each run.
    "S3_MIGRATION_GRACE_PERIOD": "0s",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",
    # Nothing changes but what a test changes, which says so (`read_declarations`): the many readings of the same were a
    # tenth of the stack's work.
    "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",
    # Who waits for a person is looked after so often.
    "AIRFLOW__SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": "2",
    # A task whose declaration is broken tries again after it.
    "AIRFLOW__WORKERS__MISSING_DAG_RETRY_DELAY": "8",
}
# Of `image/2025-01-31T23:59:59….png`, its colons encoded.
_AGED = re.compile(
    rb"(<Key>image/([0-9-]{10}T\d\d)%3A(\d\d)%3A(\d\d)[^<]*</Key>.*?<LastModified>)[^<]*(</LastModified>)"
)
_NAMED = re.compile(r"image/([0-9-]{10}T\d\d:\d\d:\d\d).*")
_READS = {"ListObjectsV2 200", "HeadObject 200", "HeadObject 404"}


def aged_by_name(request: faults.Request, forward: faults.Forward) -> faults.Answer:
    """Show an object as old as its name says: no real store lets its age be set."""
    answer = forward(request)
    if named := _NAMED.fullmatch(request.key):
        day = datetime.fromisoformat(f"{named[1]}+00:00")
        headers = [(name, value) for name, value in answer.headers if name.lower() != "last-modified"]
        return replace(answer, headers=[*headers, ("Last-Modified", format_datetime(day, usegmt=True))])
    return replace(answer, body=_AGED.sub(rb"\1\2:\3:\4.000Z\5", answer.body))


def keys(count: int) -> list[str]:
    return [f"image/{number:04}.png" for number in range(count)]


def until(look: Callable[[], Any], seconds: float = 60) -> Any:
    """What `look` answers as soon as it is true.

    A look that asks Airflow's server takes processor time from what it waits for: most of the time nobody looks.
    """
    end = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        if found := look():
            return found
        if begun > end:
            raise TimeoutError(f"{look} stayed empty for {seconds} s")
        time.sleep(min(0.25, max(0.05, 5 * (time.monotonic() - begun))))


@dataclass
class Platform(Product):
    """The product of a stack, with its Airflow."""

    api: AirflowApi = None  # type: ignore[assignment]
    stack: Stack = None  # type: ignore[assignment]
    mail: Sink = None  # type: ignore[assignment]
    proxy: faults.Proxy = None  # type: ignore[assignment]

    def reset(self) -> None:
        """An empty product and an empty ledger; Airflow keeps the runs that were."""
        for side in ("legacy", "production"):
            delete_many(self.s3, self.bucket(side), self.objects(side))
        self.sql("TRUNCATE avatars RESTART IDENTITY")
        self.sql("TRUNCATE s3_migration.tally, s3_migration.timing, s3_migration.chunk, s3_migration.ledger")
        self.sql("TRUNCATE s3_migration.acknowledged")
        self.sql("UPDATE s3_migration.migration SET lease_run_no = NULL, lease_until = NULL, deletion_stopped = NULL")

    def seed_many(self, keys: list[str]) -> None:
        """As `seed`, for thousands."""
        self.put_many("legacy", keys)
        self.sql("INSERT INTO avatars (path) SELECT unnest(%s::text[])", keys)

    @property
    def signer(self) -> Signer:
        return Signer(self.stack.kept.s3_admin_key, self.stack.kept.s3_admin_secret, REGION)

    def run(self, dag: str = DAG, **conf: object) -> tuple[str, str]:
        """Trigger a run and wait for its end; answers its id and its state."""
        run_id = self.api.trigger(dag, **conf)
        return run_id, self.api.wait(dag, run_id)

    def give_up(self, dag: str, run_id: str) -> None:
        """Mark a run failed, as a person does in the UI."""

        def failed() -> bool:
            # Airflow answers 500 now and then, where a task of the run changes its state just then.
            with suppress(httpx.HTTPStatusError):
                self.api.ask("PATCH", f"/dags/{dag}/dagRuns/{run_id}", json={"state": "failed"})
            return self.api.state(dag, run_id) == "failed"

        until(failed)

    def at_work(self) -> set[int]:
        """Ids of the processes whose tasks have a session with the product's database."""
        rows = self.sql(
            "SELECT DISTINCT split_part(application_name, ' ', 3)::int FROM pg_stat_activity "
            "WHERE application_name LIKE 's3_migration pid %%'"
        )
        return {pid for (pid,) in rows} - {os.getpid()}

    def runs(self, dag: str, run_type: str) -> list[str]:
        """Ids of the latest runs of a type."""
        runs = self.api.ask("GET", f"/dags/{dag}/dagRuns", params={"limit": 100, "order_by": "-run_after"})["dag_runs"]
        return [run["dag_run_id"] for run in runs if run["run_type"] == run_type]

    def read_declarations(self) -> None:
        """Have Airflow read the DAG files, and what is declared, at once: a changed file is not left to its turn."""
        for file in Path(self.stack.settings["AIRFLOW__CORE__DAGS_FOLDER"]).glob("*.py"):
            file.touch()

    def quiet(self) -> None:
        """No run of an earlier test is left."""
        for dag in (DAG, BIG, TOLD, LATE, GALLERY, NIGHTLY, ARCHIVE, APPROVED, HASTY):
            for run in self.api.ask("GET", f"/dags/{dag}/dagRuns", params={"state": ["running", "queued"]})["dag_runs"]:
                # Of a test that failed, a run waits for a person; that of a DAG that is paused by now is never begun.
                if dag in {APPROVED, HASTY, NIGHTLY, ARCHIVE}:
                    self.give_up(dag, run["dag_run_id"])
                self.api.wait(dag, run["dag_run_id"])

    def requests(self) -> Counter[str]:
        """Requests that change something, of all runs since `reset`, as the hook counted them."""
        rows = self.sql(
            "SELECT substr(what, 4), sum(number)::int FROM s3_migration.tally WHERE what LIKE 'S3 %%' GROUP BY 1"
        )
        return Counter({what: number for what, number in rows if what not in _READS})
