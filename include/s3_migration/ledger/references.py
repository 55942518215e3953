"""The SQL of the places that name the objects (model/reference.py): how a statement reads a path, and writes one.

A statement about the rows of one reference names `{table}`, `{column}` and

* `{paths}`: what stands after FROM: the rows as `a`, each of their paths as `n.path`;
* `{path}`: the one path of row `a` (none of an array), for an index on it to serve;
* `{names_from}`, `{from_key}`: whether `n.path` begins as the rows that are switched do; the legacy key that it names;
* `{names_to}`: whether it begins as the rows that are switched do then;
* `{likely}`, `{plain_prefixes}`, `{plain_key_prefix}`: whether it may name an object in another spelling, and of which
  prefixes (spelt plainly) that would be;
* `{names_legacy}`, `{legacy_key}`: the same of the legacy path, whichever way rows are switched;
* `{names_either}`, `{either_key}`: the same of either path (`{names_legacy}` tells which);
* `{names_copied}`: whether row `a` holds such a path of an object of `copied`;
* `{switched_value}`: what its column holds once such paths are switched;
* `{switched_keys}`: the legacy keys that it names then.

One about the rows of all references selects FROM `({rows_naming_legacy})` (path, key and reference) or
`({rows_naming_either})` (key, and whether by the legacy path). A key is null where a percent-encoding is none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

from psycopg import sql

from s3_migration.model.reference import Reference

# The sides that rows are switched from and to.
Sides = tuple[str, str]
MOVE: Sides = ("legacy", "production")
UNDO: Sides = ("production", "legacy")

_EACH = sql.SQL("n.path")

# The declared table with its partitions, or with those that inherit from it, whatever their depth.
TABLES = sql.SQL("""(
    WITH RECURSIVE tree (oid) AS (
        SELECT %(table)s::regclass::oid
        UNION SELECT i.inhrelid FROM pg_inherits AS i JOIN tree AS p ON p.oid = i.inhparent
    )
    SELECT oid FROM tree
)""")


def identifier(*names: str) -> sql.Identifier:
    """For a statement with bound values: there psycopg reads a `%` of a name as the start of a placeholder."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


def literal(value: object) -> sql.SQL:
    """The same of a value that stands in the statement itself."""
    return sql.SQL(sql.Literal(value).as_string().replace("%", "%%"))


def table_name(reference: Reference) -> str:
    """For a cast to regclass."""
    return sql.Identifier(reference.schema, reference.table).as_string()


def create_index(reference: Reference) -> str:
    """What lets the database tell by an index which rows hold a path, for people."""
    column = sql.Identifier(reference.column).as_string()
    indexed = f"({column} #>> {sql.Literal(list(reference.json_path)).as_string()})" if reference.json_path else column
    return f"CREATE INDEX CONCURRENTLY ON {table_name(reference)} ({indexed})"


@lru_cache(maxsize=64)
def parts(reference: Reference, sides: Sides) -> Mapping[str, sql.Composable]:
    """The parts of a statement about one reference."""
    from_side, to_side = sides
    prefixes = _prefixes(reference, from_side)
    column, path, at = _column(reference), _path(reference), literal(list(reference.json_path))

    def switched(path: sql.Composable) -> sql.Composed:
        return sql.SQL("{} || {}").format(literal(_prefix(reference, to_side)), _rest(reference, path, from_side))

    def copied(path: sql.Composable) -> sql.Composed:
        return sql.SQL("{} AND ({} IN (SELECT c.legacy_key FROM copied AS c)) IS TRUE").format(
            _named(reference, path, from_side), _key(reference, path, from_side)
        )

    if reference.array:
        elements = sql.SQL("FROM unnest({}) WITH ORDINALITY AS n (path, place)").format(column)
        row = {
            "names_copied": sql.SQL("EXISTS (SELECT {} WHERE {})").format(elements, copied(_EACH)),
            "switched_value": sql.SQL("ARRAY(SELECT CASE WHEN {} THEN {} ELSE n.path END {} ORDER BY n.place)").format(
                copied(_EACH), switched(_EACH), elements
            ),
            "switched_keys": sql.SQL("ARRAY(SELECT {} {} WHERE {})").format(
                _key(reference, _EACH, to_side), elements, _named(reference, _EACH, to_side)
            ),
        }
    else:
        value = switched(path)
        row = {
            "names_copied": copied(path),
            "switched_value": sql.SQL("jsonb_set({}, {}, to_jsonb({}))").format(column, at, value)
            if reference.json_path
            else value,
            "switched_keys": sql.SQL("ARRAY[{}]").format(_key(reference, path, to_side)),
        }
    return {
        "table": identifier(reference.schema, reference.table),
        "tables": TABLES,
        "column": identifier(reference.column),
        "paths": _paths(reference),
        "path": path,
        "names_from": _named(reference, _EACH, from_side),
        "from_key": _key(reference, _EACH, from_side),
        "names_to": _named(reference, _EACH, to_side),
        "names_legacy": _named(reference, _EACH, "legacy"),
        "legacy_key": _key(reference, _EACH, "legacy"),
        "names_either": _names_either(reference),
        "either_key": _either_key(reference),
        "likely": _likely(prefixes),
        "plain_prefixes": sql.SQL("ARRAY(SELECT s3_migration.plain_spelling(p) FROM unnest({}::text[]) AS p)").format(
            literal(prefixes)
        ),
        "plain_key_prefix": sql.SQL("s3_migration.plain_spelling({})").format(literal(reference.keys.legacy_prefix)),
        **row,
    }


@lru_cache(maxsize=64)
def parts_of_all(references: tuple[Reference, ...], sides: Sides) -> Mapping[str, sql.Composable]:
    """The parts of a statement about all of them."""

    def union(select: Callable[[Reference], sql.Composable]) -> sql.Composed:
        return sql.SQL(" UNION ALL ").join([select(reference) for reference in references])

    def rows(reference: Reference, side: str) -> sql.Composed:
        return sql.SQL("SELECT n.path, {} AS key, {}::text AS reference FROM {} WHERE {}").format(
            _key(reference, _EACH, side), literal(reference.name), _paths(reference), _named(reference, _EACH, side)
        )

    def either(reference: Reference) -> sql.Composed:
        return sql.SQL("SELECT {} AS legacy, {} AS key FROM {} WHERE {}").format(
            _named(reference, _EACH, "legacy"), _either_key(reference), _paths(reference), _names_either(reference)
        )

    return {
        "rows_naming_legacy": union(lambda reference: rows(reference, "legacy")),
        "rows_naming_either": union(either),
    }


def _prefixes(reference: Reference, side: str) -> list[str]:
    """What a path may have before the rest of the key, in whatever spelling."""
    return list(dict.fromkeys([str(getattr(reference.keys, f"{side}_prefix")), _prefix(reference, side)]))


def _likely(prefixes: Sequence[str]) -> sql.Composable:
    """Whether a path can hold one of the prefixes, however it is spelt: a test that costs next to nothing.

    By the longest run of letters and digits of each, which no spelling changes but for capitals.
    """
    words = [max(re.findall("[A-Za-z0-9]+", prefix), key=len, default="") for prefix in prefixes]
    if not all(words):
        return sql.SQL("true")
    tests = [sql.SQL("position({} IN lower(n.path)) > 0").format(literal(word.lower())) for word in words]
    return sql.SQL("({})").format(sql.SQL(" OR ").join(tests))


def _paths(reference: Reference) -> sql.Composed:
    table = identifier(reference.schema, reference.table)
    if reference.array:
        return sql.SQL("{} AS a CROSS JOIN LATERAL unnest({}) AS n (path)").format(table, _column(reference))
    return sql.SQL("{} AS a CROSS JOIN LATERAL (SELECT {} AS path) AS n").format(table, _path(reference))


def _column(reference: Reference) -> sql.Composed:
    return sql.SQL("a.{}").format(identifier(reference.column))


def _path(reference: Reference) -> sql.Composed:
    """The one path of row `a`; of an array, all of them."""
    column = _column(reference)
    at = literal(list(reference.json_path))
    return sql.SQL("{} #>> {}").format(column, at) if reference.json_path else column


def _prefix(reference: Reference, side: str) -> str:
    return str(getattr(reference.keys, f"{side}_path_prefix"))


def _named(reference: Reference, path: sql.Composable, side: str) -> sql.Composed:
    return sql.SQL("starts_with({}, {})").format(path, literal(_prefix(reference, side)))


def _rest(reference: Reference, path: sql.Composable, side: str) -> sql.Composed:
    # substr counts characters from 1
    return sql.SQL("substr({}, {})").format(path, literal(len(_prefix(reference, side)) + 1))


def _key(reference: Reference, path: sql.Composable, side: str) -> sql.Composed:
    if _prefix(reference, side) == reference.keys.legacy_prefix and not reference.url_encoded:
        return sql.SQL('({})::text COLLATE "C"').format(path)  # nothing to put together: a twentieth of a switch's time
    rest = _rest(reference, path, side)
    decoded = sql.SQL("s3_migration.url_decode({})").format(rest) if reference.url_encoded else rest
    return sql.SQL('({} || {}) COLLATE "C"').format(literal(reference.keys.legacy_prefix), decoded)


def _names_either(reference: Reference) -> sql.Composed:
    return sql.SQL("({} OR {})").format(*(_named(reference, _EACH, side) for side in MOVE))


def _either_key(reference: Reference) -> sql.Composed:
    return sql.SQL("CASE WHEN {} THEN {} ELSE {} END").format(
        _named(reference, _EACH, "legacy"), *(_key(reference, _EACH, side) for side in MOVE)
    )
