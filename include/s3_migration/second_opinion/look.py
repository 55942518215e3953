"""The whole look: rows, then both listings, then what belongs together, part by part; each suspect a second time."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Protocol

from s3_migration.model.declaration import Declaration
from s3_migration.model.key_mapping import CANARY
from s3_migration.second_opinion import rows
from s3_migration.second_opinion.errors import CannotJudge
from s3_migration.second_opinion.finding import EXAMPLES, FOREIGN_EXAMPLES, Finding, Reading
from s3_migration.second_opinion.join import Suspect, join
from s3_migration.second_opinion.rows import Database
from s3_migration.second_opinion.scratch import BYTES_A_ROW, BYTES_AN_OBJECT, Parts, RowAt
from s3_migration.second_opinion.second_look import SecondLook
from s3_migration.second_opinion.spelling import Otherwise, Side, reader
from s3_migration.second_opinion.stores import Bucket, read_at_once


class Progress(Protocol):
    """How far it is, for a person who waits."""

    def say(self, line: str) -> None: ...

    def stage(self, what: str) -> AbstractContextManager[Callable[[int], object]]:
        """Around a part of the work; what it gives is called with how much more is done."""


def look(
    declaration: Declaration, database: Database, directory: Path, progress: Progress, *, compare_bytes: bool = False
) -> Finding:
    """Look at all of it. Nothing is changed, and of the scratch files in `directory` nothing stays.

    :param compare_bytes: fetch both contents where ETags cannot tell.
    :raises CannotJudge: something is missing, refuses, does not answer, or the disk is full.
    """
    begun = time.monotonic()
    buckets = Bucket(Side.LEGACY, declaration.legacy), Bucket(Side.PRODUCTION, declaration.production)
    for bucket in buckets:
        bucket.try_out()
    finding = Finding()
    with _scratch(directory) as parts:
        # Rows before objects: what a row names is there before the row is, and stays for as long as the row does.
        _read_rows(declaration, database, parts, finding, directory, progress)
        _refuse_what_names_nothing(finding)
        listings = read_at_once([bucket.pages() for bucket in buckets])
        with progress.stage("objects") as advance, closing(listings):
            for page in listings:
                for found in page:
                    parts.add_object(found)
                advance(len(page))
        with progress.stage("parts joined, suspects looked at again") as advance:
            second = SecondLook(declaration, database, buckets, finding, compare_bytes=compare_bytes)
            second.take(_suspects(declaration, parts, finding, advance))
    for bucket in buckets:
        bucket.try_out()  # of a bucket that is gone by now every object looked lost
    finding.seconds = time.monotonic() - begun
    if not +finding.faults and not any(reading.production for reading in finding.readings.values()):
        raise CannotJudge(
            f"no row names an object: of {finding.values:,} values {finding.otherwise:,} hold a prefix of ours in "
            f"another spelling; production holds {finding.production_objects:,} objects. Fix: see whether the "
            f"declaration names the right database, columns and path prefixes."
        )
    return finding


def _read_rows(
    declaration: Declaration, database: Database, parts: Parts, finding: Finding, directory: Path, progress: Progress
) -> None:
    references = declaration.references
    with database.snapshot() as connection:
        finding.standby = rows.is_standby(connection)
        progress.say(_need([rows.estimate(connection, reference) for reference in references], directory))
        for number, reference in enumerate(references):
            reading = finding.readings[reference.name] = Reading()
            read = reader(reference, declaration)
            with progress.stage(f"values of {reference.name}") as advance:
                for value in rows.read(connection, reference):
                    reading.values += 1
                    if not reading.values % 1000:
                        advance(1000)
                    try:
                        named = read(value)
                    except Otherwise:
                        reading.otherwise += 1
                        if len(reading.examples) < EXAMPLES:
                            reading.examples.append(value)
                        continue
                    if named is None:
                        if len(reading.foreign_examples) < FOREIGN_EXAMPLES:
                            reading.foreign_examples.append(value)
                    else:
                        parts.add_row(RowAt(number, named))
                        if named.side is Side.PRODUCTION:
                            reading.production += 1
                        else:
                            reading.legacy += 1


def _refuse_what_names_nothing(finding: Finding) -> None:
    """A column that is declared wrongly looks as if it had nothing to do with us: all its pictures may be broken.

    :raises CannotJudge: of a reference no value names anything of ours, while others' do.
    """
    strange = {name: each for name, each in finding.readings.items() if each.values and each.foreign == each.values}
    if strange and any(each.foreign < each.values for each in finding.readings.values()):
        told = " and ".join(
            f"none of the {each.values:,} values of {name} names anything of ours "
            f"(e.g. {each.foreign_examples[0][:200]!r})"
            for name, each in strange.items()
        )
        raise CannotJudge(
            f"{told}, as those of other references do. Fix: correct its path_prefix in the declaration, or remove the "
            f"reference."
        )


def _suspects(
    declaration: Declaration, parts: Parts, finding: Finding, advance: Callable[[int], object]
) -> Iterator[Suspect]:
    canary, keys = CANARY[:-1].encode(), declaration.keys
    keep = declaration.unreferenced == "keep"

    def is_canary(rest: bytes) -> bool:
        return rest.startswith(canary) and keys.is_canary(keys.legacy_prefix + rest.decode(errors="replace"))

    for part in parts.split():
        yield from join(part.objects(), part.rows(), is_canary, finding, keep_unnamed=keep)
        advance(1)


def _need(values: list[int], directory: Path) -> str:
    """A guess: each value names an object of its own in the largest column, and the same one in all others."""
    need = sum(values) * BYTES_A_ROW + max(values) * BYTES_AN_OBJECT
    return (
        f"Scratch files: about {need / 1e9:,.2f} GB in {directory}, which has {_free(directory):,.2f} GB free "
        f"(some {sum(values):,} values; {BYTES_A_ROW} bytes each, {BYTES_AN_OBJECT} an object, more with long keys)."
    )


def _free(directory: Path) -> float:
    return shutil.disk_usage(directory).free / 1e9


@contextmanager
def _scratch(directory: Path) -> Iterator[Parts]:
    try:
        with closing(Parts(directory)) as parts:
            yield parts
    except OSError as error:
        fix = "ulimit -n 1024" if error.errno == errno.EMFILE else "free the disk, or give another --directory"
        raise CannotJudge(f"scratch files in {directory}: {error.strerror or error}. Fix: {fix}.") from error
