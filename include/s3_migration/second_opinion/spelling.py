"""What a value of a row names: an object of either side, something that only looks like one, or nothing of ours. Pure.

The *rest* is what follows the prefix in a key, and the path prefix in a row. It is the same on both sides, and bytes: a
key that is no UTF-8 is one all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple
from urllib.parse import unquote, unquote_to_bytes

from s3_migration.model.declaration import Declaration
from s3_migration.model.reference import Reference

# No longer value can name an object: 1,024 bytes of a key, percent-encoded, after a prefix.
MOST_CHARACTERS = 4096
# As often is a percent-encoding taken off that was put onto another one.
_ROUNDS = 3


class Side(IntEnum):
    LEGACY = 0
    PRODUCTION = 1


class Named(NamedTuple):
    """An object that a value names, in the spelling that is declared."""

    side: Side
    rest: bytes
    spelt: bytes  # what follows the path prefix in the row, where that is not `rest`; else empty


class Otherwise(Exception):
    """The value holds a prefix or a bucket of ours, but does not begin as declared: nobody can tell what it names."""


def reader(reference: Reference, declaration: Declaration) -> Callable[[str], Named | None]:
    """A function of a value. It answers None of a value that has nothing to do with us, and raises Otherwise."""
    legacy, production = reference.keys.legacy_path_prefix, reference.keys.production_path_prefix
    legacy_length, production_length, encoded = len(legacy), len(production), reference.url_encoded
    stores = (declaration.legacy, declaration.production)
    names = {name for store in stores for name in (store.prefix, store.path_prefix, store.bucket)}
    looks_like_ours = re.compile("|".join(map(re.escape, sorted(map(_plain, {*names, legacy, production}))))).search

    def read(value: str) -> Named | None:
        if len(value) <= MOST_CHARACTERS:
            if value.startswith(production):
                return _named(Side.PRODUCTION, value[production_length:], encoded)
            if value.startswith(legacy):
                return _named(Side.LEGACY, value[legacy_length:], encoded)
        if looks_like_ours(_plain(value)):
            raise Otherwise
        return None

    return read


def _named(side: Side, spelt: str, encoded: bool) -> Named:
    given = spelt.encode()
    if not encoded:
        return Named(side, given, b"")
    # As whoever is given the URL reads it: what follows ? or # is no part of the key, which would have %3F and %23.
    rest = unquote_to_bytes(re.split("[?#]", spelt, maxsplit=1)[0])
    return Named(side, rest, b"" if rest == given else given)


def _plain(value: str) -> str:
    r"""Without what differs between spellings: percent-encoding, capitals, and `\/` for `/`, as PHP writes JSON."""
    for _ in range(_ROUNDS):
        if "%" not in value:
            break
        value = unquote(value)
    return value.replace("\\/", "/").lower()
