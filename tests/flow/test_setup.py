"""What is shipped for an administrator to run: SQL that quotes whatever it is given, and a policy that grants no more
than the README says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import pytest
from psycopg import sql

from devstack.postgres import Postgres
from s3_migration.commands.policies import NEEDED, bucket_policy, endpoint_policy, key_policy, policy
from s3_migration.ledger.schema import statements
from s3_migration.model.declaration import Declaration
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.steps.check import check
from tests.support import ROOT
from tests.support.command_line import Run, run_apart
from tests.support.connections import PASSWORD, connect_database, psql
from tests.support.flow import Flow, shared_clients
from tests.support.product import Product, declare

# -- the policy ---------------------------------------------------------------------------------------------------


def grants(made: dict[str, Any]) -> set[tuple[str, str]]:
    def each(value: str | list[str]) -> list[str]:
        return [value] if isinstance(value, str) else value

    return {
        (action, resource)
        for part in made["Statement"]
        for action in each(part["Action"])
        for resource in each(part["Resource"])
    }


def test_exactly_the_listed_rights_are_granted() -> None:
    legacy, production = "arn:aws:s3:::legacy-s3", "arn:aws:s3:::production-s3"
    made = policy(declare())
    assert made["Version"] == "2012-10-17"
    assert {(part["Effect"], *sorted(set(part) - {"Sid"})) for part in made["Statement"]} == {
        ("Allow", "Action", "Effect", "Resource")
    }
    assert grants(made) == {
        ("s3:ListBucket", legacy),
        ("s3:GetObject", f"{legacy}/image/*"),
        ("s3:GetObjectTagging", f"{legacy}/image/*"),
        ("s3:DeleteObject", f"{legacy}/image/*"),
        ("s3:PutObject", f"{legacy}/image/.s3-migration-canary-avatars-*"),
        ("s3:GetObjectAcl", f"{legacy}/image/*"),
        ("s3:ListObjectAnnotations", f"{legacy}/image/*"),
        ("s3:GetBucketWebsite", legacy),
        ("s3:ListBucket", production),
        ("s3:ListBucketMultipartUploads", production),
        ("s3:GetObject", f"{production}/avatar/*"),
        ("s3:PutObject", f"{production}/avatar/*"),
        ("s3:PutObjectTagging", f"{production}/avatar/*"),
        ("s3:AbortMultipartUpload", f"{production}/avatar/*"),
        ("s3:DeleteObject", f"{production}/avatar/.s3-migration-canary-avatars-*"),
    }


def test_what_is_declared_of_copies_brings_its_rights_and_nothing_else_does() -> None:
    production, key = "arn:aws:s3:::production-s3", "arn:aws:kms:eu-central-1:111122223333:key/1234abcd"
    usual = grants(policy(declare()))

    def more(annotations: bool = False, **fields: Any) -> set[tuple[str, str]]:
        side = declare().production.model_copy(update=fields)
        made = grants(policy(declare().model_copy(update={"production": side}), annotations=annotations))
        assert usual <= made
        return made - usual

    assert more(storage_class="STANDARD_IA", cache_control="no-cache", content_type={".png": "image/png"}) == set()
    assert more(acl="public-read") == {
        ("s3:PutObjectAcl", f"{production}/avatar/*"),
        ("s3:GetObjectAcl", f"{production}/avatar/.s3-migration-canary-avatars-*"),
    }
    assert more(kms_key_id=key) == {("kms:GenerateDataKey", key), ("kms:Decrypt", key)}
    encrypted = declare().production.model_copy(update={"kms_key_id": key})
    of_endpoint = endpoint_policy(declare().model_copy(update={"production": encrypted}))
    assert all(part["Resource"].startswith("arn:aws:s3:::") for part in of_endpoint["Statement"])
    compared = grants(policy(declare().model_copy(update={"compare": "head"})))
    assert compared - usual == {("s3:GetObjectTagging", f"{production}/avatar/*")}
    with_key: Any = {"side": "legacy", "kms_legacy": key}
    assert ("kms:Decrypt", key) not in grants(policy(declare(), **with_key))
    assert ("kms:Decrypt", key) in grants(policy(declare().model_copy(update={"verify": "checksum"}), **with_key))
    assert more(annotations=True) == {
        ("s3:GetObjectAnnotation", "arn:aws:s3:::legacy-s3/image/*"),
        ("s3:PutObjectAnnotation", f"{production}/avatar/*"),
    }


@pytest.mark.parametrize(
    "prefix", ['a"b/', "a\\b/", "ä\U0001f600/", "a\nb\t/", "$prefix/", "${legacy_bucket}/", "a b/"]
)
def test_a_prefix_is_written_as_it_is(prefix: str) -> None:
    made = policy(declared(prefix))
    assert ("s3:DeleteObject", f"arn:aws:s3:::legacy-s3/{literal(prefix)}*") in grants(made)
    assert json.loads(json.dumps(made)) == made


def declared(prefix: str) -> Declaration:
    store = declare().legacy.model_copy(update={"prefix": prefix})
    return declare().model_copy(update={"legacy": store})


def literal(prefix: str) -> str:
    return prefix.replace("$", "${$}").replace("*", "${*}").replace("?", "${?}")


@pytest.mark.parametrize("prefix", ["im*ge/", "im?ge/", "${aws:username}/"])
def test_a_prefix_is_no_pattern(prefix: str) -> None:
    """As AWS reads a policy, `${*}`, `${?}` and `${$}` stand for the characters themselves."""
    made = policy(declared(prefix))
    resources = {resource for action, resource in grants(made) if action == "s3:DeleteObject"}
    assert f"arn:aws:s3:::legacy-s3/{literal(prefix)}*" in resources
    assert not any(fnmatchcase("arn:aws:s3:::legacy-s3/image/a.png", resource) for resource in resources)


def test_sids_and_the_table_of_who_needs_them_are_the_same() -> None:
    printed = json.loads((ROOT / "include" / "iam" / "policy.json").read_text(encoding="utf-8"))
    assert [part["Sid"] for part in printed["Statement"]] == list(NEEDED)


# -- the statements -----------------------------------------------------------------------------------------------

HOSTILE = {
    "schema": 'sh"op; --',
    "table": 'ava"tars; drop %s',
    "column": 'pa\'th "%(run_no)s" {table}',
    "role": "mi\"g'\\;rator % $$",
}


@pytest.fixture
def hostile(product: Product, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Product]:
    """The product's table under names that break what is not quoted."""
    names = {name: sql.Identifier(value) for name, value in HOSTILE.items()}
    for text in (
        "CREATE SCHEMA {schema}",
        "ALTER TABLE avatars SET SCHEMA {schema}",
        "ALTER TABLE {schema}.avatars RENAME TO {table}",
        "ALTER TABLE {schema}.{table} RENAME path TO {column}",
        "CREATE ROLE {role} LOGIN PASSWORD 'migrator-password'",
    ):
        product.database.execute(sql.SQL(text).format(**names))
    product.declaration = declare(
        product.bucket("legacy"),
        product.bucket("production"),
        database={
            "conn_id": "proddatabase",
            "table": f"{HOSTILE['schema']}.{HOSTILE['table']}",
            "column": HOSTILE["column"],
        },
    )
    connect_database(monkeypatch, postgres.port, product.database.info.dbname, HOSTILE["role"], PASSWORD)
    yield product
    product.database.execute(sql.SQL("DROP OWNED BY {role}").format(**names))
    product.database.execute(sql.SQL("DROP ROLE {role}").format(**names))


def test_hostile_names_are_quoted_in_the_set_up_and_on_all_the_way(
    hostile: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        for text in statements(hostile.declaration, HOSTILE["role"]):
            hostile.database.execute(text)
    names = {name: sql.Identifier(value) for name, value in HOSTILE.items()}
    hostile.put("legacy", "image/1.png")
    hostile.database.execute(sql.SQL("INSERT INTO {schema}.{table} ({column}) VALUES ('image/1.png')").format(**names))
    with shared_clients(hostile.declaration, monkeypatch) as hooks:
        account = Flow(hostile.declaration, hooks).run()
    assert (account.copied, account.rows_switched, account.deleted) == (1, 1, 1)
    rows = hostile.database.execute(sql.SQL("SELECT {column} FROM {schema}.{table}").format(**names)).fetchall()
    assert rows == [("avatar/1.png",)]


RIGHTS_OF_ALL = "SELECT table_name, privilege_type FROM information_schema.table_privileges WHERE grantee = 'migrator'"
RIGHTS_OF_COLUMNS = """
    SELECT table_name, column_name, privilege_type FROM information_schema.column_privileges
    WHERE grantee = 'migrator' AND privilege_type IN ('UPDATE', 'REFERENCES')
"""


def test_the_role_may_do_what_the_move_does_and_nothing_more(product: Product) -> None:
    assert set(product.sql(RIGHTS_OF_ALL)) == {
        ("avatars", "SELECT"),
        *((table, right) for table in ("ledger", "run", "tally", "timing") for right in ("SELECT", "INSERT", "UPDATE")),
        *((table, right) for table in ("chunk", "deletion") for right in ("SELECT", "INSERT", "DELETE")),
        *(
            (table, right)
            for table in ("acknowledged", "lane", "place")
            for right in ("SELECT", "INSERT", "UPDATE", "DELETE")
        ),
        ("migration", "SELECT"),
        ("schema_version", "SELECT"),
        ("state", "SELECT"),
    }
    columns = {(table, column) for table, column, _ in product.sql(RIGHTS_OF_COLUMNS)}
    assert {column for table, column in columns if table == "avatars"} == {"path"}
    assert {column for table, column in columns if table == "migration"} == {
        "lease_run_no",
        "lease_token",
        "lease_until",
        "deletion_stopped",
        "requests_expire",
        "declared",
    }
    assert "schema_version" not in {table for table, _ in columns}


def test_the_set_up_may_be_run_again_beside_what_it_made(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    product.seed("image/1.png")
    with shared_clients(product.declaration, monkeypatch) as hooks:
        Flow(product.declaration, hooks).run()
    kept = ["TABLE s3_migration.ledger", "TABLE s3_migration.migration", "TABLE s3_migration.run"]
    before = [product.sql(text) for text in kept]
    for text in statements(product.declaration):
        product.sql(text)
    assert [product.sql(text) for text in kept] == before


def test_two_migrations_share_a_database(product: Product) -> None:
    other = product.declaration.model_copy(update={"name": "banners"})
    for text in statements(other):
        product.sql(text)
    assert product.sql("SELECT name FROM s3_migration.migration ORDER BY name") == [("avatars",), ("banners",)]


# -- the command --------------------------------------------------------------------------------------------------


def test_the_command_prints_a_script_that_psql_takes_as_it_is(product: Product) -> None:
    printed = run_apart("setup", "avatars", "--sql")
    assert printed.code == 0, printed.error
    product.sql("DROP SCHEMA s3_migration CASCADE")
    done = psql(product.database_uri, printed.out)
    assert (done.returncode, done.stdout) == (0, "")
    assert check(product.declaration, "r", Request(Mode.MOVE))


def test_a_set_up_that_fails_leaves_nothing_half_done(product: Product) -> None:
    product.sql("DROP SCHEMA s3_migration CASCADE")
    script = run_apart("setup", "avatars", "--sql", "--role", "nobody").out
    done = psql(product.database_uri, script)
    assert done.returncode == 3
    assert 'role "nobody" does not exist' in done.stderr
    assert done.stderr.count("ERROR") == 1, "it stops at the first error"
    assert product.sql("SELECT to_regnamespace('s3_migration')") == [(None,)]


KEY = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE_ARN = "arn:aws:iam::111122223333:role/path/migrator"
USER = "arn:aws:rds-db:eu-central-1:111122223333:dbuser:db-ABCDEFGHIJKL01234/migrator"
PRINTED: dict[str, tuple[list[str], dict[str, Any]]] = {
    "one identity": (["--iam"], policy(declare())),
    "undo": (["--iam", "--undo"], policy(declare(), undo=True)),
    "one of two": (["--iam", "--side", "legacy"], policy(declare(), "legacy")),
    "keys": (
        ["--iam", "--kms-legacy", KEY, "--kms-production", KEY],
        policy(declare(), kms_legacy=KEY, kms_production=KEY),
    ),
    "database": (["--iam", "--rds", USER], policy(declare(), rds=USER)),
    "bucket": (
        ["--bucket-policy", "legacy", "--principal", ROLE_ARN, "--side", "production"],
        bucket_policy(declare(), "legacy", ROLE_ARN, "production"),
    ),
    "key": (
        ["--key-policy", "production", "--principal", ROLE_ARN, "--kms-production", KEY],
        key_policy(declare(), "production", KEY, ROLE_ARN),
    ),
    "endpoint": (["--endpoint-policy"], endpoint_policy(declare())),
}


@pytest.mark.parametrize(("arguments", "made"), PRINTED.values(), ids=PRINTED)
def test_the_command_prints_each_policy(arguments: list[str], made: dict[str, Any], run: Run) -> None:
    ended = run("setup", "avatars", *arguments)
    assert (ended.code, json.loads(ended.out)) == (0, made)
    assert made["Statement"]


def test_the_policies_of_keys_and_users_name_what_they_were_given() -> None:
    made = policy(declare(), kms_legacy=KEY, kms_production=KEY, rds=USER)
    conditions = {part["Sid"]: part["Condition"] for part in made["Statement"] if "Condition" in part}
    via_s3 = {"StringEquals": {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}}
    assert conditions == dict.fromkeys(
        ("ReadWithTheLegacyKey", "WriteTheCanaryWithTheLegacyKey", "WriteWithTheProductionKey"), via_s3
    )
    assert ("rds-db:connect", USER) in grants(made)
    (of_key,) = key_policy(declare(), "production", KEY, ROLE_ARN)["Statement"]
    assert (of_key["Principal"], of_key["Resource"], of_key["Condition"]) == ({"AWS": ROLE_ARN}, "*", via_s3)


REFUSED: dict[str, tuple[list[str], list[str]]] = {
    "nothing": ([], ["expected one of --sql, --iam, --bucket-policy"]),
    "two things": (["--sql", "--iam"], ["expected one of --sql, --iam, --bucket-policy"]),
    "alias": (
        ["--iam", "--kms-legacy", "alias/avatars"],
        ["'--kms-legacy': 'alias/avatars'", "arn:aws:kms:", "describe-key"],
    ),
    "session": (
        ["--bucket-policy", "legacy", "--principal", "arn:aws:sts::111122223333:assumed-role/migrator/me"],
        ["'--principal': 'arn:aws:sts::", "role/NAME", "get-role"],
    ),
    "everybody": (["--bucket-policy", "legacy", "--principal", "*"], ["'--principal': '*'"]),
    "any user": (
        ["--iam", "--rds", f"{USER.partition('/')[0]}/*"],
        ["'--rds': ", "dbuser:db-ID/ROLE", "DbiResourceId"],
    ),
    "no principal": (["--bucket-policy", "legacy"], ["--bucket-policy needs --principal ARN"]),
    "no key": (["--key-policy", "legacy", "--principal", ROLE_ARN], ["--key-policy needs --kms-legacy ARN"]),
    "no use": (["--iam", "--principal", ROLE_ARN], ["--principal means nothing with --iam"]),
    "no use of a role": (["--iam", "--role", "other"], ["--role means nothing with --iam"]),
}


@pytest.mark.parametrize(("arguments", "says"), REFUSED.values(), ids=REFUSED)
def test_the_command_refuses_what_it_cannot_do(arguments: list[str], says: list[str], run: Run) -> None:
    code, out, error = run("setup", "avatars", *arguments)
    assert (code, out) == (2, "")
    assert all(part in error for part in says), error
