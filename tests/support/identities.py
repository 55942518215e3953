"""Who may do what in the store of the tests: the policies as shipped, and each less one right."""

from __future__ import annotations

import json

from devstack.s3 import Identity
from s3_migration.commands.policies import SIDES, policy

from .product import declare

# Rights to leave out, one identity each: (statement's Sid, action) of include/iam/policy.json.
RIGHTS = {
    "list-legacy": ("ListLegacy", "s3:ListBucket"),
    "list-production": ("ListProduction", "s3:ListBucket"),
    "get-legacy": ("ReadLegacy", "s3:GetObject"),
    "get-tags": ("ReadLegacyTags", "s3:GetObjectTagging"),
    "delete-legacy": ("DeleteLegacy", "s3:DeleteObject"),
    "get-production": ("ReadAndWriteProduction", "s3:GetObject"),
    "put-production": ("ReadAndWriteProduction", "s3:PutObject"),
    "put-canary": ("WriteTheLegacyCanary", "s3:PutObject"),
    "delete-canary": ("DeleteTheProductionCanary", "s3:DeleteObject"),
}


def _as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _declared(name: str, **fields: object) -> Identity:
    """Who has the rights that what is declared beside needs."""
    shipped = policy(declare("legacy-any", "production-any", **fields))
    return Identity(name, name, "secret", json.loads(json.dumps(shipped).replace("-any", "-*")))


def _identity(without: str = "", side: str | None = None) -> Identity:
    """Who has the shipped rights on the buckets of all tests (`*` for their random part), less one right; or those of
    one connection, with the right to remove copies."""
    # In a bucket's name the policy takes no `*` for a wildcard.
    shipped = policy(declare("legacy-any", "production-any"), side, undo=side is not None)
    rendered = json.loads(json.dumps(shipped).replace("-any", "-*"))
    left_out = RIGHTS.get(without)
    for part in rendered["Statement"]:
        if left_out and part["Sid"] == left_out[0]:
            part["Action"] = [action for action in _as_list(part["Action"]) if action != left_out[1]] or ["s3:None"]
    name = f"without-{without}" if without else f"{side}-alone" if side else "migrator"
    return Identity(name, name, "secret", rendered)


def identities() -> tuple[Identity, ...]:
    """The administrator, the migrator, the migrator less each right, and one identity a side."""
    return (
        Identity("admin", "admin", "secret"),
        _identity(),
        _declared("comparing", compare="head"),
        _declared("reporting", completion_report={"prefix": "reports/"}),
        *map(_identity, RIGHTS),
        *(_identity(side=side) for side in SIDES),
    )
