"""What a declaration says: each field and whence its value is, where a key goes, and what may stand in such a file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import click
import yaml

from s3_migration.commands.answer import Answer, CommandError, answers, as_json, migration
from s3_migration.model import declaration_schema
from s3_migration.model.declaration import Declaration, paths
from s3_migration.model.declaration_faults import GRACE_PERIOD_VARIABLE


def describe(declaration: Declaration) -> Answer:
    """Every field as it is in force, and whence: the file, the environment, the default."""
    dumped = declaration.model_dump(mode="json")
    values = {name: dumped[name] for name in declaration_schema.ORDER}
    written = _written(declaration.name)
    whence = {name: _whence(name, written) for name in values}
    text = [f"Migration {declaration.name}: {sides(declaration)}", *_lines(values, whence)]
    return Answer("\n".join(text), {"fields": values, "whence": whence})


def sides(declaration: Declaration) -> str:
    legacy, production = declaration.legacy, declaration.production
    rows = ", ".join(reference.name for reference in declaration.references)
    return (
        f"s3://{legacy.bucket}/{legacy.prefix} → s3://{production.bucket}/{production.prefix}, rows of {rows}, "
        f"in the database of {declaration.database.conn_id}"
    )


def _written(name: str) -> dict[str, Any]:
    """The fields of its file."""
    return next(yaml.safe_load(path.read_text(encoding="utf-8")) for path in paths() if path.stem == name)


def _whence(name: str, written: dict[str, Any]) -> str:
    if name == "grace_period" and os.environ.get(GRACE_PERIOD_VARIABLE):
        said = f"{GRACE_PERIOD_VARIABLE} in the environment"
        return f"{said}; the file says {written[name]}" if name in written else said
    return "the file" if name in written else "the file's name" if name == "name" else "default"


def _lines(values: dict[str, Any], whence: dict[str, str]) -> Iterator[str]:
    for name, value in values.items():
        text = yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=True).rstrip("\n")
        first, *rest = text.split("\n")
        yield f"{first}  # {whence[name]}"
        yield from rest


def follow(declaration: Declaration, key: str) -> Answer:
    """Where the object of this legacy key goes, and what rows name it by, before and after.

    :raises CommandError: it is none of the migration's keys.
    """
    prefix = declaration.legacy.prefix
    if not key.startswith(prefix):
        raise CommandError(f"--map {key!r} does not begin with {prefix!r}. Fix: give a key below legacy.prefix")
    copy = declaration.keys.production_key(key)
    of = {each.name: [each.legacy_path(key), each.production_path(key)] for each in declaration.references}
    lines = [f"s3://{declaration.legacy.bucket}/{key} → s3://{declaration.production.bucket}/{copy}"]
    lines += [f"{name}: {before!r} → {after!r}" for name, (before, after) in of.items()]
    return Answer("\n".join(lines), {"legacy_key": key, "production_key": copy, "paths": of})


@click.command("declaration")
@migration
@click.option("--map", "key", metavar="KEY", help="Where the object of this legacy key goes, and its rows' paths.")
@click.option("--schema", is_flag=True, help="What may stand in such a file, as JSON Schema, for editors.")
@click.option("--reference", is_flag=True, help="The same as the page docs/declaration.md.")
@as_json
@answers
def declaration(declaration: Declaration, key: str | None, schema: bool, reference: bool) -> Answer:
    """What is declared: each field as it is in force, and whence. A mistake is named with its fix.

    Asks neither Airflow nor a database nor a store.
    """
    if schema:
        made = declaration_schema.schema()
        return Answer(json.dumps(made, indent=2), made)
    if reference:
        page = declaration_schema.reference()
        return Answer(page, {"markdown": page})
    return follow(declaration, key) if key is not None else describe(declaration)
