"""What model/states.py and model/copy_refusal.py decide, as fragments of SQL: a statement names them as `{fragments}`.

Composed text and no SQL functions: the planner sees what it always saw. A fragment speaks of the ledger's row as
`l`, of its run as `r`, of what legacy and production hold now as `s` and `p`, of `{production_holds}` as `v.holds`.
"""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from s3_migration.model import copy_refusal
from s3_migration.model.copy_refusal import Holds
from s3_migration.model.states import DERIVED, OF_ROWS, PROBLEMS, RULES, STORED, UNSWITCHED, WITH_CODE, Act, Fact

# From the switch of an object's rows: its own time, else that of the run that owns it, once it does.
GRACE_ENDS = (
    "coalesce(l.switched_at, CASE WHEN r.switched_at IS NOT NULL THEN greatest(r.switched_at, l.owned_since) END)"
    " + r.grace_period"
)
# What a new owner carries over of the switch of the run that owned it before: none that the object was not part of.
SWITCHED_BY_FORMER = """CASE
    WHEN former.mode <> 'undo' AND l.owned_since <= former.switched_at AND l.production_modified <= former.switched_at
        THEN former.switched_at
END"""
FACTS: Mapping[Fact, str] = {
    Fact.IN_LEGACY: "l.legacy_gone_at IS NULL",
    Fact.GONE: "l.legacy_gone_at IS NOT NULL",
    Fact.HAS_COPY: "l.production_modified IS NOT NULL",
    Fact.NO_COPY: "l.production_modified IS NULL",
    Fact.OURS: "l.copied_etag IS NOT NULL",
    Fact.NOT_OURS: "l.copied_etag IS NULL",
    Fact.CURRENT: "(l.copied_etag = l.legacy_etag AND NOT l.rewritten)",
    Fact.OUTDATED: "(l.copied_etag IS DISTINCT FROM l.legacy_etag OR l.rewritten)",
    # Held against the proof: what comes due after it waits for the next one.
    Fact.IN_GRACE: f"(r.mode = 'move' OR r.remove_copies) AND {GRACE_ENDS} > coalesce(r.verified_at, now())",
}


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)


def facts_of(act: Act) -> str:
    """What must be so, whatever the problem."""
    needs = [" OR ".join(sorted(FACTS[fact] for fact in need)) for need in RULES[act].needs]
    return " AND ".join(f"({need})" if " OR " in need else need for need in needs)


def permitted(act: Act, but: tuple[str, ...] = ()) -> str:
    """Whether the act is permitted (model/states.py), of an object with none of the problems `but`."""
    despite = tuple(problem for problem in RULES[act].despite if problem not in but)
    unhindered = f"(l.problem IS NULL OR l.problem IN ({_list(despite)}))" if despite else "l.problem IS NULL"
    return f"({facts_of(act)} AND {unhindered})"


def _by_direction(move: str, undo: str) -> str:
    return f"CASE WHEN %(undo)s THEN {undo} ELSE {move} END"


def _state() -> str:
    cases = " ".join(
        f"WHEN {' AND '.join(FACTS[fact] for fact in facts)} THEN '{state}'" for state, facts in DERIVED if facts
    )
    return f"CASE WHEN l.problem IS NOT NULL THEN l.problem {cases} ELSE '{DERIVED[-1][0]}' END"


def _problem(of: Mapping[Holds, str | None]) -> str:
    cases = " ".join(f"WHEN '{holds.value}' THEN '{problem}'" for holds, problem in of.items() if problem)
    return f"CASE v.holds {cases} END"


HOLDS = f"""CASE
    WHEN p.key IS NULL THEN '{Holds.NOTHING.value}'
    WHEN p.size = s.size AND p.etag = s.etag THEN '{Holds.SAME.value}'
    WHEN p.etag = l.production_etag THEN '{Holds.KNOWN.value}'
    WHEN l.copied_etag IS NULL AND p.size = l.legacy_size AND p.etag = l.legacy_etag THEN '{Holds.EARLIER.value}'
    WHEN p.modified >= date_trunc('second', l.production_modified) THEN '{Holds.NEWER.value}'
    ELSE '{Holds.OTHER.value}'
END"""

# Whether legacy was written after what the ledger knows of it. A HEAD tells whole seconds, a listing may tell more.
WRITTEN_LATER = """coalesce(
    s.modified > l.legacy_modified
    AND (
        l.legacy_modified <> date_trunc('second', l.legacy_modified)
        OR s.modified >= l.legacy_modified + interval '1 second'
    ),
    false
)"""

# Whether the run's listing has shown it, this one or one that this goes on.
ADOPTED = """(l.run_no = %(run_no)s AND l.owned_since >= (
    SELECT b.listing_began_at FROM s3_migration.run AS b WHERE b.run_no = %(run_no)s
))"""
# Whether a listed key is of the sample, a share of 65,536ths of all.
IN_SAMPLE = "(hashtextextended(s.key, 0) & 65535) < %(share)s"

# Of these objects the bytes are to be proven, as declared: always the same ones of a share. And that they were.
BYTES_ASKED = "(hashtextextended(l.legacy_key, 0) & 65535) < %(checksum_share)s * 65536"
BYTES_PROVEN = f"(%(undo)s OR l.bytes_proven OR NOT {BYTES_ASKED})"
# Whether an object of a move may go as far as people are concerned. Declared is what the run was checked with, and
# what is declared now: the stricter one holds.
APPROVED = """CASE
    -- For what the person was shown: not for what came to the run since then, from another one.
    WHEN 'every' IN (r.approve_deletion, %(approve_deletion)s) THEN r.approved AND l.owned_since <= r.approval_asked_at
    WHEN 'first' IN (r.approve_deletion, %(approve_deletion)s) THEN r.approved IS NOT FALSE AND EXISTS (
        SELECT FROM s3_migration.run AS a WHERE a.migration_id = l.migration_id AND a.approved
    )
    ELSE true
END"""

# What rows name is known by the last pass over them, of an age as declared, or of some times what it took: that of an
# hour, over many rows, serves for some hours.
ROWS_KNOWN = "r.verified_at > now() - greatest(%(proof_max_age)s, 4 * r.rows_asked_for)"

# What production holds, for people.
HELD = """CASE
    WHEN p.key IS NULL THEN 'production holds no object'
    ELSE format('production holds %%s bytes, ETag %%s, since %%s', p.size, p.etag, p.modified)
END"""

# Of a row that names an object in another spelling, what makes them match. For people.
SPELT = """format(
    '%%s holds %%L: %%s',
    m.reference, m.path,
    CASE
        WHEN right(m.path, length(m.rest)) = m.rest AND left(m.path, -length(m.rest)) <> m.path_prefix
            THEN format('declare path_prefix %%L, if all rows are spelt so', left(m.path, -length(m.rest)))
        WHEN right(s3_migration.url_decode(m.path), length(m.rest)) = m.rest AND starts_with(m.path, m.path_prefix)
            THEN 'declare path_encoding: url, if all rows are spelt so'
        -- As a whole no declaration decodes a path.
        WHEN
            right(s3_migration.url_decode(m.path), length(m.rest)) = m.rest
            AND s3_migration.url_decode(m.path) <> m.path_prefix || m.rest
            THEN 'declare path_encoding: url and the path_prefix that these rows have, if all are spelt so'
        ELSE 'no declaration makes them match'
    END || format('; or correct the row to %%L', m.path_prefix || m.rest)
)"""

FRAGMENTS: Mapping[str, sql.SQL] = {
    name: sql.SQL(text)  # of the tables above, and of no input
    for name, text in {
        "state": _state(),
        "states_stored": _list(STORED),
        "states_with_code": _list(WITH_CODE),
        "states_unswitched": _list(UNSWITCHED),
        "problems_of_rows": _list(OF_ROWS),
        "may_be_copied": permitted(Act.COPY),
        "may_be_switched": _by_direction(permitted(Act.SWITCH), permitted(Act.SWITCH_BACK)),
        # … and it is not marked yet that its rows are not.
        "should_be_switched": _by_direction(
            permitted(Act.SWITCH, but=UNSWITCHED), permitted(Act.SWITCH_BACK, but=UNSWITCHED)
        ),
        "may_be_compared": _by_direction(permitted(Act.COMPARE), permitted(Act.COMPARE_TO_UNDO)),
        "may_be_deleted": _by_direction(permitted(Act.DELETE), permitted(Act.REMOVE_COPY)),
        "may_leave_legacy": permitted(Act.DELETE),
        "approved": APPROVED,
        "rows_known": ROWS_KNOWN,
        "would_be_deleted": facts_of(Act.DELETE),
        # What mapped tasks can do something about: copy it or delete it, now or when its problem is fixed.
        "concerns_chunks": f"({FACTS[Fact.IN_LEGACY]} AND (l.problem IS NULL OR l.problem IN ({_list(PROBLEMS)})))",
        "copy_missing": "(l.problem = 'damaged' AND l.copy_missing)",  # and whether rows name it is still to be asked
        "has_copy": FACTS[Fact.HAS_COPY],
        "no_copy": FACTS[Fact.NO_COPY],
        "in_legacy": FACTS[Fact.IN_LEGACY],
        "grace_ends": GRACE_ENDS,
        "switched_by_former": SWITCHED_BY_FORMER,
        "problems": _list(PROBLEMS),
        "adopted": ADOPTED,
        "in_sample": IN_SAMPLE,
        "production_holds": HOLDS,
        "held": HELD,
        "written_later": WRITTEN_LATER,
        "bytes_asked": BYTES_ASKED,
        "bytes_proven": BYTES_PROVEN,
        "spelt": SPELT,
        "problem_of_copy": _problem(copy_refusal.PROBLEM_OF_COPY),
        "problem_without_copy": _problem(copy_refusal.PROBLEM_WITHOUT_COPY),
    }.items()
}
