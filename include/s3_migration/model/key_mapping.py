"""How a key, its copy and the paths of the rows that name them belong together. Pure."""

from __future__ import annotations

from dataclasses import dataclass

# The one key below each prefix that `check` writes, to see whether the store honours conditions.
CANARY = ".s3-migration-canary"


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

    @property
    def legacy_canary(self) -> str:
        return self.legacy_prefix + CANARY

    @property
    def production_canary(self) -> str:
        return self.production_prefix + CANARY


def _rest(key: str, prefix: str) -> str:
    if not key.startswith(prefix):
        raise ValueError(f"key {key!r} does not begin with prefix {prefix!r}")
    return key[len(prefix) :]
