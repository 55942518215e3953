"""A declaration that is broken while runs are at work, under the real scheduler: it stops its own migration alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.live_stack import BIG, DAG, Platform, keys, until


@pytest.fixture
def platform(live: Platform) -> Platform:
    live.quiet()
    live.reset()
    return live


@pytest.fixture
def big(platform: Platform) -> Iterator[Path]:
    """The declaration of the migration beside the one at work; sound again afterwards."""
    path = Path(platform.stack.settings["S3_MIGRATION_DECLARATIONS"]) / "big.yaml"
    sound = path.read_text(encoding="utf-8")
    yield path
    path.write_text(sound, encoding="utf-8")
    platform.read_declarations()


def faults(platform: Platform) -> list[str]:
    """What the UI shows as import errors."""
    return [each["stack_trace"] for each in platform.api.ask("GET", "/importErrors")["import_errors"]]


def test_a_broken_declaration_stops_its_own_migration_alone_until_it_is_fixed(platform: Platform, big: Path) -> None:
    sound = big.read_text(encoding="utf-8")
    platform.seed(*keys(3))
    at_work = platform.api.trigger(DAG, grace_period="20s")
    until(lambda: platform.rows() and all(path.startswith("avatar/") for path in platform.rows() if path))

    big.write_text(f"{sound}description: [broken\n", encoding="utf-8")
    platform.read_declarations()
    (fault,) = until(lambda: faults(platform))
    assert f"{big}: not readable as YAML" in fault
    assert "Fix: correct the file." in fault
    assert platform.api.state(DAG, at_work) == "running"
    assert not platform.api.ask("GET", f"/dags/{DAG}")["is_stale"]
    # A run of the broken one has to wait, and its log says for what.
    waiting = platform.api.trigger(BIG, mode="plan")
    until(lambda: platform.api.states(BIG, waiting)["check"] == ["up_for_reschedule"])
    assert f"{big}: not readable as YAML" in platform.api.log(BIG, waiting, "check")
    # The other goes through all the steps that were left.
    assert platform.api.wait(DAG, at_work) == "success"
    assert platform.objects("legacy") == {}
    assert faults(platform) == [fault]
    assert not platform.api.ask("GET", f"/dags/{DAG}")["is_stale"]

    big.write_text(sound, encoding="utf-8")
    platform.read_declarations()
    until(lambda: not faults(platform))
    assert platform.api.wait(BIG, waiting) == "success"
