"""What a migration keeps of its declaration as long as it lives: where its objects are, what names them. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from s3_migration.model.declaration import Declaration
from s3_migration.model.reference import Reference

Identity = Mapping[str, Any]


def identity(declaration: Declaration) -> Identity:
    """What may not change: the ledger's keys and paths mean nothing under other buckets or prefixes. As JSON has it."""
    sides = {
        side: {"bucket": store.bucket, "prefix": store.prefix}
        for side, store in (("legacy", declaration.legacy), ("production", declaration.production))
    }
    return {**sides, "references": {_place(reference): _spelt(reference) for reference in declaration.references}}


def differences(kept: Identity, now: Identity, switched: Collection[str]) -> list[str]:
    """What differs from what was kept, for people.

    A reference that is new is none, as its rows follow too; nor is one that is corrected before it switched a row.

    :param switched: names of the references of which rows were switched; `*` stands for all.
    """
    found = [
        f"{side}.{field} was {kept[side][field]!r} and is {now[side][field]!r}"
        for side in ("legacy", "production")
        for field in kept[side]
        if kept[side][field] != now[side][field]
    ]
    for place, spelt in kept["references"].items():
        if not {spelt["name"], "*"} & set(switched):
            continue
        if place not in now["references"]:
            found.append(f"reference {place} is gone")
            continue
        found += [
            f"reference {place}: {field} was {before!r} and is {after!r}"
            for field, before in spelt.items()
            if (after := now["references"][place][field]) != before
        ]
    return found


def _place(reference: Reference) -> str:
    inner = "".join(f"[{step}]" for step in reference.json_path)
    return f"{reference.schema}.{reference.table}.{reference.column}{inner}"


def _spelt(reference: Reference) -> dict[str, Any]:
    return {
        "name": reference.name,
        "legacy": reference.keys.legacy_path_prefix,
        "production": reference.keys.production_path_prefix,
        "path_encoding": "url" if reference.url_encoded else "plain",
        "array": reference.array,
    }
