"""What may stand in a declaration: the schema for editors and the page of docs say what is really read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import DeclarationError
from s3_migration.model.declaration_faults import GRACE_PERIOD_VARIABLE
from s3_migration.model.declaration_schema import reference, schema
from tests.support import ROOT
from tests.support.command_line import Run

SHIPPED = yaml.safe_load((ROOT / "include" / "migrations" / "avatars.yaml").read_text(encoding="utf-8"))
MORE: list[dict[str, Any]] = [
    {},
    {"database": {"conn_id": "db", "references": [{"table": "a.b", "column": "c", "json_path": ["x"]}]}},
    {"alerts": {"emails": ["sre@example.com"], "late_after": "2h"}, "approve_deletion": "every"},
    {"production": {**SHIPPED["production"], "acl": "private", "content_type": {".png": "image/png"}}},
    # Refused, each by both.
    {"grace_period": "24"},
    {"grace_perid": "24h"},
    {"chunk_size": 0},
    {"scheduled_mode": "undo"},
    {"database": {"conn_id": "db"}},
    {"database": {"conn_id": "db", "table": "a"}},
    {"database": {"conn_id": "db", "table": "a", "column": "b", "references": [{"table": "a", "column": "b"}]}},
]


@pytest.mark.parametrize("more", MORE, ids=json.dumps)
def test_the_schema_takes_what_is_read_and_refuses_what_is_refused(tmp_path: Path, more: dict[str, Any]) -> None:
    fields = {**SHIPPED, **more}
    path = tmp_path / "avatars.yaml"
    path.write_text(yaml.safe_dump(fields), encoding="utf-8")
    try:
        declarations.load(path)
        read = True
    except DeclarationError:
        read = False
    assert jsonschema.Draft202012Validator(schema()).is_valid(fields) == read
    assert read == (MORE.index(more) < 4)


def test_the_page_in_docs_is_made_from_the_code() -> None:
    page = (ROOT / "docs" / "declaration.md").read_text(encoding="utf-8")
    assert page == reference().rstrip("\n") + "\n", "python -m s3_migration declaration avatars --reference"


def test_every_field_says_what_it_is() -> None:
    lines = [line for line in reference().splitlines() if line.startswith("| `")]
    obvious = {"bucket", "legacy", "production"}
    assert [line for line in lines if line.endswith("|  |") and line.split("`")[1] not in obvious] == []


def test_a_misspelt_field_is_named_with_the_one_that_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "avatars.yaml"
    path.write_text(yaml.safe_dump({**SHIPPED, "grace_perid": "24h"}), encoding="utf-8")
    with pytest.raises(DeclarationError, match=r"grace_perid: '24h'.*Fix: did you mean grace_period\?"):
        declarations.load(path)


def test_the_command_says_what_is_in_force_and_whence(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declarations, "DIRECTORY", tmp_path)
    (tmp_path / "avatars.yaml").write_text(yaml.safe_dump(SHIPPED), encoding="utf-8")
    said = run("declaration", "avatars").out
    assert said.startswith(
        "Migration avatars: s3://legacy-s3/image/ → s3://production-s3/avatar/, rows of avatars.path"
    )
    assert "grace_period: 1d  # the file\n" in said
    assert "chunk_size: 10000  # default\n" in said
    monkeypatch.setenv(GRACE_PERIOD_VARIABLE, "5s")
    assert (
        f"grace_period: 5s  # {GRACE_PERIOD_VARIABLE} in the environment; the file says 24h\n"
        in run("declaration", "avatars").out
    )


def test_the_command_follows_a_key(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declarations, "DIRECTORY", tmp_path)
    (tmp_path / "avatars.yaml").write_text(yaml.safe_dump(SHIPPED), encoding="utf-8")
    assert run("declaration", "avatars", "--map", "image/a b.png").out == (
        "s3://legacy-s3/image/a b.png → s3://production-s3/avatar/a b.png\n"
        "avatars.path: 'image/a b.png' → 'avatar/a b.png'\n"
    )
    refused = run("declaration", "avatars", "--map", "other/a.png")
    assert refused.code == 2
    assert "does not begin with 'image/'" in refused.error
    assert json.loads(run("declaration", "avatars", "--schema").out) == schema()
