"""The whole job, on this machine: 10,000 avatars moved by the real scheduler, and every promise checked afterwards.

    python -m devstack.demo [--objects N]

Has a stack of its own, beside one that `make up` may have started, and leaves nothing running.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from devstack import seed
from devstack.api import AirflowApi
from devstack.audit import World, broken_promises, look
from devstack.environment import ROOT, reach_loopback_directly
from devstack.errors import LocalError
from devstack.stack import Stack
from s3_migration.model import declaration as declarations
from s3_migration.model.account import Account
from s3_migration.model.declaration import Declaration

DIRECTORY = ROOT / ".local" / "demo"
DAG = "migrate_avatars"
# Of the avatars, as after a first attempt by hand: so many were copied, and the rows of half of these switched.
ALREADY_COPIED = 200


class Demo:
    """One demonstration on an empty stack."""

    def __init__(self, objects: int) -> None:
        self.objects = objects
        self.begun = time.monotonic()
        self.stack = Stack(DIRECTORY)
        self.declaration: Declaration = declarations.load(declarations.DIRECTORY / "avatars.yaml")

    def say(self, line: str) -> None:
        print(f"[{time.monotonic() - self.begun:3.0f} s] {line}", flush=True)

    def run(self) -> bool:
        """Everything, from the start to the verdict; answers whether every promise held."""
        self.say("1. A real S3 server, a real PostgreSQL, Airflow")
        self.stack.up(lambda line: self.say(f"   {line}"))
        with psycopg.connect(self.stack.variables()["DB_CONN_STRING"], autocommit=True) as database:
            self.say(f"2. The product: {self.objects:,} avatars, some awkward, some moved before")
            self._seed(database)
            before = look(self.declaration, self.stack.s3.client(), database)
            self.say(f"3. {DAG}, triggered as the UI does")
            api = self.stack.airflow.api()
            state, account = self._move(api, database)
            self.say(f"   the run ended: {state}")
            print(f"\n{account.as_text() if account else 'no account: see the log of reconcile'}\n")
            self.say("4. An independent look: own listing and SQL, nothing of the ledger's")
            after = look(self.declaration, self.stack.s3.client(), database)
        return self._verdict(state, before, after)

    def _seed(self, database: psycopg.Connection[Any]) -> None:
        target = seed.Target.find(self.stack.variables())
        seed.seed(target, objects=self.objects, awkward_cases=True)
        s3, keys = self.stack.s3.client(), self.declaration.keys
        source, bucket = self.declaration.legacy.bucket, self.declaration.production.bucket
        copied = [f"{keys.legacy_prefix}avatar-{number}.png" for number in range(1, ALREADY_COPIED + 1)]

        def copy(key: str) -> None:
            s3.copy_object(Bucket=bucket, Key=keys.production_key(key), CopySource={"Bucket": source, "Key": key})

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(copy, copied))
        switched = [(keys.production_path(key), keys.legacy_path(key)) for key in copied[::2]]
        database.cursor().executemany("UPDATE avatars SET path = %s WHERE path = %s", switched)
        print(f"{len(copied)} of them copied before, {len(switched)} rows switched before")

    def _move(self, api: AirflowApi, database: psycopg.Connection[Any]) -> tuple[str, Account | None]:
        api.pause(DAG, paused=False)
        run_id = api.trigger(DAG)
        live, shown = sys.stdout.isatty(), 0.0

        def show() -> None:
            """In one line that changes in place on a terminal; elsewhere in a new one every few seconds."""
            nonlocal shown
            if not live and time.monotonic() - shown <= 5:
                return
            shown = time.monotonic()
            queued = api.state(DAG, run_id) == "queued"
            text = "queued behind the scheduled plan that unpausing starts" if queued else _progress(database)
            if live:
                print(f"\r\033[K        {text}", end="", flush=True)
            else:
                self.say(f"   {text}")

        state = api.wait(DAG, run_id, seconds=900, meanwhile=show)
        print(end="\n" if live else "")
        row = database.execute("SELECT account FROM s3_migration.run WHERE run_id = %s", [run_id]).fetchone()
        return state, Account(**row[0]) if row and row[0] else None

    def _verdict(self, state: str, before: World, after: World) -> bool:
        broken = broken_promises(self.declaration.keys, before, after)
        if state != "success":
            broken.insert(0, f"the run ended {state}")
        for line in broken[:20]:
            print(f"  BROKEN: {line}")
        if not broken:
            checked = f"{len(before.legacy):,} objects and {len(before.rows):,} rows checked one by one"
            self.say(f"   every promise held: {checked}")
        return not broken


def _progress(database: psycopg.Connection[Any]) -> str:
    """How far the run is, as anyone may ask the ledger."""
    row = database.execute(
        "SELECT count(*), count(production_modified), "
        "count(legacy_gone_at) FILTER (WHERE production_modified IS NOT NULL) "
        "FROM s3_migration.ledger"
    ).fetchone()
    rows = database.execute("SELECT sum(number) FROM s3_migration.tally WHERE what = 'rows'").fetchone()
    staged, copied, gone = row or (0, 0, 0)
    return f"{staged:,} staged, {copied:,} copied, {(rows and rows[0]) or 0:,} rows switched, {gone:,} gone from legacy"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=10_000, metavar="N", help="avatars (default: %(default)s)")
    options = parser.parse_args()
    reach_loopback_directly()
    demo = Demo(options.objects)
    held = False
    try:
        # What an interrupted demo may have left.
        demo.stack.down()
        shutil.rmtree(DIRECTORY, ignore_errors=True)
        held = demo.run()
    except LocalError as error:
        print(f"make demo: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("make demo: interrupted", file=sys.stderr)
    finally:
        demo.stack.down()
        demo.say("Everything is stopped")
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
