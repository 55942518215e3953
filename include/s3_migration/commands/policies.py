"""The policies of the S3 identity and of what it touches: IAM, buckets, KMS keys, a gateway endpoint."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Template
from typing import Any

from s3_migration.model.declaration import Declaration

SIDES = ("legacy", "production")
_POLICY = Path(__file__).parents[2] / "iam" / "policy.json"
_BOTH = frozenset(SIDES)
_LEGACY, _PRODUCTION = frozenset({"legacy"}), frozenset({"production"})
# Which connection's requests need a statement of policy.json, and what has to be asked for before it is printed. The
# copies are sent by production_s3, so it is the one that reads legacy. It may list legacy as well: without that right
# S3 says 403 of an object that is gone, and not 404.
NEEDED: dict[str, tuple[frozenset[str], str]] = {
    "ListLegacy": (_BOTH, ""),
    "ReadLegacy": (_BOTH, ""),
    "ReadLegacyTags": (_PRODUCTION, ""),
    "DeleteLegacy": (_LEGACY, ""),
    "WriteTheLegacyCanary": (_LEGACY, ""),
    "ListProduction": (_PRODUCTION, ""),
    "ReadAndWriteProduction": (_PRODUCTION, ""),
    "DeleteTheProductionCanary": (_PRODUCTION, "no undo"),  # RemoveCopies has it in it
    "RemoveCopies": (_PRODUCTION, "undo"),
    "ReadWithTheLegacyKey": (_PRODUCTION, "kms_legacy"),
    "WriteTheCanaryWithTheLegacyKey": (_LEGACY, "kms_legacy"),
    "WriteWithTheProductionKey": (_PRODUCTION, "kms_production"),
    "ConnectToTheDatabase": (_BOTH, "rds"),
}
Policy = dict[str, Any]


def policy(
    declaration: Declaration,
    side: str | None = None,
    *,
    undo: bool = False,
    kms_legacy: str | None = None,
    kms_production: str | None = None,
    rds: str | None = None,
) -> Policy:
    """The IAM policy of the identity that moves the objects.

    :param side: of this connection's identity alone, where the two connections are two identities.
    :param undo: with the right to remove copies from production, which only an undo asks for.
    :param kms_legacy: ARN of the key that legacy's objects are encrypted with; likewise of production.
    :param rds: ARN of the database user, to connect with IAM database authentication.
    """
    keys = declaration.keys
    asked = {"": True, "undo": undo, "no undo": not undo}
    asked |= {"kms_legacy": bool(kms_legacy), "kms_production": bool(kms_production), "rds": bool(rds)}
    values = {
        "legacy_bucket": declaration.legacy.bucket,
        "legacy_prefix": _literal(keys.legacy_prefix),
        "legacy_canary": _literal(keys.legacy_canary),
        "production_bucket": declaration.production.bucket,
        "production_prefix": _literal(keys.production_prefix),
        "production_canary": _literal(keys.production_canary),
        "kms_legacy": kms_legacy or "",
        "kms_legacy_region": _region(kms_legacy),
        "kms_production": kms_production or "",
        "kms_production_region": _region(kms_production),
        "rds": rds or "",
    }
    quoted = {name: json.dumps(value)[1:-1] for name, value in values.items()}
    made: Policy = json.loads(Template(_POLICY.read_text(encoding="utf-8")).substitute(quoted))
    made["Statement"] = [part for part in made["Statement"] if _is_needed(part["Sid"], side, asked)]
    return made


def _region(arn: str | None) -> str:
    return arn.split(":")[3] if arn else ""


def _is_needed(sid: str, side: str | None, asked: dict[str, bool]) -> bool:
    senders, option = NEEDED[sid]
    return (side is None or side in senders) and asked[option]


def bucket_policy(
    declaration: Declaration, bucket: str, principal: str, side: str | None = None, *, undo: bool = False
) -> Policy:
    """What the policy of one side's bucket has to allow an identity of another account: that identity's rights there.

    :param side: as in `policy`.
    """
    arn = f"arn:aws:s3:::{getattr(declaration, bucket).bucket}"
    made = policy(declaration, side, undo=undo)
    made["Statement"] = [part for part in made["Statement"] if part["Resource"].partition("/")[0] == arn]
    return _granted(made, {"AWS": principal})


def key_policy(declaration: Declaration, bucket: str, arn: str, principal: str, side: str | None = None) -> Policy:
    """The same of the key of one side's bucket. In its own policy a key is called `*`."""
    of_legacy, of_production = (arn if bucket == name else None for name in SIDES)
    made = policy(declaration, side, kms_legacy=of_legacy, kms_production=of_production)
    made["Statement"] = [{**part, "Resource": "*"} for part in made["Statement"] if part["Resource"] == arn]
    return _granted(made, {"AWS": principal})


def endpoint_policy(declaration: Declaration, *, undo: bool = False) -> Policy:
    """Of a gateway endpoint for S3 that serves nothing else. Whose the request is, the other policies say."""
    return _granted(policy(declaration, undo=undo), "*")


def _granted(made: Policy, principal: object) -> Policy:
    """To somebody: what a policy that is attached to a resource says, and one of an identity does not."""
    made["Statement"] = [{"Sid": part["Sid"], "Principal": principal, **part} for part in made["Statement"]]
    return made


def _literal(text: str) -> str:
    """The text as IAM takes it literally: in a resource `*` and `?` are wildcards, `${` begins a variable."""
    return re.sub(r"[*?$]", r"${\g<0>}", text)
