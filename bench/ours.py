"""Children that do our work: the steps of a run as its tasks would, in one process; listings without a ledger."""

from __future__ import annotations

import gc
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, cast
from unittest.mock import patch

from bench.numbered_store import NumberedStore
from bench.peers import count_pages
from bench.processes import Job, Work
from devstack.awkward import LEGACY
from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.deletion import grace_left
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.transport import CrtTransport
from s3_migration.steps import check, copying, deletion, hooks, listing, reconciliation, switching, verification
from s3_migration.steps.run import working


def _switch_rows(declaration: Declaration, run_id: str) -> Job:
    """The passes over the table alone."""
    with working(declaration, run_id, "switch") as run:
        begun = time.monotonic()
        rows = switching.switch_rows(run)
        return {"rows": rows, "seconds": time.monotonic() - begun}


def _grace(declaration: Declaration, run_id: str) -> None:
    with working(declaration, run_id, "grace") as run:
        grace_left(run.ledger)


# Of a declaration and a run; those of one chunk take its number as well, and a label for the grid.
STEPS: dict[str, Callable[..., Any]] = {
    "check": partial(check.check, request=Request(Mode.MOVE)),
    "list": listing.take_listing,
    "copy": copying.copy_chunk,
    "switch": switching.switch_paths,
    "switch_rows": _switch_rows,
    "verify": verification.verify_copies,
    "gate": deletion.may_delete,
    "grace": _grace,
    "delete": deletion.delete_chunk,
    "reconcile": partial(reconciliation.reconcile, last=True),
}


def work(declared: Job, run_id: str) -> Work:
    logging.basicConfig(level=logging.WARNING)
    declaration = Declaration.model_validate(declared)

    def do(steps: Sequence[str], chunks: Sequence[int] = (), store: Job | None = None) -> Job:
        """Answers `seconds` by step, the answer of each that has one, and what was asked of the database.

        :param chunks: of copy and delete; else those of the listing.
        :param store: a NumberedStore's fields: that in place of S3.
        """
        seconds: dict[str, float] = {}
        answers: Job = {"list": chunks}
        with ExitStack() as entered:
            recorded = entered.enter_context(_recording())
            if store:
                made = NumberedStore(**store)
                entered.enter_context(patch.object(hooks, "make_hooks", lambda *_, **__: (made, made)))
            for step in steps:
                begun = time.monotonic()
                if step in {"copy", "delete"}:
                    for chunk in answers["list"]:
                        STEPS[step](declaration, run_id, chunk, lambda text: None)
                elif (answer := STEPS[step](declaration, run_id)) is False:
                    raise RuntimeError(f"{step} said no")
                else:
                    answers[step] = answer.as_dict() if step == "reconcile" else answer
                seconds[step] = time.monotonic() - begun
        return {"seconds": seconds, **answers, **recorded}

    return do


@contextmanager
def _recording() -> Iterator[Job]:
    """What the steps within ask of the database: seconds of all runs of each statement and of each transaction, and the
    bytes of legacy's staging table."""
    statements, transactions = defaultdict[str, float](float), list[float]()
    recorded: Job = {"statements": statements, "transactions": transactions}
    execute, batch = Ledger.execute, Ledger.batch

    def timed(ledger: Ledger, file: str, /, **values: Any) -> Any:
        if file == "forecast":  # the first one after both sides are listed
            asked = ledger.connection.execute("SELECT pg_total_relation_size('pg_temp.listed_legacy') AS size")
            recorded["staging_bytes"] = asked.fetchall()[0]["size"]
        begun = time.monotonic()
        answer = execute(ledger, file, **values)
        statements[file] += time.monotonic() - begun
        return answer

    @contextmanager
    def timed_batch(ledger: Ledger) -> Iterator[None]:
        begun = time.monotonic()
        with batch(ledger):
            yield
        transactions.append(time.monotonic() - begun)

    with patch.object(Ledger, "execute", timed), patch.object(Ledger, "batch", timed_batch):
        yield recorded


def receive(endpoint: str, bucket: str) -> Work:
    """Pages one after the other with our client, dropped unread."""
    client = cast("CrtTransport", _hook(bucket).transport).client
    return lambda: count_pages(lambda query: client.ask("ListObjectsV2", "GET", bucket, "", query=query).body)


def list_in_lanes(endpoint: str, bucket: str) -> Work:
    hook = _hook(bucket)
    gc.freeze()  # as every step does
    return lambda: {"keys": sum(len(page) for page in hook.list_objects(bucket, LEGACY))}


def _hook(bucket: str) -> BulkS3Hook:
    """Of the connection in the environment: its clients are made, and one has a connection."""
    hook = BulkS3Hook("legacy_s3")
    hook.transport.list_page(bucket, LEGACY, "\uffff")
    return hook
