"""The forecast of a plan: a truth table, what holds whatever the numbers, and docs/scale.md, which says the same."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3_migration.model.forecast import Forecast
from tests.support import ROOT

COUNTS = st.integers(0, 10**11)


@pytest.mark.parametrize(
    ("objects", "already_there", "conflicts", "dangling", "requests", "dollars"),
    [
        (0, 0, 0, 0, {"COPY": 0, "LIST": 7, "HEAD": 0, "DELETE": 0}, 0.000_035),
        (1, 0, 0, 0, {"COPY": 1, "LIST": 7, "HEAD": 0, "DELETE": 1}, 0.000_04),
        (1_000, 0, 0, 0, {"COPY": 1_000, "LIST": 7, "HEAD": 0, "DELETE": 1}, 0.005_035),
        (1_001, 0, 0, 0, {"COPY": 1_001, "LIST": 14, "HEAD": 0, "DELETE": 2}, 0.005_075),
        (1_000_000, 0, 0, 0, {"COPY": 1_000_000, "LIST": 7_000, "HEAD": 0, "DELETE": 1_000}, 5.035),
        (1_000_000, 1_000_000, 0, 0, {"COPY": 0, "LIST": 7_000, "HEAD": 0, "DELETE": 1_000}, 0.035),
        # A conflict: its copy is refused, both sides are asked for, nothing is deleted.
        (1_000, 0, 1_000, 0, {"COPY": 1_000, "LIST": 7, "HEAD": 2_000, "DELETE": 0}, 0.005_835),
        (0, 0, 0, 1_000, {"COPY": 0, "LIST": 7, "HEAD": 2_000, "DELETE": 0}, 0.000_835),
    ],
)
def test_what_is_asked_of_s3_and_what_it_costs(
    objects: int, already_there: int, conflicts: int, dangling: int, requests: dict[str, int], dollars: float
) -> None:
    made = Forecast.of(objects, already_there, conflicts, dangling, None)
    assert made.requests == requests
    assert made.dollars == pytest.approx(dollars)


def test_hours_are_at_the_observed_rate_and_at_the_limit_of_s3() -> None:
    made = Forecast.of(3_500 * 3_600, 0, 0, 0, observed=1_750)
    assert (made.copy_hours_at_limit, made.delete_hours_at_limit, made.copy_hours_at_observed_rate) == (1, 1, 2)
    made = Forecast.of(3_500 * 3_600, 3_500 * 1_800, 0, 0, observed=1_750)
    assert (made.copy_hours_at_limit, made.delete_hours_at_limit, made.copy_hours_at_observed_rate) == (0.5, 1, 1)
    assert Forecast.of(3_500, 0, 0, 0, None).copy_hours_at_observed_rate is None


def figures(made: Forecast) -> list[float]:
    return [*made.requests.values(), made.dollars, made.copy_hours_at_limit, made.copy_hours_at_observed_rate or 0]


@given(COUNTS, COUNTS, COUNTS, st.floats(0.1, 1e6))
def test_more_objects_never_take_less(objects: int, more: int, dangling: int, observed: float) -> None:
    little, much = (Forecast.of(number, 0, 0, dangling, observed) for number in (objects, objects + more))
    assert all(a <= b for a, b in zip(figures(little), figures(much), strict=True))


@given(COUNTS, st.data())
def test_what_is_there_already_never_costs_more(objects: int, data: st.DataObject) -> None:
    there = data.draw(st.integers(0, objects))
    some, none = Forecast.of(objects, there, 0, 0, 100.0), Forecast.of(objects, 0, 0, 0, 100.0)
    assert all(a <= b for a, b in zip(figures(some), figures(none), strict=True))


@given(COUNTS, st.data())
def test_it_is_about_one_request_an_object_and_an_xcom(objects: int, data: st.DataObject) -> None:
    conflicts = data.draw(st.integers(0, objects))
    made = Forecast.of(objects, 0, conflicts, 0, None)
    assert sum(made.requests.values()) <= objects * 1.01 + 2 * conflicts + 10
    assert Forecast(**json.loads(json.dumps(made.as_dict()))) == made


# -- as a person reads it -----------------------------------------------------------------------------------------


def test_a_person_reads_it_in_three_lines() -> None:
    assert Forecast.of(1_000_000, 0, 0, 0, observed=1_100.4).as_lines() == [
        (
            "S3 forecast",
            "1,000,000 COPY, 7,000 LIST, 0 HEAD, 1,000 DELETE, for a move of all of it; each conflict counts with the "
            "COPY that is refused",
        ),
        ("dollars", "5.04 for requests (KMS, transfer and storage come on top)"),
        (
            "hours",
            "0.3 to copy at the observed 1,100 objects/s; "
            "at S3's 3,500 a second on one prefix 0.08 to copy, 0.08 to delete",
        ),
    ]


def test_before_any_run_it_says_how_to_observe_one() -> None:
    hours = dict(Forecast.of(10**9, 0, 0, 0, None).as_lines())["hours"]
    assert hours == (
        "not observed yet: a canary run (limit 1000) shows it; "
        "at S3's 3,500 a second on one prefix 79 to copy, 79 to delete"
    )


def test_nothing_takes_next_to_nothing() -> None:
    lines = dict(Forecast.of(0, 0, 0, 0, observed=1_000).as_lines())
    assert lines["dollars"].startswith("under 0.01 ")
    assert lines["hours"].startswith("0 to copy at")
    assert "0 to copy, 0 to delete" in lines["hours"]


def test_what_the_database_gives_back_reads_the_same() -> None:
    """jsonb keeps keys in an order of its own."""
    made = Forecast.of(5, 1, 1, 1, 2.5)
    kept = made.as_dict()
    kept["requests"] = dict(sorted(kept["requests"].items()))
    assert Forecast(**kept).as_lines() == made.as_lines()


# -- the docs say the same ----------------------------------------------------------------------------------------


def model(row: str) -> list[float]:
    """A row of the table in docs/scale.md, "The model": for 100 million, 1 billion and 10 billion objects."""
    text = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {row} |")]
    return [_number(cell) for cell in line.strip("| ").split("|")[1:]]


def _number(cell: str) -> float:
    number, _, unit = cell.strip().replace(",", "").partition(" ")
    return float(number) * {"": 1, "M": 1e6, "h": 1, "days": 24}[unit]


@pytest.mark.parametrize(("place", "objects"), enumerate([10**8, 10**9, 10**10]))
def test_the_model_in_the_docs_is_this_one(place: int, objects: int) -> None:
    made = Forecast.of(objects, 0, 0, 0, None)
    assert made.requests["COPY"] == model("COPY requests")[place]
    assert made.requests["LIST"] == model("LIST requests")[place]
    assert made.requests["DELETE"] == model("DeleteObjects requests")[place]
    assert math.isclose(made.dollars, model("dollars for requests")[place])
    assert math.isclose(made.copy_hours_at_limit, model("copies, one partition")[place], rel_tol=0.02)
