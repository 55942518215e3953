"""Where rows name the objects: a column, or a place in its values, and how a path is spelt there. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from s3_migration.model.key_mapping import KeyMapping

# Of a table that is declared without its schema: whatever search_path a role has, it is the same table for all.
DEFAULT_SCHEMA = "public"


@dataclass(frozen=True)
class Reference:
    """One place that names objects. `keys` maps with the path prefixes of this very place."""

    schema: str
    table: str
    column: str
    keys: KeyMapping
    array: bool = False  # each element holds one path
    json_path: tuple[str, ...] = ()  # object keys and array indexes that lead to the path, in a jsonb
    url_encoded: bool = False  # what follows the path prefix is percent-encoded

    @property
    def table_name(self) -> str:
        """As it is declared: without the default schema."""
        return self.table if self.schema == DEFAULT_SCHEMA else f"{self.schema}.{self.table}"

    @property
    def name(self) -> str:
        """For people: `avatars.path`, `shop.posts.data{cover,path}`, `posts.pictures[]`."""
        inner = "[]" if self.array else f"{{{','.join(self.json_path)}}}" if self.json_path else ""
        return f"{self.table_name}.{self.column}{inner}"

    def legacy_path(self, legacy_key: str) -> str:
        """What a row holds before the switch."""
        return self._spelt(self.keys.legacy_path_prefix, legacy_key)

    def production_path(self, legacy_key: str) -> str:
        """What a row holds after the switch. A percent-encoded rest stays as the row has it, however it was encoded."""
        return self._spelt(self.keys.production_path_prefix, legacy_key)

    def _spelt(self, path_prefix: str, legacy_key: str) -> str:
        rest = legacy_key[len(self.keys.legacy_prefix) :]
        return path_prefix + (quote(rest, safe="/~") if self.url_encoded else rest)
