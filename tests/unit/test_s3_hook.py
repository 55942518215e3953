"""The hook against real SeaweedFS through a proxy that breaks things, and against moto's server for the keys that
SeaweedFS folds or refuses.

moto knows no condition of a copy and no ETag in a DeleteObjects: what rests on those is tested on SeaweedFS alone.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from typing import Any
from unittest.mock import MagicMock
from xml.sax.saxutils import escape

import pytest
from botocore import retryhandler
from botocore.exceptions import ClientError
from hypothesis import example, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from devstack.s3 import SeaweedFS
from s3_migration.model.declaration import Engine
from s3_migration.model.error_codes import retryable
from s3_migration.model.objects import S3Object, Version
from s3_migration.s3 import crt_client as crt
from s3_migration.s3.hook import MAX_TRIES, BulkS3Hook
from s3_migration.s3.types import Copy, CopyResult, DeleteResult
from tests.support import proxy as faults
from tests.support.connections import client, connect_s3
from tests.support.proxy import Answer, Forward, Proxy, Request

KEY, TARGET = "image/a.png", "avatar/a.png"
MIB = 1024 * 1024
# Of the hook's client: every request is sent this often before it fails.
ATTEMPTS = 6


@dataclass
class Stores:
    """Two buckets; the hook under test as Airflow connects it, and an administrator's client beside it."""

    legacy: str
    production: str
    s3: Any
    proxy: Proxy
    identity: str = "migrator"
    options: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def hook(self) -> BulkS3Hook:
        return self.connect(self.identity, **self.options)

    def put(self, body: bytes = b"body", key: str = KEY, **kwargs: Any) -> Version:
        """Write into legacy."""
        etag = self.s3.put_object(Bucket=self.legacy, Key=key, Body=body, **kwargs)["ETag"]
        return Version(len(body), etag.strip('"'))

    def put_target(self, body: bytes, key: str = TARGET) -> Version:
        """Write into production."""
        etag = self.s3.put_object(Bucket=self.production, Key=key, Body=body)["ETag"]
        return Version(len(body), etag.strip('"'))

    def target(self, key: str = TARGET) -> bytes | None:
        """What production holds."""
        try:
            return bytes(self.s3.get_object(Bucket=self.production, Key=key)["Body"].read())
        except self.s3.exceptions.NoSuchKey:
            return None

    def list(self, bucket: str, prefix: str = "") -> dict[str, S3Object]:
        return {entry.key: entry for page in self.hook.list_objects(bucket, prefix) for entry in page}

    def copy_all(self, *copies: Copy) -> list[CopyResult]:
        return list(self.hook.copy_objects(self.legacy, self.production, copies))

    def copy(self, version: Version, replaces: str | None = None, target: str = TARGET) -> CopyResult:
        (result,) = self.copy_all(Copy(KEY, target, version, replaces))
        return result

    def delete(self, *versions: tuple[str, str]) -> dict[str, DeleteResult]:
        return {result.key: result for result in self.hook.delete_versions(self.legacy, versions)}

    def drop(self, key: str = KEY) -> None:
        self.s3.delete_object(Bucket=self.legacy, Key=key)

    def empty(self) -> None:
        """As new: buckets are dear to make, so the tests share them."""
        self.proxy.heal()
        for bucket in (self.legacy, self.production):
            keys = [entry["Key"] for entry in self.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
            for key in keys:
                self.s3.delete_object(Bucket=bucket, Key=key)
        self.proxy.clear()
        self.hook.take_requests()

    def connect(self, identity: str = "migrator", **options: Any) -> BulkS3Hook:
        """A hook as Airflow connects it, which makes every retry and waits for none."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(retryhandler, "delay_exponential", lambda *args, **kwargs: 0)
            connect_s3(patch, self.proxy.endpoint_url, identity)
            hook = BulkS3Hook("legacy_s3", **options)
            assert hook.client
        return hook


@pytest.fixture(scope="module", params=list(Engine), ids=[engine.value for engine in Engine])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """All is tested with both, which waits for no retry."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crt, "pause", lambda tries: 0)
        yield request.param


@contextmanager
def made_stores(endpoint_url: str, engine: Engine) -> Iterator[Stores]:
    name, admin = secrets.token_hex(4), client(endpoint_url)
    with Proxy(endpoint_url) as proxy:
        stores = Stores(f"legacy-{name}", f"production-{name}", admin, proxy, options={"engine": engine})
        for bucket in (stores.legacy, stores.production):
            admin.create_bucket(Bucket=bucket)
        yield stores
        stores.hook.close()


@pytest.fixture(scope="module")
def seaweedfs(s3: SeaweedFS, engine: Engine) -> Iterator[Stores]:
    with made_stores(s3.endpoint_url, engine) as made:
        yield made


@pytest.fixture
def stores(seaweedfs: Stores) -> Iterator[Stores]:
    """On SeaweedFS, as the identity with the shipped rights."""
    yield seaweedfs
    seaweedfs.empty()


@pytest.fixture(scope="module")
def moto(engine: Engine) -> Iterator[Stores]:
    """On moto's server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with made_stores(f"http://{host}:{port}", engine) as made:
        yield made
    server.stop()


# -- any legal key ------------------------------------------------------------------------------------------------

HELD_BY_BOTH = {
    "blanks": " a b ",
    "plus": "a+b+.png",
    "percent": "%2F%20%.png",
    "markup": "&<>\"'.png",
    "entity": "&amp;&#10;.png",
    "query": "?versionId=1#part.png",
    "umlaut": "ä-a\u0308.png",
    "emoji": "\U0001f600.png",
    "control": "\x01\x1f.png",
    "tab": "\t.png",
    "return": "a\rb.png",
    "delete": "\x7f.png",
    "next-line": "a\x85b\u2028c.png",
    "no-character": "\ufffe\uffff.png",
    "long": "/".join(["x" * 200] * 5) + "y" * 13,
}
FOLDED_OR_REFUSED_BY_SEAWEEDFS = {
    "two-slashes": "a//b.png",
    "slash-first": "/a.png",
    "backslash": "a\\b.png",
    "dot": "./a/./b.png",
    "dots": "../../a.png",
    "long-name": "x" * 1017,
    "content-and-slash": "a/",
}


def move(stores: Stores, legacy_prefix: str, production_prefix: str, *rests: str) -> None:
    """Objects are listed, copied and deleted, each under the key that it has and no other."""
    bodies = {rest: f"body of {rest}".encode() for rest in rests}
    for rest, body in bodies.items():
        stores.put(body, legacy_prefix + rest)
    listed = stores.list(stores.legacy)
    assert set(listed) == {legacy_prefix + rest for rest in rests}
    results = stores.copy_all(
        *(Copy(key, production_prefix + key[len(legacy_prefix) :], entry.version) for key, entry in listed.items())
    )
    assert [result.detail for result in results if result.problem or not result.requested] == []
    assert {rest: stores.target(production_prefix + rest) for rest in rests} == bodies
    assert {key: entry.version for key, entry in stores.list(stores.production).items()} == {
        result.copy.target: result.target for result in results
    }
    deleted = stores.delete(*((key, entry.etag) for key, entry in listed.items()))
    assert deleted == {key: DeleteResult(key) for key in listed}
    assert stores.list(stores.legacy) == {}


# moto's server has no route for a key with a newline.
@pytest.mark.parametrize("rest", [*HELD_BY_BOTH.values(), "a\nb.png"], ids=[*HELD_BY_BOTH, "newline"])
def test_an_awkward_key_moves(stores: Stores, rest: str) -> None:
    move(stores, "image/", "avatar/", rest)


def test_keys_that_seaweedfs_does_not_hold_move_where_they_are_held(moto: Stores) -> None:
    move(moto, "image/", "avatar/", *HELD_BY_BOTH.values(), *FOLDED_OR_REFUSED_BY_SEAWEEDFS.values())


LEGAL_KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\n"), min_size=1, max_size=40)


@given(st.sets(LEGAL_KEYS, min_size=1, max_size=4))
@example({"x" * 1024, "é" * 512, "\U0001f600" * 256, "/" * 1024})
@settings(max_examples=30, deadline=None)
def test_any_legal_key_moves(moto: Stores, keys: set[str]) -> None:
    moto.empty()
    move(moto, "", "", *keys)


# -- listing ------------------------------------------------------------------------------------------------------


def test_a_listing_of_more_than_a_page_is_whole_and_its_objects_go_a_thousand_a_request(stores: Stores) -> None:
    keys = {f"image/{number}.png" for number in range(1001)}
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: stores.put(key.encode(), key), keys))
    stores.put(b"beside the prefix", "imagine.png")
    pages = list(stores.hook.list_objects(stores.legacy, "image/"))
    listed = {entry.key: entry for page in pages for entry in page}
    assert set(listed) == keys
    assert max(len(page) for page in pages) <= 1000
    stores.hook.take_requests()
    deleted = stores.delete(*((key, entry.etag) for key, entry in listed.items()))
    assert {result.problem for result in deleted.values()} == {None}
    assert stores.hook.take_requests() == {("DeleteObjects", "200"): 2}
    assert set(stores.list(stores.legacy)) == {"imagine.png"}


def test_a_listed_object_is_what_a_look_at_it_shows(stores: Stores) -> None:
    version = stores.put(b"")
    before = datetime.now(timezone.utc)
    (listed,) = stores.list(stores.legacy).values()
    assert listed.version == version == Version(0, "d41d8cd98f00b204e9800998ecf8427e")
    assert abs((before - datetime.fromisoformat(listed.modified.replace("Z", "+00:00"))).total_seconds()) < 60
    shown = stores.hook.head(stores.legacy, KEY)
    assert shown is not None
    assert (shown.key, shown.version) == (listed.key, listed.version)


def test_an_empty_bucket_lists_nothing(stores: Stores) -> None:
    assert stores.list(stores.legacy) == {}


def test_only_what_is_there_is_seen(stores: Stores) -> None:
    stores.put(key="image/1")
    stores.put(key="image/3")
    pages = stores.hook.head_objects(stores.legacy, ["image/1", "image/2", "image/3"])
    assert {entry.key for page in pages for entry in page} == {"image/1", "image/3"}


def test_only_a_404_means_absent(stores: Stores) -> None:
    assert stores.hook.head(stores.legacy, KEY) is None
    refused = stores.connect("without-get-legacy", **stores.options)
    with pytest.raises(ClientError, match="403"):
        refused.head(stores.legacy, KEY)
    with pytest.raises(ClientError, match="403"):
        list(refused.head_objects(stores.legacy, [KEY]))
    stores.proxy.fault("HeadObject", faults.slow_down)
    with pytest.raises(ClientError, match="503"):
        stores.hook.head(stores.legacy, KEY)


def test_a_key_that_the_store_cannot_hold_is_absent(stores: Stores) -> None:
    stores.put(key="image/1")
    pages = stores.hook.head_objects(stores.legacy, ["image/../1", "image/1"])
    assert [entry.key for page in pages for entry in page] == ["image/1"]


def test_an_expired_token_does_not_make_objects_absent(stores: Stores) -> None:
    """S3 answers a HEAD with it by a 400 without a body, as it answers a HEAD of a key that cannot be."""
    stores.put()
    stores.proxy.fault("HeadObject", lambda request, forward: Answer(400, [], b""))
    assert [entry.key for page in stores.hook.head_objects(stores.legacy, [KEY]) for entry in page] == [KEY]
    stores.proxy.fault("ListObjectsV2", faults.answer(400, "ExpiredToken"))
    with pytest.raises(ClientError, match="ExpiredToken"):
        list(stores.hook.head_objects(stores.legacy, [KEY]))


# -- the truth table of a copy ------------------------------------------------------------------------------------

SOURCE = b"the source"


@dataclass(frozen=True)
class Case:
    """What production holds when we come to copy, and what comes of it."""

    there: bytes | None
    replaces: bytes | None  # our earlier copy
    problem: str | None
    holds: bytes
    requested: bool = True


COPIES = {
    "absent": Case(None, None, None, SOURCE),
    "the same content": Case(SOURCE, None, None, SOURCE, requested=False),
    "other content of the same size": Case(b"other text", None, "conflict", b"other text"),
    "other size": Case(b"other", None, "conflict", b"other"),
    "empty": Case(b"", None, "conflict", b""),
    "our earlier copy": Case(b"earlier", b"earlier", None, SOURCE),
    "our earlier copy, replaced already": Case(SOURCE, b"earlier", None, SOURCE, requested=False),
    "written after our copy": Case(b"product's", b"earlier", "superseded", b"product's"),
    "written after our copy, of the source's size": Case(b"other text", b"earlier", "superseded", b"other text"),
}


@pytest.mark.parametrize("case", COPIES.values(), ids=COPIES)
def test_what_becomes_of_a_copy(stores: Stores, case: Case) -> None:
    version = stores.put(SOURCE)
    replaces = stores.put_target(case.replaces).etag if case.replaces else None
    if case.there is not None:
        stores.put_target(case.there)
    before = stores.hook.head(stores.production, TARGET)
    result = stores.copy(version, replaces)
    now = stores.hook.head(stores.production, TARGET)
    assert now is not None
    assert (result.problem, stores.target()) == (case.problem, case.holds)
    if case.problem:
        assert result.target is None
        assert before == now, "nothing that is not ours is written"
        assert f"production holds {len(case.holds)} bytes" in str(result.detail)
    else:
        assert (result.target, result.requested) == (now.version, case.requested)
        assert result.modified is not None


def test_a_source_rewritten_since_it_was_listed_is_copied_as_it_is_now(stores: Stores) -> None:
    listed = stores.put(b"old")
    now = stores.put(b"new and longer")
    result = stores.copy(listed)
    assert (result.problem, result.copy.version, result.target) == (None, now, now)
    assert stores.target() == b"new and longer"


def test_a_copy_that_a_crash_kept_from_the_ledger_is_replaced_when_the_source_is_rewritten(stores: Stores) -> None:
    listed = stores.put(b"old")
    assert stores.copy(listed).problem is None
    now = stores.put(b"new")
    result = stores.copy(listed)
    assert (result.problem, result.copy.version, stores.target()) == (None, now, b"new")


def test_a_copy_of_ours_that_is_gone_is_made_anew(stores: Stores) -> None:
    earlier, version = stores.put_target(b"earlier"), stores.put()
    stores.s3.delete_object(Bucket=stores.production, Key=TARGET)
    assert (stores.copy(version, earlier.etag).problem, stores.target()) == (None, b"body")


def test_a_source_rewritten_between_two_looks_is_copied_as_it_is_now(stores: Stores) -> None:
    stores.put_target(b"12345")
    listed = stores.put(b"abcde")
    stores.proxy.fault("GetObject", faults.before(lambda: stores.put(b"12345")), times=1)
    result = stores.copy(listed)
    assert (result.problem, result.requested, result.copy.version) == (
        None,
        False,
        Version(5, result.copy.version.etag),
    )
    assert result.copy.version != listed


def test_a_source_that_is_rewritten_again_and_again_is_left_to_a_person(stores: Stores) -> None:
    listed, times = stores.put(b"0"), iter(range(1, 100))
    stores.proxy.fault("CopyObject", faults.before(lambda: stores.put(b"%d" % next(times))))
    result = stores.copy(listed)
    assert (result.problem, result.code) == ("changed", "ConditionalRequestConflict")
    assert str(result.detail).startswith(f"{MAX_TRIES} tries, last PreconditionFailed: ")
    assert stores.target() is None
    assert stores.hook.take_requests()["CopyObject", "412"] == MAX_TRIES


def test_a_source_that_is_gone_is_withdrawn(stores: Stores) -> None:
    version = stores.put()
    stores.proxy.fault("CopyObject", faults.before(stores.drop))
    result = stores.copy(version)
    assert (result.problem, stores.target()) == ("withdrawn", None)


def test_a_write_to_production_at_the_last_moment_is_left_alone(stores: Stores) -> None:
    version = stores.put()
    stores.proxy.fault("CopyObject", faults.before(lambda: stores.put_target(b"the product's")), times=1)
    assert stores.copy(version).problem == "conflict"
    assert stores.target() == b"the product's"


def test_one_bad_object_does_not_hold_up_the_others(stores: Stores) -> None:
    version = stores.put()
    stores.put_target(b"someone else's", "avatar/5")
    results = stores.copy_all(*(Copy(KEY, f"avatar/{number}", version) for number in range(10)))
    assert Counter(result.problem for result in results) == {None: 9, "conflict": 1}


def test_a_copy_that_may_not_be_made_says_so(stores: Stores) -> None:
    version = stores.put()
    stores = replace(stores, identity="without-put-production")
    result = stores.copy(version)
    assert (result.problem, result.code, retryable(result.code)) == ("failed", "AccessDenied", False)
    assert str(result.detail).startswith("AccessDenied: ")


def test_a_conflict_that_cannot_be_looked_at_is_a_failure(stores: Stores) -> None:
    version = stores.put()
    stores.put_target(b"someone else's")
    stores = replace(stores, identity="without-get-production")
    result = stores.copy(version)
    assert (result.problem, result.code) == ("failed", "403")


def test_a_folder_marker_is_copied_once(stores: Stores) -> None:
    version = stores.put(b"", "image/folder/", ContentType="application/x-directory")
    assert stores.list(stores.legacy)["image/folder/"].version == version
    copy = Copy("image/folder/", "avatar/folder/", version)
    (first,), (again,) = stores.copy_all(copy), stores.copy_all(copy)
    assert (first.problem, first.requested, again.problem, again.requested) == (None, True, None, False)
    assert stores.list(stores.production)["avatar/folder/"].version == version
    shown = stores.s3.head_object(Bucket=stores.production, Key="avatar/folder/")
    assert shown["ContentType"] == "application/x-directory"


def test_a_folder_marker_whose_content_seaweedfs_hides_is_not_taken_for_an_empty_one(stores: Stores) -> None:
    stores.put(b"content", "image/folder/")
    shown = stores.list(stores.legacy)["image/folder/"].version
    assert shown.size == 0
    (result,) = stores.copy_all(Copy("image/folder/", "avatar/folder/", shown))
    assert (result.problem, stores.list(stores.production)) == ("failed", {})
    assert "NoSuchKey" in str(result.detail)


# -- networks and stores that fail ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        (faults.slow_down, "503"),
        (faults.answer(500, "InternalError"), "500"),
        (faults.lose_request, "ConnectionError"),
        (faults.error_in_200, "500"),
    ],
    ids=["slow down", "internal error", "lost request", "error in a 200"],
)
def test_a_passing_fault_is_tried_again_and_counted(stores: Stores, fault: faults.Fault, outcome: str) -> None:
    version = stores.put()
    stores.proxy.fault("CopyObject", fault, times=ATTEMPTS - 1)
    result = stores.copy(version)
    assert (result.problem, result.requested, stores.target()) == (None, True, b"body")
    assert stores.hook.take_requests() == {("CopyObject", outcome): ATTEMPTS - 1, ("CopyObject", "200"): 1}
    assert stores.hook.take_requests() == {}, "each request is counted once"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (faults.slow_down, "SlowDown"),
        (faults.lose_request, "ConnectionError"),
        (faults.error_in_200, "InternalError"),
        (faults.empty_200, "IncompleteResponse"),
        (faults.garbled_200, "500 IncompleteResponse"),  # as boto3 puts it, and as we do
    ],
    ids=["slow down", "lost request", "error in a 200", "empty 200", "garbled 200"],
)
def test_a_lasting_fault_is_a_failure_that_time_may_mend(stores: Stores, fault: faults.Fault, code: str) -> None:
    version = stores.put()
    stores.proxy.fault("CopyObject", fault)
    result = stores.copy(version)
    assert (result.problem, retryable(result.code), result.target) == ("failed", True, None)
    assert result.code in code.split()
    assert str(result.detail).startswith(f"{result.code}: ")
    assert stores.target() is None


@pytest.mark.parametrize("fault", [faults.lose_answer, faults.cut_midway], ids=["lost", "cut midway"])
def test_a_copy_whose_answer_is_lost_is_there_when_it_is_repeated(stores: Stores, fault: faults.Fault) -> None:
    version = stores.put()
    stores.proxy.fault("CopyObject", fault, times=1)
    result = stores.copy(version)
    assert (result.problem, result.requested, result.target) == (None, False, version)
    assert stores.proxy.forwarded["CopyObject"] == 2


def test_a_replacing_copy_whose_answer_is_lost_is_there_when_it_is_repeated(stores: Stores) -> None:
    replaces, version = stores.put_target(b"earlier"), stores.put()
    stores.proxy.fault("CopyObject", faults.lose_answer, times=1)
    result = stores.copy(version, replaces.etag)
    assert (result.problem, result.requested, result.target) == (None, False, version)


def test_many_slow_downs_at_once_are_waited_out(stores: Stores) -> None:
    """Normal while S3 splits a prefix: every request meets some."""
    version, met = stores.put(), Counter[str]()

    def first_times(request: Request) -> bool:
        met[request.key] += request.operation == "CopyObject"
        return 1 <= met[request.key] < ATTEMPTS

    stores.proxy.fault(first_times, faults.slow_down)
    results = stores.copy_all(*(Copy(KEY, f"avatar/{number}", version) for number in range(100)))
    assert Counter(result.detail for result in results) == {None: 100}


@pytest.mark.parametrize("who", ["the caller", "the hook"])
def test_what_is_queued_is_given_up_and_what_is_in_flight_ends(stores: Stores, who: str) -> None:
    hook, gate = stores.connect(**stores.options, requests_in_flight=4), threading.Event()
    version = stores.put()
    copies = [Copy(KEY, f"avatar/{number}", version) for number in range(100)]
    stores.proxy.fault(lambda request: request.key != "avatar/0", faults.before(gate.wait))
    results = hook.copy_objects(stores.legacy, stores.production, copies)
    assert next(iter(results)).copy.target == "avatar/0"
    opens = threading.Timer(0.3, gate.set)
    opens.start()
    if who == "the caller":
        results.close()  # type: ignore[attr-defined]
        opens.join()
    hook.close()
    hook._pool.shutdown(wait=True)
    asked = stores.proxy.seen["CopyObject"]
    assert asked <= 1 + 4
    assert len(stores.list(stores.production)) == asked


# -- copies made of parts -----------------------------------------------------------------------------------------


@pytest.fixture
def parts(stores: Stores) -> Stores:
    """Copies of more than a megabyte are made of parts of 5 MiB, the least that S3 allows."""
    return replace(stores, options={"copy_limit": MIB, "part_size": 5 * MIB})


@pytest.mark.parametrize("size", [MIB + 1, 5 * MIB, 5 * MIB + 1], ids=["one part", "exactly one", "one byte over"])
def test_a_copy_of_parts_has_all_that_the_source_had(parts: Stores, size: int) -> None:
    kept = {
        "CacheControl": "no-cache",
        "ContentDisposition": 'attachment; filename="a.png"',
        "ContentEncoding": "identity",
        "ContentLanguage": "de",
        "ContentType": "image/png",
        "Expires": datetime(2030, 1, 1, tzinfo=timezone.utc),
        "Metadata": {"owner": "ava"},
    }
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    version = parts.put(body, Tagging="team=a%26b&empty=", **kept)
    result = parts.copy(version)
    shown = parts.s3.head_object(Bucket=parts.production, Key=TARGET)
    assert {name: shown.get(name) for name in kept} == kept
    tags = parts.s3.get_object_tagging(Bucket=parts.production, Key=TARGET)["TagSet"]
    assert sorted((tag["Key"], tag["Value"]) for tag in tags) == [("empty", ""), ("team", "a&b")]
    assert parts.target() == body
    now = parts.hook.head(parts.production, TARGET)
    assert now is not None
    assert result.target == now.version
    assert parts.proxy.seen["UploadPartCopy"] == -(-size // (5 * MIB))
    again = parts.copy(version)
    assert (again.problem, again.requested, again.target) == (None, False, now.version)


LARGE = b"x" * (MIB + 1)


@pytest.mark.parametrize(
    ("there", "problem"),
    [(b"y" * (MIB + 1), "conflict"), (b"y", "conflict"), (LARGE, None)],
    ids=["other", "small", "same"],
)
def test_a_copy_of_parts_overwrites_nothing(parts: Stores, there: bytes, problem: str | None) -> None:
    version = parts.put(LARGE)
    parts.put_target(there)
    result = parts.copy(version)
    assert (result.problem, result.requested) == (problem, problem is not None)
    assert parts.target() == there
    assert uploads(parts) == []


def test_a_copy_of_parts_replaces_our_own_and_knows_it_again_when_the_answer_is_lost(parts: Stores) -> None:
    replaces, version = parts.put_target(b"earlier"), parts.put(LARGE)
    parts.proxy.fault("CompleteMultipartUpload", faults.lose_answer, times=1)
    result = parts.copy(version, replaces.etag)
    assert (result.problem, result.detail, parts.target()) == (None, None, LARGE)
    assert uploads(parts) == []


def test_a_source_rewritten_between_two_parts_is_copied_as_it_is_now(parts: Stores) -> None:
    version = parts.put(b"x" * (5 * MIB + 1))
    parts.proxy.fault(
        lambda request: "partNumber=2" in request.target, faults.before(lambda: parts.put(LARGE)), times=1
    )
    result = parts.copy(version)
    assert (result.problem, parts.target()) == (None, LARGE)
    assert uploads(parts) == []


@pytest.mark.parametrize("operation", ["UploadPartCopy", "CompleteMultipartUpload"])
def test_a_copy_of_parts_that_fails_leaves_no_upload_behind(parts: Stores, operation: str) -> None:
    version = parts.put(LARGE)
    parts.proxy.fault(operation, faults.slow_down)
    result = parts.copy(version)
    assert (result.problem, result.code, parts.target()) == ("failed", "SlowDown", None)
    assert uploads(parts) == []


def test_an_upload_that_cannot_be_given_up_does_not_hide_why(parts: Stores) -> None:
    version = parts.put(LARGE)
    parts.proxy.fault("UploadPartCopy", faults.slow_down)
    parts.proxy.fault("AbortMultipartUpload", faults.answer(403, "AccessDenied"))
    assert parts.copy(version).code == "SlowDown"


def test_the_largest_object_has_no_more_parts_than_s3_allows(stores: Stores) -> None:
    size = 50 * 1000**4
    stores = replace(stores)
    client = stores.hook.__dict__["client"] = MagicMock()
    client.upload_part_copy.return_value = {"CopyPartResult": {"ETag": '"part"'}}
    client.head_object.return_value = {"LastModified": datetime.now(timezone.utc)}
    client.complete_multipart_upload.return_value = {"ETag": '"e-2"'}
    assert stores.copy(Version(size, "e")).target == Version(size, "e-2")
    ranges = [call.kwargs["CopySourceRange"][6:].split("-") for call in client.upload_part_copy.call_args_list]
    bounds = [(int(first), int(last)) for first, last in ranges]
    assert len(bounds) <= 10_000
    assert max(last - first + 1 for first, last in bounds) <= 5 * 1024**3
    assert [first for first, _ in bounds] == [0, *(last + 1 for _, last in bounds[:-1])]
    assert bounds[-1][1] == size - 1


def uploads(stores: Stores) -> list[Any]:
    return list(stores.s3.list_multipart_uploads(Bucket=stores.production).get("Uploads", []))


@pytest.mark.parametrize("same", [True, False])
def test_the_etag_of_a_source_of_parts_says_nothing_so_the_bytes_are_compared(stores: Stores, same: bool) -> None:
    body = b"x" * (5 * MIB + 1)
    where = {"Bucket": stores.legacy, "Key": KEY}
    upload = stores.s3.create_multipart_upload(**where)["UploadId"]
    made = [
        stores.s3.upload_part(**where, UploadId=upload, PartNumber=number, Body=part)["ETag"]
        for number, part in enumerate((body[: 5 * MIB], body[5 * MIB :]), start=1)
    ]
    numbered = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(made, start=1)]
    stores.s3.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": numbered})
    source = stores.list(stores.legacy)[KEY]
    assert source.etag.endswith("-2")
    assert stores.copy(source.version, target="avatar/new").problem is None
    there = stores.put_target(body if same else b"y" + body[1:])
    result = stores.copy(source.version)
    assert (result.problem, result.target) == ((None, there) if same else ("conflict", None))
    again = stores.copy(source.version, target="avatar/new")
    assert (again.problem, again.requested) == (None, False)


# -- deleting -----------------------------------------------------------------------------------------------------

# One goes in a DeleteObjects, one cannot stand in its XML.
SPELLINGS = pytest.mark.parametrize("key", ["image/a.png", "image/\x01.png"], ids=["in bulk", "by itself"])


@SPELLINGS
def test_what_is_as_it_was_is_deleted(stores: Stores, key: str) -> None:
    version = stores.put(key=key)
    assert stores.delete((key, version.etag)) == {key: DeleteResult(key)}
    assert stores.list(stores.legacy) == {}


@SPELLINGS
def test_what_is_gone_already_counts_as_deleted(stores: Stores, key: str) -> None:
    assert stores.delete((key, "0" * 32)) == {key: DeleteResult(key)}


@SPELLINGS
def test_what_was_rewritten_stays_and_is_shown(stores: Stores, key: str) -> None:
    proven = stores.put(b"proven", key)
    stores.put(b"rewritten", key)
    result = stores.delete((key, proven.etag))[key]
    assert (result.problem, result.code) == ("changed", "PreconditionFailed")
    assert result.now == stores.hook.head(stores.legacy, key)
    assert set(stores.list(stores.legacy)) == {key}


@SPELLINGS
def test_what_may_not_be_deleted_stays_and_says_why(stores: Stores, key: str) -> None:
    version = stores.put(key=key)
    stores = replace(stores, identity="without-delete-legacy")
    result = stores.delete((key, version.etag))[key]
    assert (result.problem, result.code) == ("failed", "AccessDenied")
    assert set(stores.list(stores.legacy)) == {key}


@SPELLINGS
def test_a_deletion_whose_answer_is_lost_is_done_when_it_is_repeated(stores: Stores, key: str) -> None:
    version = stores.put(key=key)
    stores.proxy.fault(lambda request: request.operation.startswith("DeleteObject"), faults.lose_answer, times=1)
    assert stores.delete((key, version.etag)) == {key: DeleteResult(key)}


@SPELLINGS
def test_a_deletion_that_is_refused_for_now_fails_for_now(stores: Stores, key: str) -> None:
    version = stores.put(key=key)
    stores.proxy.fault(lambda request: request.operation.startswith("DeleteObject"), faults.slow_down)
    result = stores.delete((key, version.etag))[key]
    assert (result.problem, result.code, retryable(result.code)) == ("failed", "SlowDown", True)
    assert set(stores.list(stores.legacy)) == {key}


def test_each_key_of_a_request_has_its_own_answer(stores: Stores) -> None:
    etags = {key: stores.put(key.encode(), key).etag for key in ("image/1", "image/2", "image/3", "image/\n")}
    stores.put(b"rewritten", "image/2")
    stores.drop("image/3")
    deleted = stores.delete(*etags.items())
    assert {key: result.problem for key, result in deleted.items()} == {
        "image/1": None,
        "image/2": "changed",
        "image/3": None,
        "image/\n": None,
    }
    assert (stores.proxy.seen["DeleteObjects"], stores.proxy.seen["DeleteObject"]) == (1, 1)
    assert set(stores.list(stores.legacy)) == {"image/2"}


def inside_a_200(inside: str) -> faults.Fault:
    return lambda request, forward: Answer(200, [], f"<DeleteResult>{inside}</DeleteResult>".encode())


@pytest.mark.parametrize(
    ("inside", "code"),
    [
        ("<Error><Key>image/a.png</Key><Code>InternalError</Code><Message>no</Message></Error>", "InternalError"),
        ("<Error><Key>image/a.png</Key><Code>AccessDenied</Code></Error>", "AccessDenied"),
        ("", "IncompleteResponse"),
        (
            "<Deleted><Key>image/a.png</Key></Deleted><Error><Key>image/a.png</Key><Code>InternalError</Code></Error>",
            "InternalError",
        ),
        ("<Deleted><Key>image/b.png</Key></Deleted>", "IncompleteResponse"),
    ],
    ids=["error", "no message", "nothing", "both", "another key"],
)
def test_only_a_key_that_is_named_as_deleted_is_deleted(stores: Stores, inside: str, code: str) -> None:
    version = stores.put()
    stores.proxy.fault("DeleteObjects", inside_a_200(inside))
    result = stores.delete((KEY, version.etag))[KEY]
    assert (result.problem, result.code) == ("failed", code)
    assert str(result.detail).startswith(f"{code}: ")


@pytest.mark.parametrize(("keys", "requests"), [(0, 0), (1, 1), (1000, 1), (1001, 2)])
def test_a_request_deletes_a_thousand_keys(stores: Stores, keys: int, requests: int) -> None:
    def all_deleted(request: Request, forward: Forward) -> Answer:
        named = request.body.decode().split("<Key>")[1:]
        body = "".join(f"<Deleted><Key>{escape(each.partition('<')[0])}</Key></Deleted>" for each in named)
        return inside_a_200(body)(request, forward)

    stores.proxy.fault("DeleteObjects", all_deleted)
    deleted = stores.delete(*((f"image/{number}", "e") for number in range(keys)))
    assert deleted == {f"image/{number}": DeleteResult(f"image/{number}") for number in range(keys)}
    assert stores.proxy.seen == Counter(DeleteObjects=requests)
