"""The one-time set-up of a migration: SQL for a database administrator, policies for the S3 identity.

python -m include.setup avatars --sql --role migrator | psql --set ON_ERROR_STOP=1 "$DB_CONN_STRING"
python -m include.setup avatars --iam                                     # one identity, one account
python -m include.setup avatars --iam --side production                   # of production_s3 alone, where they are two
python -m include.setup avatars --bucket-policy legacy --principal arn:aws:iam::111122223333:role/migrator
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from string import Template
from typing import Any

from psycopg import sql

from include import declaration as declarations
from include import statements as files
from include.declaration import Declaration

# What check expects of the database; rises with each change of the ledger's tables (README).
SCHEMA_VERSION = 2
ROLE = "migrator"
SIDES = ("legacy", "production")
_POLICY = Path(__file__).parent / "iam" / "policy.json"
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


def statements(declaration: Declaration, role: str = ROLE) -> list[str]:
    """The SQL that readies the database that it is run in; it may be run again. Role and table must exist."""
    parts = {**names(declaration, role), "version": sql.Literal(SCHEMA_VERSION)}
    return [files.statement(file, **parts).as_string() for file in files.of("setup")]


def schema() -> list[str]:
    """The part of it that makes the ledger, empty and without rights."""
    made = [file for file in files.of("setup") if Path(file).name < "30"]
    return [files.statement(file, version=sql.Literal(SCHEMA_VERSION)).as_string() for file in made]


def names(declaration: Declaration, role: str) -> dict[str, sql.Composable]:
    """What an administrator's statements are about."""
    table_schema, table = ("public", *declaration.table)[-2:]
    return {
        "name": sql.Literal(declaration.name),
        "role": sql.Identifier(role),
        # A literal within a literal.
        "role_name": sql.SQL(sql.Literal(role).as_string().replace("'", "''")),
        "table": sql.Identifier(table_schema, table),
        "table_schema": sql.Identifier(table_schema),
        "column": sql.Identifier(declaration.database.column),
    }


def script(texts: Iterable[str], then: Iterable[str] = ()) -> str:
    """The statements for psql, `then` its own commands: all of them, or at the first error none."""
    said = "".join(f"{text.strip()};\n\n" for text in texts)
    return f"\\set ON_ERROR_STOP on\nBEGIN;\n\n{said}{''.join(then)}COMMIT;\n"


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


# -- the command --------------------------------------------------------------------------------------------------


def _arn(pattern: str, example: str, mend: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"{text!r}: expected {example}; next: {mend}")
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
    kind.add_argument("--bucket-policy", choices=SIDES, help="print what the bucket's owner allows another account")
    kind.add_argument("--key-policy", choices=SIDES, help="the same of the KMS key of that bucket")
    kind.add_argument("--endpoint-policy", action="store_true", help="print the policy of a gateway endpoint for S3")
    parser.add_argument("--role", help=f"database role that Airflow connects as (--sql; default: {ROLE})")
    parser.add_argument("--side", choices=SIDES, help="only what this connection sends, where they are two identities")
    parser.add_argument("--undo", action="store_true", help="with what mode undo needs to remove copies")
    parser.add_argument("--principal", type=_PRINCIPAL, metavar="ARN", help="the identity of the other account")
    for side in SIDES:
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


def main() -> None:
    parser = _parser()
    options = parser.parse_args()
    kind = _kind(options, parser)
    try:
        declared = declarations.of_file(options.migration)
    except declarations.DeclarationError as error:
        parser.error(str(error))
    if kind == "sql":
        sys.stdout.write(script(statements(declared, options.role or ROLE)))
        return
    side, principal, undo = options.side, options.principal, options.undo
    keys = {f"kms_{name}": getattr(options, f"kms_{name}") for name in SIDES}
    if kind == "iam":
        made = policy(declared, side, undo=undo, rds=options.rds, **keys)
    elif kind == "bucket_policy":
        made = bucket_policy(declared, options.bucket_policy, principal, side, undo=undo)
    elif kind == "key_policy":
        bucket = options.key_policy
        made = key_policy(declared, bucket, keys[f"kms_{bucket}"], principal, side)
    else:
        made = endpoint_policy(declared, undo=undo)
    print(json.dumps(made, indent=2))


if __name__ == "__main__":
    main()
