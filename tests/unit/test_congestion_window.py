"""As many requests in flight as the store takes."""

from __future__ import annotations

import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from s3_migration.s3.congestion_window import INITIAL, CongestionWindow


def fill(window: CongestionWindow) -> list[int]:
    tokens = []
    while (token := window.try_enter()) is not None:
        tokens.append(token)
    return tokens


def answer_all(window: CongestionWindow, tokens: list[int]) -> None:
    for token in tokens:
        window.leave(token, answered=True)


@pytest.mark.parametrize(("most", "first"), [(1, 1), (INITIAL, INITIAL), (1000, INITIAL)])
def test_it_begins_small_and_never_exceeds_the_most(most: int, first: int) -> None:
    window = CongestionWindow(most)
    assert window.limit == first
    for _ in range(20):
        answer_all(window, fill(window))
    assert window.limit == most


def test_it_doubles_each_round_trip_until_it_is_too_much() -> None:
    window = CongestionWindow(1000)
    for expected in (64, 128, 256):
        answer_all(window, fill(window))
        assert window.limit == expected


def test_one_wave_of_slow_downs_halves_it_once() -> None:
    window = CongestionWindow(256)
    while window.limit < 256:
        answer_all(window, fill(window))
    tokens = fill(window)
    for token in tokens:
        window.slow_down(token)
        window.leave(token, answered=True)
    assert window.limit == 128


def test_it_climbs_again_by_one_a_round_trip() -> None:
    window = CongestionWindow(256)
    token = window.enter()
    window.slow_down(token)
    window.leave(token, answered=True)
    assert window.limit == 16
    for climbed in (17, 18, 19):
        answer_all(window, fill(window))
        assert window.limit == climbed


def test_no_answer_lets_it_climb_not() -> None:
    window = CongestionWindow(1000)
    for token in fill(window):
        window.leave(token, answered=False)
    assert window.limit == INITIAL


def test_who_waits_is_let_in_when_a_place_is_free() -> None:
    window = CongestionWindow(1)
    token, inside = window.enter(), threading.Event()
    waiting = threading.Thread(target=lambda: (window.enter(), inside.set()))
    waiting.start()
    assert not inside.wait(0.05)
    window.leave(token, answered=True)
    assert inside.wait(5)
    waiting.join()


class Any(RuleBasedStateMachine):
    """Whatever comes, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.window, self.tokens = CongestionWindow(50, initial=8), list[int]()

    @rule()
    def enter(self) -> None:
        token = self.window.try_enter()
        if token is not None:
            self.tokens.append(token)

    @precondition(lambda self: self.tokens)
    @rule(which=st.integers(0, 1000), slow=st.booleans(), answered=st.booleans())
    def leave(self, which: int, slow: bool, answered: bool) -> None:
        token = self.tokens.pop(which % len(self.tokens))
        if slow:
            self.window.slow_down(token)
        self.window.leave(token, answered=answered)

    @invariant()
    def holds(self) -> None:
        assert self.window.in_flight == len(self.tokens)
        assert 1 <= self.window.limit <= self.window.maximum


def test_any_order() -> None:
    run_state_machine_as_test(Any, settings=settings(max_examples=50, deadline=None))  # type: ignore[no-untyped-call]
