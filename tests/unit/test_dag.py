"""The DAG as a whole: it imports, its orderings are safe, and a bad declaration harms no other."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.dag_processing.dagbag import DagBag

from s3_migration.model import declaration as declarations
from s3_migration.ui import dag_factory
from s3_migration.ui.schedule import NightlySchedule
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
        # What Airflow could not keep would cost it all DAGs of the file, with no error in the UI.
        (GOOD.replace('schedule: "0 2 * * *"', "schedule: 0 0 30 2 *"), "schedule: '0 0 30 2 *'"),
        (GOOD.replace("description: ", 'description: "a\\0b" # '), "description"),
        (f'{GOOD}\nowners: ["a\\0b"]\n', "owners.0"),
        # Sound as far as a declaration goes; Airflow makes no asset of it.
        (GOOD.replace("bucket: production-s3", "bucket: /"), "bucket"),
    ],
)
def test_a_bad_declaration_is_an_import_error_and_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str, named: str
) -> None:
    loaded = bag(monkeypatch, tmp_path, broken=text, avatars=GOOD)
    assert set(loaded.dags) == {"migrate_avatars"}
    # In a file that no DAG is in: Airflow takes all DAGs of a file with an error out of service.
    ((file, message),) = loaded.import_errors.items()
    assert Path(file).name == "broken_declarations.py"
    assert {Path(dag.fileloc).name for dag in loaded.dags.values()} == {"migrations.py"}
    assert "broken.yaml" in message
    assert named in message
    assert "Fix" in message


def test_two_declarations_of_one_name_are_an_import_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded = bag(monkeypatch, tmp_path, avatars=GOOD, covers=f"name: avatars\n{GOOD}")
    assert set(loaded.dags) == {"migrate_avatars"}
    assert "covers.yaml: name" in str(loaded.import_errors)


def test_a_directory_that_is_not_there_is_an_import_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    loaded = bag(monkeypatch, tmp_path / "nowhere")
    assert loaded.dags == {}
    assert "S3_MIGRATION_DECLARATIONS" in str(loaded.import_errors)


@pytest.mark.parametrize(("dag_id", "said"), [("migrate_broken", True), ("migrate_avatars", False)])
def test_a_task_says_in_its_log_that_its_own_declaration_is_broken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, dag_id: str, said: bool
) -> None:
    """And one of another migration says nothing. Airflow's worker reads its DAG's file so, and logs what it raises."""
    for name, text in {"broken": "{", "avatars": GOOD}.items():
        (tmp_path / f"{name}.yaml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(declarations, "DIRECTORY", tmp_path)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", dag_id)
    loaded = DagBag(str(ROOT / "dags" / "migrations.py"), safe_mode=False)
    assert ("broken.yaml" in str(loaded.import_errors)) is said
    assert ("migrate_avatars" in loaded.dags) is not said


@pytest.mark.parametrize(
    ("files", "made"),
    [
        ({"avatars": GOOD, "covers": GOOD, "zebras": GOOD}, "covers.yaml"),
        # Whoever bears a name first in the order of the files has it: in a task as everywhere.
        ({"avatars": f"name: covers\n{GOOD}", "covers": GOOD}, "avatars.yaml"),
    ],
)
def test_a_task_makes_no_dag_but_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], made: str
) -> None:
    """Making one takes longer than many a task: with thirty declarations each task of each would make thirty."""
    calls, make = [], dag_factory.make_dag
    monkeypatch.setattr(dag_factory, "make_dag", lambda declared: calls.append(declared) or make(declared))
    named = {
        name: re.sub("^description:.*$", f"description: of {name}.yaml", text, flags=re.M)
        for name, text in files.items()
    }
    assert bag(monkeypatch, tmp_path, **named).dags["migrate_covers"].description == f"of {made}"
    assert len(calls) >= len(files)
    calls.clear()
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "migrate_covers")
    loaded = DagBag(str(ROOT / "dags" / "migrations.py"), safe_mode=False)
    assert [declared.description for declared in calls] == [f"of {made}"]
    assert set(loaded.dags) == {"migrate_covers"}


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
    "verify_chunk": ({"list_legacy", "wait_grace"}, "all_done"),
    "verify_copies": ({"verify_chunk"}, "all_done"),
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
    for name in ("copy_chunk", "verify_chunk", "delete_chunk"):
        assert dag.get_task(name).max_active_tis_per_dagrun == 4


def test_a_scheduled_run_has_a_real_data_interval_and_catches_up_in_one(dag: Any) -> None:
    assert type(dag.timetable) is NightlySchedule
    assert dag.catchup is False
    assert dag.max_active_runs == 1


def test_a_run_that_waits_for_a_person_holds_the_next_one_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Else those of weeks would pile up, each take over what the one before asked about, and none be approved."""
    dag: Any = bag(monkeypatch, tmp_path, avatars=f"{GOOD}\napprove_deletion: first\n").dags["migrate_avatars"]
    assert dag.max_active_runs == 1
    assert dag.get_task("check").timeout == 12 * 3600


def test_the_form_explains_every_param(dag: Any) -> None:
    for name in dag.params:
        param = dag.params.get_param(name)
        assert param.schema["title"], name
        assert len(param.description) > 20, name
    assert {name for name in dag.params if "section" not in dag.params.get_param(name).schema} == {"mode", "limit"}


@pytest.mark.parametrize(
    ("declared", "longest"), [("", timedelta(minutes=4)), ("retry_delay: 10m\n", timedelta(minutes=15))]
)
def test_what_is_cleared_often_is_tried_again_as_soon_as_what_never_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, declared: str, longest: timedelta
) -> None:
    """Airflow doubles the delay with every try, also of those before a task was cleared."""
    (dag,) = bag(monkeypatch, tmp_path, avatars=f"{GOOD}\n{declared}").dags.values()
    assert {task.max_retry_delay for task in dag.tasks} == {longest}
