"""The DAG as a whole: it imports, its orderings are safe, and a bad declaration harms no other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from s3_migration.model import declaration as declarations
from tests.support import ROOT

GOOD = (declarations.DIRECTORY / "avatars.yaml").read_text(encoding="utf-8")


def bag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, **files: str) -> DagBag:
    """The DAGs of these declarations."""
    for name, text in files.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(declarations, "DIRECTORY", tmp_path)
    return DagBag(str(ROOT / "dags"))


@pytest.fixture
def dag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    return bag(monkeypatch, tmp_path, avatars=GOOD).dags["migrate_avatars"]


def test_the_shipped_declarations_import_without_error() -> None:
    shipped = DagBag(str(ROOT / "dags"))
    assert shipped.import_errors == {}
    assert set(shipped.dags) == {f"migrate_{path.stem}" for path in declarations.paths()}


def test_each_declaration_is_a_dag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert set(bag(monkeypatch, tmp_path, avatars=GOOD, covers=GOOD).dags) == {"migrate_avatars", "migrate_covers"}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "not readable as YAML"),
        (GOOD.replace("prefix: image/", 'prefix: ""'), "legacy.prefix"),
        (f"{GOOD}\nchunk_size: 0\n", "chunk_size"),
        (f"{GOOD}\nbogus: 1\n", "bogus"),
        (GOOD.replace("scheduled_mode: plan", "scheduled_mode: shove"), "scheduled_mode"),
        (GOOD.replace('schedule: "0 2 * * *"', "schedule: whenever"), "schedule"),
        (f"{GOOD}\ntimezone: Mars/Olympus\n", "timezone"),
    ],
)
def test_a_bad_declaration_is_an_import_error_and_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, named: str
) -> None:
    loaded = bag(monkeypatch, tmp_path, broken=text, avatars=GOOD)
    assert set(loaded.dags) == {"migrate_avatars"}
    (message,) = loaded.import_errors.values()
    assert "broken.yaml" in message
    assert named in message
    assert "Fix" in message


def test_two_declarations_of_one_name_are_an_import_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded = bag(monkeypatch, tmp_path, avatars=GOOD, covers=f"name: avatars\n{GOOD}")
    assert set(loaded.dags) == {"migrate_avatars"}
    assert "covers.yaml: name" in str(loaded.import_errors)


def test_all_bad_declarations_are_named_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (message,) = bag(monkeypatch, tmp_path, one="{", two="[]").import_errors.values()
    assert "one.yaml" in message
    assert "two.yaml" in message


WIRING = {
    "check": (set(), "all_success"),
    "list_legacy": ({"check"}, "all_success"),
    "copy_chunk": ({"list_legacy"}, "all_success"),
    "switch_paths": ({"copy_chunk"}, "all_done"),
    "wait_grace": ({"switch_paths"}, "all_done"),
    "verify_copies": ({"wait_grace"}, "all_done"),
    "may_delete": ({"verify_copies"}, "all_done"),
    "delete_chunk": ({"list_legacy", "may_delete"}, "none_skipped"),
    "reconcile": ({"verify_copies", "delete_chunk"}, "all_done"),
}


def test_the_wiring_is_the_one_of_docs_safety(dag: Any) -> None:
    found = {
        task.task_id: (task.upstream_task_ids, getattr(task.trigger_rule, "value", task.trigger_rule))
        for task in dag.tasks
    }
    assert found == WIRING


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        ("switch_paths", {"copy_chunk"}),
        ("delete_chunk", {"copy_chunk", "switch_paths", "wait_grace", "verify_copies", "may_delete"}),
        ("reconcile", set(WIRING) - {"reconcile"}),
    ],
)
def test_nothing_dangerous_comes_before_what_makes_it_safe(dag: Any, later: str, earlier: set[str]) -> None:
    assert earlier <= dag.get_task(later).get_flat_relative_ids(upstream=True)


def test_a_run_stays_small_whatever_the_number_of_objects(dag: Any) -> None:
    for name in ("copy_chunk", "delete_chunk"):
        assert dag.get_task(name).max_active_tis_per_dagrun == 4


def test_a_scheduled_run_has_a_real_data_interval_and_catches_up_in_one(dag: Any) -> None:
    assert type(dag.timetable).__name__ == "CronDataIntervalTimetable"
    assert dag.catchup is False
    assert dag.max_active_runs == 1


def test_the_form_explains_every_param(dag: Any) -> None:
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema["title"], name
        assert len(param.description) > 20, name
