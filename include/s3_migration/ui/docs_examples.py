"""What stands in the docs for the example, in the words of one migration: its commands and SQL can be pasted."""

from __future__ import annotations

import re
import shlex

from s3_migration.model.declaration import Declaration
from s3_migration.model.reference import Reference

# Of what is written within a line: what is a command.
_COMMAND = re.compile(r"python -m s3_migration |migrate_|airflow ")
_NAME = re.compile(r"(?P<before>s3_migration \w+ |migrate_|name = ')avatars\b|avatars(?=-ledger)")
_KEY = re.compile(r"(?<![\w/'])(?P<side>image|avatar)/(?P<rest>[\w./-]*)")
_LITERAL = re.compile(r"'(?P<side>image|avatar)/(?P<rest>[^']*)'")
_TABLE = re.compile(r"(?P<quote>'?)\bavatars\b'?")


def in_words_of(declared: Declaration, code: str, language: str) -> str:
    """The same code, about another migration.

    :param language: `bash` or `sql`; code of any other one stays as it is.
    """
    if language not in {"bash", "sql"}:
        return code
    return "".join(_line(declared, line, language) for line in code.splitlines(keepends=True))


def inline(declared: Declaration, code: str) -> str:
    """The same, of code within a sentence: only commands and connections are of one migration."""
    connections = {
        "legacy_s3": declared.legacy.conn_id,
        "production_s3": declared.production.conn_id,
        "proddatabase": declared.database.conn_id,
    }
    if code in connections:
        return connections[code]
    return in_words_of(declared, code, "bash") if _COMMAND.match(code) else code


def shown_reference(declared: Declaration) -> Reference:
    """The column that SQL shows: the first one that holds a path and nothing else, if there is one."""
    plain = [each for each in declared.references if not each.array and not each.json_path]
    return [*plain, *declared.references][0]


def _line(declared: Declaration, line: str, language: str) -> str:
    # The name comes last: what it is must not be taken for the example's table.
    named = _NAME.sub(lambda found: f"{found['before'] or ''}\0", line)
    if language == "sql":
        named = _sql(declared, named)
    else:
        sides = {"image": declared.legacy, "avatar": declared.production}
        named = _KEY.sub(lambda found: shlex.quote(sides[found["side"]].prefix + found["rest"]), named)
        named = named.replace("legacy-s3", declared.legacy.bucket).replace("production-s3", declared.production.bucket)
    return named.replace("\0", declared.name)


def _sql(declared: Declaration, line: str) -> str:
    reference = shown_reference(declared)
    of_rows = _TABLE.search(line) is not None
    keys = reference.keys
    prefixes = (
        {"image": keys.legacy_path_prefix, "avatar": keys.production_path_prefix}
        if of_rows
        else {"image": declared.legacy.prefix, "avatar": declared.production.prefix}
    )
    if of_rows:
        line = re.sub(r"\bpath\b", lambda _: _identifier(reference.column), line)
    line = _LITERAL.sub(lambda found: _literal(prefixes[found["side"]] + found["rest"]), line)
    table = ".".join(map(_identifier, reference.table_name.split(".")))
    return _TABLE.sub(lambda found: _literal(reference.table) if found["quote"] else table, line)


def _identifier(name: str) -> str:
    if re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        return name
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def _literal(text: str) -> str:
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
