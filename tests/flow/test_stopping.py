"""SIGTERM: what is done is recorded, what is in flight is given up in time, the next try goes on from there."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from s3_migration.model.modes import Mode
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.types import Deletions
from s3_migration.steps import copying, deletion
from s3_migration.steps.stopping import Stopped, listening
from tests.support.flow import Flow
from tests.support.product import Product

pytestmark = pytest.mark.declared(chunk_size=1000, requests_in_flight=2)


def test_who_listens_hears_it_and_afterwards_nobody_does() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with listening() as asked:
        assert not asked.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        assert asked.wait(5)
    assert signal.getsignal(signal.SIGTERM) is before


def test_in_another_thread_nobody_can_listen_and_nothing_breaks() -> None:
    heard: list[bool] = []

    def work() -> None:
        with listening() as asked:
            heard.append(asked.is_set())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert heard == [False]


def test_a_copy_that_is_told_to_stop_records_what_is_done_and_its_next_try_does_the_rest(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [f"image/{number:02}.png" for number in range(40)]
    product.seed(*keys)
    monkeypatch.setattr(copying, "MARKED_TOGETHER", 5)
    flow.begin(Mode.COPY)
    real, done = copying.mark, []

    def mark(*args: object) -> None:
        real(*args)  # type: ignore[arg-type]
        done.append(1)
        if len(done) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(copying, "mark", mark)
    with pytest.raises(Stopped, match="what is done is recorded"):
        flow.copy_chunk(1)
    (marked,) = product.sql("SELECT count(*)::int FROM s3_migration.ledger WHERE production_modified IS NOT NULL")[0]
    made = len(product.objects("production"))
    assert 10 <= marked < 40
    # what was in flight, and no more, is found again rather than known
    assert made - marked <= max(copying.MARKED_TOGETHER, 2) + 500
    flow.copy_chunk(1)
    assert len(product.objects("production")) == 40
    assert product.sql("SELECT count(*)::int FROM s3_migration.ledger WHERE production_modified IS NOT NULL") == [(40,)]


def test_a_deletion_stops_between_two_batches(product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [f"image/{number}.png" for number in range(6)]
    product.seed(*keys)
    monkeypatch.setattr(deletion, "DELETED_TOGETHER", 2)
    real = BulkS3Hook.delete_versions

    def told(hook: BulkS3Hook, bucket: str, versions: list[tuple[str, str]], until: float) -> Deletions:
        os.kill(os.getpid(), signal.SIGTERM)
        return real(hook, bucket, versions, until)

    with monkeypatch.context() as patch:
        flow.attempt(
            before_delete=lambda: patch.setattr(BulkS3Hook, "delete_versions", told), before_reconcile=patch.undo
        )
    assert isinstance(flow.red["delete", 1], Stopped)
    # reconcile, told nothing, has swept up the rest
    assert product.objects("legacy") == {}


def test_requests_in_flight_are_given_up_within_ten_seconds(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store has fallen silent: a task that has to go does not wait for it."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        from tests.support.connections import connect_s3

        connect_s3(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}", "admin", "secret")
        hook = BulkS3Hook("legacy_s3", requests_in_flight=4)
        from s3_migration.model.objects import Version
        from s3_migration.s3.types import Copy

        copies = hook.copy_objects("a", "b", [Copy(f"image/{n}", f"avatar/{n}", Version(1, "e")) for n in range(4)])
        thread = threading.Thread(target=lambda: next(copies, None), daemon=True)
        thread.start()
        time.sleep(1)
        begun = time.monotonic()
        hook.close()
        thread.join(10)
        assert not thread.is_alive()
        assert time.monotonic() - begun < 10
