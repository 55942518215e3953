"""The one-time set-up of a migration: SQL for a database administrator, policies for the S3 identity.

python -m s3_migration setup avatars --sql --role migrator | psql --set ON_ERROR_STOP=1 "$DB_CONN_STRING"
python -m s3_migration setup avatars --iam                      # one identity, one account
python -m s3_migration setup avatars --iam --side production    # of production_s3 alone, where they are two
python -m s3_migration setup avatars --bucket-policy legacy --principal arn:aws:iam::111122223333:role/migrator
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence

from s3_migration.commands import policies
from s3_migration.ledger import schema
from s3_migration.model import declaration as declarations


def _arn(pattern: str, example: str, fix: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"{text!r}: expected {example}; next: {fix}")
        return text

    return read


_KEY = _arn(
    r"arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+",
    "arn:aws:kms:REGION:ACCOUNT:key/ID, no alias",
    "aws kms describe-key --key-id … --query KeyMetadata.Arn",
)
_PRINCIPAL = _arn(
    r"arn:aws:iam::[0-9]{12}:(role|user)/[\w+=,.@/-]+",
    "arn:aws:iam::ACCOUNT:role/NAME (or user/NAME), not the session of a role",
    "aws iam get-role --role-name … --query Role.Arn",
)
_DATABASE_USER = _arn(
    r"arn:aws:rds-db:[a-z0-9-]+:[0-9]{12}:dbuser:(db|cluster)-[A-Z0-9]+/[^/*?$\s]+",
    "arn:aws:rds-db:REGION:ACCOUNT:dbuser:db-ID/ROLE, of a cluster cluster-ID",
    "aws rds describe-db-instances --query 'DBInstances[].DbiResourceId' (of a cluster DbClusterResourceId)",
)
# What each kind of output takes beside the migration's name.
_TAKES = {
    "sql": {"role"},
    "iam": {"side", "undo", "kms_legacy", "kms_production", "rds"},
    "bucket_policy": {"side", "undo", "principal"},
    "key_policy": {"side", "principal", "kms_legacy", "kms_production"},
    "endpoint_policy": {"undo"},
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("migration", help="name of a declaration's file, without .yaml")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--sql", action="store_true", help="print the SQL for a database administrator")
    kind.add_argument("--iam", action="store_true", help="print the IAM policy of the identity")
    kind.add_argument(
        "--bucket-policy", choices=policies.SIDES, help="print what the bucket's owner allows another account"
    )
    kind.add_argument("--key-policy", choices=policies.SIDES, help="the same of the KMS key of that bucket")
    kind.add_argument("--endpoint-policy", action="store_true", help="print the policy of a gateway endpoint for S3")
    parser.add_argument("--role", help=f"database role that Airflow connects as (--sql; default: {schema.ROLE})")
    parser.add_argument(
        "--side", choices=policies.SIDES, help="only what this connection sends, where they are two identities"
    )
    parser.add_argument("--undo", action="store_true", help="with what mode undo needs to remove copies")
    parser.add_argument("--principal", type=_PRINCIPAL, metavar="ARN", help="the identity of the other account")
    for side in policies.SIDES:
        parser.add_argument(f"--kms-{side}", type=_KEY, metavar="ARN", help=f"KMS key of the {side} bucket (SSE-KMS)")
    parser.add_argument("--rds", type=_DATABASE_USER, metavar="ARN", help="database user (IAM authentication; --iam)")
    return parser


def _kind(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """What is to be printed; with all that it needs, and nothing that it has no use for."""
    kind = next(name for name in _TAKES if getattr(options, name))
    asked = f"--{kind.replace('_', '-')}"
    for name in sorted(set().union(*_TAKES.values()) - _TAKES[kind]):
        if getattr(options, name):
            parser.error(f"--{name.replace('_', '-')} means nothing with {asked}; next: leave one of them out")
    needed = {"bucket_policy": ["principal"], "key_policy": ["principal", f"kms_{options.key_policy}"]}
    for name in needed.get(kind, []):
        if not getattr(options, name):
            parser.error(f"{asked} needs --{name.replace('_', '-')} ARN; next: see --help, and docs/aws.md")
    return kind


def main(arguments: Sequence[str] | None = None) -> None:
    parser = _parser()
    options = parser.parse_args(arguments)
    kind = _kind(options, parser)
    try:
        declared = declarations.of_file(options.migration)
    except declarations.DeclarationError as error:
        parser.error(str(error))
    if kind == "sql":
        sys.stdout.write(schema.script(schema.statements(declared, options.role or schema.ROLE)))
        return
    side, principal, undo = options.side, options.principal, options.undo
    keys = {f"kms_{name}": getattr(options, f"kms_{name}") for name in policies.SIDES}
    if kind == "iam":
        made = policies.policy(declared, side, undo=undo, rds=options.rds, **keys)
    elif kind == "bucket_policy":
        made = policies.bucket_policy(declared, options.bucket_policy, principal, side, undo=undo)
    elif kind == "key_policy":
        bucket = options.key_policy
        made = policies.key_policy(declared, bucket, keys[f"kms_{bucket}"], principal, side)
    else:
        made = policies.endpoint_policy(declared, undo=undo)
    print(json.dumps(made, indent=2))
