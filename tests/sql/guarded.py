"""What each guarded statement does, case by case (test_guards.py).

All cases of a statement begin with the same world, and vary a few facts of it. In that world everything allows the
statement to do its work, on the neighbours of the object as well: if it leaves them alone, its conditions did that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any


@dataclass(frozen=True)
class Time:
    """Seconds from now, by the database's clock. A clock that runs on within the transaction is now, too."""

    seconds: float


@dataclass(frozen=True)
class Oid:
    """Of the table of this name, in the database of the case."""

    table: str


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


NOW = Time(0)
Facts = dict[str, Any]
# By what was written the columns that were changed; `{}` is a row that was written with what it held. "answers": rows.
Effect = dict[str, Any]

# `object`, `run`, `migration`, `timing` and their columns, each also as `all …`: with its neighbours. `later` is the
# run after ours. `rows` are the paths that rows hold, in order; `spelt` are keys with a
# path that names each otherwise. All others are values of the statement.
WORLD: Facts = {
    "all migration.lease_run_no": 2,
    "all migration.lease_token": 7,
    "all migration.lease_until": Time(180),
    "all object.owned_since": Time(-170),
    "migration_id": 1,
    "run_no": 2,
    "undo": False,
    "approve_deletion": None,
}
RUN: Facts = {
    "all run.mode": "move",
    "all run.listed_at": Time(-180),
    "all run.switched_at": Time(-120),
    "all run.verified_at": Time(-60),
    "all run.damaged": 0,
    "all run.grace_period": seconds(60),
}
LISTED: Facts = {"all object.run_no": 2, "all object.legacy_size": 1, "all object.legacy_etag": "v1"}
COPIED: Facts = {
    **LISTED,
    "all object.copied_etag": "v1",
    "all object.production_etag": "p1",
    "all object.production_modified": Time(-150),
}
UNDO: Facts = {"run.mode": "undo", "run.remove_copies": True, "undo": True}
CHUNK: Facts = {"after": "", "first_key": "image/a", "last_key": "image/a", "limit": 100}


@dataclass(frozen=True)
class Guarded:
    """A statement's world, and by name of each case the facts that differ and what the statement then does."""

    world: Facts
    cases: dict[str, tuple[Facts, Effect]]
    # Mutants that no case can tell from the statement, and why.
    equivalent: dict[str, str] = field(default_factory=dict)


NOTHING: Effect = {}
LEGACY_MAY_GO: Effect = {"answers": [("image/a", "v1")]}
COPY_MAY_GO: Effect = {"answers": [("image/a", "p1")]}

# By PostgreSQL's hash image/a is in a share of the objects from 0.1016 on, image/b from 0.7964 on.
SHARE_WITHOUT_A, SHARE_WITH_A = 0.1016, 0.10163
EVERY: Facts = {"run.approve_deletion": "every", "run.approved": True, "run.approval_asked_at": Time(-30)}
FIRST: Facts = {"run.approve_deletion": "first", "later.approved": True}
# Whose word is needed, and whether it is there.
WITH_WORD: dict[str, Facts] = {
    "every, approved": EVERY,
    "every, as declared now": {**EVERY, "run.approve_deletion": None, "approve_deletion": "every"},
    "every, owned since it was asked for": {**EVERY, "run.approval_asked_at": Time(-170)},
    "first, approved in another run": FIRST,
    "first, as declared now": {**FIRST, "run.approve_deletion": None, "approve_deletion": "first"},
    "first, approved in this run": {**FIRST, "later.approved": None, "run.approved": True},
}
WITHOUT_WORD: dict[str, Facts] = {
    "every, nobody answered": {**EVERY, "run.approved": None},
    "every, rejected": {**EVERY, "run.approved": False},
    "every, though one was enough before": {**EVERY, "run.approved": None, "later.approved": True},
    "every since the run began, with one enough before": {**FIRST, "approve_deletion": "every"},
    "every, though the declaration asks for one now": {
        **EVERY, "run.approved": None, "later.approved": True, "approve_deletion": "first",
    },
    "every, not owned when it was asked for": {**EVERY, "run.approval_asked_at": Time(-171)},
    "every, never asked": {**EVERY, "run.approval_asked_at": None},
    "first, nobody answered": {**FIRST, "later.approved": None},
    "first, nobody answered, as declared now": {"run.approve_deletion": None, "approve_deletion": "first"},
    "first, rejected in another run": {**FIRST, "later.approved": False},
    "first, approved in another migration": {**FIRST, "later.approved": None, "elsewhere run.approved": True},
    "first, rejected in this run": {**FIRST, "run.approved": False},
}  # fmt: skip

DELETABLE = Guarded(
    {**RUN, **COPIED, **CHUNK, "proof_max_age": seconds(3600), "checksum_share": 0.0, "rows_asked": False},
    {
        "copied, switched, proven, grace just over": ({}, LEGACY_MAY_GO),
        "of another run, which may delete": ({"object.run_no": 1}, NOTHING),
        "before the chunk": ({"first_key": "image/aa", "last_key": "image/b"}, {"answers": [("image/b", "v1")]}),
        "handled by the last batch": ({"after": "image/a"}, NOTHING),
        "gone already": ({"object.legacy_gone_at": NOW}, NOTHING),
        "never copied": ({"object.production_modified": None}, NOTHING),
        "rewritten since its copy": ({"object.legacy_etag": "v2"}, NOTHING),
        "the same content, written again since its copy": ({"object.rewritten": True}, NOTHING),
        "with a problem": ({"object.problem": "still_referenced"}, NOTHING),
        "of a run that is no move": ({"run.mode": "switch"}, NOTHING),
        "of a run that found damage": ({"run.damaged": 1}, NOTHING),
        "grace not over when proven": ({"run.grace_period": seconds(61)}, NOTHING),
        "switched later than the run": ({"object.switched_at": Time(-119)}, NOTHING),
        "switched earlier than the run": (
            {"object.switched_at": Time(-300), "run.grace_period": seconds(200)},
            LEGACY_MAY_GO,
        ),
        "of a run not switched": ({"run.switched_at": None}, NOTHING),
        "owned since just before the proof": (
            {"object.owned_since": Time(-60), "object.switched_at": Time(-300), "run.grace_period": seconds(200)},
            LEGACY_MAY_GO,
        ),
        "owned since just after the proof": (
            {"object.owned_since": Time(-59), "object.switched_at": Time(-300), "run.grace_period": seconds(200)},
            NOTHING,
        ),
        "owned since after the run's switch": ({"object.owned_since": Time(-119)}, NOTHING),
        "of a run not proven": ({"run.verified_at": None}, NOTHING),
        "rows asked just too long ago": ({"proof_max_age": seconds(60)}, NOTHING),
        "rows asked long ago, by a pass that took long": (
            {"proof_max_age": seconds(60), "run.rows_asked_for": seconds(16)}, LEGACY_MAY_GO,
        ),
        "rows asked too long ago, by a pass that took a quarter of that": (
            {"proof_max_age": seconds(60), "run.rows_asked_for": seconds(15)}, NOTHING,
        ),
        "rows asked by each batch": ({"proof_max_age": seconds(60), "rows_asked": True}, LEGACY_MAY_GO),
        "deletion stopped": ({"migration.deletion_stopped": "why"}, NOTHING),
        "lease of another run": ({"migration.lease_run_no": 1}, NOTHING),
        "object and lease of another run": ({"object.run_no": 1, "migration.lease_run_no": 1}, NOTHING),
        "bytes to be proven": ({"checksum_share": 1.0}, NOTHING),
        "bytes to be proven of a share, just with it": ({"checksum_share": SHARE_WITH_A}, NOTHING),
        "bytes to be proven of a share, just without it": ({"checksum_share": SHARE_WITHOUT_A}, LEGACY_MAY_GO),
        "bytes proven": ({"checksum_share": 1.0, "object.bytes_proven": True}, LEGACY_MAY_GO),
        "undo, bytes not proven": ({**UNDO, "checksum_share": 1.0}, COPY_MAY_GO),
        **{case: (facts, LEGACY_MAY_GO) for case, facts in WITH_WORD.items()},
        **{case: (facts, NOTHING) for case, facts in WITHOUT_WORD.items()},
        "undo that was asked to": (UNDO, COPY_MAY_GO),
        "undo, whose removals a person asked for": ({**UNDO, **EVERY, "run.approved": None}, COPY_MAY_GO),
        "undo that was not asked to": ({**UNDO, "run.remove_copies": False}, NOTHING),
        "asked as an undo, but none": ({**UNDO, "run.mode": "move"}, NOTHING),
        "undo, rewritten in legacy": ({**UNDO, "object.problem": "changed"}, COPY_MAY_GO),
        "undo, with another problem": ({**UNDO, "object.problem": "superseded"}, NOTHING),
        "undo, gone from legacy": ({**UNDO, "object.legacy_gone_at": NOW}, NOTHING),
        "undo, nothing in production": ({**UNDO, "object.production_modified": None}, NOTHING),
        "undo, not our copy": ({**UNDO, "object.copied_etag": None}, NOTHING),
        "undo, written again in legacy": ({**UNDO, "object.rewritten": True}, COPY_MAY_GO),
    },
)  # fmt: skip

NONE_LEFT: Effect = {"answers": [(1, 0, 0, None, None)]}
ONE_LEFT: Effect = {"answers": [(1, 1, 1, "image/a", "image/a")]}
NOTHING_DUE: Effect = {"answers": [(0, 0, 0, None, None)]}
UNAPPROVED = Guarded(
    {**RUN, **COPIED, "first_key": "image/a", "last_key": "image/a", **EVERY, "run.approved": None},
    {
        "nobody answered": ({}, ONE_LEFT),
        "all of the run": ({"first_key": "", "last_key": "~"}, {"answers": [(2, 2, 2, "image/a", "image/b")]}),
        "before the chunk": (
            {"first_key": "image/aa", "last_key": "image/b"},
            {"answers": [(1, 1, 1, "image/b", "image/b")]},
        ),
        "whatever the age of the proof": ({"all run.verified_at": Time(-20)}, ONE_LEFT),
        "nobody's word is needed": ({"run.approve_deletion": None}, NONE_LEFT),
        **{case: ({"run.approved": None, **facts}, NONE_LEFT) for case, facts in WITH_WORD.items()},
        **{case: (facts, ONE_LEFT) for case, facts in WITHOUT_WORD.items()},
        "of another run": ({"object.run_no": 1}, NOTHING_DUE),
        "gone already": ({"object.legacy_gone_at": NOW}, NOTHING_DUE),
        "never copied": ({"object.production_modified": None}, NOTHING_DUE),
        "rewritten since its copy": ({"object.legacy_etag": "v2"}, NOTHING_DUE),
        "the same content, written again since its copy": ({"object.rewritten": True}, NOTHING_DUE),
        "with a problem": ({"object.problem": "still_referenced"}, NOTHING_DUE),
        "grace not over when proven": ({"run.grace_period": seconds(61)}, NOTHING_DUE),
        "switched later than the run": ({"object.switched_at": Time(-119)}, NOTHING_DUE),
        "owned since just after the proof": (
            {"object.owned_since": Time(-59), "object.switched_at": Time(-300), "run.grace_period": seconds(200)},
            NOTHING_DUE,
        ),
        "owned since after the run's switch": ({"object.owned_since": Time(-119)}, NOTHING_DUE),
        "of a run not switched": ({"run.switched_at": None}, NOTHING_DUE),
        "undo, of which the same would be true": (UNDO, ONE_LEFT),
        "undo, rewritten in legacy": ({**UNDO, "object.problem": "changed"}, ONE_LEFT),
        "undo, with another problem": ({**UNDO, "object.problem": "superseded"}, NOTHING_DUE),
        "undo, gone from legacy": ({**UNDO, "object.legacy_gone_at": NOW}, NOTHING_DUE),
        "undo, nothing in production": ({**UNDO, "object.production_modified": None}, NOTHING_DUE),
        "undo, not our copy": ({**UNDO, "object.copied_etag": None}, NOTHING_DUE),
        "undo, written again in legacy": ({**UNDO, "object.rewritten": True}, ONE_LEFT),
    },
)

SAID: Facts = {"approved": True, "answered_by": "ada", "answered_at": NOW, "name": "avatars", "run_id": "now"}
APPROVED: Effect = {"run 2": {"approved": True, "answered_by": "ada", "answered_at": NOW}}
ANSWER_APPROVAL = Guarded(
    {"all run.approval_asked_at": Time(-30), **SAID},
    {
        "yes": ({}, APPROVED),
        "no": ({"approved": False}, {"run 2": {**APPROVED["run 2"], "approved": False}}),
        "another answer than before": (
            {"run.approved": False, "run.answered_by": "bob", "run.answered_at": Time(-9)},
            APPROVED,
        ),
        "of a run that was not asked about": ({"run.approval_asked_at": None}, NOTHING),
    },
)
ASK_FOR_APPROVAL = Guarded(
    {"all run.answered_by": "ada", "all run.answered_at": Time(-9), "all run.approved": True},
    {
        "approved before": (
            {},
            {"run 2": {"approval_asked_at": NOW, "approved": None, "answered_by": None, "answered_at": None}},
        ),
        "rejected before": ({"run.approved": False}, {"run 2": {"approval_asked_at": NOW}}),
    },
)

GATE = Guarded(
    {**RUN, "proof_max_age": seconds(61), "migration.requests_expire": True, "rows_asked": False},
    {
        "open": ({}, {"answers": [(Time(-60), True, 0, None, True)]}),
        "rows asked just too long ago": (
            {"proof_max_age": seconds(60)},
            {"answers": [(Time(-60), False, 0, None, True)]},
        ),
        "rows asked long ago, by a pass that took long": (
            {"proof_max_age": seconds(60), "run.rows_asked_for": seconds(16)},
            {"answers": [(Time(-60), True, 0, None, True)]},
        ),
        "rows asked by each batch": (
            {"proof_max_age": seconds(60), "rows_asked": True},
            {"answers": [(Time(-60), True, 0, None, True)]},
        ),
        "no proof": ({"run.verified_at": None}, {"answers": [(None, False, 0, None, True)]}),
        "damage": ({"run.damaged": 3}, {"answers": [(Time(-60), True, 3, None, True)]}),
        "deletion stopped": ({"migration.deletion_stopped": "why"}, {"answers": [(Time(-60), True, 0, "why", True)]}),
    },
)

BATCH: Facts = {"chunk": 1, "beside": False}
UNDER_WAY: Facts = {**BATCH, "deletion.deleting_until": Time(30)}
DELETIONS_LEFT = Guarded(
    BATCH,
    {
        "none": ({}, {"answers": [(None,)]}),
        "under way": (UNDER_WAY, {"answers": [(seconds(30),)]}),
        "of another migration": ({"elsewhere.deleting_until": Time(30)}, {"answers": [(None,)]}),
        "of our other chunk, beside which we may delete": (
            {**UNDER_WAY, "beside": True, "chunk": 2},
            {"answers": [(None,)]},
        ),
        "of our other chunk, beside which we may not": ({**UNDER_WAY, "chunk": 2}, {"answers": [(seconds(30),)]}),
        "of our own chunk": ({**UNDER_WAY, "beside": True}, {"answers": [(seconds(30),)]}),
        "of another run's chunk": (
            {**UNDER_WAY, "beside": True, "chunk": 2, "run_no": 3},
            {"answers": [(seconds(30),)]},
        ),
    },
)

BEGIN_DELETION = Guarded(
    {"chunk": 9, "lasts": seconds(90)},
    {
        "as long as it lasts": (
            {},
            {
                "deletion 1 2 9": {"migration_id": 1, "run_no": 2, "chunk": 9, "deleting_until": Time(90)},
                "answers": [(5,)],
            },
        )
    },
)

END_DELETION = Guarded(
    {"deletion_no": 1},
    {
        "ours": ({}, {"deletion 1 2 1": {"deleted": True}}),
        "and another, over for a day": (
            {"other.deleting_until": Time(-86401)},
            {"deletion 1 2 1": {"deleted": True}, "deletion 1 2 2": {"deleted": True}},
        ),
        "and another, over for less": ({"other.deleting_until": Time(-86399)}, {"deletion 1 2 1": {"deleted": True}}),
        "of another migration": ({"deletion_no": 4}, NOTHING),
    },
)

RESTED_ON = dict.fromkeys(("listed_at", "verified_at", "finished_at", "account"))
BEGUN: Facts = {"run.listed_at": None, "all run.listing_token": 7, "all run.listing_began_at": Time(-200)}
FROM_THE_BEGINNING: Effect = {
    "run 2": {"verified_at": None, "finished_at": None, "account": None, "listing_began_at": NOW},
    "answers": [(False,)],
}
BEGIN_LISTING = Guarded(
    {**RUN, "all run.finished_at": Time(-10), "all run.account": "{}", "token": 7},
    {
        "what the run rested on": (
            {},
            {"run 2": {**RESTED_ON, "listing_began_at": NOW, "listing_token": 7}, "answers": [(False,)]},
        ),
        "killed": (
            BEGUN,
            {"run 2": {"verified_at": None, "finished_at": None, "account": None}, "answers": [(True,)]},
        ),
        "killed, and red: its lease was given back since": (
            {**BEGUN, "token": 8},
            {
                "run 2": {"verified_at": None, "finished_at": None, "account": None, "listing_token": 8},
                "answers": [(True,)],
            },
        ),
        "killed, and another run has had the lease since": (
            {**BEGUN, "token": 9},
            {**FROM_THE_BEGINNING, "run 2": {**FROM_THE_BEGINNING["run 2"], "listing_token": 9}},
        ),
        "of an earlier version": (
            {**BEGUN, "run.listing_token": None},
            {**FROM_THE_BEGINNING, "run 2": {**FROM_THE_BEGINNING["run 2"], "listing_token": 7}},
        ),
        "killed before its first slice": ({**BEGUN, "lane.run_no": 3}, FROM_THE_BEGINNING),
        "ended": (
            {**BEGUN, "run.listed_at": NOW},
            {"run 2": {**RESTED_ON, "listing_began_at": NOW}, "answers": [(False,)]},
        ),
    },
)

BEGIN_VERIFICATION = Guarded({**RUN}, {"an earlier proof": ({}, {"run 2": {"verified_at": None, "damaged": None}})})

BEGIN_TIMING = Guarded(
    {"step": "copy", "chunk": 1, "all timing.started_at": Time(-9), "all timing.ended_at": Time(-1)},
    {
        "again": (
            {},
            {
                "timing 2 copy 1": {"started_at": NOW, "ended_at": None},
                "timing 2 copy -199999": {
                    "run_no": 2,
                    "step": "copy",
                    "chunk": -199999,
                    "started_at": Time(-9),
                    "ended_at": Time(-1),
                },
            },
        ),
        "it was killed": ({"all timing.ended_at": None}, {"timing 2 copy 1": {"started_at": NOW}}),
        "a first time": (
            {"chunk": 3},
            {"timing 2 copy 3": {"run_no": 2, "step": "copy", "chunk": 3, "started_at": NOW}},
        ),
    },
)

TAKEN: Facts = {"run_no": 2, "owned_since": NOW}
RECLAIM = Guarded(
    {**RUN, **COPIED, **CHUNK, "all object.run_no": 3, "all run.switched_at": Time(-50)},
    {
        "adopted by a later run": ({}, {"image/a": {**TAKEN, "switched_at": Time(-50)}}),
        "before the chunk": ({"first_key": "image/aa"}, NOTHING),
        "gone": ({"object.legacy_gone_at": NOW}, NOTHING),
        "left by an earlier run": ({"object.run_no": 1}, NOTHING),
        "ours": ({"object.run_no": 2}, NOTHING),
        "of a canary": ({"run.object_limit": 5}, NOTHING),
        "later was a canary": (
            {"later.object_limit": 5},
            {"image/a": {**TAKEN, "switched_at": Time(-50)}},
        ),
        "switched by the later run": (
            {"all run.switched_at": None, "later.switched_at": Time(-40)},
            {"image/a": {**TAKEN, "switched_at": Time(-40)}},
        ),
        "not switched by the later run": ({"later.switched_at": None}, {"image/a": TAKEN}),
        "owned by the later run since before its switch": (
            {"object.owned_since": Time(-50)},
            {"image/a": {**TAKEN, "switched_at": Time(-50)}},
        ),
        "owned by the later run since after its switch": ({"object.owned_since": Time(-49)}, {"image/a": TAKEN}),
        "the later run is an undo": ({"later.mode": "undo"}, {"image/a": TAKEN}),
        "switched before": ({"object.switched_at": Time(-90)}, {"image/a": TAKEN}),
        "copied just before the switch": (
            {"object.production_modified": Time(-50)},
            {"image/a": {**TAKEN, "switched_at": Time(-50)}},
        ),
        "copied after the switch": ({"object.production_modified": Time(-49)}, {"image/a": TAKEN}),
        "with a problem": ({"object.problem": "conflict"}, {"image/a": TAKEN}),
        **{
            f"last modified {name} the window": (
                {
                    "run.window_start": Time(-100),
                    "run.window_end": Time(-10),
                    "object.legacy_modified": Time(modified),
                },
                effect,
            )
            for name, modified, effect in (
                ("at the start of", -100, {"image/a": {**TAKEN, "switched_at": Time(-50)}}),
                ("before", -101, NOTHING),
                ("at the end of", -10, NOTHING),
            )
        },
    },
)

RESULT: Facts = {
    "keys": ["image/a"],
    "sizes": [2],
    "etags": ["v2"],
    "problems": [None],
    "error_codes": [None],
    "details": [None],
}
ANSWERED = {"legacy_size": 2, "legacy_etag": "v2"}
COPY = {**ANSWERED, "copied_etag": "v2", "production_etag": "p2", "production_modified": Time(-5)}
FAILED: Facts = {"problems": ["failed"], "error_codes": ["AccessDenied"], "details": ["AccessDenied: no"]}
REFUSED = {"problem": "failed", "error_code": "AccessDenied", "detail": "AccessDenied: no"}
# A code is kept of what failed, and of nothing else.
WITHDRAWN: Facts = {"problems": ["withdrawn"], "error_codes": ["404"]}
REWRITTEN: Facts = {"problems": ["changed"], "error_codes": ["412"]}
LEFT_BEHIND: Facts = {"all object.error_code": "old", "all object.copy_missing": True, "all object.detail": "old"}
CLEARED = {"error_code": None, "copy_missing": False, "detail": None}

# The join with the batch says the same; the index is asked by it.
BY_INDEX = {"l.legacy_key = ANY(CAST(%(keys)s AS TEXT[])): TRUE": "the join holds them"}


def two(**of: tuple[Any, Any]) -> Facts:
    """A batch of two answers: of image/a and of image/b."""
    return {"keys": ["image/a", "image/b"], **{name: list(values) for name, values in of.items()}}


NO_ERROR: dict[str, tuple[Any, Any]] = dict.fromkeys(("problems", "error_codes", "details"), (None, None))

MARK_COPIED = Guarded(
    {
        **RUN,
        **COPIED,
        **RESULT,
        **LEFT_BEHIND,
        "all object.problem": "changed",
        "all object.switched_at": Time(-500),
        "production_etags": ["p2"],
        "production_modifieds": [Time(-5)],
        "proving": False,
    },
    {
        "copied after the switch": ({}, {"image/a": {**COPY, "switched_at": NOW, "problem": None, **CLEARED}}),
        "each as it was answered": (
            two(
                **NO_ERROR,
                sizes=(2, 3),
                etags=("v2", "v3"),
                production_etags=("p2", "p3"),
                production_modifieds=(Time(-5), Time(-5)),
            ),
            {
                "image/a": {**COPY, "switched_at": NOW, "problem": None, **CLEARED},
                "image/b": {
                    **{**COPY, "switched_at": NOW, "problem": None, **CLEARED},
                    **{"legacy_size": 3, "legacy_etag": "v3", "copied_etag": "v3", "production_etag": "p3"},
                },
            },
        ),
        "copied before the switch": (
            {"run.switched_at": None},
            {"image/a": {**COPY, "switched_at": None, "problem": None, **CLEARED}},
        ),
        "copied as part of a proof": (
            {"proving": True},
            {"image/a": {**COPY, "switched_at": None, "problem": None, **CLEARED}},
        ),
        "of another run": ({"object.run_no": 1}, NOTHING),
        "copied, as it was written again": (
            {"object.rewritten": True},
            {"image/a": {**COPY, "switched_at": NOW, "problem": None, **CLEARED, "rewritten": False}},
        ),
        "copied, of whose earlier copy the bytes were proven": (
            {"object.bytes_proven": True},
            {"image/a": {**COPY, "switched_at": NOW, "problem": None, **CLEARED, "bytes_proven": False}},
        ),
        "the bytes of an earlier copy are proven, and the new one is refused": (
            {**FAILED, "object.bytes_proven": True},
            {"image/a": {**ANSWERED, **CLEARED, **REFUSED}},
        ),
        "written again, and the copy is refused": (
            {**FAILED, "object.rewritten": True},
            {"image/a": {**ANSWERED, **CLEARED, **REFUSED}},
        ),
        "refused, with an earlier copy": (
            FAILED,
            {"image/a": {**ANSWERED, **CLEARED, **REFUSED}},
        ),
        "gone from legacy, with an earlier copy": (
            WITHDRAWN,
            {"image/a": {**ANSWERED, **CLEARED, "legacy_gone_at": NOW, "problem": None}},
        ),
        "gone from legacy, never copied": (
            {**WITHDRAWN, "object.production_modified": None},
            {"image/a": {**ANSWERED, **CLEARED, "legacy_gone_at": NOW, "problem": "withdrawn"}},
        ),
        "refused, never copied": (
            {**FAILED, "object.production_modified": None},
            {"image/a": {**ANSWERED, **CLEARED, **REFUSED}},
        ),
    },
    BY_INDEX,
)

MARK_DELETED = Guarded(
    {
        **RUN,
        **COPIED,
        **RESULT,
        "all object.legacy_modified": Time(-900),
        "sizes": [None],
        "etags": [None],
        "modifieds": [None],
    },
    {
        "deleted": ({}, {"image/a": {"legacy_gone_at": NOW}}),
        "each as it was answered": (
            two(**NO_ERROR, sizes=(3, 4), etags=("v3", "v4"), modifieds=(None, None)),
            {
                "image/a": {"legacy_gone_at": NOW, "legacy_size": 3, "legacy_etag": "v3"},
                "image/b": {"legacy_gone_at": NOW, "legacy_size": 4, "legacy_etag": "v4"},
            },
        ),
        "of another run": ({"object.run_no": 1}, NOTHING),
        "rewritten": (
            {**REWRITTEN, "details": ["legacy holds"], "sizes": [3], "etags": ["v3"], "modifieds": [NOW]},
            {
                "image/a": {
                    "legacy_size": 3,
                    "legacy_etag": "v3",
                    "legacy_modified": NOW,
                    "problem": "changed",
                    "detail": "legacy holds",
                }
            },
        ),
        "refused": (FAILED, {"image/a": REFUSED}),
    },
    BY_INDEX,
)

KNOWN_COPY = ("copied_etag", "production_etag", "production_modified", "switched_at")
MARK_REMOVED = Guarded(
    {**RUN, **COPIED, **RESULT, "all object.switched_at": Time(-500)},
    {
        "removed": ({"object.problem": "changed"}, {"image/a": dict.fromkeys((*KNOWN_COPY, "problem"))}),
        "each as it was answered": (
            two(problems=(None, "failed"), error_codes=(None, "AccessDenied"), details=(None, "AccessDenied: no")),
            {"image/a": dict.fromkeys(KNOWN_COPY), "image/b": REFUSED},
        ),
        "of another run": ({"object.run_no": 1}, NOTHING),
        "removed, of what was written again in legacy": (
            {"object.rewritten": True},
            {"image/a": {**dict.fromkeys(KNOWN_COPY), "rewritten": False}},
        ),
        "written again in legacy, and the removal is refused": (
            {**FAILED, "object.rewritten": True},
            {"image/a": REFUSED},
        ),
        "refused": (FAILED, {"image/a": REFUSED}),
        "written by the application": (REWRITTEN, {"image/a": {"problem": "superseded"}}),
    },
    BY_INDEX,
)

MARK_REFUSED_ROW = Guarded(
    {**COPIED, **LEFT_BEHIND, "key": "image/a", "error_code": "23505", "detail": "23505: no"},
    {
        "of ours": (
            {},
            {
                "image/a": {
                    "problem": "row_refused",
                    "error_code": "23505",
                    "copy_missing": False,
                    "detail": "23505: no",
                }
            },
        ),
        "of another run": ({"object.run_no": 1}, NOTHING),
    },
)

BACK: Facts = {"undo": True}
UNSWITCHED = ("still_referenced", "row_refused")


def referenced(path: str) -> Effect:
    detail = f"avatars.path holds '{path}' after it was switched: the application writes it, or a trigger keeps it"
    return {"image/a": {**CLEARED, "problem": "still_referenced", "detail": detail}}


REFERENCED, REFERENCED_BACK = referenced("image/a"), referenced("avatar/a")
OVER: Effect = {"image/a": {**CLEARED, "problem": None}}


def named(path: str) -> Facts:
    """By a row that holds this path."""
    return {"keys": ["image/a"], "paths": json.dumps({"image/a": path, "image/b": path})}


BY_AVATAR: Facts = {**BACK, **named("avatar/a")}
# By problem what a pass that finds a row makes of an object, of an undo.
UNDO_DESPITE = {**dict.fromkeys(("misspelt", "changed", "damaged"), True), "superseded": False, "row_refused": False}

MARK_STILL_REFERENCED = Guarded(
    {**COPIED, **LEFT_BEHIND, "reference": "avatars.path", **named("image/a")},
    {
        "copied": ({}, REFERENCED),
        "of another run": ({"object.run_no": 1}, NOTHING),
        "named by no row": ({"keys": []}, NOTHING),
        "listed": ({"object.production_modified": None}, NOTHING),
        "rewritten since its copy": ({"object.legacy_etag": "v2"}, NOTHING),
        "the same content, written again since its copy": ({"object.rewritten": True}, NOTHING),
        "rewritten since its copy, and gone": ({"object.legacy_etag": "v2", "object.legacy_gone_at": NOW}, REFERENCED),
        "gone from legacy": ({"object.problem": "withdrawn"}, {"image/a": {**CLEARED, "problem": "dangling"}}),
        "with a problem": ({"object.problem": "conflict"}, NOTHING),
        "refused by the database": ({"object.problem": "row_refused"}, NOTHING),
        "misspelt, and a row names it": ({"object.problem": "misspelt"}, REFERENCED),
        "undo, copied": (BY_AVATAR, REFERENCED_BACK),
        "undo, nothing in production": ({**BY_AVATAR, "object.production_modified": None}, NOTHING),
        "undo, gone from legacy": ({**BY_AVATAR, "object.legacy_gone_at": NOW}, NOTHING),
        "undo, another version in legacy": ({**BY_AVATAR, "object.legacy_etag": "v2"}, REFERENCED_BACK),
        "undo, gone and dangling": ({**BY_AVATAR, "object.problem": "withdrawn"}, NOTHING),
        **{
            f"undo, {problem}": ({**BY_AVATAR, "object.problem": problem}, REFERENCED_BACK if marked else NOTHING)
            for problem, marked in UNDO_DESPITE.items()
        },
    },
)  # fmt: skip

CLEAR_STILL_REFERENCED = Guarded(
    {**COPIED, **LEFT_BEHIND, "keys": ["image/a"], "unnamed": ["image/a", "image/b"]},
    {
        **{f"{problem}, and no row names it": ({"object.problem": problem}, OVER) for problem in UNSWITCHED},
        "a row names it": ({"object.problem": "still_referenced", "unnamed": []}, NOTHING),
        "of another run": ({"object.problem": "still_referenced", "object.run_no": 1}, NOTHING),
        "with another problem": ({"object.problem": "misspelt"}, NOTHING),
        "of another slice": ({"all object.problem": "still_referenced"}, OVER),
    },
)  # fmt: skip

MARK_REWRITTEN = Guarded(
    {**COPIED, "keys": ["image/a"], "details": ["other metadata"]},
    {
        "with a copy": ({}, {"image/a": {"problem": "changed", "rewritten": True, "detail": "other metadata"}}),
        "each with what differs": (
            two(details=("other metadata", "other tags")),
            {
                "image/a": {"problem": "changed", "rewritten": True, "detail": "other metadata"},
                "image/b": {"problem": "changed", "rewritten": True, "detail": "other tags"},
            },
        ),
        "of another run": ({"object.run_no": 1}, NOTHING),
        "with a problem": ({"object.problem": "superseded"}, NOTHING),
        "gone from legacy": ({"object.legacy_gone_at": NOW}, NOTHING),
        "never copied": ({"object.production_modified": None}, NOTHING),
        "another content": ({"object.legacy_etag": "v2"}, NOTHING),
        "known to be written again": ({"object.rewritten": True}, NOTHING),
        "undo": (BACK, {"image/a": {"problem": "changed", "rewritten": True, "detail": "other metadata"}}),
        **{
            f"undo, {problem}": ({**BACK, "object.problem": problem}, effect)
            for problem, effect in (
                ("changed", {"image/a": {"rewritten": True, "detail": "other metadata"}}),
                ("superseded", NOTHING),
            )
        },
        "undo, gone from legacy": ({**BACK, "object.legacy_gone_at": NOW}, NOTHING),
        "undo, nothing in production": ({**BACK, "object.production_modified": None}, NOTHING),
        "undo, not our copy": ({**BACK, "object.copied_etag": None}, NOTHING),
    },
    BY_INDEX,
)

UNPROVEN: Effect = {"answers": [("image/a", "v1", "p1")]}
NEXT_UNPROVEN: Effect = {"answers": [("image/b", "v1", "p1")]}
FIND_UNPROVEN_BYTES = Guarded(
    {**COPIED, "after": "", "first_key": "", "last_key": "image/b", "limit": 1, "checksum_share": 1.0},
    {
        "not proven": ({}, UNPROVEN),
        "proven": ({"object.bytes_proven": True}, NEXT_UNPROVEN),
        "before the chunk": ({"first_key": "image/aa"}, NEXT_UNPROVEN),
        "after the chunk": ({"first_key": "image/aa", "last_key": "image/aa"}, NOTHING),
        "just of the share": ({"checksum_share": SHARE_WITH_A}, UNPROVEN),
        "just not of the share": ({"checksum_share": SHARE_WITHOUT_A}, NOTHING),
        "not declared": ({"checksum_share": 0.0}, NOTHING),
        "of another run": ({"object.run_no": 1}, NEXT_UNPROVEN),
        "handled by the last batch": ({"after": "image/a"}, NEXT_UNPROVEN),
        "with a problem": ({"object.problem": "damaged"}, NEXT_UNPROVEN),
        "gone from legacy": ({"object.legacy_gone_at": NOW}, NEXT_UNPROVEN),
        "never copied": ({"object.production_modified": None}, NEXT_UNPROVEN),
        "rewritten since its copy": ({"object.legacy_etag": "v2"}, NEXT_UNPROVEN),
        "the same content, written again since its copy": ({"object.rewritten": True}, NEXT_UNPROVEN),
    },
)

MARK_BYTES = Guarded(
    {
        **COPIED,
        "all object.detail": "old",
        **{
            "keys": ["image/a"],
            "legacy_etags": ["v1"],
            "production_etags": ["p1"],
            "sames": [True],
            "details": ["why"],
        },
    },
    {
        "the same": ({}, {"image/a": {"bytes_proven": True, "detail": "why"}}),
        "each as it was found": (
            two(legacy_etags=("v1", "v1"), production_etags=("p1", "p1"), sames=(True, False), details=("why", "so")),
            {
                "image/a": {"bytes_proven": True, "detail": "why"},
                "image/b": {"rewritten": True, "problem": "damaged", "detail": "so"},
            },
        ),
        "others": (
            {"sames": [False]},
            {"image/a": {"rewritten": True, "problem": "damaged", "detail": "why"}},
        ),
        "nobody could tell": ({"sames": [None]}, {"image/a": {"detail": "why"}}),
        "known to be proven, and looked at again": (
            {"object.bytes_proven": True, "sames": [None]},
            {"image/a": {"bytes_proven": False, "detail": "why"}},
        ),
        "another version was copied meanwhile": ({"object.copied_etag": "v2", "object.legacy_etag": "v2"}, NOTHING),
        "the copy is another by now": ({"object.production_etag": "p2"}, NOTHING),
        "of another run": ({"object.run_no": 1}, NOTHING),
        "with a problem": ({"object.problem": "still_referenced"}, NOTHING),
        "gone from legacy": ({"object.legacy_gone_at": NOW}, NOTHING),
        "never copied": ({"object.production_modified": None}, NOTHING),
        "rewritten since its copy": ({"object.legacy_etag": "v2"}, NOTHING),
        "the same content, written again since its copy": ({"object.rewritten": True}, NOTHING),
    },
    BY_INDEX,
)

NOT_NAMED: Effect = {"image/a": {"problem": "unreferenced", "detail": None}}
MARK_UNREFERENCED = Guarded(
    {**LISTED, "all object.detail": "old", "staged": ["image/a"]},
    {
        "listed": ({}, NOT_NAMED),
        "not of this slice": ({"staged": ["image/c"]}, NOTHING),
        "of another run": ({"object.run_no": 1}, NOTHING),
        "gone from legacy": ({"object.legacy_gone_at": NOW}, NOTHING),
        "with a problem": ({"object.problem": "conflict"}, NOTHING),
    },
)
NAMED: Effect = {"image/a": {"problem": None}}
MARK_REFERENCED = Guarded(
    {**LISTED, "all object.problem": "unreferenced", "rows": ["image/a", None], "first": "(0,0)", "last": "(1,0)"},
    {
        "named by its legacy path": ({}, NAMED),
        "named by its path in production": ({"rows": ["avatar/a", "avatar/a"]}, NAMED),
        "named by no row": ({"rows": ["image/c", None]}, NOTHING),
        "named elsewhere, with a rest as long": ({"rows": ["other/a"]}, NOTHING),
        "named elsewhere, with a rest as long as in production": ({"rows": ["others/a"]}, NOTHING),
        "on an earlier page": ({"first": "(0,2)"}, NOTHING),
        "on a later page": ({"last": "(0,1)"}, NOTHING),
        "of another run": ({"object.run_no": 1}, NOTHING),
        "with another problem": ({"object.problem": "conflict"}, NOTHING),
    },
)

STARTED_ANEW: Effect = {"image/a": {"switched_at": NOW}}
RESTART_GRACE = Guarded(
    {**COPIED, "keys": ["image/a"], "all object.switched_at": Time(-500)},
    {
        "named again": ({}, STARTED_ANEW),
        "of another run": ({"object.run_no": 1}, NOTHING),
    },
)

KEEP_DECLARED = Guarded(
    {**RUN, "all migration.declared": "[1]", "declared": "[2]"},
    {
        "proofs were taken": (
            {},
            {
                "migration 1": {"declared": [2]},
                **{f"run {run}": {"verified_at": None} for run in (1, 2, 3)},
            },
        ),
        "no proof of ours": (
            {"run.verified_at": None},
            {
                "migration 1": {"declared": [2]},
                **{f"run {run}": {"verified_at": None} for run in (1, 3)},
            },
        ),
    },
)


def spelt(path: str, advice: str) -> tuple[Facts, Effect]:
    """By a row that holds this path, of which this is advised."""
    detail = f"avatars.path holds '{path}': {advice}; or correct the row to 'image/a'"
    return {"spelt": [("image/a", path)]}, {"image/a": {"problem": "misspelt", "detail": detail}}


_, SPELT = spelt("/image/a", "declare path_prefix '/image/', if all rows are spelt so")
NONE_MATCHES = "no declaration makes them match"
AS_DECLARED: Effect = {"image/a": {"problem": None, "detail": None}}
MARK_MISSPELT = Guarded(
    {**LISTED, "all object.detail": "old", "keys": ["image/a"], "spelt": [("image/a", "/image/a")]},
    {
        "a row is spelt otherwise": ({}, SPELT),
        "unreferenced so far": ({"object.problem": "unreferenced"}, SPELT),
        "with another problem": ({"object.problem": "conflict"}, NOTHING),
        "gone from legacy": ({"object.legacy_gone_at": NOW}, NOTHING),
        "of another run": ({"object.run_no": 1}, NOTHING),
        "misspelt then, and spelt as declared by now": ({"object.problem": "misspelt", "spelt": []}, AS_DECLARED),
        "misspelt then, and gone by now": (
            {"object.problem": "misspelt", "spelt": [], "object.legacy_gone_at": NOW}, AS_DECLARED,
        ),
        "misspelt then, of another run": ({"object.problem": "misspelt", "spelt": [], "object.run_no": 1}, NOTHING),
        "with another problem, and spelt as declared": ({"object.problem": "conflict", "spelt": []}, NOTHING),
        "misspelt, and misspelt then": ({"object.problem": "misspelt"}, NOTHING),
        "spelt as declared, and no problem": ({"spelt": []}, NOTHING),
        "of another slice": ({"spelt": [("image/b", "/image/b")]}, NOTHING),
        "misspelt then, of another slice": ({"all object.problem": "misspelt", "spelt": []}, AS_DECLARED),
        "with another prefix, in capitals": spelt("/image/A", NONE_MATCHES),
        "percent-encoded": spelt("image/%61", "declare path_encoding: url, if all rows are spelt so"),
        # Which names it as it is spelt, and comes here never: held all the same, as the advice is for another prefix.
        "with the declared prefix": spelt("image/a", "declare path_encoding: url, if all rows are spelt so"),
        "in capitals": spelt("image/A", NONE_MATCHES),
        "percent-encoded, with another prefix": spelt(
            "/image/%61", "declare path_encoding: url and the path_prefix that these rows have, if all are spelt so"
        ),
        "percent-encoded as a whole": spelt("image%2F%61", NONE_MATCHES),
    },
    {"m.key = ANY(%(keys)s): TRUE": "the object that is written is one of these: no more is put together"},
)  # fmt: skip

PAGES: Facts = {"first": "(0,0)", "last": "(1,0)", "late": False, "relation": None}
NONE_SWITCHED: Effect = {"answers": [(0,)]}


# Two conditions stand twice, for speed alone; either of the two holds them.
FOR_SPEED = {
    "switched: %(late)s: TRUE": "restarted asks it again: keys would be returned in vain",
    "switched: EXISTS(SELECT FROM copied AS c WHERE c.switched_at IS NOT NU…: TRUE": "as above",
    "switched: c.switched_at IS NOT NULL: TRUE": "as above",
}


def asked_twice(cte: str, by: str, path: str = "n.path") -> dict[str, str]:
    return {
        f"{cte}: {condition}: TRUE": f"{by} asks it as well"
        for condition in (
            "a.ctid >= CAST(%(first)s AS tid)",
            "a.ctid < CAST(%(last)s AS tid)",
            f"STARTS_WITH({path}, 'image/')",
        )
    }


LEFT: Effect = {"answers": [("image/a", "image/a", 1)]}
AS_IT_SHOULD_BE: Effect = {"answers": [(None, "image/a", 1)]}
LEFT_BACK: Effect = {"answers": [("image/a", "avatar/a", 1)]}
ROW_BACK: Facts = {**BACK, "rows": ["avatar/a"]}
FIND_ROWS_LEFT = Guarded(
    {**COPIED, "first": "(0,0)", "last": "(1,0)", "rows": ["image/a"]},
    {
        "copied": ({}, LEFT),
        "by two rows": ({"rows": ["image/a", "image/a"]}, {"answers": [("image/a", "image/a", 2)]}),
        "of another run": ({"object.run_no": 1}, NOTHING),
        "named by no row": ({"rows": ["avatar/a", "other/a"]}, NOTHING),
        "by a row of another place": ({"first": "(1,0)", "last": "(2,0)"}, NOTHING),
        "by one here and one before": ({"rows": ["image/a", "image/a"], "first": "(0,2)"}, LEFT),
        "by one here and one after": ({"rows": ["image/a", "image/a"], "last": "(0,2)"}, LEFT),
        "beside one that begins otherwise": ({"rows": ["image/a", "other/a"]}, LEFT),
        "listed": ({"object.production_modified": None}, AS_IT_SHOULD_BE),
        "rewritten since its copy": ({"object.legacy_etag": "v2"}, AS_IT_SHOULD_BE),
        "the same content, written again since its copy": ({"object.rewritten": True}, AS_IT_SHOULD_BE),
        "rewritten since its copy, and gone": ({"object.legacy_etag": "v2", "object.legacy_gone_at": NOW}, LEFT),
        "with a problem": ({"object.problem": "conflict"}, AS_IT_SHOULD_BE),
        **{problem: ({"object.problem": problem}, LEFT) for problem in (*UNSWITCHED, "withdrawn", "misspelt")},
        "undo, copied": (ROW_BACK, LEFT_BACK),
        "undo, beside one that begins otherwise": ({**ROW_BACK, "rows": ["avatar/a", "others/a"]}, LEFT_BACK),
        "undo, gone from legacy": ({**ROW_BACK, "object.legacy_gone_at": NOW}, {"answers": [(None, "avatar/a", 1)]}),
        "undo, withdrawn": ({**ROW_BACK, "object.problem": "withdrawn"}, {"answers": [(None, "avatar/a", 1)]}),
        "undo, nothing in production": (
            {**ROW_BACK, "object.production_modified": None}, {"answers": [(None, "avatar/a", 1)]},
        ),
        **{
            f"undo, {problem}": (
                {**ROW_BACK, "object.problem": problem}, LEFT_BACK if marked else {"answers": [(None, "avatar/a", 1)]},
            )
            for problem, marked in {**UNDO_DESPITE, "row_refused": True}.items()
        },
    },
    {
        **asked_twice("known", by="what is answered"),
        "known: l.legacy_key = ANY(ARRAY(SELECT CAST((n.path) AS TEXT) COLLA…: TRUE": "the answer is of these rows",
    },
)  # fmt: skip


def switched(*rows: int, to: str = "avatar/a", **more: Any) -> Effect:
    return {"answers": [(len(rows),)], **{f"row {row}": {"path": to} for row in rows}, **more}


UNDONE = ("still_referenced", "row_refused", "misspelt", "changed", "damaged")
SWITCH: dict[str, tuple[Facts, Effect]] = {
    "copied": ({}, switched(1)),
    "no path at all": ({"rows": [None, "", "image/a"]}, switched(3)),
    "of another run": ({"object.run_no": 1}, NONE_SWITCHED),
    "of an object that nobody knows": ({"rows": ["image/x"]}, NONE_SWITCHED),
    "elsewhere, with a rest as long": ({"rows": ["image/a", "other/a"]}, switched(1)),
    "of the table that was asked for": ({"relation": Oid("avatars")}, switched(1)),
    "of another table than was asked for": ({"relation": Oid("held")}, NONE_SWITCHED),
    "on a page before": ({"rows": ["image/a", "image/a"], "first": "(0,2)"}, switched(2)),
    "on a page after": ({"rows": ["image/a", "image/a"], "last": "(0,2)"}, switched(1)),
    "listed": ({"object.production_modified": None}, NONE_SWITCHED),
    "rewritten since its copy": ({"object.legacy_etag": "v2"}, NONE_SWITCHED),
    "rewritten since its copy, and gone": (
        {"object.legacy_etag": "v2", "object.legacy_gone_at": NOW}, switched(1),
    ),
    "named again": ({"object.problem": "still_referenced"}, switched(1)),
    "refused before": ({"object.problem": "row_refused"}, switched(1)),
    "misspelt by another row": ({"object.problem": "misspelt"}, switched(1)),
    "the same content, written again since its copy": ({"object.rewritten": True}, NONE_SWITCHED),
    "the same content, written again since its copy, and gone": (
        {"object.rewritten": True, "object.legacy_gone_at": NOW}, switched(1),
    ),
    "with a problem": ({"object.problem": "changed"}, NONE_SWITCHED),
    "late": ({"late": True}, switched(1, **{"image/a": {"switched_at": NOW}})),
    "switched by an earlier run": (
        {"object.switched_at": Time(-500), "rows": ["image/a", "image/b"]},
        switched(1, **{"row 2": {"path": "avatar/b"}, "image/a": {"switched_at": None}, "answers": [(2,)]}),
    ),
    "switched by an earlier run, but not now": (
        {"object.switched_at": Time(-500), "kept": True, "rows": ["image/a"]}, NONE_SWITCHED,
    ),
    "undo": ({**BACK, "rows": ["avatar/a"]}, switched(1, to="image/a")),
    "undo, elsewhere, with a rest as long": (
        {**BACK, "rows": ["avatar/a", "others/a"]}, switched(1, to="image/a"),
    ),
    "undo, nothing in production": (
        {**BACK, "rows": ["avatar/a"], "object.production_modified": None}, NONE_SWITCHED,
    ),
    "undo, another version in legacy": (
        {**BACK, "rows": ["avatar/a"], "object.legacy_etag": "v2"}, switched(1, to="image/a"),
    ),
    "undo, gone from legacy": ({**BACK, "rows": ["avatar/a"], "object.legacy_gone_at": NOW}, NONE_SWITCHED),
    **{
        f"undo, {problem}": ({**BACK, "rows": ["avatar/a"], "object.problem": problem}, effect)
        for problem, effect in (
            *((problem, switched(1, to="image/a")) for problem in UNDONE),
            ("superseded", NONE_SWITCHED),
        )
    },
}  # fmt: skip
SWITCHING: Facts = {**RUN, **COPIED, **PAGES, "rows": ["image/a"]}

HELD: Effect = {"answers": [(1,)]}
LEASE: Facts = {"token": 7, "ttl": seconds(60), "pause": seconds(60)}
PROLONGED: Facts = {"all migration.lease_until": Time(30)}


def of_holder(does: Effect, **more: tuple[Facts, Effect]) -> Guarded:
    """A statement that only who holds the lease may run."""
    lost = {
        "lease of another run": ({"migration.lease_run_no": 3}, NOTHING),
        "lease taken since": ({"migration.lease_token": 8}, NOTHING),
    }
    return Guarded({**LEASE, **PROLONGED}, {"holder": ({}, does), **lost, **more})


UNTIL: Effect = {"migration 1": {"lease_until": Time(60)}}
LONGER: dict[str, tuple[Facts, Effect]] = {
    "lasts longer already": ({"migration.lease_until": Time(90)}, {"migration 1": {}})
}
FREED: Effect = {"migration 1": {"lease_run_no": None, "lease_until": None}}
TAKEN: Effect = {
    "answers": [(8,)],
    "migration 1": {"lease_token": 8, "lease_run_no": 2, "lease_until": Time(60)},
}

GUARDED: dict[str, Guarded] = {
    "begin_deletion": BEGIN_DELETION,
    "begin_listing": BEGIN_LISTING,
    "begin_timing": BEGIN_TIMING,
    "begin_verification": BEGIN_VERIFICATION,
    "deletions_left": DELETIONS_LEFT,
    "end_deletion": END_DELETION,
    "fence": of_holder(HELD),
    "answer_approval": ANSWER_APPROVAL,
    "ask_for_approval": ASK_FOR_APPROVAL,
    "count_unapproved": UNAPPROVED,
    "find_deletable": DELETABLE,
    "find_unproven_bytes": FIND_UNPROVEN_BYTES,
    "gate": GATE,
    "give_lease_back": Guarded(
        {"name": "avatars", "run_id": "now", "all migration.lease_run_no": 4, "migration.lease_run_no": 2},
        {
            "holder": ({}, FREED),
            "lease of another run": ({"migration.lease_run_no": 3}, NOTHING),
            "lease of another migration's run": ({"migration.lease_run_no": 4}, NOTHING),
        },
    ),
    "hold_lease": of_holder(UNTIL, **LONGER),
    "keep_lease": Guarded(
        {**LEASE, **PROLONGED},
        {
            "holder": ({}, {**UNTIL, "answers": [(7,)]}),
            "lasts longer already": ({"migration.lease_until": Time(90)}, {"migration 1": {}, "answers": [(7,)]}),
            "lease of another run": ({"migration.lease_run_no": 3}, NOTHING),
        },
    ),
    "keep_declared": KEEP_DECLARED,
    "mark_bytes": MARK_BYTES,
    "mark_copied": MARK_COPIED,
    "mark_deleted": MARK_DELETED,
    "mark_misspelt": MARK_MISSPELT,
    "mark_refused_row": MARK_REFUSED_ROW,
    "mark_removed": MARK_REMOVED,
    "mark_rewritten": MARK_REWRITTEN,
    "clear_still_referenced": CLEAR_STILL_REFERENCED,
    "find_rows_left": FIND_ROWS_LEFT,
    "mark_still_referenced": MARK_STILL_REFERENCED,
    "mark_referenced": MARK_REFERENCED,
    "mark_unreferenced": MARK_UNREFERENCED,
    "reclaim": RECLAIM,
    "release_lease": of_holder(FREED),
    "renew_lease": of_holder(UNTIL, **LONGER),
    "restart_grace": RESTART_GRACE,
    "switch_rows": Guarded(
        SWITCHING,
        SWITCH,
        {
            **FOR_SPEED,
            **asked_twice("copied", by="switched"),
            "copied: l.legacy_key = ANY(ARRAY(SELECT CAST((n.path) AS TEXT) COLLA…: TRUE": "switched asks for the rows",
        },
    ),
    "switch_unlocked_rows": Guarded(
        SWITCHING,
        {**SWITCH, "one of two is held by another transaction": ({"table": "held"}, {"answers": [(1,)]})},
        {
            **FOR_SPEED,
            **asked_twice("unlocked", by="switched"),
            **asked_twice("switched", by="unlocked", path='a."path"'),
            "copied: l.legacy_key = ANY(ARRAY(SELECT u.key FROM unlocked AS u)): TRUE": "switched asks for the rows",
        },
    ),
    "take_lease": Guarded(
        {**LEASE, "all migration.lease_run_no": None, "all migration.lease_until": None},
        {
            "free": ({}, TAKEN),
            "held": ({"migration.lease_run_no": 3, "migration.lease_until": NOW}, NOTHING),
            "lapsed": ({"migration.lease_run_no": 3, "migration.lease_until": Time(-1)}, TAKEN),
        },
    ),
}
