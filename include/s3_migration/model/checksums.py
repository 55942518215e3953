"""What the checksums of two objects, as a HEAD shows them, say of their bytes. Pure.

Comparable are those of one algorithm over a whole object (FULL_OBJECT). One of parts (COMPOSITE) hangs on how the
object was cut, which a copy need not repeat.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

_PREFIX = "x-amz-checksum-"
_TYPE = f"{_PREFIX}type"
# What begins so and is no checksum.
_OTHERS = frozenset({_TYPE, f"{_PREFIX}algorithm", f"{_PREFIX}mode"})
_OF_PARTS = re.compile(r"-\d+$")


class Compared(NamedTuple):
    """Of two objects: the same bytes, or not, and why; None: their checksums cannot tell."""

    same: bool | None
    why: str = ""


def checksums(headers: Mapping[str, str]) -> dict[str, str]:
    """By algorithm in small letters, those over a whole object.

    :param headers: names in small letters.
    """
    if headers.get(_TYPE, "").upper() == "COMPOSITE":
        return {}
    return {
        name.removeprefix(_PREFIX): value
        for name, value in headers.items()
        if name.startswith(_PREFIX) and name not in _OTHERS and not _OF_PARTS.search(value)
    }


def compare_checksums(legacy: Mapping[str, str], copy: Mapping[str, str]) -> Compared:
    """Hold what a HEAD shows of an object against what one shows of its copy."""
    ours, theirs = checksums(legacy), checksums(copy)
    common = sorted(ours.keys() & theirs.keys())
    for name in common:
        if ours[name] != theirs[name]:
            return Compared(False, f"{name.upper()} of legacy is {ours[name]}, of the copy {theirs[name]}")
    return Compared(True if common else None)
