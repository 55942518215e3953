"""The one-time set-up of a migration: SQL for a database administrator, a policy for the S3 identity.

python -m include.setup avatars --sql --role migrator | psql "$DB_CONN_STRING"
python -m include.setup avatars --iam
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from string import Template
from typing import Any

from psycopg import sql

from include import declaration as declarations
from include import statements as files
from include.declaration import Declaration

# What check expects of the database; rises with each change of the ledger's tables (README).
SCHEMA_VERSION = 2
ROLE = "migrator"
DATABASE = "proddatabase"
_POLICY = Path(__file__).parent / "iam" / "policy.json"


def statements(declaration: Declaration, role: str = ROLE, database: str = DATABASE) -> list[str]:
    """The SQL that readies the product's database; it may be run again. Role, database and table must exist."""
    parts = {**names(declaration, role, database), "version": sql.Literal(SCHEMA_VERSION)}
    return [files.statement(file, **parts).as_string() for file in files.of("setup")]


def schema() -> list[str]:
    """The part of it that makes the ledger, empty and without rights."""
    made = [file for file in files.of("setup") if Path(file).name < "30"]
    return [files.statement(file, version=sql.Literal(SCHEMA_VERSION)).as_string() for file in made]


def names(declaration: Declaration, role: str, database: str) -> dict[str, sql.Composable]:
    """What an administrator's statements are about."""
    table_schema, table = ("public", *declaration.table)[-2:]
    return {
        "name": sql.Literal(declaration.name),
        "role": sql.Identifier(role),
        "database": sql.Identifier(database),
        "table": sql.Identifier(table_schema, table),
        "table_schema": sql.Identifier(table_schema),
        "column": sql.Identifier(declaration.database.column),
    }


def script(texts: Iterable[str], then: Iterable[str] = ()) -> str:
    """The statements for psql, `then` its own commands: all of them, or at the first error none."""
    said = "".join(f"{text.strip()};\n\n" for text in texts)
    return f"\\set ON_ERROR_STOP on\nBEGIN;\n\n{said}{''.join(then)}COMMIT;\n"


def policy(declaration: Declaration, *, undo: bool = False) -> dict[str, Any]:
    """The IAM policy of the identity that moves the objects, both buckets in one account.

    :param undo: with the right to remove copies from production, which only an undo asks for.
    """
    keys = declaration.keys
    values = {
        "legacy_bucket": declaration.legacy.bucket,
        "legacy_prefix": _literal(keys.legacy_prefix),
        "legacy_canary": _literal(keys.legacy_canary),
        "production_bucket": declaration.production.bucket,
        "production_prefix": _literal(keys.production_prefix),
        "production_canary": _literal(keys.production_canary),
    }
    quoted = {name: json.dumps(value)[1:-1] for name, value in values.items()}
    made = dict(json.loads(Template(_POLICY.read_text(encoding="utf-8")).substitute(quoted)))
    if undo:
        copies = f"arn:aws:s3:::{values['production_bucket']}/{values['production_prefix']}*"
        made["Statement"].append(
            {"Sid": "RemoveCopies", "Effect": "Allow", "Action": "s3:DeleteObject", "Resource": copies}
        )
    return made


def _literal(text: str) -> str:
    """The text as IAM takes it literally: in a resource `*` and `?` are wildcards, `${` begins a variable."""
    return re.sub(r"[*?$]", r"${\g<0>}", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("migration", help="name of a file in include/migrations")
    parser.add_argument("--role", default=ROLE, help="database role that Airflow connects as (default: %(default)s)")
    parser.add_argument("--database", default=DATABASE, help="database of the product (default: %(default)s)")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--sql", action="store_true", help="print the SQL for a database administrator")
    kind.add_argument("--iam", action="store_true", help="print the IAM policy")
    parser.add_argument("--undo", action="store_true", help="with what mode undo needs to remove copies (--iam)")
    options = parser.parse_args()
    try:
        declared = declarations.load(declarations.DIRECTORY / f"{options.migration}.yaml")
    except declarations.DeclarationError as error:
        parser.error(str(error))
    if options.sql:
        sys.stdout.write(script(statements(declared, options.role, options.database)))
    else:
        json.dump(policy(declared, undo=options.undo), sys.stdout, indent=2)


if __name__ == "__main__":
    main()
