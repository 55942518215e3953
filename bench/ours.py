"""Children that do our work: the steps of a run as its tasks would, in one process; listings without a ledger."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any, cast
from unittest.mock import patch

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
from s3_migration.steps import (
    check,
    copying,
    deletion,
    listing,
    reconciliation,
    settling,
    switching,
    verification,
)
from s3_migration.steps.run import working


def _switch_rows(declaration: Declaration, run_id: str) -> Job:
    """The passes over the table alone."""
    with working(declaration, run_id, "switch") as run:
        begun = time.monotonic()
        rows = switching.switch_rows(run)
        return {"rows": rows, "seconds": time.monotonic() - begun}


def _settle(declaration: Declaration, run_id: str) -> None:
    """The pass that a proof rests on."""
    with working(declaration, run_id, "verify") as run:
        settling.settle_rows(run)


def _grace(declaration: Declaration, run_id: str) -> None:
    with working(declaration, run_id, "grace") as run:
        grace_left(run.ledger)


# Of a declaration and a run.
STEPS: dict[str, Callable[..., Any]] = {
    "check": partial(check.check, request=Request(Mode.MOVE)),
    "list": listing.take_listing,
    "switch": switching.switch_paths,
    "switch_rows": _switch_rows,
    "verify": verification.verify_copies,
    "gate": deletion.may_delete,
    "settle": _settle,
    "grace": _grace,
    "reconcile": partial(reconciliation.reconcile, last=True),
}
# Of a chunk as well, and a label for the grid; a step that is among STEPS, too, ends there once all chunks are done.
MAPPED: dict[str, Callable[..., None]] = {
    "copy": copying.copy_chunk,
    "verify": verification.verify_chunk,
    "delete": deletion.delete_chunk,
}


def work(declared: Job, run_id: str) -> Work:
    logging.basicConfig(level=logging.WARNING)
    declaration = Declaration.model_validate(declared)

    def do(steps: Sequence[str], chunks: Sequence[int] = (), apart: bool = False) -> Job:
        """Answers `seconds` by step, the answer of each that has one, and the seconds of each transaction.

        :param chunks: of the mapped ones; else those of the listing.
        :param apart: each chunk in a process of its own, forked, as Airflow does it.
        """
        seconds: dict[str, float] = {}
        answers: Job = {"list": chunks}
        with _transactions() as transactions:
            for step in steps:
                begun = time.monotonic()
                if step in MAPPED and apart:
                    with get_context("fork").Pool(1, maxtasksperchild=1) as pool:
                        for found in pool.imap(partial(_chunk, step, declaration, run_id), answers["list"]):
                            transactions += found
                elif step in MAPPED:
                    for chunk in answers["list"]:
                        MAPPED[step](declaration, run_id, chunk, lambda text: None)
                if step in STEPS:
                    answer = STEPS[step](declaration, run_id)
                    if answer is False:
                        raise RuntimeError(f"{step} said no")
                    answers[step] = answer.as_dict() if step == "reconcile" else answer
                seconds[step] = time.monotonic() - begun
        return {"seconds": seconds, **answers, "transactions": transactions}

    return do


def _chunk(step: str, declaration: Declaration, run_id: str, chunk: int) -> list[float]:
    """In a process of its own, which answers the seconds of each of its transactions."""
    with _transactions() as transactions:
        MAPPED[step](declaration, run_id, chunk, lambda text: None)
    return transactions


@contextmanager
def _transactions() -> Iterator[list[float]]:
    """The seconds of each batch of the steps within."""
    seconds, batch = list[float](), Ledger.batch

    @contextmanager
    def timed(ledger: Ledger) -> Iterator[None]:
        begun = time.monotonic()
        with batch(ledger):
            yield
        seconds.append(time.monotonic() - begun)

    with patch.object(Ledger, "batch", timed):
        yield seconds


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
