"""What is wrong with a row, or with what legacy still holds: one rule for the first look and the second. Pure."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from s3_migration.second_opinion.spelling import Side

_MD5 = re.compile("[0-9a-f]{32}").fullmatch


class Object(NamedTuple):
    """What a store shows of an object now."""

    size: int
    etag: str
    encrypted: bool = False  # with a key: its ETag is the MD5 of nothing that we can see


class Fault(str, Enum):
    """Why a migration is not whole. The first four are of rows, and counted in rows; the others of legacy's objects."""

    BROKEN = "broken"
    UNSWITCHED = "unswitched"
    DANGLING = "dangling"
    NOT_MOVED = "not_moved"
    ONLY_IN_LEGACY = "only_in_legacy"
    DIFFERS = "differs"
    UNPROVEN = "unproven"
    LEFT = "left"


def judge_row(named: Side, legacy: Object | None, production: Object | None) -> Fault | None:
    """:param named: the side that the row names."""
    if named is Side.PRODUCTION:
        return None if production else Fault.BROKEN
    if legacy:
        return Fault.NOT_MOVED
    return Fault.UNSWITCHED if production else Fault.DANGLING


def judge_left(legacy: Object, production: Object | None) -> Fault:
    """An object in legacy is a fault, whatever production holds."""
    if production is None:
        return Fault.ONLY_IN_LEGACY
    if legacy.size != production.size:
        return Fault.DIFFERS
    # Of an upload in parts, or encrypted with a key, the ETag is no MD5 of the content, and tells nothing of it.
    if any(each.encrypted or not _MD5(each.etag) for each in (legacy, production)):
        return Fault.UNPROVEN
    return Fault.LEFT if legacy.etag == production.etag else Fault.DIFFERS
