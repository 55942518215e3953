"""How a key, its copy and the paths of the rows that name them belong together. Pure."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

# What `check` writes below each prefix, to see whether the store honours conditions: with the names of the migration
# and of the run, so that no check disturbs another.
CANARY = ".s3-migration-canary-"
_IS_CANARY = re.compile(r"\.s3-migration-canary(-.+-[0-9a-f]{12})?").fullmatch


@dataclass(frozen=True)
class KeyMapping:
    """Both sides by prefix. What follows the prefix is kept whole, so two keys never meet."""

    legacy_prefix: str
    production_prefix: str
    legacy_path_prefix: str
    production_path_prefix: str

    def production_key(self, legacy_key: str) -> str:
        return self.production_prefix + _rest(legacy_key, self.legacy_prefix)

    def legacy_key(self, production_key: str) -> str:
        return self.legacy_prefix + _rest(production_key, self.production_prefix)

    def legacy_path(self, legacy_key: str) -> str:
        return self.legacy_path_prefix + _rest(legacy_key, self.legacy_prefix)

    def production_path(self, legacy_key: str) -> str:
        return self.production_path_prefix + _rest(legacy_key, self.legacy_prefix)

    def is_canary(self, legacy_key: str) -> bool:
        """Of any migration's check: no object of the product."""
        start = len(self.legacy_prefix)
        return legacy_key.startswith(CANARY[:-1], start) and _IS_CANARY(legacy_key, start) is not None


def canary(prefix: str, migration: str, run_id: str) -> str:
    """The key of one run's canary."""
    return f"{canaries(prefix, migration)}{hashlib.sha256(run_id.encode()).hexdigest()[:12]}"


def canaries(prefix: str, migration: str) -> str:
    """What the keys of all canaries of a migration begin with."""
    return f"{prefix}{CANARY}{migration}-"


def _rest(key: str, prefix: str) -> str:
    if not key.startswith(prefix):
        raise ValueError(f"key {key!r} does not begin with prefix {prefix!r}")
    return key[len(prefix) :]
