"""A product, its application and our runs, each of which may come late: what they do, and what must hold after it.

S3 is in memory here: thousands of histories, and a frozen worker whose requests take effect later, are not to be had of
a real server. The steps, the SQL and PostgreSQL are the real ones; the other flow tests have a real store.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import AirflowException
from botocore.exceptions import ClientError

from s3_migration.commands.stop_deletion import resume_all, stop_all
from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.run import find_migration, open_run
from s3_migration.model.copy_settings import CopySettings
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.model.objects import S3Object
from s3_migration.s3.copier import COPY_LIMIT, Copier
from s3_migration.s3.parallel_listing import Listed, Place
from s3_migration.s3.types import Copied, Copy, CopyResult, DeleteResult, Deletions

from .flow import Flow, Killed, expire, lapse
from .product import Product

NO_WEBSITE: Any = SimpleNamespace(known=False, ask=lambda: False)
STEPS = ("list", "copy", "switch", "verify", "gate", "delete", "reconcile")
Action = tuple[Any, ...]  # a method of World, and its arguments
Bucket = dict[str, S3Object]


class Store:
    """BulkS3Hook, of both sides, as far as the steps of a run use it. No two contents have the same size."""

    client = None

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.freezes = self.dies = False  # the worker, in its next deletion; after its next copy
        self.meanwhile: Callable[[], None] | None = None  # while its next deletion is on its way
        self.frozen: list[tuple[str, Sequence[tuple[str, str]]]] = []  # deletions that may take effect yet
        self._versions = itertools.count(1)

    def put(self, bucket: str, key: str) -> S3Object:
        """A content that was never seen before."""
        version = next(self._versions)
        return self._write(bucket, key, version, f"{version:032x}")

    def _write(self, bucket: str, key: str, size: int, etag: str) -> S3Object:
        made = S3Object(key, size, etag, datetime.now(timezone.utc).isoformat())
        self.buckets[bucket][key] = made
        return made

    def list_from(
        self, bucket: str, prefix: str, places: Sequence[Place] = (), **_: bool
    ) -> Iterator[Listed[S3Object]]:
        found = [self.buckets[bucket][key] for key in sorted(self.buckets[bucket]) if key.startswith(prefix)]
        yield Listed(found, Place(0, prefix, (), "", None))

    def lookup(
        self, bucket: str, prefix: str, keys: Sequence[str], expected: Iterable[str] = ()
    ) -> Iterator[list[S3Object]]:
        yield [self.buckets[bucket][key] for key in keys if key in self.buckets[bucket]]

    def head(self, bucket: str, key: str) -> S3Object | None:
        return self.buckets[bucket].get(key)

    def copy(self, source_bucket: str, bucket: str, copy: Copy, lines: object) -> Copied:
        """One CopyObject. What its refusal means, the real Copier says."""
        source, target = self.head(source_bucket, copy.key), self.head(bucket, copy.target)
        if source is None or source.etag != copy.version.etag or (target and target.etag) != copy.replaces:
            status = 412 if source else 404
            raise ClientError({"Error": {"Code": str(status)}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Copy")  # type: ignore[typeddict-item]
        made = self._write(bucket, copy.target, source.size, source.etag)
        return Copied(made.etag, made.modified)

    def copy_objects(
        self, source_bucket: str, bucket: str, copies: Iterable[Copy], settings: CopySettings
    ) -> Iterator[CopyResult]:
        ours: Any = self
        limits: Any = {"copy_limit": COPY_LIMIT, "part_size": COPY_LIMIT}
        copier = Copier(ours, ours, source_bucket, bucket, **limits, website=NO_WEBSITE, settings=settings)
        for copy in copies:
            result = copier._copy(copy)
            if self.dies:
                raise Killed
            yield result

    def delete_versions(self, bucket: str, versions: Sequence[tuple[str, str]], until: float) -> Deletions:
        if self.freezes:
            self.frozen.append((bucket, versions))
            raise Killed
        if self.meanwhile:
            self.meanwhile()
            self.meanwhile = None
        return Deletions([self._delete(bucket, key, etag) for key, etag in versions], under_way=False)

    def _delete(self, bucket: str, key: str, etag: str) -> DeleteResult:
        now = self.head(bucket, key)
        if now and now.etag != etag:
            return DeleteResult(key, "changed", now, "PreconditionFailed", "PreconditionFailed")
        self.buckets[bucket].pop(key, None)
        return DeleteResult(key)

    def thaw(self) -> None:
        """What a frozen worker had asked for takes effect; what has expired meanwhile is refused."""
        for bucket, versions in self.frozen:
            for key, etag in versions:
                self._delete(bucket, key, etag)
        self.frozen.clear()

    def take_requests(self) -> Counter[tuple[str, str]]:
        return Counter()

    def close(self) -> None:
        pass


class World:
    """A history. `names` are what the product's objects are called; each has one row."""

    def __init__(self, product: Product, store: Store, names: Sequence[str]) -> None:
        self.product, self.store = product, store
        self.declaration: Declaration = product.declaration
        self.legacy: Bucket = {}
        self.production: Bucket = {}
        store.buckets = {product.bucket("legacy"): self.legacy, product.bucket("production"): self.production}
        store.freezes = store.dies = False
        store.meanwhile = None
        store.frozen.clear()
        self.runs: list[Flow] = []
        self._left: dict[str, str] = {}  # of runs: the step that is next, or red
        self.stopped = False
        # Of names: what the application took away; what is not ours in production; what rows were switched to.
        self.removed: set[tuple[str, str]] = set()
        self.newest: dict[str, S3Object] = {}  # of names: what the application wrote last, and left
        self.foreign: dict[str, S3Object] = {}
        self.switched: set[str] = set()
        self.slipped: set[str] = set()  # the application removed it after the last look, while we deleted
        for table in ("deletion", "acknowledged", "tally", "timing", "place", "chunk", "ledger", "run"):
            product.sql(f"DELETE FROM s3_migration.{table}")  # noqa: S608
        product.sql("UPDATE s3_migration.migration SET lease_run_no = NULL, deletion_stopped = NULL")
        product.sql("DELETE FROM avatars")
        for name in names:
            self.newest[name] = store.put(product.bucket("legacy"), f"image/{name}")
            product.row(f"image/{name}")

    def act(self, action: Action) -> None:
        getattr(self, action[0])(*action[1:])

    # -- runs -----------------------------------------------------------------------------------------------------

    def move(self, to: str) -> None:
        """A new run, killed after step `to`."""
        self._begin(Mode.MOVE, to)

    def undo(self, to: str, remove_copies: bool) -> None:
        self._begin(Mode.UNDO, to, remove_copies=remove_copies)

    def clear(self, back: int, to: str) -> None:
        """What is left of a run is cleared and runs up to step `to`: of the newest, or of one before it."""
        if back < len(self.runs):
            flow = self.runs[-1 - back]
            self._work(flow, [step for step in STEPS if _between(self._left[flow.run_id], step, to)])

    def _begin(self, mode: Mode, to: str, *, remove_copies: bool = False) -> None:
        made: Any = self.store
        flow = Flow(self.declaration, (made, made))
        flow.run_id = f"late__{len(self.runs)}"
        with closing(Ledger.connect(self.declaration)) as ledger:
            migration = find_migration(ledger, self.declaration.name)
            assert migration
            open_run(
                ledger.of_migration(migration.migration_id),
                flow.run_id,
                mode,
                grace_period=timedelta(0),
                remove_copies=remove_copies,
            )
        self.runs.append(flow)
        died = self._work(flow, [step for step in STEPS if _between("list", step, to)])
        if mode is Mode.MOVE and to == STEPS[-1] and not died and not flow.red:
            self._judge_green()

    def _work(self, flow: Flow, steps: Sequence[str]) -> bool:
        """Under the lease, which whoever had it let lapse. Answers whether the worker died."""
        lapse(self.product)
        done = True
        with suppress(Killed):
            for step in steps:
                if done:
                    self._left[flow.run_id] = step
                before = self._look()
                try:
                    self._do(flow, step)
                finally:
                    self._judge(before, f"{step} of {flow.run_id}")
                done = done and not any(task[0] == step for task in flow.red)
            if steps and done:
                self._left[flow.run_id] = STEPS[min(STEPS.index(steps[-1]) + 1, len(STEPS) - 1)]
            return False
        self.store.freezes = self.store.dies = False
        return True

    def _do(self, flow: Flow, step: str) -> None:
        if step == "list":
            flow.red.pop(("list", 0), None)
            try:
                flow.list()
            except AirflowException as error:
                flow.red["list", 0] = error
            return
        flow.work_off([task for task in flow.tasks() if task[0] == step])

    # -- people ---------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        stop_all(self.declaration, "why")
        self.stopped = True

    def resume(self) -> None:
        resume_all(self.declaration)
        self.stopped = False

    # -- workers --------------------------------------------------------------------------------------------------

    def freeze(self) -> None:
        self.store.freezes = True

    def die(self) -> None:
        self.store.dies = True

    def thaw(self) -> None:
        before = self._look()
        self.store.thaw()
        self._judge(before, "thaw")

    def wait(self) -> None:
        """In place of the sleep of whoever waits for deletions: they have expired."""
        expire(self.product)
        self.store.frozen.clear()

    # -- the application ------------------------------------------------------------------------------------------

    def rewrite(self, name: str) -> None:
        """An object is written in legacy, and its row names it."""
        self.newest[name] = self.store.put(self.product.bucket("legacy"), f"image/{name}")
        self.product.sql("UPDATE avatars SET path = %s WHERE path = %s", f"image/{name}", f"avatar/{name}")
        self.removed.discard((name, "image"))
        self.switched.discard(name)

    def remove_legacy(self, name: str) -> None:
        """Its row stays. Where that names it, and we know of no copy, the application broke it."""
        if removed := self.legacy.pop(f"image/{name}", None):
            self.removed.add((name, "image"))
            self._forget(name, removed)
            if not self._knows(name, "production_modified"):
                self.switched.discard(name)
            if not self._knows(name, "legacy_etag"):
                self.foreign.pop(name, None)  # a row of which we know nothing but that production has its object

    def remove_production(self, name: str) -> None:
        """Where legacy holds it no more, the application lost it."""
        if removed := self.production.pop(f"avatar/{name}", None):
            self.removed.add((name, "avatar"))
            self._forget(name, removed)
            self.foreign.pop(name, None)
            if f"image/{name}" not in self.legacy:
                self.switched.discard(name)

    def slip(self, name: str) -> None:
        """It removes from production what legacy is being asked to delete, after the look just before that."""

        def remove() -> None:
            self.slipped.add(name)
            self.remove_production(name)

        self.store.meanwhile = remove

    def _forget(self, name: str, removed: S3Object) -> None:
        """Nobody owes what the application removed."""
        if name in self.newest and self.newest[name].etag == removed.etag:
            del self.newest[name]

    def conflict(self, name: str) -> None:
        """Another content under a key that was never copied to."""
        if (
            f"avatar/{name}" not in self.production
            and not self._knows(name, "production_modified")
            and f"image/{name}" in self.legacy
        ):
            self.foreign[name] = self.store.put(self.product.bucket("production"), f"avatar/{name}")

    def _knows(self, name: str, column: str) -> bool:
        found = self.product.sql(f"SELECT {column} FROM s3_migration.ledger WHERE legacy_key = %s", f"image/{name}")  # noqa: S608
        return found not in ([], [(None,)])

    # -- what must hold -------------------------------------------------------------------------------------------

    def _look(self) -> tuple[dict[str, str], Bucket, Bucket]:
        """What each name's row names, and both sides."""
        return (
            {path[path.index("/") + 1 :]: path for path in map(str, self.product.rows())},
            {**self.legacy},
            {**self.production},
        )

    def _judge(self, before: tuple[dict[str, str], Bucket, Bucket], what: str) -> None:
        """After an act of ours."""
        rows, legacy, production = self._look()
        was_rows, was_legacy, was_production = before
        for name, path in rows.items():
            was, now = (was_legacy | was_production).get(was_rows[name]), (legacy | production).get(path)
            if path.startswith("avatar/") and was_rows[name] != path:
                self.switched.add(name)
                assert name not in self.foreign, f"{what}: row of {name} names another's content"
            newest = self.newest.get(name)
            if (
                was
                and name not in self.slipped
                and (now is None or now.etag not in {was.etag, newest.etag if newest else None})
            ):
                kept = was.etag in {each.etag for each in (*legacy.values(), *production.values())}
                # A copy that was made before is served until the verification sees that legacy was written since.
                rewritten = was == newest == legacy.get(was_rows[name])
                theirs = was_rows[name] != path and ((name, path.split("/")[0]) in self.removed or rewritten)
                assert all((kept, theirs)), f"{what}: {was_rows[name]} was served, {path} is not"
        for name, theirs_ in self.foreign.items():
            assert production.get(f"avatar/{name}") == theirs_, f"{what}: {name} in production is not ours"
        self.slipped.clear()
        assert legacy.items() <= was_legacy.items(), f"{what}: we never write into legacy"
        assert not self.stopped or legacy == was_legacy, f"{what}: deletion was stopped"

    def _judge_green(self) -> None:
        rows, legacy, production = self._look()
        lost = {name for name in self.switched if rows[name] not in legacy | production}
        assert not lost, f"green, and rows of {lost} name nothing"
        for name in self.switched & self.newest.keys() - self.foreign.keys():
            served, newest = (legacy | production)[rows[name]], self.newest[name]
            assert served.etag == newest.etag, f"green, and {rows[name]} is older than what was written to legacy"


def _between(first: str, step: str, last: str) -> bool:
    return STEPS.index(first) <= STEPS.index(step) <= STEPS.index(last)
