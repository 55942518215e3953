"""The SQL of this project: one statement a file below `include/sql`, identifiers put in as identifiers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from psycopg import sql

DIRECTORY = Path(__file__).parent / "sql"


@cache
def _text(file: str) -> str:
    return (DIRECTORY / f"{file}.sql").read_text(encoding="utf-8")


def statement(file: str, /, **parts: sql.Composable) -> sql.Composed:
    """The statement of `include/sql/<file>.sql` with its `{parts}`; values stay bound (`%(value)s`)."""
    return sql.SQL(_text(file)).format(**parts)


def of(folder: str) -> list[str]:
    """The files of a folder that is run as a whole, in order."""
    return sorted(f"{folder}/{path.stem}" for path in (DIRECTORY / folder).glob("*.sql"))
