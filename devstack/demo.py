"""The whole job, on this machine: 10,000 avatars moved by the real scheduler, and every promise checked afterwards.

    python -m devstack.demo [--objects N]

Has a stack of its own, beside one that `make up` may have started, and leaves nothing running.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import yaml

from devstack import awkward, seed
from devstack.api import AirflowApi
from devstack.audit import World, broken_promises, look
from devstack.environment import ROOT, reach_loopback_directly
from devstack.errors import LocalError
from devstack.stack import Stack
from devstack.users import REFERENCES, seed_users
from s3_migration.model import declaration as declarations
from s3_migration.model.account import Account
from s3_migration.model.declaration import Declaration

DIRECTORY = ROOT / ".local" / "demo"
DECLARED = DIRECTORY / "declared"
DAG = "migrate_avatars"
# Objects that rows name in another spelling, each with what its row holds at first.
MISSPELT = {
    "image/holiday 2019.png": "image/holiday%202019.png",
    "image/beach.png": "/image/beach.png",
    "image/Caf\u00e9.png": "image/cafe\u0301.png",
}
# Of the avatars, as after a first attempt by hand: so many were copied, and the rows of half of these switched.
ALREADY_COPIED = 200


class Demo:
    """One demonstration on an empty stack."""

    def __init__(self, objects: int) -> None:
        self.objects = objects
        self.begun = time.monotonic()
        self.stack = Stack(DIRECTORY, {declarations.DIRECTORY_VARIABLE: str(DECLARED)})
        self.declaration = _declare()

    def say(self, line: str) -> None:
        print(f"[{time.monotonic() - self.begun:3.0f} s] {line}", flush=True)

    def run(self) -> bool:
        """Everything, from the start to the verdict; answers whether every promise held."""
        self.say("1. A real S3 server, a real PostgreSQL, Airflow")
        self.stack.up(lambda line: self.say(f"   {line}"))
        with psycopg.connect(self.stack.variables()["DB_CONN_STRING"], autocommit=True) as database:
            self.say(
                f"2. The product: {self.objects:,} avatars, some awkward, some moved before; named by three columns"
            )
            self._seed(database)
            api = self.stack.airflow.api()
            self.say(f"3. {DAG}, triggered with mode plan, which changes nothing")
            foreseen = self._plan(api)
            self.say(f"   rows spell {foreseen} objects otherwise than declared, which would be kept: corrected now")
            database.cursor().executemany("UPDATE avatars SET path = %s WHERE path = %s", MISSPELT.items())
            before = look(self.declaration, self.stack.s3.client(), database)
            self.say(f"4. {DAG}, triggered as the UI does")
            state, account = self._move(api, database)
            self.say(f"   the run ended: {state}")
            print(f"\n{account.as_text() if account else 'no account: see the log of reconcile'}\n")
            self.say("5. An independent look: own listing and SQL, nothing of the ledger's")
            after = look(self.declaration, self.stack.s3.client(), database)
        held = self._verdict(state, before, after) and self._foreseen(foreseen)
        self.say("6. python -m s3_migration verify avatars: is it whole for the product?")
        return self._second_opinion() and held

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
        named = database.execute("SELECT path FROM avatars WHERE starts_with(path, %s)", [keys.legacy_path_prefix])
        seed_users(database, [path for (path,) in named])
        for key, path in MISSPELT.items():
            s3.put_object(Bucket=source, Key=key, Body=key.encode())
            database.execute("INSERT INTO avatars (path) VALUES (%s)", [path])
        print(
            f"a user for each avatar, who names it in a URL, others in an array; {len(MISSPELT)} rows spelt otherwise"
        )

    def _plan(self, api: AirflowApi) -> int:
        """How many objects rows spell otherwise, by a plan."""
        api.pause(DAG, paused=False)
        run_id = api.trigger(DAG, mode="plan")
        if (state := api.wait(DAG, run_id)) != "success":
            raise LocalError(f"the plan of {DAG} ended: {state}; next: see its logs below {DIRECTORY}")
        return Account(**api.account(DAG, run_id)).misspelt_forecast

    def _foreseen(self, misspelt: int) -> bool:
        if misspelt != len(MISSPELT):
            print(f"  BROKEN: the plan foresaw {misspelt} objects that rows spell otherwise, expected {len(MISSPELT)}")
        return misspelt == len(MISSPELT)

    def _move(self, api: AirflowApi, database: psycopg.Connection[Any]) -> tuple[str, Account | None]:
        run_id = api.trigger(DAG)
        live, shown = sys.stdout.isatty(), 0.0

        def show() -> None:
            """In one line that changes in place on a terminal; elsewhere in a new one every few seconds."""
            nonlocal shown
            if not live and time.monotonic() - shown <= 5:
                return
            shown = time.monotonic()
            text = "queued" if api.state(DAG, run_id) == "queued" else _progress(database)
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

    def _second_opinion(self) -> bool:
        """Whether verify finds what is wrong, and no more.

        Rows that named no object before the move either; and rows of somebody else's, which only look like ours.
        """
        command = [sys.executable, "-m", "s3_migration", "verify", "avatars", "--json"]
        url = ["--url", self.stack.variables()["DB_CONN_STRING"]]
        environment = self.stack.airflow.environment()
        done = subprocess.run([*command, *url], env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode == 2:
            raise LocalError(done.stderr)
        told = json.loads(done.stdout)
        found = {name: fault for name, fault in told["faults"].items() if fault["number"]}
        for fault in found.values():
            self.say(f"   {fault['number']:,} {fault['means']}: {fault['examples'][0]['legacy_key']}")
        for each in told["not_judged"]:
            number = "" if each["number"] is None else f"{each['number']:,} "
            self.say(f"   not judged: {number}{each['what']}")
        known = {case.legacy_key for case in awkward.GREEN if case.legacy is None and case.production is None}
        examples = {each["legacy_key"] for fault in found.values() for each in fault["examples"]}
        if set(found) != {"dangling"} or examples != known:
            print(f"  BROKEN: verify found {set(found)} of {examples}, expected dangling of {known}")
            return False
        spelt = {name: rows["otherwise"] for name, rows in told["rows"].items() if rows["otherwise"]}
        foreign = sum("image/" in (path or "").lower() for path in awkward.FOREIGN_PATHS)
        if told["whole"] or spelt != {"avatars.path": foreign}:
            print(f"  BROKEN: verify found rows in another spelling: {spelt}, expected {foreign} of avatars.path")
            return False
        self.say(f"   the seed has it so, on purpose; all else is whole: {told['objects']['production']:,} objects")
        return True


def _declare() -> Declaration:
    """As shipped, with all three columns that name the avatars here."""
    fields = yaml.safe_load((declarations.DIRECTORY / "avatars.yaml").read_text(encoding="utf-8"))
    fields["database"] = {"conn_id": fields["database"]["conn_id"], "references": REFERENCES}
    return Declaration.model_validate({"name": "avatars", **fields})


def _write(declaration: Declaration) -> None:
    """Where the stack looks for it, and we do."""
    DECLARED.mkdir(parents=True)
    fields = declaration.model_dump(mode="json", exclude={"name"})
    (DECLARED / "avatars.yaml").write_text(yaml.safe_dump(fields, allow_unicode=True), encoding="utf-8")
    declarations.DIRECTORY = DECLARED


def _progress(database: psycopg.Connection[Any]) -> str:
    """How far the run is, as anyone may ask the ledger."""
    row = database.execute(
        "SELECT count(*), count(production_modified), "
        "count(legacy_gone_at) FILTER (WHERE production_modified IS NOT NULL) "
        "FROM s3_migration.ledger"
    ).fetchone()
    rows = database.execute("SELECT sum(number) FROM s3_migration.tally WHERE what = 'rows'").fetchone()
    listed, copied, gone = row or (0, 0, 0)
    return f"{listed:,} listed, {copied:,} copied, {(rows and rows[0]) or 0:,} rows switched, {gone:,} gone from legacy"


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
        _write(demo.declaration)
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
