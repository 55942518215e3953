"""Keys that PostgreSQL cannot store (U+0000, bytes that are no UTF-8), under a name that it can. Pure.

`image/a\\0b` is named `image/a%00b` and a mark: a character that no text may contain.
Such an object is neither copied nor deleted: it is `failed`, with the code KeyNotStorable.
"""

from __future__ import annotations

import re

from s3_migration.model.objects import S3Object

MARK = "\ufdd0"
_NOT_STORABLE = re.compile(f"[\x00\udc80-\udcff{MARK}]")


def storable(objects: list[S3Object]) -> list[S3Object]:
    """The objects, with names in place of keys that cannot be stored.

    :param objects: bytes of keys that are no UTF-8 as Python's error handler `surrogateescape` has them.
    """
    if not _NOT_STORABLE.search("".join([each.key for each in objects])):
        return objects
    return [each._replace(key=_name(each.key)) if _NOT_STORABLE.search(each.key) else each for each in objects]


def is_name(key: str) -> bool:
    """Whether this is a name for a key that cannot be stored."""
    return key.endswith(MARK)


def legible(key: str) -> str:
    """The key as messages show it."""
    return key.removesuffix(MARK)


def _name(key: str) -> str:
    return _NOT_STORABLE.sub(_percent, key) + MARK


def _percent(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode(errors="surrogateescape"))
