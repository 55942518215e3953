"""check: everything that a run needs and has not ends it in seconds, with its fix, and with nothing touched."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from botocore import retryhandler

from devstack.ports import free_port
from devstack.postgres import Postgres
from devstack.s3 import SeaweedFS
from s3_migration.ledger.schema import SCHEMA_VERSION, statements
from s3_migration.model.declaration import Declaration
from s3_migration.model.key_mapping import CANARY, canary
from s3_migration.model.modes import Mode
from s3_migration.model.run_request import Request
from s3_migration.steps.check import check
from s3_migration.steps.hooks import make_hooks
from s3_migration.steps.preflight import canary as canaries
from s3_migration.steps.preflight.canary import check_rights
from s3_migration.steps.preflight.errors import PreflightFailed, PreflightRetryable
from tests.support import proxy as faults
from tests.support.connections import ROLE, connect_database, connect_s3
from tests.support.flow import Flow, shared_clients
from tests.support.product import Product, declare, made_product
from tests.support.proxy import Proxy

KEYS = ("image/1.png", "image/ä b.png")
SETUP = "python -m s3_migration setup avatars --sql"
POLICY = "python -m s3_migration setup avatars --iam"
_runs = itertools.count(1)


@dataclass
class Checked:
    """A product with something to lose, and what check says of it."""

    product: Product

    def run(self, mode: Mode = Mode.MOVE, **fields: Any) -> bool:
        stores = {"legacy": self.product.bucket("legacy"), "production": self.product.bucket("production")}
        return check(declare(**{**stores, **fields}), f"test__{next(_runs)}", Request(mode, None))

    def refused(
        self, *says: str, error: type[Exception] = PreflightFailed, mode: Mode = Mode.MOVE, **fields: Any
    ) -> str:
        """check fails with all of this in its message; nothing was touched."""
        with self.untouched(), pytest.raises(error) as caught:
            self.run(mode, **fields)
        message = str(caught.value)
        for part in ("Migration avatars: ", "touched. Fix: ", *says):
            assert part in message
        return message

    @contextmanager
    def untouched(self, *, but: frozenset[str] = frozenset()) -> Iterator[None]:
        before = self.look()
        yield
        assert {key: value for key, value in self.look().items() if key not in but} == before

    def look(self) -> dict[str, Any]:
        """All objects with the time of their last write, all rows with their physical place, all of the ledger."""
        admin, seen = self.product.s3, {}
        for side in ("legacy", "production"):
            listed = admin.list_objects_v2(Bucket=self.product.bucket(side)).get("Contents", [])
            seen |= {f"{side}/{entry['Key']}": (entry["ETag"], entry["LastModified"]) for entry in listed}
        seen["rows"] = self.product.sql("SELECT ctid::text, xmin::text, id, path FROM avatars ORDER BY id")
        if self.product.sql("SELECT to_regnamespace('s3_migration')") == [(None,)]:
            return seen
        seen["ledger"] = self.product.sql("SELECT * FROM s3_migration.ledger")
        seen["chunks"] = self.product.sql("SELECT * FROM s3_migration.chunk")
        seen["tallies"] = self.product.sql("SELECT * FROM s3_migration.tally")
        seen["timings"] = self.product.sql("SELECT * FROM s3_migration.timing")
        seen["lease"] = self.product.sql("SELECT name FROM s3_migration.migration WHERE lease_run_no IS NOT NULL")
        return seen

    def heal(self) -> None:
        """Undo what a test did: the set-up may be run again and again."""
        product = self.product
        product.remove("legacy", *(key for key in product.objects("legacy") if CANARY in key))
        for text in (
            "DROP SCHEMA IF EXISTS shop CASCADE",
            "ALTER TABLE avatars DISABLE ROW LEVEL SECURITY",
            "DROP SCHEMA IF EXISTS s3_migration CASCADE",
            f"REVOKE ALL ON avatars FROM {ROLE}",
            *statements(product.declaration, ROLE),
        ):
            product.sql(text)


@pytest.fixture(scope="module")
def shared(postgres: Postgres, s3: SeaweedFS) -> Iterator[Checked]:
    with pytest.MonkeyPatch.context() as patch, made_product(postgres, s3, patch) as product:
        product.seed(*KEYS)
        product.put("production", "avatar/2.png", b"the product's own")
        product.row("avatar/2.png")
        yield Checked(product)


@pytest.fixture
def checked(shared: Checked, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> Iterator[Checked]:
    """One product for all tests: whatever check says, it has touched nothing."""
    monkeypatch.setattr(retryhandler, "delay_exponential", lambda *args, **kwargs: 0)
    connect_s3(monkeypatch, shared.product.endpoint_url)
    connect_database(monkeypatch, postgres.port, shared.product.database.info.dbname)
    yield shared
    shared.heal()


@pytest.fixture
def proxy(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """Both connections go through it."""
    with Proxy(checked.product.endpoint_url) as made:
        connect_s3(monkeypatch, made.endpoint_url)
        yield made


# -- all is there -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", Mode)
def test_the_shipped_rights_are_enough_and_no_trace_is_left(checked: Checked, mode: Mode) -> None:
    before = checked.look()
    assert checked.run(mode)
    after = checked.look()
    assert after.pop("lease") == [("avatars",)]
    assert after == {key: value for key, value in before.items() if key != "lease"}


def test_a_plan_writes_no_canary(checked: Checked, proxy: Proxy) -> None:
    assert checked.run(Mode.PLAN)
    assert set(proxy.seen) == {"ListObjectsV2"}


def test_a_canary_left_by_a_killed_check_is_no_obstacle_and_is_not_moved(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    product.seed(*KEYS)
    monkeypatch.setattr(canaries, "LONGEST", timedelta(0))
    with shared_clients(product.declaration, monkeypatch) as hooks:
        for mode in (Mode.PLAN, Mode.MOVE):
            product.put("legacy", canary("image/", "avatars", "killed"), b"killed")
            product.put("production", canary("avatar/", "avatars", "killed"), b"killed, too")
            account = Flow(product.declaration, hooks).run(mode)
            assert account.staged == len(KEYS)
            assert set(product.problems()) <= set(KEYS)
    for side in ("legacy", "production"):
        assert not any(CANARY in key for key in product.objects(side))


def test_checks_of_two_migrations_at_the_same_moment_do_not_disturb_each_other(
    checked: Checked, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both start at 02:00, and production has one prefix for both: a whole check of the other before each request."""
    product = checked.product
    fields = {**product.declaration.model_dump(mode="json"), "name": "thumbnails"}
    fields["legacy"] = {**fields["legacy"], "prefix": "thumb/", "path_prefix": "thumb/"}
    other = Declaration.model_validate(fields)
    with monkeypatch.context() as beside:
        connect_s3(beside, product.endpoint_url, "admin")
        hooks = make_hooks(other)
        assert check_rights(other, "at the same moment", *hooks)
    proxy.fault(lambda _: True, faults.before(lambda: check_rights(other, "at the same moment", *hooks)))
    assert checked.run()
    assert proxy.seen["CopyObject"] == 4
    for hook in hooks:
        hook.close()


def test_a_canary_of_another_migration_is_not_moved(product: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    product.seed(*KEYS)
    product.put("legacy", canary("image/", "thumbnails", "at work"))
    with shared_clients(product.declaration, monkeypatch) as hooks:
        assert Flow(product.declaration, hooks).run().staged == len(KEYS)
    assert list(product.objects("legacy")) == [canary("image/", "thumbnails", "at work")]


def test_a_store_that_carries_out_what_is_late_is_waited_for_longer(checked: Checked, proxy: Proxy) -> None:
    asked = "SELECT requests_expire FROM s3_migration.migration"
    assert checked.run()
    assert checked.product.sql(asked) == [(True,)]
    checked.product.sql("UPDATE s3_migration.migration SET lease_run_no = NULL")
    late = faults.Answer(204, [], b"")  # no server of the tests ignores an expiry
    proxy.fault("DeleteObject", lambda request, forward: late if "X-Amz-Expires" in request.query else forward(request))
    assert checked.run()
    assert checked.product.sql(asked) == [(False,)]


def test_what_was_seen_of_expiry_is_kept_although_a_later_check_fails(checked: Checked) -> None:
    checked.product.sql("UPDATE s3_migration.migration SET requests_expire = false")
    stores = {side: checked.product.bucket(side) for side in ("legacy", "production")}
    undo = Request(Mode.UNDO, remove_copies=True)  # the right to remove is asked for after the others
    with pytest.raises(PreflightFailed, match="--undo"):
        check(declare(**stores), f"test__{next(_runs)}", undo)
    assert checked.product.sql("SELECT requests_expire FROM s3_migration.migration") == [(True,)]


def test_while_another_run_is_at_work_nothing_is_probed(checked: Checked, proxy: Proxy) -> None:
    assert checked.run()
    proxy.clear()
    assert not checked.run()
    assert set(proxy.seen) == {"ListObjectsV2"}


def test_a_run_that_failed_its_check_keeps_no_other_from_its_own(
    checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_url = checked.product.endpoint_url
    connect_s3(monkeypatch, endpoint_url, "without-put-production")
    checked.refused("s3:PutObject")
    connect_s3(monkeypatch, endpoint_url)
    assert checked.run()


# -- connections and stores ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("conn_id", ["legacy_s3", "production_s3", "proddatabase"])
def test_an_absent_connection(checked: Checked, conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(f"AIRFLOW_CONN_{conn_id.upper()}")
    # What a worker may well have; it must not be what the objects are moved with.
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "admin")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_ENDPOINT_URL", checked.product.endpoint_url)
    checked.refused(f"Airflow has no connection '{conn_id}'", f"define it, e.g. as AIRFLOW_CONN_{conn_id.upper()}")


@pytest.mark.parametrize("side", ["legacy", "production"])
@pytest.mark.parametrize(
    ("key", "secret", "code", "fix"),
    [
        ("nobody", "secret", "InvalidAccessKeyId", "correct the access key"),
        ("migrator", "wrong", "SignatureDoesNotMatch", "correct the secret key"),
    ],
    ids=["key", "secret"],
)
def test_wrong_credentials(
    checked: Checked, side: str, key: str, secret: str, code: str, fix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect_s3(monkeypatch, checked.product.endpoint_url, key, secret, side)
    checked.refused(f"s3://{checked.product.bucket(side)}", code, f"{fix} of Airflow's connection '{side}_s3'")


@pytest.mark.parametrize("side", ["legacy", "production"])
def test_an_absent_bucket(checked: Checked, side: str) -> None:
    checked.refused(
        f"cannot list s3://{side}-absent/", "NoSuchBucket", f"create bucket '{side}-absent'", **{side: f"{side}-absent"}
    )


def test_a_store_that_does_not_answer_is_a_matter_of_time(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_s3(monkeypatch, f"http://127.0.0.1:{free_port()}", side="production")
    checked.refused("cannot list s3://production-", "ConnectionError", error=PreflightRetryable)


def test_a_store_that_is_too_busy_is_a_matter_of_time(checked: Checked, proxy: Proxy) -> None:
    proxy.fault("CopyObject", faults.slow_down)
    checked.refused("cannot copy s3://legacy-", "SlowDown", error=PreflightRetryable)


def test_two_stores(checked: Checked, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_s3(monkeypatch, checked.product.endpoint_url, side="legacy")
    checked.refused(
        proxy.endpoint_url, checked.product.endpoint_url, "must be one store", "'legacy_s3'", "'production_s3'"
    )


# -- rights in the stores -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "says"),
    [
        ("list-legacy", ["list s3://legacy-", "s3:ListBucket"]),
        ("list-production", ["list s3://production-", "s3:ListBucket"]),
        ("get-legacy", ["s3://legacy-", "s3:GetObject"]),
        ("delete-legacy", ["delete s3://legacy-", "s3:DeleteObject"]),
        ("get-production", ["read s3://production-", "s3:GetObject"]),
        ("put-production", ["to s3://production-", "s3:PutObject"]),
        ("put-canary", ["write the canary s3://legacy-", f"image/{CANARY}", "s3:PutObject (that key alone)"]),
        (
            "delete-canary",
            ["delete the canary s3://production-", f"avatar/{CANARY}", "s3:DeleteObject (that key alone)"],
        ),
    ],
)
def test_a_missing_right(checked: Checked, right: str, says: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    connect_s3(monkeypatch, checked.product.endpoint_url, f"without-{right}")
    if right != "delete-legacy":
        checked.refused(*says, POLICY)
        return
    # Here the canary cannot but stay.
    with pytest.raises(PreflightFailed) as caught, checked.untouched(but=frozenset({f"legacy/image/{CANARY}"})):
        checked.run()
    assert all(part in str(caught.value) for part in (*says, POLICY))


@pytest.mark.parametrize(
    ("operation", "fault", "says"),
    [
        ("CopyObject", faults.without("if-none-match"), "a copy onto an existing key with If-None-Match: *"),
        ("CopyObject", faults.without("if-match"), "a copy with a wrong If-Match"),
        ("CopyObject", faults.without("x-amz-copy-source-if-match"), "a copy with a wrong x-amz-copy-source-if-match"),
        ("DeleteObjects", faults.without_etags, "a DeleteObjects with a wrong ETag"),
        ("DeleteObject", faults.without("if-match"), "a DeleteObject with a wrong If-Match"),
    ],
    ids=["copy onto nothing", "replacing copy", "copy of a version", "delete in bulk", "delete of one"],
)
def test_a_store_that_ignores_one_condition(
    checked: Checked, proxy: Proxy, operation: str, fault: faults.Fault, says: str
) -> None:
    proxy.fault(operation, fault)
    message = checked.refused(f"the store at {proxy.endpoint_url} ignores conditional requests", says)
    assert message.count(";") == 0, "no other condition is blamed"


def test_a_store_that_ignores_all_conditions(checked: Checked, proxy: Proxy) -> None:
    proxy.fault("*", faults.ignore_conditions)
    checked.refused("If-None-Match: *; ", "wrong If-Match; ", "copy-source-if-match; ", "wrong ETag")


NOT_KNOWN = {
    "MissingContentMD5": (400, PreflightFailed),
    "NotImplemented": (501, PreflightFailed),
    "SlowDown": (503, PreflightRetryable),
    "ConditionalRequestConflict": (409, PreflightRetryable),
}


@pytest.mark.parametrize("code", NOT_KNOWN)
@pytest.mark.parametrize(
    ("operation", "condition", "says"),
    [
        ("DeleteObjects", "host", "a DeleteObjects with a wrong ETag"),
        ("DeleteObject", "if-match", "a DeleteObject with a wrong If-Match"),
        ("CopyObject", "if-match", "a copy with a wrong If-Match"),
    ],
)
def test_only_a_failed_precondition_is_a_refusal(
    checked: Checked, proxy: Proxy, operation: str, condition: str, says: str, code: str
) -> None:
    """The store ignores the condition, and just now it fails as well."""
    status, error = NOT_KNOWN[code]
    proxy.fault(operation, faults.ignore_conditions)
    proxy.fault(
        lambda request: request.operation == operation and condition in request.headers, faults.answer(status, code)
    )
    checked.refused(f"cannot see whether the store refuses {says} (", f"): {code}", error=error)


@pytest.mark.parametrize("operation", ["PutObject", "CopyObject", "HeadObject", "DeleteObjects", "DeleteObject"])
@pytest.mark.parametrize("nth", range(4))
def test_an_answer_that_is_lost_is_no_refusal(checked: Checked, proxy: Proxy, operation: str, nth: int) -> None:
    seen = itertools.count()
    proxy.fault(lambda request: request.operation == operation and next(seen) == nth, faults.lose_answer)
    before = checked.look()
    assert checked.run()
    assert checked.look() == {**before, "lease": [("avatars",)]}


def test_an_answer_that_is_lost_does_not_hide_that_a_condition_is_ignored(checked: Checked, proxy: Proxy) -> None:
    proxy.fault("*", faults.ignore_conditions)
    proxy.fault(
        lambda request: request.operation == "DeleteObject" and "if-match" in request.headers, faults.lose_answer
    )
    checked.refused("ignores conditional requests")


@pytest.mark.parametrize("side", ["legacy", "production"])
def test_a_connection_in_the_wrong_region(checked: Checked, proxy: Proxy, side: str) -> None:
    """boto3 would follow, and the canaries would be written."""

    def elsewhere(request: faults.Request, forward: faults.Forward) -> faults.Answer:
        said = b"<Error><Code>PermanentRedirect</Code><Message>must be addressed using the endpoint</Message></Error>"
        return faults.Answer(301, [("x-amz-bucket-region", "eu-west-3")], said)

    bucket = checked.product.bucket(side)
    proxy.fault(lambda request: request.operation == "ListObjectsV2" and bucket in request.target, elsewhere, times=1)
    checked.refused(f"bucket '{bucket}' is in region eu-west-3", f"region_name to 'eu-west-3' in extra of '{side}_s3'")
    assert proxy.seen["PutObject"] == 0


@pytest.mark.parametrize(
    "bucket", ["arn:aws:s3:eu-west-1:111122223333:accesspoint/pictures", "pictures-0abc123-s3alias"]
)
@pytest.mark.parametrize("side", ["legacy", "production"])
def test_an_access_point_is_no_bucket(checked: Checked, side: str, bucket: str) -> None:
    checked.refused(f"{side}.bucket is '{bucket}', an access point", "declare the bucket", **{side: bucket})


def test_uploads_that_kills_left_are_named(checked: Checked, caplog: pytest.LogCaptureFixture) -> None:
    bucket = checked.product.bucket("production")
    left = checked.product.s3.create_multipart_upload(Bucket=bucket, Key="avatar/large.png")["UploadId"]
    try:
        assert checked.run()
    finally:
        checked.product.s3.abort_multipart_upload(Bucket=bucket, Key="avatar/large.png", UploadId=left)
    (said,) = [record.getMessage() for record in caplog.records if "unfinished" in record.getMessage()]
    for part in (
        "1 unfinished uploads",
        f"s3://{bucket}/avatar/",
        "'avatar/large.png'",
        left,
        "abort-multipart-upload",
    ):
        assert part in said


def test_a_store_that_ignores_conditions_may_be_planned_for(checked: Checked, proxy: Proxy) -> None:
    proxy.fault("*", faults.ignore_conditions)
    assert checked.run(Mode.PLAN)


# -- the database -------------------------------------------------------------------------------------------------


def test_an_absent_database(checked: Checked, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_database(monkeypatch, postgres.port, "nowhere")
    checked.refused('database "nowhere" does not exist', "'proddatabase'")


def test_a_wrong_password(checked: Checked, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_database(monkeypatch, postgres.port, checked.product.database.info.dbname, password="wrong")
    message = checked.refused(
        "password authentication failed", "login or password of Airflow's connection 'proddatabase'"
    )
    assert "wrong" not in message


def test_a_database_that_does_not_answer_is_a_matter_of_time(checked: Checked, monkeypatch: pytest.MonkeyPatch) -> None:
    connect_database(monkeypatch, free_port(), "nowhere")
    checked.refused("no connection to the database", "host, database, login or password", error=PreflightRetryable)


def test_an_absent_table(checked: Checked) -> None:
    database = {"conn_id": "proddatabase", "table": "avatar", "column": "path"}
    checked.refused("no table 'avatar'", "correct database.table", database=database)


def test_a_table_in_a_schema_that_the_role_may_not_use(checked: Checked) -> None:
    checked.product.sql("CREATE SCHEMA shop CREATE TABLE avatars (path varchar)")
    database = {"conn_id": "proddatabase", "table": "shop.avatars", "column": "path"}
    checked.refused("no table 'shop.avatars' that its role can see", "GRANT USAGE on its schema", database=database)


def test_an_absent_column(checked: Checked) -> None:
    database = {"conn_id": "proddatabase", "table": "avatars", "column": "paht"}
    checked.refused("table 'avatars' has no column 'paht'", "correct database.column", database=database)


@pytest.mark.parametrize(
    ("kind", "definition"),
    [
        ("view", "CREATE VIEW shop.avatars AS SELECT path FROM public.avatars"),
        ("materialized view", "CREATE MATERIALIZED VIEW shop.avatars AS SELECT path FROM public.avatars"),
    ],
)
def test_what_is_no_ordinary_table(checked: Checked, kind: str, definition: str) -> None:
    checked.product.sql(f"CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO {ROLE}; {definition}")
    database = {"conn_id": "proddatabase", "table": "shop.avatars", "column": "path"}
    checked.refused(
        "'shop.avatars' is not an ordinary table", "declare the table that holds the rows", database=database
    )


def test_a_partitioned_table_is_as_good_as_an_ordinary_one(checked: Checked) -> None:
    checked.product.sql(f"CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO {ROLE}")
    checked.product.sql("CREATE TABLE shop.avatars (path varchar) PARTITION BY HASH (path)")
    database = {"conn_id": "proddatabase", "table": "shop.avatars", "column": "path"}
    checked.refused("no SELECT on shop.avatars", "GRANT SELECT ON shop.avatars TO the role", database=database)
    checked.product.sql(f"GRANT SELECT ON shop.avatars TO {ROLE}")
    checked.refused("no UPDATE on shop.avatars.path", "GRANT UPDATE (path) ON shop.avatars", database=database)
    checked.product.sql(f"GRANT UPDATE (path) ON shop.avatars TO {ROLE}")
    assert checked.run(database=database)


@pytest.mark.parametrize(
    ("type_", "fix"),
    [
        ("integer", "declare another column"),
        ("bytea", "declare another column"),
        ("character(40)", "declare another column"),
        ("json", "declare another column"),
        ("integer[]", "declare another column"),
        ("jsonb", "declare json_path: the keys that lead to the path in it"),
        ("varchar[]", "declare array: true, if each element is a path"),
    ],
)
def test_a_column_that_holds_no_text(checked: Checked, type_: str, fix: str) -> None:
    checked.product.sql(f"CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO {ROLE}")
    checked.product.sql(f"CREATE TABLE shop.avatars (path {type_})")
    database = {"conn_id": "proddatabase", "table": "shop.avatars", "column": "path"}
    message = checked.refused("column shop.avatars.path is of type", fix, database=database)
    assert ("expected text or varchar" in message) == (fix == "declare another column")


@pytest.mark.parametrize("mode", [Mode.SWITCH, Mode.MOVE])
def test_no_update(checked: Checked, mode: Mode) -> None:
    checked.product.sql(f"REVOKE UPDATE (path) ON avatars FROM {ROLE}")
    checked.refused("no UPDATE on avatars.path", "GRANT UPDATE (path) ON avatars TO", SETUP, mode=mode)


@pytest.mark.parametrize("mode", [Mode.PLAN, Mode.COPY])
def test_what_switches_nothing_needs_no_update(checked: Checked, mode: Mode) -> None:
    checked.product.sql(f"REVOKE UPDATE (path) ON avatars FROM {ROLE}")
    assert checked.run(mode)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("column", [False, True], ids=["at all", "of the table, only of the column"])
def test_no_select(checked: Checked, mode: Mode, column: bool) -> None:
    checked.product.sql("REVOKE SELECT ON avatars FROM migrator")
    if column:  # the physical place of a row, by which rows are switched, is no column that can be granted
        checked.product.sql("GRANT SELECT (path) ON avatars TO migrator")
    checked.refused("no SELECT on avatars", "GRANT SELECT ON avatars TO", SETUP, mode=mode)


def test_rows_that_the_role_may_not_see(checked: Checked) -> None:
    """They would look as if no row named their objects."""
    checked.product.sql("ALTER TABLE avatars ENABLE ROW LEVEL SECURITY")
    checked.refused("row-level security hides rows of 'avatars'", "BYPASSRLS")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("SELECT lag FROM heartbeat", 'relation "heartbeat" does not exist'),
        ("SELECT lag FROM private", "permission denied for table private"),
        ("SELECT 'a while'", "it gives 'a while', no number of seconds"),
        ("SELECT 1, 2", "it gives more than one value"),
        ("SELECT 1; SELECT 2", "cannot insert multiple commands"),
        ("UPDATE avatars SET path = 'x' RETURNING 1", "read-only transaction"),
        ("SELECT pg_sleep(60)", "statement timeout"),
        ("how far behind?", "syntax error"),
    ],
)
@pytest.mark.parametrize("mode", [Mode.PLAN, Mode.MOVE])
def test_a_lag_query_that_does_not_work(checked: Checked, mode: Mode, query: str, says: str) -> None:
    checked.product.sql("CREATE TABLE IF NOT EXISTS private (lag int)")
    database = {"conn_id": "proddatabase", "table": "avatars", "column": "path", "lag_query": query}
    begun = time.monotonic()
    checked.refused(
        "database.lag_query, run at 'proddatabase': ",
        says,
        "correct it in the declaration",
        database=database,
        mode=mode,
    )
    assert time.monotonic() - begun < 8


def test_a_lag_query_that_works(checked: Checked) -> None:
    database = {"conn_id": "proddatabase", "table": "avatars", "column": "path", "lag_query": "SELECT 3600"}
    assert checked.run(database=database), "how far behind they are now is the switch's concern"


LEDGER: dict[str, tuple[str, list[str]]] = {
    "schema": ("DROP SCHEMA s3_migration CASCADE", ["schema s3_migration is absent"]),
    "usage": (f"REVOKE USAGE ON SCHEMA s3_migration FROM {ROLE}", ["no USAGE on schema s3_migration"]),
    "temporary": (f"REVOKE TEMPORARY ON DATABASE {{}} FROM PUBLIC, {ROLE}", ["no TEMPORARY on the database"]),
    "tables": ("DROP TABLE s3_migration.schema_version", ["the ledger is not readable"]),
    "rights": (
        f"REVOKE ALL ON s3_migration.migration FROM {ROLE}",
        ["the ledger is not readable", "permission denied"],
    ),
    "no version": (
        "DELETE FROM s3_migration.schema_version",
        [f"the ledger is of version None, expected {SCHEMA_VERSION}"],
    ),
    "old version": (
        "UPDATE s3_migration.schema_version SET version = 0",
        [f"of version 0, expected {SCHEMA_VERSION}"],
    ),
    "migration": ("DELETE FROM s3_migration.migration", ["the ledger does not know migration 'avatars'"]),
}


@pytest.mark.parametrize(("change", "says"), LEDGER.values(), ids=LEDGER)
def test_a_ledger_that_is_not_ready(checked: Checked, change: str, says: list[str]) -> None:
    checked.product.sql(change.format(checked.product.database.info.dbname))
    checked.refused(*says, SETUP)


def test_a_ledger_of_a_newer_project_is_not_sent_back_by_the_set_up(checked: Checked) -> None:
    checked.product.sql("INSERT INTO s3_migration.schema_version VALUES (99)")
    refusal = checked.refused("version 99, this project of version", "deploy the newer version of the project")
    assert SETUP not in refusal


def test_a_policy_that_refuses_what_is_signed_in_the_query(checked: Checked, proxy: Proxy) -> None:
    """The condition s3:authType of a bucket's policy: the run deletes nothing but so."""
    denied = faults.answer(403, "AccessDenied")
    proxy.fault(lambda request: "X-Amz-Expires" in request.query, denied)
    checked.refused("delete s3://legacy-", "AccessDenied", "s3:DeleteObject", POLICY)


# -- a pooler -----------------------------------------------------------------------------------------------------


def pooler(port: int) -> tuple[int, Callable[[], None]]:
    """Says, as PgBouncer does, a process of its own in BackendKeyData; PgBouncer itself is not to be had of PyPI."""
    server = socket.create_server(("127.0.0.1", 0))

    def pass_on(source: socket.socket, sink: socket.socket, *, says: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if says and (at := data.find(b"K\0\0\0\x0c")) >= 0:  # type and length of the message
                    data = data[: at + 5] + b"\0\0\0\x01" + data[at + 9 :]
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                ours, _ = server.accept()
                theirs = socket.create_connection(("127.0.0.1", port))
                threading.Thread(target=pass_on, args=(ours, theirs), kwargs={"says": False}, daemon=True).start()
                threading.Thread(target=pass_on, args=(theirs, ours), kwargs={"says": True}, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    return server.getsockname()[1], server.close


def test_a_pooler_is_refused(checked: Checked, postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    port, close = pooler(postgres.port)
    connect_database(monkeypatch, port, checked.product.database.info.dbname)
    checked.refused("a connection pooler", "'proddatabase'", "host and port of PostgreSQL itself")
    close()
