"""docs/runbook.md: every query and command in it works as written, and shows what it is there to show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from botocore import xform_name

from devstack.postgres import Postgres
from devstack.s3 import SeaweedFS
from s3_migration.commands.policies import policy
from s3_migration.ledger.schema import statements
from s3_migration.model.error_codes import CODES, Then, retryable, then
from s3_migration.model.modes import Mode
from s3_migration.s3.properties import PROPERTIES
from tests.support import ROOT
from tests.support.command_line import Run, declare_in, run_apart
from tests.support.connections import PASSWORD, ROLE
from tests.support.flow import Flow, shared_clients
from tests.support.product import Product, declare, made_product
from tests.support.runbook import BLOCKS, COMMANDS, RUNBOOK, Block

# A legal key, until it gets the longer prefix; in parts, since the store keeps names of folders.
TOO_LONG = f"image/{'/'.join(['x' * 200] * 5)}{'y' * 14}"
# Whatever else a query asks for, the product below has it.
MAY_BE_EMPTY = ("pg_stat_replication", "pg_replication_slots", "pg_stat_progress_vacuum")
SQL = [block for block in BLOCKS if block.language.startswith("sql")]


def test_every_block_is_of_a_kind_that_is_run_here() -> None:
    assert {block.language for block in BLOCKS} == {"sql", "sql administrator", "bash", "yaml"}
    assert len(BLOCKS) == RUNBOOK.count("```") / 2
    assert {line.split()[0] for _, line in COMMANDS} == {"python", "aws", "airflow"}


def test_what_is_shown_of_a_declaration_can_be_declared() -> None:
    (shown,) = [yaml.safe_load(block.text) for block in BLOCKS if block.language == "yaml"]
    made = declare(**shown)
    assert (made.approve_deletion, made.approvers) == ("first", ["ada", "bob"])


@pytest.fixture(scope="module")
def troubled(postgres: Postgres, s3: SeaweedFS) -> Iterator[Product]:
    """A product after three runs that met one of everything; the last one also healed a row."""
    with pytest.MonkeyPatch.context() as patch, made_product(postgres, s3, patch) as product:
        with shared_clients(product.declaration, patch) as hooks:
            flow = Flow(product.declaration, hooks)
            product.seed("image/healed.png")
            flow.run()
            product.seed("image/avatar-7.png", "image/named.png", "image/damaged.png", TOO_LONG)
            product.put("production", "avatar/avatar-7.png", b"another cat")
            product.row("image/dangling.png")
            product.put("legacy", "image/mis spelt.png")
            product.row("/image/mis spelt.png")
            product.sql("ALTER TABLE avatars ADD CHECK (path <> 'avatar/named.png')")
            flow.attempt(Mode.SWITCH)
            product.sql("UPDATE avatars SET path = 'image/healed.png' WHERE path = 'avatar/healed.png'")
            flow.attempt(
                acknowledge={"image/named.png": "a rule of Bob's"},
                before_verify=lambda: product.remove("production", "avatar/damaged.png"),
            )
        assert product.problems() == {
            "image/healed.png": None,
            "image/avatar-7.png": "conflict",
            "image/named.png": "row_refused",
            "image/damaged.png": "damaged",
            TOO_LONG: "failed",
            "image/dangling.png": "dangling",
            "image/mis spelt.png": "misspelt",
        }
        # As while it is at work.
        product.sql("UPDATE s3_migration.timing SET ended_at = NULL WHERE step = 'reconcile'")
        yield product


def connect(product: Product, block: Block) -> psycopg.Connection[tuple[Any, ...]]:
    own = {} if "administrator" in block.language else {"user": ROLE, "password": PASSWORD}
    return psycopg.connect(psycopg.conninfo.make_conninfo(product.database_uri, **own), autocommit=True)


@pytest.mark.parametrize("block", SQL, ids=lambda block: block.id)
def test_a_query_works_as_written_and_finds_what_is_there(troubled: Product, block: Block) -> None:
    with connect(troubled, block) as connection:
        for statement in block.statements:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            if statement.startswith("SELECT") and not any(view in statement for view in MAY_BE_EMPTY):
                assert cursor.fetchall(), statement
    # A right that all databases of the server share, and other tests are without.
    troubled.sql(f"REVOKE pg_read_all_stats FROM {ROLE}")


def answer(product: Product, heading: str, index: int = 0, statement: int = 0) -> list[tuple[Any, ...]]:
    block = [block for block in SQL if block.heading == heading][index]
    with connect(product, block) as connection:
        return connection.execute(block.statements[statement]).fetchall()  # type: ignore[call-overload]


def test_the_first_look_names_what_is_not_well_by_cause(troubled: Product) -> None:
    assert {problem: (code, count) for problem, code, count, _ in answer(troubled, "First look", statement=3)} == {
        "conflict": (None, 1),
        "damaged": (None, 1),
        "failed": ("KeyTooLongError", 1),
        "misspelt": (None, 1),
        "row_refused": ("23514", 1),
    }


def test_the_healed_row_is_found(troubled: Product) -> None:
    heading = "A row was healed the night after"
    assert [rows for _, _, rows in answer(troubled, heading)] == ["1"]
    assert [key for key, _ in answer(troubled, heading, statement=1)] == ["image/healed.png"]


def test_the_gate_is_explained(troubled: Product) -> None:
    ((_, verified_at, damaged, stopped),) = answer(troubled, "CLOSED: nothing is deleted")
    assert verified_at is not None
    assert (damaged, stopped) == (1, None)


@pytest.mark.parametrize(
    "command", [line for _, line in COMMANDS if line.startswith("python")], ids=lambda line: line.partition(" -m ")[2]
)
def test_a_command_of_ours_works_as_written(
    troubled: Product, run: Run, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare_in(tmp_path, troubled.declaration, monkeypatch)
    python, module, package, *arguments = shlex.split(command)
    assert (python, module, package) == ("python", "-m", "s3_migration")
    # One of its own takes three seconds to start. `check` has one: it asks the stores, and this process' clients are of
    # the flow, which is over.
    done = (run_apart if arguments[0] == "check" else run)(*arguments)
    # This product is not whole.
    assert done.code == (1 if " verify avatars" in command else 0), (done.out, done.error)
    assert "avatars" in done.out


@pytest.mark.parametrize("command", [line for _, line in COMMANDS if line.startswith("aws")])
def test_a_command_of_aws_works_as_written(troubled: Product, command: str) -> None:
    """By the service's own description of what it takes, which the aws command is made from as well."""
    _, service, operation, *options = shlex.split(command)
    assert service == "s3api"
    assert len(options) % 2 == 0
    given = dict(zip(options[::2], options[1::2], strict=True))
    shape = {xform_name(name): name for name in troubled.s3.meta.service_model.operation_names}[
        operation.replace("-", "_")
    ]
    takes = troubled.s3.meta.service_model.operation_model(shape).input_shape.members
    parameters = {f"--{xform_name(name, '-')}": name for name in takes}
    values = {parameters[option]: value for option, value in given.items()}
    values["Bucket"] = {"legacy-s3": troubled.bucket("legacy"), "production-s3": troubled.bucket("production")}[
        values["Bucket"]
    ]
    troubled.s3.put_bucket_lifecycle_configuration(
        Bucket=troubled.bucket("production"),
        LifecycleConfiguration={
            "Rules": [{"ID": "1", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}}]
        },
    )
    assert getattr(troubled.s3, operation.replace("-", "_"))(**values)["ResponseMetadata"]["HTTPStatusCode"] == 200


# -- what the tables say ----------------------------------------------------------------------------------------------


def section(heading: str) -> str:
    return RUNBOOK.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_every_code_of_the_list_is_explained_and_no_other() -> None:
    table = [line.split("|")[1] for line in section("`copy_chunk` is red").splitlines() if line.startswith("| `")]
    explained = {code for cell in table for code in re.findall(r"`([\w.]+)`", cell)}
    problems, statuses = {"conflict", "changed"}, {"503"}
    assert explained - problems - statuses == set(CODES)
    (row,) = [cell for cell in table if "`SlowDown`" in cell]
    assert {code for code in re.findall(r"`(\w+)`", row) if not retryable(code)} == set()
    assert set(re.findall(r"`([A-Z]\w+)`", row)) == {code for code in CODES if then(code) is Then.RETRY}


def test_what_a_copy_takes_along_is_what_the_list_says() -> None:
    safety = (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| property \|.*\n\| ---.*\n((?:\|.*\n)+)", safety)
    told = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table.splitlines()]
    assert told == [(each.name, each.single, each.parts) for each in PROPERTIES]


def rows(heading: str) -> list[tuple[set[str], str]]:
    """(rights, on what) of the tables of a section."""
    cells = [line.split("|")[1:3] for line in section(heading).splitlines() if line.startswith("| `")]
    return [(set(re.findall(r"`([\w:]+)`", rights)), on) for rights, on in cells]


def test_every_right_is_explained_and_no_other() -> None:
    declared, told = declare(), rows("Who may do what, and why")
    for text in statements(declared):
        if granted := re.search(r"GRANT (.*?) ON (.*?) TO ", re.sub(r"--.*|\s+", " ", text).strip()):
            rights = set(re.findall(r"[A-Z]+", re.sub(r"\(.*?\)", "", granted[1])))
            named = re.findall(r"[a-z0-9_]+(?=\"? *(?:,|$))", re.sub(r"\([^()]*\)", "", granted[2]))
            for where in ["the database"] if "DATABASE" in granted[2] else named:
                said = set().union(*(each for each, on in told if re.search(rf"\b{where}\b", on)))
                assert rights <= said, (where, rights)
    production = declared.production.model_copy(update={"acl": "public-read"})
    with_acl = declared.model_copy(update={"production": production, "compare": "head"})
    actions = {
        action
        for part in policy(with_acl, undo=True, annotations=True)["Statement"]
        for action in ([part["Action"]] if isinstance(part["Action"], str) else part["Action"])
    }
    assert actions == {right for rights, _ in told for right in rights if right.startswith("s3:")}
