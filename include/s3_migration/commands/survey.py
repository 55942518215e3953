"""Every column of the database whose values name the migration's objects, so that an undeclared one is seen in time."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import psycopg
from psycopg import Connection, Error
from psycopg.rows import DictRow, dict_row

from s3_migration.commands.answer import Answer, CommandError, answers, as_json, migration, require_address
from s3_migration.commands.session import connect
from s3_migration.ledger.connection import first_line
from s3_migration.ledger.survey import survey as look
from s3_migration.model.declaration import Declaration
from s3_migration.model.legacy_names import Names
from s3_migration.model.reference_entry import declare_as
from s3_migration.model.survey import Form, Group
from s3_migration.model.survey_found import Find, Look, Survey

# A survey that lasts says how far it is, this often. Seconds.
SAY_EVERY = 2.0
# Ways of one column that are shown: the hundredth index of an array tells nothing new.
MOST_WAYS = 5

_FORMS = {
    Form.PATH: "the whole value is a path as declared for legacy",
    Form.URL: "the whole value is a path, after another prefix",
    Form.ELEMENT: "an element of the array is a whole path",
    Form.JSON_PATH: "one string of the JSON is a whole path",
    Form.TEXT: "text within text: not rewritten",
    Form.BUCKET: "names the legacy bucket, and nothing below the prefix",
}
_LEDGER = {
    "complete": "Values were held against the ledger, of which a run has listed all of legacy.",
    "partial": "Values were held against the ledger, but no run has listed all of legacy yet: what it does not know "
    "may be an object all the same.",
    None: "There is no ledger that can be read: nobody checked whether the objects exist that values name.",
}


@contextmanager
def _connection(declaration: Declaration, url: str | None, seconds: float) -> Iterator[Connection[DictRow]]:
    """A session that can only read, as an administrator (`url`) or as Airflow's connection.

    :raises CommandError: there is none, or the database refuses something.
    """
    place = "of --url" if url is not None else f"of {declaration.database.conn_id!r}"
    # As libpq has it: at least two, whole. An address that nothing answers at is not waited for any longer.
    os.environ.setdefault("PGCONNECT_TIMEOUT", str(max(2, min(10, int(seconds)))))
    connection = _as_administrator(url) if url is not None else connect(declaration).connection
    try:
        connection.execute("SET default_transaction_read_only = on")
        # An administrator is not to run what somebody has named like a function of PostgreSQL's.
        connection.execute("SET search_path = pg_catalog")
        yield connection
    except Error as error:
        raise CommandError(
            f"the database {place} says: {first_line(error)}. Fix: try again, with more --seconds."
        ) from error
    finally:
        connection.close()


def _as_administrator(url: str) -> Connection[DictRow]:
    require_address(url)
    try:
        return psycopg.connect(
            url,
            autocommit=True,
            row_factory=dict_row,
            client_encoding="UTF8",
            application_name="s3_migration survey",
            prepare_threshold=None,  # a pooler would lose what is prepared
        )
    except Error as error:
        raise CommandError(
            f"no connection to the database of --url: {first_line(error)}. "
            f"Fix: correct its host, port, database, login or password."
        ) from error


class _Progress:
    """On stderr, once it lasts."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.next = time.monotonic() + SAY_EVERY

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now >= self.next:
            self.next = now + SAY_EVERY
            print(
                f"{done} of {of} columns looked at, {max(0, self.until - now):.0f} s left", file=sys.stderr, flush=True
            )


# -- the report -------------------------------------------------------------------------------------------------------


def _entry(find: Find, group: Group, names: Names) -> str | None:
    column = find.look.column
    if find.declared or column.follows or not (group.declarable and group.names_objects):
        return None
    return declare_as((column.schema, column.table), column.column, group.way, names)


def _sample(look: Look) -> str:
    return f"sampled {look.percent:.2g} % of some {look.about:,} rows" if look.sampled else f"of {look.rows:,} rows"


def _status(find: Find) -> str:
    if find.declared:
        return "declared already"
    if find.look.column.follows:
        return find.look.column.follows
    return "NOT DECLARED" if find.undeclared else "names no object that is known"


def _judgement(group: Group, ledger: str | None) -> str:
    if group.way.form is Form.BUCKET:
        return ""
    if group.objects is None:
        return "; the ledger knows none of them yet" if ledger else "; nobody checked whether such objects exist"
    return "; names objects of the ledger" if group.objects else "; none of them is an object of the ledger"


def _describe(find: Find, names: Names, ledger: str | None) -> Iterator[str]:
    look = find.look
    share = f", {look.found / look.rows:.2%} of those looked at" if look.rows else ""
    some = "some " if look.sampled else ""
    yield f"{look.column.name} ({look.column.type}): {_status(find)}"
    yield f"    {some}{look.about_found:,} rows{share} ({_sample(look)})"
    yield from (f"    e.g. {example}" for example in find.examples)
    for group in find.groups[:MOST_WAYS]:
        note = f" ({group.way.note})" if group.way.note else ""
        yield f"    {_FORMS[group.way.form]}{note}: {group.samples:,} of the values sampled{_judgement(group, ledger)}"
        if entry := _entry(find, group, names):
            yield "    declare it, below database.references:"
            yield from (f"      {line}" for line in entry.splitlines())
    if len(find.groups) > MOST_WAYS:
        yield f"    and in {len(find.groups) - MOST_WAYS} other ways: --json has them all"


def report(declaration: Declaration, found: Survey, seconds: float) -> str:
    """All of it, for a person."""
    names = Names.of(declaration)
    undeclared = found.undeclared
    said = "every column that was found to name its objects is declared"
    if found.unseen:
        said += f", as far as was looked: {len(found.unseen)} could not be looked at"
    if undeclared:
        said = f"columns that name its objects, or may do so, and are not declared: {len(undeclared)}"
    lines = [
        f"Migration {declaration.name}: {said}.",
        f"{len(found.looks)} columns were looked at in {seconds:.1f} s, for "
        f"{', '.join(map(repr, names.searched))}. {_LEDGER[found.ledger]}",
    ]
    for find in sorted(found.finds, key=lambda find: not find.undeclared):
        lines += ["", *_describe(find, names, found.ledger)]
    shown = {find.look.column.key for find in found.finds}
    if sampled := [look for look in found.looks if look.sampled and look.column.key not in shown]:
        lines += ["", "Nothing was found in these, of which only a part was looked at (more with --seconds):"]
        lines += [f"    {look.column.name}: {_sample(look)}" for look in sampled]
    if found.unseen:
        lines += ["", "Not looked at:", *_unseen(found)]
    return "\n".join(lines)


def _unseen(found: Survey) -> Iterator[str]:
    """A line for each table and reason."""
    places: dict[tuple[str, str], list[str]] = {}
    for each in found.unseen:
        columns = places.setdefault((f"{each.schema}.{each.table}", each.why), [])
        columns += [each.column] if each.column is not None else []
    for (table, why), columns in places.items():
        named = f" ({', '.join(columns)})" if columns else ""
        yield f"    {table}{named}: {why}"


def document(declaration: Declaration, found: Survey, seconds: float) -> dict[str, Any]:
    """All of it, for a program."""
    names = Names.of(declaration)
    return {
        "migration": declaration.name,
        "searched": names.searched,
        "seconds": round(seconds, 1),
        "ledger": found.ledger,
        "undeclared": [find.look.column.name for find in found.undeclared],
        "finds": [_find(find, names) for find in found.finds],
        "columns": [_looked(look) for look in found.looks],
        "not_looked_at": [each._asdict() for each in found.unseen],
    }


def _looked(look: Look) -> dict[str, Any]:
    column = look.column
    return {
        "schema": column.schema,
        "table": column.table,
        "column": column.column,
        "percent": look.percent,
        "rows_looked_at": look.rows,
        "rows": look.about,
    }


def _find(find: Find, names: Names) -> dict[str, Any]:
    look = find.look
    return {
        **_looked(look),
        "type": look.column.type,
        "found": look.about_found,
        "estimated": look.sampled,
        "share": look.found / look.rows if look.rows else None,
        "examples": list(find.examples),
        "declared": find.declared,
        "follows": look.column.follows,
        "undeclared": find.undeclared,
        "ways": [
            {
                "form": group.way.form.value,
                "path_prefix": group.way.path_prefix or None,
                "json_path": list(group.way.json_path) if group.way.form is Form.JSON_PATH else None,
                "path_encoding": "url" if group.way.encoded else None,
                "note": group.way.note,
                "samples": group.samples,
                "objects": group.objects,
                "example": group.example,
                "declare": _entry(find, group, names),
            }
            for group in find.groups
        ],
    }


def _seconds(_: click.Context, __: click.Parameter, seconds: float) -> float:
    if not 0 < seconds < 1e6:
        raise click.BadParameter(f"{seconds}: expected a number of seconds above 0. Fix: for example 60")
    return seconds


@click.command()
@migration
@click.option("--url", help="Of the database, as an administrator.  [default: Airflow's connection]")
@click.option("--seconds", type=float, default=60.0, show_default=True, callback=_seconds, help="For all of it.")
@as_json
@answers
def survey(declaration: Declaration, url: str | None, seconds: float) -> Answer:
    """Every column of the database whose values name the migration's objects.

    It changes nothing, and needs no set-up of the ledger. By default it has the rights of Airflow's connection, and so
    sees only what that was granted; with --url postgresql://admin@host/proddatabase it sees every table. Searched are
    the columns of text, JSON, XML, hstore and composite types, and arrays of them, for the legacy prefix, its path
    prefix and the legacy bucket; not bytea, views, or what lies in other databases. What could not be looked at is
    named.

    Ends with 1 where an undeclared place names objects, or may do so where no ledger tells what is an object.
    """
    began = time.monotonic()
    until = began + seconds
    with _connection(declaration, url, seconds) as connection:
        found = look(connection, declaration, until - time.monotonic(), progress=_Progress(until))
    lasted = time.monotonic() - began
    return Answer(report(declaration, found, lasted), document(declaration, found, lasted), yes=not found.undeclared)
