"""The policies of the S3 identity and of what it touches: IAM, buckets, KMS keys, a gateway endpoint."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Template
from typing import Any

from s3_migration.model.declaration import Declaration
from s3_migration.model.key_mapping import canaries

SIDES = ("legacy", "production")
_POLICY = Path(__file__).parents[2] / "iam" / "policy.json"
# Each statement of policy.json: which connection's requests need it, and by which option ("": always).
# production_s3 sends the copies, so it reads legacy. It may list legacy as well: without that right S3 says 403, and
# not 404, of an object that is gone.
NEEDED: dict[str, dict[str, str]] = {
    "ListLegacy": {"legacy": "", "production": ""},
    "ReadLegacy": {"legacy": "", "production": ""},
    "ReadLegacyTags": {"legacy": "", "production": ""},  # a HEAD tells their number only to whoever may read them
    "SeeLegacyAclsAndAnnotations": {"legacy": ""},  # a plan says what copies will not have, or need rights for
    "ReadLegacyAnnotations": {"production": "annotations"},
    "SeeWhetherLegacyIsAWebsite": {"production": ""},
    "DeleteLegacy": {"legacy": ""},
    "WriteTheLegacyCanary": {"legacy": ""},
    "ListProduction": {"production": ""},
    "ReadAndWriteProduction": {"production": ""},
    "SeeProductionTags": {"production": "compare: head"},
    "WriteProductionAnnotations": {"production": "annotations"},
    "SetProductionAcls": {"production": "acl"},
    "ReadTheAclOfTheProductionCanary": {"production": "acl"},  # check sees whether it arrives
    "DeleteTheProductionCanary": {"production": "no undo"},  # RemoveCopies includes it
    "RemoveCopies": {"production": "undo"},
    "WriteTheCompletionReport": {"production": "completion_report"},
    "ReadWithTheLegacyKey": {"legacy": "kms_legacy, verify: checksum", "production": "kms_legacy"},
    "WriteTheCanaryWithTheLegacyKey": {"legacy": "kms_legacy"},
    "WriteWithTheProductionKey": {"production": "kms_production"},
    "ConnectToTheDatabase": {"legacy": "rds", "production": "rds"},
}
Policy = dict[str, Any]


def policy(
    declaration: Declaration,
    side: str | None = None,
    *,
    undo: bool = False,
    annotations: bool = False,
    kms_legacy: str | None = None,
    kms_production: str | None = None,
    rds: str | None = None,
) -> Policy:
    """The IAM policy of the identity that moves the objects.

    :param side: only what this connection sends, where the two connections are two identities.
    :param undo: with the right to remove copies from production, which only an undo needs.
    :param annotations: with the rights that copies of annotated objects need.
    :param kms_legacy: ARN of the key that legacy's objects are encrypted with; likewise of production, by default the
        one that is declared.
    :param rds: ARN of the database user, to connect with IAM database authentication.
    """
    keys, declared = declaration.keys, declaration.production
    kms_production = kms_production or declared.kms_key_id
    arns = {"kms_legacy": kms_legacy, "kms_production": kms_production, "rds": rds}
    literal = {
        "legacy_prefix": keys.legacy_prefix,
        "legacy_canaries": canaries(keys.legacy_prefix, declaration.name),
        "production_prefix": keys.production_prefix,
        "report_prefix": declaration.report_prefix or "",
        "production_canaries": canaries(keys.production_prefix, declaration.name),
    }
    values = {
        "legacy_bucket": declaration.legacy.bucket,
        "production_bucket": declaration.production.bucket,
        # As IAM takes them literally: in a resource `*` and `?` are wildcards, `${` begins a variable.
        **{name: re.sub(r"[*?$]", r"${\g<0>}", text) for name, text in literal.items()},
        **{name: arn or "" for name, arn in arns.items()},
        **{f"{name}_region": arn.split(":")[3] if arn else "" for name, arn in arns.items()},
    }
    quoted = {name: json.dumps(value)[1:-1] for name, value in values.items()}
    whole: Policy = json.loads(Template(_POLICY.read_text(encoding="utf-8")).substitute(quoted))
    given = {
        "": True,
        "undo": undo,
        "no undo": not undo,
        "annotations": annotations,
        "acl": declared.acl,
        "completion_report": declaration.report_prefix,
        "compare: head": declaration.compare == "head",
        "kms_legacy, verify: checksum": kms_legacy and declaration.verify == "checksum",
        **arns,
    }
    senders = SIDES if side is None else (side,)
    needed = [
        part
        for part in whole["Statement"]
        if any(given[option] for sender, option in NEEDED[part["Sid"]].items() if sender in senders)
    ]
    return {**whole, "Statement": needed}


def bucket_policy(
    declaration: Declaration,
    bucket: str,
    principal: str,
    side: str | None = None,
    *,
    undo: bool = False,
    annotations: bool = False,
) -> Policy:
    """What one side's bucket policy must allow an identity of another account: that identity's rights on the bucket.

    :param side: as in `policy`; likewise `undo` and `annotations`.
    """
    arn = f"arn:aws:s3:::{getattr(declaration, bucket).bucket}"
    parts = policy(declaration, side, undo=undo, annotations=annotations)["Statement"]
    return _granted_to({"AWS": principal}, [part for part in parts if part["Resource"].partition("/")[0] == arn])


def key_policy(declaration: Declaration, bucket: str, arn: str, principal: str, side: str | None = None) -> Policy:
    """The same for the KMS key of one side's bucket. In its own policy a key is called `*`."""
    legacy_arn, production_arn = (arn if bucket == name else None for name in SIDES)
    parts = policy(declaration, side, kms_legacy=legacy_arn, kms_production=production_arn)["Statement"]
    return _granted_to({"AWS": principal}, [{**part, "Resource": "*"} for part in parts if part["Resource"] == arn])


def endpoint_policy(declaration: Declaration, *, undo: bool = False, annotations: bool = False) -> Policy:
    """The policy of a gateway endpoint that serves nothing else. Whose requests they are, the other policies say."""
    parts = policy(declaration, undo=undo, annotations=annotations)["Statement"]
    return _granted_to("*", [part for part in parts if part["Resource"].startswith("arn:aws:s3:")])


def _granted_to(principal: object, parts: list[dict[str, Any]]) -> Policy:
    """A policy that is attached to a resource: it names the principal, which a policy of an identity does not."""
    return {
        "Version": "2012-10-17",
        "Statement": [{"Sid": part["Sid"], "Principal": principal, **part} for part in parts],
    }
