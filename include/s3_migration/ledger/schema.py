"""The SQL that makes the ledger and grants its role what it needs: run once, by a database administrator."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from psycopg import sql

from s3_migration.ledger import statements as files
from s3_migration.model.declaration import Declaration
from s3_migration.model.reference import Reference

# What check expects of the database; rises with each change of the ledger's tables (docs/development.md).
SCHEMA_VERSION = 9
VERSION = sql.Literal(SCHEMA_VERSION)
ROLE = "migrator"


def statements(declaration: Declaration, role: str = ROLE) -> list[str]:
    """The SQL that readies the database that it is run in; it may be run again. Role and tables must exist."""
    made = (text for file in files.of("schema") for text in of_references(file, declaration, role, version=VERSION))
    return list(dict.fromkeys(made))


def of_references(file: str, declaration: Declaration, role: str, **parts: sql.Composable) -> list[str]:
    """An administrator's statement, once for each reference: the same text where it names none."""
    return [
        files.statement(file, **names(declaration, reference, role), **parts).as_string()
        for reference in declaration.references
    ]


def schema() -> list[str]:
    """The part of it that makes the ledger, empty and without rights."""
    made = [file for file in files.of("schema") if Path(file).name < "30"]
    return [files.statement(file, version=VERSION).as_string() for file in made]


def names(declaration: Declaration, reference: Reference, role: str) -> dict[str, sql.Composable]:
    """What an administrator's statements are about."""
    return {
        "name": sql.Literal(declaration.name),
        "role": sql.Identifier(role),
        # A literal within a literal.
        "role_name": sql.SQL(sql.Literal(role).as_string().replace("'", "''")),
        "table": sql.Identifier(reference.schema, reference.table),
        "table_schema": sql.Identifier(reference.schema),
        "column": sql.Identifier(reference.column),
    }


def script(texts: Iterable[str], then: Iterable[str] = ()) -> str:
    """The statements for psql, `then` its own commands: all of them, or at the first error none."""
    said = "".join(f"{text.strip()};\n\n" for text in texts)
    return f"\\set ON_ERROR_STOP on\nBEGIN;\n\n{said}{''.join(then)}COMMIT;\n"
