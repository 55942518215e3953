"""No object of a flow test becomes what the table of states does not know: a trigger on the ledger refuses it."""

from __future__ import annotations

from itertools import product

from s3_migration.ledger.predicates import FACTS
from s3_migration.model.states import DERIVED, STATES, Fact, may_follow

_NAMES = (None, *(name for name in STATES if name != "waiting"))
_LEGAL = ", ".join(f"'{was}>{now}'" for was, now in product(_NAMES, _NAMES) if now and may_follow(was, now))
# As the view has it, but for the grace period: it ends without anybody writing it.
_CASES = " ".join(
    f"WHEN {' AND '.join(FACTS[fact] for fact in facts)} THEN '{state}'"
    for state, facts in DERIVED
    if facts and Fact.IN_GRACE not in facts
)
_STATE = f"CASE WHEN l.problem IS NOT NULL THEN l.problem {_CASES} ELSE 'copied' END"

GUARD = (
    # Of the tables of states.py, and of no input.
    f"""
    CREATE FUNCTION public.refuse_transition() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        was text := 'None';
        is_now text := (SELECT {_STATE} FROM (SELECT NEW.*) AS l);
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            was := (SELECT {_STATE} FROM (SELECT OLD.*) AS l);
        END IF;
        IF was || '>' || is_now <> ALL (ARRAY[{_LEGAL}]) THEN
            RAISE 'no transition of model/states.py: % becomes %: % -> %', was, is_now, OLD, NEW;
        END IF;
        RETURN NULL;
    END $$
    """,  # noqa: S608
    """
    CREATE TRIGGER refuse_transition AFTER INSERT OR UPDATE ON s3_migration.ledger
    FOR EACH ROW WHEN (current_user <> 'postgres') EXECUTE FUNCTION public.refuse_transition()
    """,
)
