"""The SQL of this project: one statement a file below `sql/<step>`, identifiers put in as identifiers, predicates from
the table of states (predicates.py)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from psycopg import Connection, Cursor, sql
from psycopg.rows import DictRow

from s3_migration.ledger.predicates import FRAGMENTS

DIRECTORY = Path(__file__).parent / "sql"

# `%%` is a per cent sign, so `%%(x)s` binds nothing.
_BOUND = re.compile(r"%%|%\((\w+)\)s")
# What statements of a folder share stands in a file of its own, which is no statement.
_INCLUDE = re.compile(r"^-- … and on as in (\w+\.part)\n", re.MULTILINE)


@cache
def files() -> dict[str, Path]:
    """Every statement by the name of its file, which is unique whatever its folder."""
    return {path.stem: path for path in sorted(DIRECTORY.rglob("*.sql"))}


@cache
def _text(file: str) -> str:
    path = files()[file]

    def shared(include: re.Match[str]) -> str:
        return path.with_name(include[1]).read_text(encoding="utf-8")

    return _INCLUDE.sub(shared, path.read_text(encoding="utf-8"))


def statement(file: str, /, **parts: sql.Composable) -> sql.Composed:
    """The statement of `sql/*/<file>.sql` with its `{parts}`; values stay bound (`%(value)s`)."""
    return sql.SQL(_text(file)).format(**{**FRAGMENTS, **parts})


def takes(query: sql.Composed) -> frozenset[str]:
    """The names of the values that are bound in it, those of its parts included."""
    return frozenset(_BOUND.findall(query.as_string())) - {""}


def run(connection: Connection[DictRow], query: sql.Composed, values: Mapping[str, Any]) -> Cursor[DictRow]:
    """Run it with exactly the values that it takes: psycopg itself passes over a value that no statement asks for.

    :raises TypeError: a value is missing, or one is given that it does not take.
    """
    taken = takes(query)
    if values.keys() != taken:
        missing, surplus = sorted(taken - values.keys()), sorted(values.keys() - taken)
        raise TypeError(f"statement lacks the values {missing} and does not take {surplus}: {query.as_string():.200}")
    return connection.execute(query, values)


def of(folder: str) -> list[str]:
    """The files of a folder that is run as a whole, in order: those whose names begin with a number."""
    return sorted(path.stem for path in (DIRECTORY / folder).glob("[0-9]*.sql"))
