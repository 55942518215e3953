"""A declaration that can be used is read as it stands; any other names file, field, value and fix."""

from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from s3_migration.model import declaration as declarations
from s3_migration.model.declaration import GRACE_PERIOD_VARIABLE, DeclarationError, load
from s3_migration.model.declared_alerts import Alerts
from s3_migration.model.field_types import duration_text
from s3_migration.model.modes import Mode

LEAST: dict[str, Any] = {
    "legacy": {"conn_id": "legacy_s3", "bucket": "legacy-s3", "prefix": "image/"},
    "production": {"conn_id": "production_s3", "bucket": "production-s3", "prefix": "avatar/"},
    "database": {"conn_id": "proddatabase", "table": "avatars", "column": "path"},
}
ABSENT = object()


@pytest.fixture(autouse=True)
def _no_deployment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GRACE_PERIOD_VARIABLE, raising=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "avatars.yaml"


def fields(**changes: Any) -> dict[str, Any]:
    """LEAST with `legacy__prefix="x"` and the like."""
    made = copy.deepcopy(LEAST)
    for name, value in changes.items():
        *parents, last = name.split("__")
        place = made
        for parent in parents:
            place = place[parent]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value
    return made


def write(file: Path, **changes: Any) -> Path:
    file.write_text(yaml.safe_dump(fields(**changes), allow_unicode=True), encoding="utf-8")
    return file


def fault(file: Path) -> str:
    with pytest.raises(DeclarationError) as caught:
        load(file)
    return str(caught.value)


# -- what can be used ---------------------------------------------------------------------------------------------


def test_the_least_declaration_has_the_documented_defaults(file: Path) -> None:
    made = load(write(file))
    assert made.name == "avatars"
    assert (made.schedule, made.timezone, made.scheduled_mode) == (None, "UTC", Mode.PLAN)
    assert (made.grace_period, made.proof_max_age) == (timedelta(hours=24), timedelta(hours=1))
    assert (made.chunk_size, made.parallel_chunks, made.requests_in_flight) == (10_000, 4, 128)
    assert (made.retries, made.retry_delay, made.owners) == (3, timedelta(seconds=30), ["sre"])
    assert (made.pool, made.alerts) == ("default_pool", Alerts())
    assert (made.alerts.emails, made.alerts.notifiers, made.alerts.late_after) == ([], [], None)
    assert (made.alerts.smtp_conn_id, made.alerts.from_email) == ("smtp_default", None)
    (reference,) = made.references
    assert (reference.schema, reference.table, reference.column) == ("public", "avatars", "path")
    assert (reference.array, reference.json_path, reference.url_encoded) == (False, (), False)
    assert (reference.keys.legacy_path_prefix, reference.keys.production_path_prefix) == ("image/", "avatar/")
    assert (made.database.lag_query, made.database.max_lag) == (None, timedelta(seconds=10))


def test_rows_name_keys_as_they_are_unless_declared_otherwise(file: Path) -> None:
    keys = load(write(file)).keys
    assert (keys.legacy_path("image/1"), keys.production_path("image/1")) == ("image/1", "avatar/1")
    keys = load(write(file, legacy__path_prefix="/old/", production__path_prefix="/new/")).keys
    assert (keys.legacy_path("image/1"), keys.production_path("image/1")) == ("/old/1", "/new/1")


def test_the_shipped_declaration_can_be_used() -> None:
    shipped = load(Path(declarations.__file__).parents[2] / "migrations" / "avatars.yaml")
    assert (shipped.name, shipped.scheduled_mode) == ("avatars", Mode.PLAN)


def test_a_declaration_is_found_by_the_name_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declarations, "DIRECTORY", tmp_path)
    (tmp_path / "pictures.yml").write_bytes(
        (Path(declarations.__file__).parents[2] / "migrations/avatars.yaml").read_bytes()
    )
    assert declarations.of_file("pictures").name == "pictures"
    with pytest.raises(DeclarationError, match=r"no avatars\.yaml\. Fix: name one of pictures, or set S3_MIGRATION_"):
        declarations.of_file("avatars")


def test_a_directory_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declarations, "DIRECTORY", tmp_path / "nowhere")
    with pytest.raises(DeclarationError, match=r"nowhere: No such file or directory\. Fix: correct S3_MIGRATION_"):
        declarations.paths()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        ("24h", timedelta(hours=24)),
        ("7d", timedelta(days=7)),
        (" 7 d ", timedelta(days=7)),
        ("0s", timedelta(0)),
        ("3650d", timedelta(days=3650)),
    ],
)
def test_durations(file: Path, written: object, read: timedelta) -> None:
    assert load(write(file, grace_period=written)).grace_period == read


@pytest.mark.parametrize(("value", "text"), [(0, "0s"), (90, "90s"), (120, "2m"), (86_400, "1d"), (90_000, "25h")])
def test_a_duration_is_shown_in_the_largest_unit_that_it_is_whole_in(value: int, text: str) -> None:
    assert duration_text(timedelta(seconds=value)) == text


def test_a_deployment_may_set_the_grace_period(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GRACE_PERIOD_VARIABLE, "5s")
    assert load(write(file, grace_period="24h")).grace_period == timedelta(seconds=5)


@pytest.mark.parametrize(
    "changes",
    [
        {"legacy__bucket": "one", "production__bucket": "one"},
        {
            "legacy__prefix": "same/",
            "production__prefix": "same/",
            "legacy__path_prefix": "a",
            "production__path_prefix": "b",
        },
        {"database__table": "shop.avatars"},
        {"database__table": 'sh op.ava"t;ars', "database__column": 'pa"th; --'},
        {"legacy__prefix": "bilder/ä \U0001f600?*#%", "production__prefix": "avatar"},
        {"database__lag_query": "SELECT 5\n  -- %s {x}", "database__max_lag": "1m"},
        {"schedule": "@daily", "timezone": "Europe/Zurich", "scheduled_mode": "move"},
        {"owners": ["ava", "bob"], "description": "Avatars"},
        {"chunk_size": 1, "parallel_chunks": 1, "requests_in_flight": 1, "retries": 0},
        {"pool": "s3_migration", "alerts": {}},
        {"alerts": {"emails": ["sre@example.com", "ops+s3@mail"], "from_email": "a@b", "smtp_conn_id": "mail"}},
        {"alerts": {"notifiers": [{"notifier": "a.B"}, {"notifier": "a.C", "arguments": {"x": [1, {"y": None}]}}]}},
        {"alerts": {"notifiers": [{"notifier": "a.B"}], "late_after": "6h"}},
    ],
    ids=str,
)
def test_what_may_be_declared(file: Path, changes: dict[str, Any]) -> None:
    load(write(file, **changes))


# -- what cannot be used ------------------------------------------------------------------------------------------

GONE = (ABSENT, "absent")
NO_TEXT = [("", "at least 1 character"), (5, "valid string"), (None, "valid string"), (["a"], "valid string")]
NO_MODE = "expected plan, copy, switch or move"
NO_DURATION = [
    *(
        (value, "its unit, e.g. 90s, 15m, 24h or 7d")
        for value in ("soon", "-5s", "5 weeks", "24", "", "1.5h", "9" * 10 + "d")
    ),
    *((value, "its unit, e.g. 90s, 15m, 24h or 7d") for value in (24, -1, 1.5, True, None, ["24h"])),
    ("4000d", "less than or equal to"),
]
BAD: dict[str, list[tuple[Any, str]]] = {
    **{f"{side}.{field}": [*NO_TEXT, GONE] for side in ("legacy", "production") for field in ("conn_id", "bucket")},
    **{f"{side}.prefix": [*NO_TEXT, GONE] for side in ("legacy", "production")},
    **{f"{side}.path_prefix": NO_TEXT for side in ("legacy", "production")},
    "database.conn_id": [*NO_TEXT, GONE],
    "database.column": [*NO_TEXT, GONE],
    "database.table": [*((table, "match") for table in ("", "a.b.c", ".avatars", "shop.")), (5, "valid string"), GONE],
    "database.lag_query": [*((text, "expected one SELECT") for text in ("", " \n")), (5, "valid string")],
    "database.max_lag": [*NO_DURATION, ("0s", "greater than ")],
    "legacy": [GONE, ("legacy-s3", "dictionary")],
    "production": [GONE],
    "database": [GONE, (None, "dictionary")],
    "legacy.bukket": [("x", "did you mean bucket?")],
    "chunksize": [(5, "did you mean chunk_size?")],
    "name": [(name, "rename the file") for name in ("", "Avatars", "ava tars", "a" * 41, "1a", "a\n", "ävatars")],
    "schedule": [
        *(
            (cron, "no cron expression")
            for cron in ("at night", "0 2 * *", "0 0 2 * * *", "61 2 * * *", "", "@nightly")
        ),
        (5, "valid string"),
    ],
    "timezone": [(name, "no time zone") for name in ("Mars/Olympus", "Europe", "../Europe/Zurich", "", "/etc/passwd")],
    "scheduled_mode": [(mode, NO_MODE) for mode in ("delete", "undo", "Move", "", None, 1)],
    "chunk_size": [
        (0, "greater than or equal to 1"),
        (-1, "greater than or equal to 1"),
        (10_000_001, "less than or equal to 10000000"),
        *((value, "valid integer") for value in (1.5, "many", "5", True, None)),
    ],
    "parallel_chunks": [(0, "greater than or equal to 1"), (257, "less than or equal to 256")],
    "requests_in_flight": [(0, "greater than or equal to 1"), (1001, "less than or equal to 1000")],
    "retries": [(-1, "greater than or equal to 0"), (21, "less than or equal to 20")],
    "grace_period": NO_DURATION,
    "proof_max_age": [*NO_DURATION, ("0s", "greater than ")],
    "retry_delay": NO_DURATION,
    "pool": NO_TEXT,
    "owners": [("sre", "valid list"), (["sre", 5], "valid string"), ([], "at least 1 item")],
}


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        pytest.param(field, value, said, id=f"{field}={'absent' if value is ABSENT else repr(value)[:20]}")
        for field, values in BAD.items()
        for value, said in values
    ],
)
def test_a_bad_field_is_named_with_its_value_and_mend(file: Path, field: str, value: Any, said: str) -> None:
    message = fault(write(file, **{field.replace(".", "__"): value}))
    assert message.startswith(f"{file}: {field}"), message
    named = "absent" if value is ABSENT else repr(value)[:60]
    assert f": {named}" in message or field == "owners"
    assert len(message.splitlines()) == 1, "one fault is named once"
    assert said in message
    assert f"Fix: {'add' if value is ABSENT else ''}" in message
    assert "docs/declaration.md" in message


NO_ADDRESSES = ("", "sre", "@example.com", "sre@", "a@x, b@x", "a@x;b@x", "a@x\nBcc: b@x", "{{ a@x }}")
BAD_ALERTS: list[tuple[Any, str, str]] = [
    (None, "alerts: None", "dictionary"),
    ("sre@example.com", "alerts: 'sre@example.com'", "dictionary"),
    ({"email": ["a@x"]}, "alerts.email: ['a@x']", "did you mean emails?"),
    ({"emails": "sre@example.com"}, "alerts.emails: 'sre@example.com'", "valid list"),
    *(({"emails": ["a@x", text]}, f"alerts.emails.1: {text!r}", "one address") for text in NO_ADDRESSES),
    *(({"from_email": text}, f"alerts.from_email: {text!r}", "one address") for text in NO_ADDRESSES),
    *(({"smtp_conn_id": value}, f"alerts.smtp_conn_id: {value!r}", said) for value, said in NO_TEXT),
    ({"notifiers": {"notifier": "a.B"}}, "alerts.notifiers: the whole", "valid list"),
    ({"notifiers": ["a.B"]}, "alerts.notifiers.0: 'a.B'", "dictionary"),
    ({"notifiers": [{"arguments": {}}]}, "alerts.notifiers.0.notifier: absent", "add alerts.notifiers.0.notifier"),
    ({"notifiers": [{"notifier": ""}]}, "alerts.notifiers.0.notifier: ''", "at least 1 character"),
    ({"notifiers": [{"notifier": "a.B", "arguments": 5}]}, "alerts.notifiers.0.arguments: 5", "dictionary"),
    (
        {"notifiers": [{"notifier": "a.B", "text": "x"}]},
        "alerts.notifiers.0.text: 'x'",
        "remove alerts.notifiers.0.text",
    ),
    ({"emails": ["a@x"], "late_after": "0s"}, "alerts.late_after: '0s'", "greater than "),
    ({"emails": ["a@x"], "late_after": 7200}, "alerts.late_after: 7200", "its unit"),
    ({"late_after": "2h"}, "alerts: the whole", "neither emails nor notifiers say who is told"),
]


@pytest.mark.parametrize(("alerts", "named", "said"), BAD_ALERTS, ids=lambda value: str(value)[:40])
def test_who_cannot_be_told_is_named_with_field_value_and_mend(file: Path, alerts: Any, named: str, said: str) -> None:
    message = fault(write(file, alerts=alerts))
    assert message.startswith(f"{file}: {named}: "), message
    assert len(message.splitlines()) == 1, "one fault is named once"
    assert said in message
    assert "Fix: " in message


@pytest.mark.parametrize(
    ("given", "kind", "timeout", "approvers"),
    [
        ({}, None, timedelta(hours=24), None),
        ({"approve_deletion": "first"}, "first", timedelta(hours=24), None),
        (
            {"approve_deletion": "every", "approval_timeout": "2h", "approvers": ["ada", "7"]},
            "every",
            timedelta(hours=2),
            ["ada", "7"],
        ),
    ],
)
def test_who_approves_what(
    file: Path, given: dict[str, Any], kind: str | None, timeout: timedelta, approvers: list[str] | None
) -> None:
    made = load(write(file, **given))
    assert (made.approve_deletion, made.patience, made.approvers) == (kind, timeout, approvers)


EVERY = {"approve_deletion": "every"}
BAD_APPROVALS: list[tuple[dict[str, Any], str, str]] = [
    ({"approve_deletion": "always"}, "approve_deletion: 'always'", "'first' or 'every'"),
    ({"approve_deletion": True}, "approve_deletion: True", "'first' or 'every'"),
    ({"approvers": ["ada"]}, "approvers: ['ada']", "expected approve_deletion: first or every beside it"),
    ({"approval_timeout": "1h"}, "approval_timeout: '1h'", "expected approve_deletion: first or every beside it"),
    ({"approve_deletion": None, "approval_timeout": "1h"}, "approval_timeout: '1h'", "expected approve_deletion: f"),
    ({"approve_deletion": "Every", "approvers": ["ada"]}, "approve_deletion: 'Every'", "'first' or 'every'"),
    ({**EVERY, "approvers": []}, "approvers: []", "at least 1 item"),
    ({**EVERY, "approvers": "ada"}, "approvers: 'ada'", "valid list"),
    ({**EVERY, "approvers": ["ada", 7]}, "approvers.1: 7", "valid string"),
    *(({**EVERY, "approvers": ["a", text]}, f"approvers.1: {text!r}", "pattern") for text in ("", " ", "a b", "a\n")),
    ({**EVERY, "approval_timeout": "0s"}, "approval_timeout: '0s'", "greater than"),
    ({**EVERY, "approval_timeout": 24}, "approval_timeout: 24", "its unit"),
]


@pytest.mark.parametrize(("given", "named", "said"), BAD_APPROVALS, ids=str)
def test_an_approval_that_nobody_may_give_is_named(file: Path, given: dict[str, Any], named: str, said: str) -> None:
    message = fault(write(file, **given))
    assert message.startswith(f"{file}: {named}: "), message
    assert len(message.splitlines()) == 1, "one fault is named once"
    assert said in message
    assert "Fix: correct" in message


@pytest.mark.parametrize(("legacy", "production"), [("a/", "a/"), ("a/", "a/b/"), ("a/b/", "a/"), ("a", "ab")])
def test_two_prefixes_of_one_bucket_may_not_overlap(file: Path, legacy: str, production: str) -> None:
    same = {"legacy__bucket": "one", "production__bucket": "one"}
    paths = {"legacy__path_prefix": "old/", "production__path_prefix": "new/"}
    message = fault(write(file, legacy__prefix=legacy, production__prefix=production, **same, **paths))
    assert message.startswith(f"{file}: legacy, production, database: ")
    assert f"legacy.prefix {legacy!r} and production.prefix {production!r} must not be equal or nested" in message
    assert "Fix: " in message
    load(write(file, legacy__prefix=legacy, production__prefix=production, **paths))


@pytest.mark.parametrize(("legacy", "production"), [("a/", "a/"), ("a/", "a/b/"), ("a/b/", "a/"), ("a", "ab")])
def test_two_prefixes_of_the_rows_may_not_overlap(file: Path, legacy: str, production: str) -> None:
    message = fault(write(file, legacy__path_prefix=legacy, production__path_prefix=production))
    assert f"legacy.path_prefix {legacy!r} and production.path_prefix {production!r} must not be" in message
    assert "Fix: " in message


@pytest.mark.parametrize(("legacy", "production"), [("a/", "b"), ("a", "b/")])
@pytest.mark.parametrize("field", ["prefix", "path_prefix"])
def test_what_follows_two_prefixes_begins_alike(file: Path, field: str, legacy: str, production: str) -> None:
    message = fault(write(file, **{f"legacy__{field}": legacy, f"production__{field}": production}))
    said = f"legacy.{field} {legacy!r} and production.{field} {production!r}: expected both to end with / or neither"
    assert f"{said}, since {legacy + 'x'!r} becomes {production + 'x'!r}. Fix: correct" in message


# -- references ---------------------------------------------------------------------------------------------------


def refer(file: Path, *references: dict[str, Any]) -> Path:
    return write(file, database={"conn_id": "proddatabase", "references": list(references)})


POSTS = {"table": "shop.posts", "column": "data", "json_path": ["cover", "path"]}
CDN = {"legacy": "https://old/image/", "production": "https://new/avatar/"}


def test_each_reference_has_its_own_place_and_spelling(file: Path) -> None:
    made = load(refer(file, LEAST_REFERENCE, POSTS, {**POSTS, "path_prefix": CDN, "json_path": ["url"]})).references
    assert [reference.name for reference in made] == [
        "avatars.path",
        "shop.posts.data{cover,path}",
        "shop.posts.data{url}",
    ]
    assert [reference.legacy_path("image/1") for reference in made] == ["image/1", "image/1", "https://old/image/1"]
    assert [reference.production_path("image/1") for reference in made] == ["avatar/1"] * 2 + ["https://new/avatar/1"]


LEAST_REFERENCE = {"table": "avatars", "column": "path"}
PICTURES = {"table": "posts", "column": "pictures", "array": True}


@pytest.mark.parametrize(
    ("references", "said"),
    [
        ([], "references: []: List should have at least 1 item"),
        ([LEAST_REFERENCE, LEAST_REFERENCE], "references.1: avatars.path is declared twice"),
        (
            [LEAST_REFERENCE, {**LEAST_REFERENCE, "table": "public.avatars"}],
            "references.1: avatars.path is declared twice",
        ),
        ([PICTURES, {**PICTURES, "path_prefix": CDN}], "references.1: posts.pictures[] is declared twice"),
        ([POSTS, {**POSTS, "path_encoding": "url"}], "references.1: shop.posts.data{cover,path} is declared twice"),
        (
            [{**PICTURES, "json_path": ["a"]}],
            "array is of a text[], json_path of a jsonb: expected one of them, or none",
        ),
        ([{**LEAST_REFERENCE, "table": "a.b.c"}], "database.references.0.table: 'a.b.c'"),
        ([{**LEAST_REFERENCE, "path_encoding": "base64"}], "database.references.0.path_encoding: 'base64'"),
        (
            [LEAST_REFERENCE, {**POSTS, "path_prefix": {"legacy": "a/", "production": "a/b/"}}],
            "references.1.path_prefix.legacy 'a/' and references.1.path_prefix.production 'a/b/' must not be equal or",
        ),
        (
            [{**POSTS, "path_prefix": {"legacy": "a/", "production": "b"}}],
            "references.0.path_prefix.legacy 'a/' and references.0.path_prefix.production 'b': expected both to end",
        ),
    ],
)
def test_a_reference_that_cannot_be_used_is_named(file: Path, references: list[dict[str, Any]], said: str) -> None:
    message = fault(refer(file, *references))
    assert said in message
    assert "Fix: " in message


def test_one_reference_may_stand_in_database_itself_but_not_beside_others(file: Path) -> None:
    made = load(write(file, database={"conn_id": "proddatabase", **POSTS}))
    assert [reference.name for reference in made.references] == ["shop.posts.data{cover,path}"]
    message = fault(write(file, database={"conn_id": "proddatabase", **LEAST_REFERENCE, "references": [POSTS]}))
    assert "table, column beside references: expected them in an entry of references" in message


@pytest.mark.parametrize(
    "content",
    [
        b"legacy: {bucket: [",
        b"\tlegacy: x",
        b"legacy: &a *b",
        b"\xff\xfe\x00 no text",
        b"legacy: \x00",
        b"{[a]: b}",
        b"description: 2026-99-99",
        b"description: !!python/object/apply:os.system [exit]",
        b"[" * 2000,
    ],
    ids=["open", "tab", "alias", "no UTF-8", "NUL", "list as key", "no date", "python", "deep"],
)
def test_what_is_no_yaml(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    message = fault(file)
    assert message.startswith(f"{file}: not readable as YAML: ")
    assert message.endswith("Fix: correct the file.")


@pytest.mark.parametrize("content", ["", "# nothing yet", "- legacy\n- production", "legacy", "5", "null"], ids=repr)
def test_what_holds_no_fields(file: Path, content: str) -> None:
    file.write_text(content, encoding="utf-8")
    message = fault(file)
    assert message.startswith(f"{file}: expected fields (legacy, production, database, …), got ")
    assert "Fix: see include/migrations/avatars.yaml" in message


def test_a_key_that_is_no_text(file: Path) -> None:
    file.write_text(yaml.safe_dump({**LEAST, 5: "x"}), encoding="utf-8")
    assert fault(file).startswith(f"{file}: 5")


def test_a_file_that_cannot_be_read(file: Path) -> None:
    assert fault(file).startswith(f"{file}: not readable as YAML: ")
    file.mkdir()
    assert fault(file).startswith(f"{file}: not readable as YAML: ")


def test_all_faults_are_named_at_once(file: Path) -> None:
    lines = fault(write(file, chunk_size=0, legacy__bucket=ABSENT, bukket="x", scheduled_mode="all")).splitlines()
    assert sorted(line.split(": ")[1] for line in lines) == ["bukket", "chunk_size", "legacy.bucket", "scheduled_mode"]
    assert all(line.startswith(f"{file}: ") and "Fix: " in line for line in lines)


def test_a_bad_file_name(tmp_path: Path) -> None:
    assert "name: 'My-Avatars'" in (message := fault(write(tmp_path / "My-Avatars.yaml")))
    assert "Fix: rename the file" in message


def test_a_bad_grace_period_of_the_deployment_is_not_blamed_on_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GRACE_PERIOD_VARIABLE, "soon")
    message = fault(write(file, grace_period="24h"))
    assert "'soon'" in message
    assert GRACE_PERIOD_VARIABLE in message


# -- how copies are made ------------------------------------------------------------------------------------------


def test_without_a_word_copies_are_as_s3_makes_them(file: Path) -> None:
    settings = load(write(file)).production.copy_settings
    assert (settings.lines, settings.replaced("image/a.png")) == ({}, {})


def test_what_copies_are_to_have(file: Path) -> None:
    made = load(
        write(
            file,
            production__acl="public-read",
            production__storage_class="GLACIER_IR",
            production__kms_key_id="arn:aws:kms:eu-central-1:111122223333:key/1234abcd",
            production__cache_control="public, max-age=60",
            production__content_type={".png": "image/png; charset=x"},
        )
    )
    assert made.production.copy_settings.lines == {
        "x-amz-acl": "public-read",
        "x-amz-storage-class": "GLACIER_IR",
        "x-amz-server-side-encryption": "aws:kms",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn:aws:kms:eu-central-1:111122223333:key/1234abcd",
    }
    replaced = {"cache-control": "public, max-age=60", "content-type": "image/png; charset=x"}
    assert made.production.copy_settings.replaced("image/a.png") == replaced


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("acl", "public", "production.acl"),
        ("storage_class", "GLACIER", "cannot be read at once"),
        ("storage_class", "DEEP_ARCHIVE", "GLACIER_IR can"),
        ("storage_class", "standard_ia", "production.storage_class"),
        ("cache_control", "no-cache\r\nx-amz-acl: public-read", "production.cache_control"),
        ("cache_control", "max-age=€", "production.cache_control"),
        ("cache_control", "", "production.cache_control"),
        ("kms_key_id", "1234abcd", "no alias"),
        ("kms_key_id", "arn:aws:kms:eu-central-1:111122223333:alias/pictures", "no alias"),
        ("content_type", {"png": "image/png"}, "with their dot, such as .png"),
        ("content_type", {".PNG": "image/png"}, "in small letters"),
        ("content_type", {".png": "image/png\n"}, "production.content_type"),
        ("content_type", "image/png", "production.content_type"),
    ],
)
def test_what_no_copy_can_have(file: Path, field: str, value: Any, says: str) -> None:
    message = fault(write(file, **{f"production__{field}": value}))
    assert says in message
    assert "Fix: correct production." in message


def test_only_production_says_how_copies_are_made(file: Path) -> None:
    assert "Fix: remove legacy.acl" in fault(write(file, legacy__acl="private"))


# -- what proves a copy -------------------------------------------------------------------------------------------


def test_checksums_of_a_share(file: Path) -> None:
    made = load(write(file, verify="checksum", checksum_share=0.05))
    assert (made.verify, made.checksum_share) == ("checksum", 0.05)
    assert type(made).model_validate(made.model_dump(mode="json")) == made


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"verify": "md5"}, "verify"),
        ({"verify": "checksum", "checksum_share": 0}, "checksum_share"),
        ({"verify": "checksum", "checksum_share": 5}, "checksum_share"),
        ({"checksum_share": 0.5}, "checksum_share is of verify: checksum, which is not declared"),
    ],
)
def test_no_such_proof(file: Path, fields: dict[str, Any], says: str) -> None:
    message = fault(write(file, **fields))
    assert says in message
    assert "Fix: " in message
