"""The survey of a database: which of its columns name the objects of a migration, as far as the time allows.

`survey` takes any connection, a run's or an administrator's, and changes nothing. Each look is a transaction of its
own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from psycopg import Connection, Error, sql
from psycopg.errors import LockNotAvailable, QueryCanceled
from psycopg.rows import DictRow

from s3_migration.ledger.connection import first_line
from s3_migration.ledger.references import identifier
from s3_migration.ledger.statements import run, statement
from s3_migration.model.declaration import Declaration
from s3_migration.model.legacy_names import Names, excerpt
from s3_migration.model.reference import Reference
from s3_migration.model.survey import Form, Group, Kind, Spelling, Way, grouped, spellings
from s3_migration.model.survey_found import Column, Find, Look, Survey, Unseen

# Of a column with finds, as many values are taken apart: enough to see each common way of naming objects.
SAMPLES = 200
EXAMPLES = 3
# Pages (of 8 KiB) that a look is trusted to read a second, from a disk that is at work for the product too. A table
# with more than fits its share of the time is sampled; where that was too hopeful, a twentieth of it is tried.
PAGES_A_SECOND = 4_000
SECOND_TRY = 1 / 20
# How much of its share the first try may take.
FIRST_TRY = 0.6
# A sample of fewer pages tells nothing.
FEWEST_PAGES = 20
# The end of a sampled table: a tenth of what is read, at most this.
NEWEST_PAGES = 500
# The shortest share: of thousands of columns most take less, and leave the rest of it to the others. Seconds.
SHORTEST = 0.05
# The part of the time that is kept for asking the ledger what was found.
JUDGING = 0.1

Progress = Callable[[int, int], None]


def _place(reference: Reference) -> tuple[str, str, str]:
    return reference.schema, reference.table, reference.column


def survey(
    connection: Connection[DictRow],
    declaration: Declaration,
    seconds: float,
    *,
    columns: Callable[[Column], bool] = lambda _: True,
    progress: Progress = lambda done, of: None,
) -> Survey:
    """Look at every column that can hold text, for as long as there is time.

    :param connection: in no transaction, and with rows as dicts.
    :param seconds: for all of it; each column has its share of what is left.
    :param columns: which to look at.
    :param progress: told before each column how many are done, and of how many; a sample is not done while a larger
        one is tried.
    :raises psycopg.Error: the catalog cannot be read, or the connection is lost.
    """
    return _Survey(connection, declaration, time.monotonic() + seconds).of(columns, progress)


class _Found(NamedTuple):
    look: Look
    samples: list[tuple[str, list[Spelling]]]


class _Survey:
    def __init__(self, connection: Connection[DictRow], declaration: Declaration, until: float) -> None:
        self.connection = connection
        self.declaration = declaration
        self.names = Names.of(declaration)
        self.until = until
        # Until when columns are looked at; the rest is for the question which of the finds are objects.
        self.look_until = until - (until - time.monotonic()) * JUDGING

    def of(self, columns: Callable[[Column], bool], progress: Progress) -> Survey:
        all_columns = [column for column in self._columns() if columns(column)]
        readable = [column for column in all_columns if _why_not(column) is None]
        ledger = self._ledger_holds()
        found: dict[Column, _Found | str] = {}
        for done, column in enumerate(readable):
            progress(done, len(readable))
            found[column] = self._try(column, len(readable) - done)
        # The time that is left is for these: how large a table is that was never analyzed turned out only now.
        again = [column for column, each in found.items() if isinstance(each, str) or each.look.sampled]
        for done, column in enumerate(again):
            if self.look_until - time.monotonic() < SHORTEST:
                break
            progress(len(readable) - len(again) + done, len(readable))
            before, now = found[column], self._try(column, len(again) - done)
            if isinstance(now, _Found) and (isinstance(before, str) or now.look.percent > before.look.percent):
                found[column] = now
        seen = [each for each in found.values() if isinstance(each, _Found)]
        unseen = [Unseen(*column.key, each) for column, each in found.items() if isinstance(each, str)]
        unseen += [
            Unseen(*each.look.column.key, f"a sample of {each.look.percent:.2g} % held no row")
            for each in seen
            if each.look.sampled and not each.look.rows
        ]
        finds = [self._find(each, ledger) for each in seen if each.samples or each.look.found]
        finds.sort(key=lambda find: find.look.column.key)
        return Survey(finds, [each.look for each in seen], [*_refused(all_columns), *unseen], ledger)

    def _try(self, column: Column, sharers: int) -> _Found | str:
        """Look at a column; what it answers in place of a find says why it could not be looked at."""
        left = self.look_until - time.monotonic()
        share = min(left, max(left / sharers, SHORTEST))
        try:
            return self._look(column, share)
        except QueryCanceled:
            return "no time was left" if share < SHORTEST else f"no answer within its share of the time, {share:.2g} s"
        except LockNotAvailable:
            return "somebody keeps the table locked"
        except (Error, UnicodeError) as error:
            if self.connection.closed:
                raise
            return first_line(error) if isinstance(error, Error) else str(error)

    # -- one column -----------------------------------------------------------------------------------------------

    def _look(self, column: Column, share: float) -> _Found:
        """:raises psycopg.errors.QueryCanceled: no answer in time."""
        until = time.monotonic() + share
        with self._limits(share if share >= SHORTEST else 0):
            pages, heap_pages = self._rows("table_pages", column)[0].values()
        fitting = share * PAGES_A_SECOND
        first, second = (_percent(each, pages, heap_pages) for each in (fitting, fitting * SECOND_TRY))
        if second < first:
            with suppress(QueryCanceled):
                return self._sample(column, first, (until - time.monotonic()) * FIRST_TRY, heap_pages)
        return self._sample(column, second, until - time.monotonic(), heap_pages, last=True)

    def _sample(self, column: Column, percent: float, seconds: float, heap_pages: int, *, last: bool = False) -> _Found:
        """:param last: what was only counted is worth more than nothing."""
        until, samples = time.monotonic() + seconds, []
        with self._limits(seconds):
            counted = self._rows("count_finds", column, percent=percent)[0]
        if counted["found"]:
            try:
                with self._limits(until - time.monotonic()):
                    samples = self._samples(column, "find_examples", percent=percent)
            except QueryCanceled:
                if not last:
                    raise
        newest: list[tuple[str, list[Spelling]]] = []
        if percent < 100 and not column.has_children and self.connection.info.server_version >= 140000:
            pages = int(min(NEWEST_PAGES, heap_pages * percent / 1000 + 1))
            # It needs SELECT on the whole table, and may do without.
            with suppress(Error), self._limits(until - time.monotonic()):
                newest = self._samples(column, "find_newest_examples", first=f"({max(0, heap_pages - pages)},0)")
        look = Look(column, percent, counted["rows"], counted["found"], len(newest))
        return _Found(look, samples + newest)

    def _samples(self, column: Column, file: str, **values: Any) -> list[tuple[str, list[Spelling]]]:
        rows = self._rows(file, column, needles=self.names.needles, limit=SAMPLES, **values)
        kinds = [Kind.LONG if row["cut"] else Kind(column.kind) for row in rows]
        return [
            (row["value"], spellings(row["value"], kind, self.names)) for row, kind in zip(rows, kinds, strict=True)
        ]

    def _find(self, found: _Found, ledger: str | None) -> Find:
        keys = {key for _, each in found.samples for spelling in each for key in spelling.keys}
        known = self._known(sorted(keys)) if ledger else None
        groups = grouped(found.samples, known or [], self.names, complete=known is not None and ledger == "complete")
        if not found.samples:
            groups = [Group(Way(Form.TEXT, note="there was no time to look at the values"), 0, None, "")]
        # One of each way first, then others.
        shown = [group.example for group in groups if group.samples] + [
            excerpt(value, self.names) for value, _ in found.samples
        ]
        declared = self._is_declared(found.look.column, groups)
        return Find(found.look, groups, list(dict.fromkeys(shown))[:EXAMPLES], declared)

    def _is_declared(self, column: Column, groups: Sequence[Group]) -> bool:
        """Of a document each place has to be, where the values name objects."""
        paths = [each.json_path for each in self.declaration.references if _place(each) == column.key]
        if column.kind != Kind.JSON.value or not paths:
            return bool(paths)
        named = [group.way for group in groups if group.names_objects and group.way.form is not Form.BUCKET]
        return all(tuple(map(str, way.json_path)) in paths for way in named)

    # -- statements -----------------------------------------------------------------------------------------------

    def _columns(self) -> list[Column]:
        with self._limits(self.until - time.monotonic()):
            return [Column(**row) for row in run(self.connection, statement("find_text_columns"), {})]

    def _rows(self, file: str, column: Column, **values: Any) -> list[DictRow]:
        table = sql.Identifier(column.schema, column.table)
        if file == "table_pages":
            return run(self.connection, statement(file), {"table": table.as_string()}).fetchall()
        query = statement(file, table=identifier(column.schema, column.table), column=identifier(column.column))
        as_json = column.kind in {Kind.ARRAY.value, Kind.HSTORE.value}
        patterns = [f"%{_literally(needle)}%" for needle in self.names.needles]
        return run(self.connection, query, {"as_json": as_json, "patterns": patterns, **values}).fetchall()

    def _ledger_holds(self) -> str | None:
        with suppress(Error), self._limits(self.until - time.monotonic()):
            row = run(self.connection, statement("knows_every_object"), {"name": self.declaration.name}).fetchone()
            if row is not None:
                return "complete" if row["every"] else "partial"
        return None

    def _known(self, keys: list[str]) -> list[str] | None:
        """Those that the ledger holds; None: there was no time to ask."""
        with suppress(QueryCanceled, LockNotAvailable), self._limits(self.until - time.monotonic()):
            found = run(self.connection, statement("find_known_keys"), {"name": self.declaration.name, "keys": keys})
            return [row["legacy_key"] for row in found]
        return None

    @contextmanager
    def _limits(self, seconds: float) -> Iterator[None]:
        """One look: read-only, and over after so many seconds.

        :raises psycopg.errors.QueryCanceled: they are.
        """
        if seconds <= 0:
            raise QueryCanceled("no time was left")
        with self.connection.transaction():
            run(self.connection, statement("survey_limits"), {"timeout": f"{max(1, int(seconds * 1000))}ms"})
            yield


def _refused(columns: Sequence[Column]) -> list[Unseen]:
    """What cannot be looked at: a column, or the whole table where none of its columns can."""
    open_tables = {column.key[:2] for column in columns if _why_not(column) is None}
    found: dict[Unseen, None] = {}
    for column in columns:
        if (why := _why_not(column)) is not None:
            place = Unseen(column.schema, column.table, column.column if column.key[:2] in open_tables else None, why)
            found[place] = None
    return list(found)


def _why_not(column: Column) -> str | None:
    if column.relation == "f":
        return "a foreign table: look where its rows are"
    return None if column.may_read else "the role may not read it"


def _percent(fitting: float, pages: int, heap_pages: int) -> float:
    """Of a table, what fits the time. Sampled are pages of its rows, wherever long values lie."""
    return 100.0 * max(fitting / max(pages, fitting), min(1.0, FEWEST_PAGES / max(heap_pages, 1)))


def _literally(text: str) -> str:
    """As LIKE reads it."""
    return text.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
