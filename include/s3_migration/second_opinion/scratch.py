"""Rows and objects on the local disk, in parts by the hash of the rest: what belongs together lies in one part.

The files have no name: whatever ends the process, SIGKILL included, nothing of them stays.
"""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import IO, NamedTuple

from s3_migration.second_opinion.judgement import Object
from s3_migration.second_opinion.spelling import Named, Side

# A part that is too large for memory is parted again, by other bits of the hash; twice, enough for 10^10 objects.
_BITS, _DEEPEST = 6, 2
PARTS = 1 << _BITS
# Of a part that is joined at once. Some 120,000 objects, which take six times as much memory.
MOST_BYTES = 8 << 20
_BUFFER = 1 << 15
_SIDES = (Side.LEGACY, Side.PRODUCTION)
_ROW = struct.Struct("<BHII")  # side, reference, bytes of rest and of what the row spells
_OBJECT = struct.Struct("<BIQH")  # side, bytes of rest, size, bytes of the ETag

# For people, before it begins: a row and its object, with 24 bytes of rest each.
BYTES_A_ROW, BYTES_AN_OBJECT = _ROW.size + 24, _OBJECT.size + 24 + 32


class RowAt(NamedTuple):
    """A row of the reference of this number."""

    reference: int
    named: Named


class Found(NamedTuple):
    """An object as a listing shows it."""

    side: Side
    rest: bytes
    shown: Object


class Part:
    """Rows and objects whose rests have the same hash, as far as `level` goes."""

    def __init__(self, directory: Path, level: int) -> None:
        self._directory, self._level = directory, level
        self._files = ExitStack()
        self._rows, self._objects = self._new_file(), self._new_file()

    def _new_file(self) -> IO[bytes]:
        file = tempfile.TemporaryFile(buffering=_BUFFER, dir=self._directory)  # noqa: SIM115
        self._files.callback(_close, file)
        return file

    def close(self) -> None:
        self._files.close()

    def add_row(self, row: RowAt) -> None:
        side, rest, spelt = row.named
        self._rows.write(_ROW.pack(side, row.reference, len(rest), len(spelt)) + rest + spelt)

    def add_object(self, found: Found) -> None:
        etag = found.shown.etag.encode()
        self._objects.write(_OBJECT.pack(found.side, len(found.rest), found.shown.size, len(etag)) + found.rest + etag)

    def rows(self) -> Iterator[RowAt]:
        self._rows.seek(0)
        read = self._rows.read
        while head := read(_ROW.size):
            side, reference, length, more = _ROW.unpack(head)
            yield RowAt(reference, Named(_SIDES[side], read(length), read(more)))

    def objects(self) -> Iterator[Found]:
        self._objects.seek(0)
        read = self._objects.read
        while head := read(_OBJECT.size):
            side, length, size, more = _OBJECT.unpack(head)
            yield Found(_SIDES[side], read(length), Object(size, read(more).decode()))

    def split(self, most: int) -> Iterator[Part]:
        """Itself, or the parts of it, none of which is too large; each is closed once the next one is asked for."""
        if self._level == _DEEPEST or self._rows.tell() + self._objects.tell() <= most:
            yield self
            self.close()
            return
        with closing(Parts(self._directory, self._level + 1)) as parts:
            for row in self.rows():
                parts.add_row(row)
            for found in self.objects():
                parts.add_object(found)
            self.close()
            yield from parts.split(most)


class Parts:
    """All parts of one level."""

    def __init__(self, directory: Path, level: int = 0) -> None:
        self._shift = _BITS * level
        self._parts = [Part(directory, level) for _ in range(PARTS)]

    def _part(self, rest: bytes) -> Part:
        return self._parts[zlib.crc32(rest) >> self._shift & PARTS - 1]

    def add_row(self, row: RowAt) -> None:
        self._part(row.named.rest).add_row(row)

    def add_object(self, found: Found) -> None:
        self._part(found.rest).add_object(found)

    def split(self, most: int = MOST_BYTES) -> Iterator[Part]:
        """Parts that fit into memory, one after the other; of many rows that name one object a part may be larger."""
        for part in self._parts:
            yield from part.split(most)

    def close(self) -> None:
        for part in self._parts:
            part.close()


def _close(file: IO[bytes]) -> None:
    with suppress(OSError):  # what a full disk has not taken
        file.close()
