"""The SQL of this project: one statement a file below `sql/<step>`, identifiers put in as identifiers."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from psycopg import sql

DIRECTORY = Path(__file__).parent / "sql"


@cache
def files() -> dict[str, Path]:
    """Every statement by the name of its file, which is unique whatever its folder."""
    return {path.stem: path for path in sorted(DIRECTORY.rglob("*.sql"))}


@cache
def _text(file: str) -> str:
    return files()[file].read_text(encoding="utf-8")


def statement(file: str, /, **parts: sql.Composable) -> sql.Composed:
    """The statement of `sql/*/<file>.sql` with its `{parts}`; values stay bound (`%(value)s`)."""
    return sql.SQL(_text(file)).format(**parts)


def of(folder: str) -> list[str]:
    """The files of a folder that is run as a whole, in order: those whose names begin with a number."""
    return sorted(path.stem for path in (DIRECTORY / folder).glob("[0-9]*.sql"))
