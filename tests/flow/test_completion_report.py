"""The completion report: written once, whole, by the run that finishes the migration, and read by anything."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from s3_migration.ledger import reporting
from s3_migration.model.modes import Mode
from s3_migration.steps import completion_report
from s3_migration.steps.completion_report import Keys, ReportNotWritten
from s3_migration.steps.preflight.errors import PreflightFailed
from tests.support.command_line import Run, declare_in
from tests.support.connections import connect_s3
from tests.support.flow import Flow, shared_clients
from tests.support.product import Product, declare

KEYS = ["image/a.png", 'image/with "quotes", commas\nand lines.png', "image/é/\N{PILE OF POO}.png"]
PREFIX = "reports/"


def manifest_of(product: Product, run_id: str) -> dict[str, Any]:
    return dict(json.loads(read(product, run_id, "manifest.json")))


def read(product: Product, run_id: str, name: str) -> bytes:
    key = f"{PREFIX}avatars/{run_id}/{name}"
    return bytes(product.s3.get_object(Bucket=product.bucket("production"), Key=key)["Body"].read())


def lines(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(gzip.decompress(content).decode(), newline="")))


def reported(product: Product) -> list[str]:
    found = product.s3.list_objects_v2(Bucket=product.bucket("production"), Prefix=PREFIX).get("Contents", [])
    return [each["Key"] for each in found if not each["Key"].endswith(".s3-migration-check")]


@pytest.fixture
def flow(product: Product, monkeypatch: pytest.MonkeyPatch) -> Iterator[Flow]:
    """Who moves has the rights that `setup --iam` prints for such a declaration."""
    connect_s3(monkeypatch, product.endpoint_url, "reporting")
    place = declare(completion_report={"prefix": PREFIX}).completion_report
    declaration = product.declaration.model_copy(update={"completion_report": place})
    with shared_clients(declaration, monkeypatch) as hooks:
        yield Flow(declaration, hooks)


def test_the_run_that_finishes_writes_a_line_for_each_object(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reporting, "PIECE", 2)
    product.seed(*KEYS)
    account = flow.run(Mode.MOVE)
    assert account.report == f"s3://{product.bucket('production')}/{PREFIX}avatars/{flow.run_id}/manifest.json"
    assert f"report         {account.report}" in account.as_text()
    manifest = manifest_of(product, flow.run_id)
    assert (manifest["objects"], manifest["states"]) == (3, {"moved": 3})
    found = []
    for part in manifest["parts"]:
        content = read(product, flow.run_id, part["name"])
        assert (len(content), hashlib.sha256(content).hexdigest()) == (part["bytes"], part["sha256"])
        found += lines(content)
        assert len(lines(content)) == part["objects"]
    assert len(manifest["parts"]) == 2
    assert [line["legacy_key"] for line in found] == sorted(KEYS)
    assert {line["production_key"] for line in found} == {key.replace("image/", "avatar/") for key in KEYS}
    assert {line["state"] for line in found} == {"moved"}
    assert all(line["copied_at"].endswith("+00") and line["legacy_gone_at"] for line in found)
    assert {line["run_id"] for line in found} == {flow.run_id}


def test_what_is_not_the_end_writes_none(product: Product, flow: Flow) -> None:
    product.seed("image/a.png", "image/b.png")
    assert flow.run(Mode.SWITCH).report == ""
    assert flow.run(Mode.MOVE, limit=1).report == ""
    assert reported(product) == []
    assert flow.run(Mode.MOVE).report
    written = reported(product)
    assert flow.run(Mode.MOVE).report == "", "nothing was left to do: it was finished before"
    assert reported(product) == written


def test_one_that_cannot_be_written_is_red_and_is_written_when_it_is_cleared(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed("image/a.png", "image/b.png")
    monkeypatch.setattr(reporting, "PIECE", 1)
    written, put = [], Keys.write

    def full_after_one(place: Keys, file: str, content: bytes) -> None:
        if len(written) > 1:  # the check's, and a part
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "PutObject")
        written.append(file)
        put(place, file, content)

    monkeypatch.setattr(Keys, "write", full_after_one)
    with pytest.raises(ReportNotWritten, match=r"(?s)AccessDenied.*stays moved\. Fix: give the right to write there"):
        flow.run(Mode.MOVE)
    assert reported(product) == [f"{PREFIX}avatars/{flow.run_id}/part-00001.csv.gz"], "and no manifest"
    monkeypatch.setattr(Keys, "write", put)
    assert flow.clear_failed().report
    assert manifest_of(product, flow.run_id)["objects"] == 2


def test_it_is_no_object_of_the_product(product: Product, flow: Flow) -> None:
    product.seed("image/a.png")
    flow.run(Mode.MOVE)
    product.seed("image/b.png")
    account = flow.run(Mode.MOVE)
    assert account.states == {"moved": 1}
    assert manifest_of(product, flow.run_id)["states"] == {"moved": 2}, "of the migration, not of the run"


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"prefix": "avatar/reports/"}, "must not be equal or nested"),
        ({"prefix": "ava"}, "must not be equal or nested"),
        ({}, "either prefix"),
        ({"prefix": "a/", "directory": "/b"}, "either prefix"),
        ({"directory": "reports"}, "expected an absolute path"),
    ],
)
def test_a_place_that_cannot_be_is_refused(declared: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        declare(completion_report=declared)


def test_the_check_sees_that_it_can_be_written_before_anything_is_touched(
    product: Product, flow: Flow, tmp_path: Path
) -> None:
    product.seed("image/a.png")
    (tmp_path / "file").write_text("")
    place = declare(completion_report={"directory": str(tmp_path / "file" / "below")}).completion_report
    flow.declaration = flow.declaration.model_copy(update={"completion_report": place})
    with pytest.raises((ReportNotWritten, PreflightFailed), match="completion_report"):
        flow.run(Mode.MOVE)
    assert product.objects("production") == {}
    assert flow.run(Mode.SWITCH), "which deletes nothing, and so finishes nothing"


def test_without_the_right_the_check_says_which_one(
    product: Product, flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed("image/a.png")
    connect_s3(monkeypatch, product.endpoint_url)  # the rights of a declaration without a report
    with shared_clients(flow.declaration, monkeypatch) as hooks:
        flow.hooks = hooks
        with pytest.raises(ReportNotWritten, match=r"(?s)AccessDenied.*setup avatars --iam"):
            flow.run(Mode.MOVE)
    assert product.objects("production") == {}


def test_the_command_names_it_with_its_own_fix(
    product: Product, flow: Flow, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_s3(monkeypatch, product.endpoint_url)
    declare_in(tmp_path, flow.declaration, monkeypatch)
    ended = run("check", "avatars", "--json")
    (found,) = [each for each in json.loads(ended.out)["checks"] if each["check"] == "completion report"]
    assert (ended.code, found["result"]) == (1, "failed")
    assert "AccessDenied: Access Denied. All that was moved stays moved" in found["what"]
    assert found["fix"].startswith("give the right to write there (python -m s3_migration setup avatars --iam)")
    assert "Fix: " not in found["fix"]


def test_into_a_directory(product: Product, flow: Flow, tmp_path: Path) -> None:
    product.seed("image/a.png")
    place = declare(completion_report={"directory": str(tmp_path)}).completion_report
    flow.declaration = flow.declaration.model_copy(update={"completion_report": place})
    account = flow.run(Mode.MOVE)
    manifest = Path(account.report)
    assert manifest.parent == tmp_path / "avatars" / flow.run_id
    (part,) = json.loads(manifest.read_text())["parts"]
    assert [line["state"] for line in lines((manifest.parent / part["name"]).read_bytes())] == ["moved"]
    assert list(manifest.parent.glob("*.partial")) == []


def test_by_hand_at_any_time(
    product: Product, flow: Flow, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed("image/a.png", "image/b.png")
    product.put("production", "avatar/b.png", b"of another")
    with pytest.raises(Exception, match="conflict"):
        flow.run(Mode.MOVE)
    declare_in(tmp_path, product.declaration, monkeypatch)
    refused = run("report", "avatars")
    assert refused.code == 2
    assert "give --directory, or declare completion_report" in refused.error
    ended = run("report", "avatars", "--json", "--directory", str(tmp_path / "out"))
    assert ended.code == 0, ended.error
    manifest = json.loads(Path(json.loads(ended.out)["manifest"]).read_text())
    assert manifest["states"] == {"conflict": 1, "moved": 1}


def test_names_of_runs_are_names_of_files() -> None:
    declared = declare(completion_report={"directory": "/reports"})
    place = completion_report.declared_place(declared, None, "manual__2026-11-28T03:12:02+00:00/../x")  # type: ignore[arg-type]
    assert place is not None
    assert place.name == "/reports/avatars/manual__2026-11-28T03_12_02_00_00____x"
