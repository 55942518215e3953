"""What a migration's objects are called in a database: what to look for, and how to show where it stands. Pure."""

from __future__ import annotations

import html
import json
import re
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from s3_migration.model.declaration import Declaration

ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


@dataclass(frozen=True)
class Names:
    """What is looked for, and what stands for it in production."""

    prefix: str
    path_prefix: str
    bucket: str
    production_prefix: str
    production_path_prefix: str
    production_bucket: str
    other_path_prefixes: tuple[str, ...] = ()  # of references that have their own

    @classmethod
    def of(cls, declaration: Declaration) -> Names:
        legacy, production = declaration.legacy, declaration.production
        return cls(
            *(legacy.prefix, legacy.path_prefix, legacy.bucket),
            *(production.prefix, production.path_prefix, production.bucket),
            tuple(sorted({each.keys.legacy_path_prefix for each in declaration.references} - {legacy.path_prefix})),
        )

    @property
    def searched(self) -> list[str]:
        """As declared."""
        return list(dict.fromkeys([self.prefix, self.path_prefix, *self.other_path_prefixes, self.bucket]))

    @cached_property
    def spelt(self) -> list[str]:
        """The prefixes as a path may begin with them: as declared, as the keys have it, percent-encoded."""
        encoded = [quote(self.prefix, safe="/"), quote(self.prefix, safe="")]
        lower = [ESCAPE.sub(lambda found: found[0].lower(), each) for each in encoded]
        return list(dict.fromkeys([self.path_prefix, self.prefix, *encoded, *lower, *self.other_path_prefixes]))

    @cached_property
    def needles(self) -> list[str]:
        """What a value contains that names them, also where JSON, XML or a URL escape it. None contains another."""
        found: set[str] = set()
        for name in (*self.spelt, self.bucket):
            escaped = {name, html.escape(name), json.dumps(name)[1:-1], json.dumps(name, ensure_ascii=False)[1:-1]}
            # `\/` is how PHP writes JSON; in a JSON string the backslash stands twice.
            found |= escaped | {each.replace("/", slash) for each in escaped for slash in (r"\/", r"\\/")}
        return sorted(each for each in found if not any(other in each for other in found - {each}))


def excerpt(value: str, names: Names, width: int = 100) -> str:
    """What stands around the find, at most `width` characters of the value, on one line that any terminal shows."""
    found = [at for needle in names.needles if (at := value.find(needle)) >= 0]
    start = 0 if len(value) <= width else max(0, min(min(found, default=0) - width // 3, len(value) - width))
    cut = value[start : start + width]
    shown = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut)
    return f"{'…' if start else ''}{shown}{'…' if start + width < len(value) else ''}"
