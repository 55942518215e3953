"""The note on a red run: one cause, in its own words, and whatever a person wrote."""

from __future__ import annotations

from airflow.models.dag import DagTag
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from s3_migration.ui.last_words import LONGEST_CAUSE, cause
from s3_migration.ui.run_note import LONGEST_NOTE, RedTask, is_migration, note_of, without_ours

CONFLICT = "1 conflict (Migration avatars, chunk 1: image/0.png … image/9.png)"
OPEN = "OPEN: what is proven will be deleted; 1 object stays: 1 conflict (migration avatars)."
NEXT = "Next: the last lines of that task's log say what to do; the tab Migration of this run lists each problem."
RED = [
    RedTask("copy_chunk", CONFLICT),
    RedTask("switch_paths", "1 conflict (Migration avatars)"),
    RedTask("may_delete", OPEN),
    RedTask("reconcile", "1 conflict (Migration avatars)"),
]


def test_the_first_red_task_says_why_and_the_gate_what_follows() -> None:
    assert note_of(RED).splitlines() == [
        f"Red: copy_chunk: {CONFLICT}",
        f"may_delete: {OPEN}",
        "Red for as long as that is: switch_paths, reconcile.",
        NEXT,
    ]


def test_one_red_task_is_named_alone() -> None:
    assert note_of([RedTask("check", "nothing answers")]).splitlines() == ["Red: check: nothing answers", NEXT]
    assert note_of([RedTask("may_delete", OPEN)]).splitlines() == [f"Red: may_delete: {OPEN}", NEXT]


def test_instances_are_counted_and_a_killed_task_has_no_words() -> None:
    red = [RedTask("copy_chunk", None), RedTask("copy_chunk", CONFLICT)]
    assert note_of(red).splitlines()[0] == "Red: copy_chunk (2 instances): it was killed, or never came to say why."


def test_the_cause_is_what_is_wrong_and_where_in_one_line() -> None:
    assert cause(ValueError("nothing answers. Fix: start it.\nmore")) == "nothing answers."
    assert cause(ValueError("not declared:\n  users.picture\n  more")) == "not declared: users.picture"
    assert cause(KeyError()) == "KeyError"
    incomplete = (
        "Migration avatars, chunk 1: image/0.png … image/9.png: incomplete after copy: 1 conflict.\n  conflict: …"
    )
    assert cause(ValueError(incomplete)) == CONFLICT
    assert len(cause(ValueError("x" * 1_000))) == LONGEST_CAUSE


def test_a_dag_of_others_with_such_a_name_is_none_of_ours() -> None:
    engine = create_engine("sqlite://")
    DagTag.__table__.create(engine)
    with Session(engine) as session:
        session.add_all(DagTag(dag_id=dag_id, name="s3-migration") for dag_id in ("migrate_avatars", "other"))
        session.add(DagTag(dag_id="migrate_users", name="crm"))
        session.flush()
        asked = ("migrate_avatars", "migrate_users", "migrate_untagged", "other")
        assert [dag_id for dag_id in asked if is_migration(session, dag_id)] == ["migrate_avatars"]


@given(
    st.text(max_size=LONGEST_NOTE).map(str.strip).filter(lambda text: "Red: " not in text),
    st.lists(
        st.builds(
            RedTask, st.sampled_from(["copy_chunk", "may_delete", "x"]), st.none() | st.text(max_size=LONGEST_CAUSE)
        ),
        min_size=1,
    ),
)
def test_what_a_person_wrote_stays_and_a_note_fits(theirs: str, red: list[RedTask]) -> None:
    note = note_of(red, theirs)
    assert len(note) <= LONGEST_NOTE
    assert theirs in note
    assert without_ours(note) == theirs
    assert note_of(red, note) == note
    below = f"{note}\nbelow"
    assert "below" in without_ours(below)
    assert note_of(red, below).count(NEXT) <= 1
