"""The pace of a run at work: set by a person, taken on between two batches, without a new run or deployment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import pytest

from s3_migration.ledger.connection import Ledger
from s3_migration.ledger.pace import Pace, set_pace, take_slot
from s3_migration.model.throttle import Next
from s3_migration.s3.congestion_window import CongestionWindow
from s3_migration.steps import copying, pace, throttling
from s3_migration.steps.pace import Pacer
from s3_migration.steps.run import working
from tests.support.flow import Flow
from tests.support.product import Product


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "LOOK_EVERY", 0)
    monkeypatch.setattr(pace, "SLOT_EVERY", 0.05)


def set_of(flow: Flow, **wanted: object) -> bool:
    with closing(Ledger.connect(flow.declaration)) as ledger:
        return set_pace(ledger.of_migration(1), flow.run_id, Pace(**wanted))  # type: ignore[arg-type]


def test_a_copying_task_takes_on_what_is_set_while_it_is_at_work(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "MARKED_TOGETHER", 1)
    product.seed(*(f"image/{number}.png" for number in range(6)))
    flow.begin()
    _, production = flow.hooks
    seen: list[int] = []
    mark: Callable[..., None] = copying.mark

    def watched(*given: object) -> None:
        mark(*given)
        seen.append(production.window.maximum)
        set_of(flow, requests_in_flight=2)

    monkeypatch.setattr(copying, "mark", watched)
    flow.copy()
    declared = flow.declaration.requests_in_flight
    assert (seen[0], seen[-1]) == (declared, 2)
    assert len(product.objects("production")) == 6
    with working(flow.declaration, flow.run_id, "verify") as run:
        run.pacer.adjust()
        set_of(flow)
        run.pacer.adjust()
    assert production.window.maximum == declared, "and as declared again, once nothing is set"


def test_fewer_chunks_at_once_wait_for_each_other(product: Product, flow: Flow) -> None:
    product.seed("image/a.png", "image/b.png")
    flow.begin()
    assert set_of(flow, parallel_chunks=1)
    with closing(Ledger.connect(flow.declaration)) as other:
        of_run = other.of_migration(1).of_run(1)
        assert take_slot(of_run, "copy", 1), "another task is at work"
        ended = threading.Event()
        done = threading.Thread(target=lambda: (flow.copy(), ended.set()))
        done.start()
        time.sleep(0.5)
        assert not ended.is_set()
        assert product.objects("production") == {}
    done.join(30)  # the other one's session is over: killed or done, it gives its slot back
    assert ended.is_set()
    assert len(product.objects("production")) == 2


def test_who_waits_goes_on_when_it_is_set_back(product: Product, flow: Flow) -> None:
    product.seed("image/a.png")
    flow.begin()
    set_of(flow, parallel_chunks=1)
    with closing(Ledger.connect(flow.declaration)) as other:
        assert take_slot(other.of_migration(1).of_run(1), "copy", 1)
        looks = []

        def looked() -> None:
            looks.append(1)
            set_of(flow)

        with closing(Ledger.connect(flow.declaration)) as mine:
            Pacer(flow.declaration, mine.of_migration(1).of_run(1), "copy", *flow.hooks).wait_for_slot(looked)
        assert len(looks) == 1


def _stop() -> None:
    raise InterruptedError


def test_a_stopped_task_does_not_wait_on(product: Product, flow: Flow) -> None:
    product.seed("image/a.png")
    flow.begin()
    set_of(flow, parallel_chunks=1)
    with closing(Ledger.connect(flow.declaration)) as other:
        assert take_slot(other.of_migration(1).of_run(1), "copy", 1)
        with closing(Ledger.connect(flow.declaration)) as mine:
            pacer = Pacer(flow.declaration, mine.of_migration(1).of_run(1), "copy", *flow.hooks)
            with pytest.raises(InterruptedError):
                pacer.wait_for_slot(_stop)


def test_more_lag_is_allowed_while_the_switch_waits(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The declared query says 60 s; nothing is switched until a person allows that."""
    monkeypatch.setattr(throttling, "OBSERVE_EVERY", 0.05)
    flow.declaration = flow.declaration.model_copy(
        update={"database": flow.declaration.database.model_copy(update={"lag_query": "SELECT 60"})}
    )
    product.seed("image/a.png")
    flow.begin()
    flow.copy()
    looks: list[Next] = []
    decide: Callable[..., Next] = throttling.decide

    def watched(*given: object) -> Next:
        looks.append(decide(*given))
        if len(looks) == 3:
            assert product.rows() == ["image/a.png"]
            set_of(flow, max_lag=timedelta(seconds=90))
        return looks[-1]

    monkeypatch.setattr(throttling, "decide", watched)
    flow.switch()
    assert looks[:4] == [Next.WAIT_FOR_REPLICAS] * 3 + [Next.GO_ON]
    assert product.rows() == ["avatar/a.png"]


def test_of_a_run_that_is_over_nothing_is_set(product: Product, flow: Flow) -> None:
    product.seed("image/a.png")
    flow.run()
    assert not set_of(flow, requests_in_flight=5)


def test_the_window_is_narrowed_and_widened_at_once() -> None:
    window = CongestionWindow(100, initial=100)
    tokens = [window.try_enter() for _ in range(100)]
    window.bound(10)
    assert window.limit == 10
    assert window.try_enter() is None, "what is in flight is left to end"
    for token in tokens[:95]:
        assert token is not None
        window.leave(token, answered=True)
    assert window.limit == 10
    assert window.try_enter() is not None
    window.bound(200)
    for _ in range(300):
        if (token := window.try_enter()) is not None:
            window.leave(token, answered=True)
    assert window.limit == 200
