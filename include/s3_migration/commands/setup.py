"""The one-time set-up of a migration, to print: SQL for a database administrator, policies for the S3 identity."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import click

from s3_migration.commands import policies
from s3_migration.commands.answer import Answer, answers, migration
from s3_migration.ledger import schema
from s3_migration.model.declaration import Declaration

Check = Callable[[click.Context, click.Parameter, str | None], str | None]


def _arn(pattern: str, example: str, fix: str) -> Check:
    def read(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
        if text is not None and not re.fullmatch(pattern, text):
            raise click.BadParameter(f"{text!r}: expected {example}. Fix: {fix}")
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
    "bucket_policy": {"side", "undo", "annotations", "principal"},
    "key_policy": {"side", "principal", "kms_legacy", "kms_production"},
    "endpoint_policy": {"undo", "annotations"},
}


_SIDE = click.Choice(policies.SIDES)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _kind(options: dict[str, Any]) -> str:
    """What is to be printed.

    :raises click.UsageError: an option for it is missing, or one is given that it does not take.
    """
    kinds = [kind for kind in _TAKES if options[kind]]
    if len(kinds) != 1:
        raise click.UsageError(f"expected one of {', '.join(map(_option, _TAKES))}. Fix: say what to print")
    (kind,) = kinds
    for name in sorted(set().union(*_TAKES.values()) - _TAKES[kind]):
        if options[name]:
            raise click.UsageError(f"{_option(name)} means nothing with {_option(kind)}. Fix: leave one of them out")
    needed = {"bucket_policy": ["principal"], "key_policy": ["principal", f"kms_{options['key_policy']}"]}
    for name in needed.get(kind, []):
        if not options[name]:
            raise click.UsageError(f"{_option(kind)} needs {_option(name)} ARN. Fix: add it; docs/aws.md has examples")
    return kind


@click.command()
@migration
@click.option("--sql", is_flag=True, help="Print the SQL for a database administrator.")
@click.option("--iam", is_flag=True, help="Print the IAM policy of the identity.")
@click.option("--bucket-policy", type=_SIDE, help="Print what the bucket's owner allows another account.")
@click.option("--key-policy", type=_SIDE, help="The same for the KMS key of that bucket.")
@click.option("--endpoint-policy", is_flag=True, help="Print the policy of a gateway endpoint for S3.")
@click.option("--role", help=f"Database role that Airflow connects as (--sql).  [default: {schema.ROLE}]")
@click.option("--side", type=_SIDE, help="Only what this connection sends, where they are two identities.")
@click.option("--undo", is_flag=True, help="With what mode undo needs to remove copies.")
@click.option("--annotations", is_flag=True, help="With the rights to copy object annotations.")
@click.option("--principal", metavar="ARN", callback=_PRINCIPAL, help="The identity of the other account.")
@click.option("--kms-legacy", metavar="ARN", callback=_KEY, help="KMS key of the legacy bucket (SSE-KMS).")
@click.option("--kms-production", metavar="ARN", callback=_KEY, help="KMS key of the production bucket (SSE-KMS).")
@click.option("--rds", metavar="ARN", callback=_DATABASE_USER, help="Database user (IAM authentication; --iam).")
@answers
def setup(declaration: Declaration, **options: Any) -> Answer:
    """The one-time set-up of a migration, to print: SQL for a database administrator, policies for the S3 identity.

    \b
    python -m s3_migration setup avatars --sql --role migrator | psql --set ON_ERROR_STOP=1 "$DB_CONN_STRING"
    python -m s3_migration setup avatars --iam                      # one identity, one account
    python -m s3_migration setup avatars --iam --side production    # of production_s3 alone, where they are two
    python -m s3_migration setup avatars --bucket-policy legacy --principal arn:aws:iam::111122223333:role/migrator
    """
    kind = _kind(options)
    if kind == "sql":
        return Answer(schema.script(schema.statements(declaration, options["role"] or schema.ROLE)))
    return Answer(json.dumps(_policy(kind, declaration, options), indent=2))


def _policy(kind: str, declaration: Declaration, options: dict[str, Any]) -> policies.Policy:
    side, principal = options["side"], options["principal"]
    more = {"undo": options["undo"], "annotations": options["annotations"]}
    keys = {f"kms_{name}": options[f"kms_{name}"] for name in policies.SIDES}
    if kind == "iam":
        return policies.policy(declaration, side, rds=options["rds"], **more, **keys)
    if kind == "bucket_policy":
        return policies.bucket_policy(declaration, options["bucket_policy"], principal, side, **more)
    if kind == "key_policy":
        bucket = options["key_policy"]
        return policies.key_policy(declaration, bucket, keys[f"kms_{bucket}"], principal, side)
    return policies.endpoint_policy(declaration, **more)
