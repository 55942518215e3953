"""The one-time set-up of a migration, to print: SQL for a database administrator, policies for the S3 identity.

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
from s3_migration.model.declaration import Declaration


def _arn(pattern: str, example: str, fix: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"{text!r}: expected {example}. Fix: {fix}")
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
# The options that each kind of output takes.
_TAKES = {
    "sql": {"role"},
    "iam": {"side", "undo", "annotations", "kms_legacy", "kms_production", "rds"},
    "bucket_policy": {"side", "undo", "principal"},
    "key_policy": {"side", "principal", "kms_legacy", "kms_production"},
    "endpoint_policy": {"undo"},
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m s3_migration setup", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("migration", help="name of a declaration's file, without .yaml")
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--sql", action="store_true", help="print the SQL for a database administrator")
    kind.add_argument("--iam", action="store_true", help="print the IAM policy of the identity")
    kind.add_argument(
        "--bucket-policy", choices=policies.SIDES, help="print what the bucket's owner allows another account"
    )
    kind.add_argument("--key-policy", choices=policies.SIDES, help="the same for the KMS key of that bucket")
    kind.add_argument("--endpoint-policy", action="store_true", help="print the policy of a gateway endpoint for S3")
    parser.add_argument("--role", help=f"database role that Airflow connects as (--sql; default: {schema.ROLE})")
    parser.add_argument(
        "--side", choices=policies.SIDES, help="only what this connection sends, where they are two identities"
    )
    parser.add_argument("--undo", action="store_true", help="with what mode undo needs to remove copies")
    parser.add_argument("--annotations", action="store_true", help="with the rights to copy object annotations (--iam)")
    parser.add_argument("--principal", type=_PRINCIPAL, metavar="ARN", help="the identity of the other account")
    for side in policies.SIDES:
        parser.add_argument(f"--kms-{side}", type=_KEY, metavar="ARN", help=f"KMS key of the {side} bucket (SSE-KMS)")
    parser.add_argument("--rds", type=_DATABASE_USER, metavar="ARN", help="database user (IAM authentication; --iam)")
    return parser


def _kind(options: argparse.Namespace, parser: argparse.ArgumentParser) -> str:
    """What is to be printed. Exits when an option for it is missing, or one is given that it does not take."""
    kind = next(name for name in _TAKES if getattr(options, name))
    option = f"--{kind.replace('_', '-')}"
    for name in sorted(set().union(*_TAKES.values()) - _TAKES[kind]):
        if getattr(options, name):
            parser.error(f"--{name.replace('_', '-')} means nothing with {option}. Fix: leave one of them out")
    needed = {"bucket_policy": ["principal"], "key_policy": ["principal", f"kms_{options.key_policy}"]}
    for name in needed.get(kind, []):
        if not getattr(options, name):
            parser.error(f"{option} needs --{name.replace('_', '-')} ARN. Fix: add it; docs/aws.md has examples")
    return kind


def main(arguments: Sequence[str] | None = None) -> None:
    """:param arguments: the migration, what to print, and its options."""
    parser = _parser()
    options = parser.parse_args(arguments)
    kind = _kind(options, parser)
    try:
        declaration = declarations.of_file(options.migration)
    except declarations.DeclarationError as error:
        parser.error(str(error))
    if kind == "sql":
        sys.stdout.write(schema.script(schema.statements(declaration, options.role or schema.ROLE)))
    else:
        print(json.dumps(_policy(kind, declaration, options), indent=2))


def _policy(kind: str, declaration: Declaration, options: argparse.Namespace) -> policies.Policy:
    side, undo, principal = options.side, options.undo, options.principal
    keys = {f"kms_{name}": getattr(options, f"kms_{name}") for name in policies.SIDES}
    if kind == "iam":
        return policies.policy(declaration, side, undo=undo, annotations=options.annotations, rds=options.rds, **keys)
    if kind == "bucket_policy":
        return policies.bucket_policy(declaration, options.bucket_policy, principal, side, undo=undo)
    if kind == "key_policy":
        bucket = options.key_policy
        return policies.key_policy(declaration, bucket, keys[f"kms_{bucket}"], principal, side)
    return policies.endpoint_policy(declaration, undo=undo)
