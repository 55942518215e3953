"""`check` by hand: all that is wrong at once, each with its fix, and nothing changed, whatever is at work meanwhile."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from botocore import retryhandler

from devstack.ports import free_port
from devstack.postgres import Postgres
from s3_migration.commands.check import Finding, find_all
from s3_migration.model.key_mapping import CANARY
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.steps.check import check
from tests.support import proxy as faults
from tests.support.command_line import Run, declare_in, run_apart, run_here
from tests.support.connections import ROLE, connect_database, connect_s3
from tests.support.product import Product
from tests.support.proxy import Proxy

RIGHTS = "rights and conditions"
OF_DATABASE = ["connection proddatabase", "no pooler", "column avatars.path", "ledger", "update of avatars.path"]
# Whatever the ledger holds.
LEDGER = ("migration", "run", "ledger", "chunk", "tally", "timing", "deletion", "acknowledged")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retryhandler, "delay_exponential", lambda *args, **kwargs: 0)


@pytest.fixture
def checking(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """The command, with the product's declaration."""
    product.seed("image/1.png", "image/ä b.png")
    declare_in(tmp_path, product.declaration, monkeypatch)
    return partial(run_here, capsys, "check", "avatars")


def look(product: Product) -> dict[str, Any]:
    """All that a check might change."""
    seen: dict[str, Any] = {side: product.objects(side) for side in ("legacy", "production")}
    seen["rows"] = product.sql("SELECT ctid::text, xmin::text, path FROM avatars")
    for table in LEDGER:
        if product.sql("SELECT to_regclass(%s)", f"s3_migration.{table}") != [(None,)]:
            seen[table] = product.sql(f"SELECT t::text, xmin::text FROM s3_migration.{table} AS t")  # noqa: S608
    return seen


def found(ended: Any) -> dict[str, dict[str, Any]]:
    return {each["check"]: each for each in json.loads(ended.out)["checks"]}


def results(ended: Any, result: str) -> list[str]:
    return [name for name, each in found(ended).items() if each["result"] == result]


@pytest.mark.parametrize("mode", Mode)
def test_all_is_well_and_nothing_is_changed(checking: Run, product: Product, mode: Mode) -> None:
    before = look(product)
    code, out, _ = checking("--mode", mode.value)
    assert code == 0
    assert f"Migration avatars, mode {mode.value}: all " in out
    told = checking("--mode", mode.value, "--json")
    assert (told.code, json.loads(told.out)["well"]) == (0, True)
    asked = results(told, "ok")
    assert ("update of avatars.path" in asked, RIGHTS in asked) == (mode.switches, mode.copies)
    assert [each for each in asked if each in OF_DATABASE] == OF_DATABASE[: 5 if mode.switches else 4]
    assert look(product) == before


def test_a_new_migration_without_a_set_up_gets_everything_else_asked(checking: Run, product: Product) -> None:
    product.sql("DROP SCHEMA s3_migration CASCADE")
    told = checking("--json")
    assert told.code == 1
    assert results(told, "failed") == ["ledger"]
    assert results(told, "not asked") == ["update of avatars.path"]
    assert found(told)["ledger"]["what"] == "schema s3_migration is absent. Nothing was touched."
    assert "python -m s3_migration setup avatars --sql" in found(told)["ledger"]["fix"]
    assert found(told)["update of avatars.path"]["because"] == ["ledger"]
    text = checking().out
    assert text.startswith("Migration avatars, mode move: 1 of 12 checks failed.\n")
    assert (
        "\nFAILED     ledger\n           schema s3_migration is absent. Nothing was touched.\n           Fix: " in text
    )
    assert "\nnot asked  update of avatars.path\n           because of: ledger\n" in text


def test_it_goes_on_after_each_failure(
    checking: Run, product: Product, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A right of the database, and another of the store: the task would tell them one after the other."""
    product.sql(f"REVOKE UPDATE (path) ON avatars FROM {ROLE}")
    connect_s3(monkeypatch, product.endpoint_url, "without-put-production")
    told = checking("--json")
    assert (told.code, results(told, "failed"), results(told, "not asked")) == (
        1,
        ["update of avatars.path", RIGHTS],
        [],
    )
    assert "GRANT UPDATE (path) ON avatars" in found(told)["update of avatars.path"]["fix"]
    assert "allow s3:GetObject on " in found(told)[RIGHTS]["fix"]
    for finding in found(told).values():
        assert bool(finding["what"]) == bool(finding["fix"]) == (finding["result"] == "failed")


STORES = ("legacy s3://", "production s3://", "one store", "other declarations", RIGHTS, "unfinished uploads")


def test_a_store_that_is_down(checking: Run, product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_s3(monkeypatch, f"http://127.0.0.1:{free_port()}")
    told = checking("--json")
    assert (told.code, [name for name in results(told, "ok") if name.startswith(STORES)]) == (1, [])
    assert len(results(told, "ok")) == 6, "the database is asked all the same"
    bucket = product.bucket("legacy")
    assert found(told)[f"legacy s3://{bucket}"]["fix"].startswith(
        "see that the store is up, or correct endpoint_url of"
    )


def test_a_store_that_refuses_the_credentials(checking: Run, product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_s3(monkeypatch, product.endpoint_url, secret="wrong", side="production")
    told = checking("--json")
    production = f"production s3://{product.bucket('production')}"
    assert (told.code, results(told, "failed")) == (1, [production])
    assert found(told)[production]["fix"] == "correct the secret key of Airflow's connection 'production_s3'."
    assert results(told, "not asked") == ["one store", RIGHTS, "unfinished uploads"]


def test_a_database_that_is_down(checking: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_database(monkeypatch, free_port(), "nowhere")
    told = checking("--json")
    assert (told.code, results(told, "failed")) == (1, OF_DATABASE[:1])
    assert results(told, "not asked") == [*OF_DATABASE[1:], "index on avatars.path"]
    assert results(told, "ok")[-2:] == [RIGHTS, "unfinished uploads"]


def test_a_connection_that_is_lost_in_the_middle(
    checking: Run, product: Product, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(request: faults.Request, forward: faults.Forward) -> faults.Answer:
        product.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", ROLE)
        return forward(request)

    proxy.fault("PutObject", lose)
    told = checking("--json")
    assert (told.code, results(told, "failed")) == (1, ["index on avatars.path"])
    assert found(told)["index on avatars.path"]["what"].startswith("the database says: ")
    assert found(told)["index on avatars.path"]["fix"] == "see that it is up, and ask again."


def test_without_any_connection_each_is_named(checking: Run, product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    for conn_id in ("LEGACY_S3", "PRODUCTION_S3", "PRODDATABASE"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{conn_id}")
    told = checking("--json")
    assert told.code == 1
    fixes = {each["fix"] for each in found(told).values() if each["fix"]}
    assert fixes == {
        f"define it, e.g. as AIRFLOW_CONN_{conn_id}." for conn_id in ("LEGACY_S3", "PRODUCTION_S3", "PRODDATABASE")
    }


def test_an_overlap_with_another_declaration(
    checking: Run, product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = product.declaration.model_dump(mode="json", exclude_none=True)
    fields["production"]["bucket"] = "elsewhere"
    declare_in(tmp_path, type(product.declaration).model_validate({**fields, "name": "banners"}), monkeypatch)
    told = checking("--json")
    assert results(told, "failed") == ["other declarations"]
    assert "migration banners takes objects of" in found(told)["other declarations"]["what"]


def test_what_is_left_in_the_way_of_storage_and_indexes_is_noted(checking: Run, product: Product) -> None:
    upload = {"Bucket": product.bucket("production"), "Key": "avatar/large.png"}
    upload["UploadId"] = product.s3.create_multipart_upload(**upload)["UploadId"]
    told = checking("--json")
    assert told.code == 0, "a run goes on as well"
    assert upload["UploadId"] in found(told)["unfinished uploads"]["note"]
    assert "CREATE INDEX CONCURRENTLY" in found(told)["index on avatars.path"]["note"]
    assert "CREATE INDEX CONCURRENTLY" in checking().out


def test_copies_that_are_to_be_removed_take_a_right_of_their_own(checking: Run, product: Product) -> None:
    told = checking("--mode", "undo", "--remove-copies", "--json")
    assert results(told, "failed") == ["removal of copies"]
    assert "--undo" in found(told)["removal of copies"]["fix"]
    code, out, error = checking("--remove-copies")
    assert (code, out) == (2, "")
    assert "--remove-copies belongs to --mode undo. Fix: " in error


# -- beside a run -----------------------------------------------------------------------------------------------------


def test_it_disturbs_no_run_that_is_at_work(checking: Run, product: Product) -> None:
    assert check(product.declaration, "at work", Request(Mode.MOVE))
    before = look(product)
    assert checking().code == 0
    assert look(product) == before


def test_a_run_may_check_at_the_very_same_moment(product: Product, proxy: Proxy) -> None:
    """A whole check by hand before each request of the run's own; neither takes the other's canaries away."""
    product.seed("image/1.png")
    by_hand: list[list[Finding]] = []

    def beside() -> None:
        with pytest.MonkeyPatch.context() as patch:
            connect_s3(patch, product.endpoint_url)
            by_hand.append(find_all(product.declaration, Mode.MOVE))

    proxy.fault(lambda _: True, faults.before(beside))
    assert check(product.declaration, "at work", Request(Mode.MOVE))
    assert len(by_hand) > 10
    assert {each.result for findings in by_hand for each in findings} == {"ok"}
    assert not any(CANARY in key for side in ("legacy", "production") for key in product.objects(side))


def test_it_may_be_asked_while_a_run_checks(product: Product, proxy: Proxy) -> None:
    """The other way round: a run's whole check before each request of ours."""
    product.seed("image/1.png")
    runs = iter(range(1000))

    def beside() -> None:
        product.sql("UPDATE s3_migration.migration SET lease_run_no = NULL")
        with pytest.MonkeyPatch.context() as patch:
            connect_s3(patch, product.endpoint_url)
            assert check(product.declaration, f"run {next(runs)}", Request(Mode.MOVE))

    proxy.fault(lambda _: True, faults.before(beside))
    assert {each.result for each in find_all(product.declaration, Mode.MOVE)} == {"ok"}
    assert next(runs) > 10
    assert not any(CANARY in key for side in ("legacy", "production") for key in product.objects(side))


def test_in_a_process_of_its_own_stdout_has_the_document_alone(checking: Run, product: Product) -> None:
    """Airflow logs to stdout."""
    ended = run_apart("check", "avatars", "--json", AIRFLOW__LOGGING__LOGGING_LEVEL="INFO")
    assert (ended.code, json.loads(ended.out)["well"]) == (0, True), ended.error
    assert "credentials retrieved" in ended.error
    assert "[info" not in run_apart("check", "avatars").error
