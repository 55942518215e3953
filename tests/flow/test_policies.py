"""The policies that include/s3_migration/commands/setup.py prints, held against what is really sent.

All that the steps ask of S3 is recorded between them and the embedded server. What AWS would ask for each of these
requests (`asked`) is looked up in the policies by a small evaluator. So it is shown that they are enough, in one
account and in two, that each right in them is needed, and that they reach nothing else. Not that AWS reads them the
same way.
"""

from __future__ import annotations

import copy
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from devstack.postgres import Postgres
from devstack.s3 import SeaweedFS
from s3_migration.commands.policies import SIDES, Policy, bucket_policy, endpoint_policy, key_policy, policy
from s3_migration.model.declaration import Declaration, Engine
from s3_migration.model.forecast import PRICES, Forecast
from s3_migration.model.modes import Mode
from s3_migration.s3.request_counter import RequestCounter
from tests.support import ROOT
from tests.support.command_line import Run
from tests.support.connections import connect_s3
from tests.support.flow import Flow, shared_clients
from tests.support.product import Product, declare, made_product
from tests.support.proxy import Proxy, Request, without_checksums

MIB = 1024**2
LARGE = b"x" * (MIB + 1)
TAGS = "team=a%26b"
# The two identities of the recording; in some worlds below they are one.
SENDERS = {side: f"{side}-alone" for side in SIDES}
ACCOUNTS = {"legacy": "111111111111", "production": "222222222222", "third": "333333333333"}
KEYS = {side: f"arn:aws:kms:eu-central-1:{ACCOUNTS[side]}:key/of-{side}" for side in SIDES}
VIA_S3 = {"kms:ViaService": "s3.eu-central-1.amazonaws.com"}


# -- what is sent -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recording:
    """Every request of runs in all modes, with problems of every kind that ask for more."""

    declaration: Declaration
    requests: list[Request]
    removing: list[Request]  # those of the undo that removes copies
    seen: Counter[str]  # by operation, at the proxy
    counted: Counter[str]  # the same, as the hooks count themselves


@pytest.fixture(scope="module", params=list(Engine), ids=[engine.value for engine in Engine])
def recording(request: pytest.FixtureRequest, postgres: Postgres, s3: SeaweedFS) -> Recording:
    """With two identities: the real server holds each connection to its own policy."""
    counted: Counter[str] = Counter()
    count = RequestCounter.count

    def count_too(counter: RequestCounter, operation: str, status: int, code: str = "") -> None:
        counted[operation] += 1
        count(counter, operation, status, code)

    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        made_product(postgres, s3, monkeypatch) as product,
        Proxy(s3.endpoint_url) as proxy,
    ):
        monkeypatch.setattr(RequestCounter, "count", count_too)
        for side, sender in SENDERS.items():
            connect_s3(monkeypatch, proxy.endpoint_url, sender, side=side)
        declaration = product.declaration.model_copy(update={"engine": request.param})
        with shared_clients(declaration, monkeypatch) as hooks:
            for hook in hooks:
                hook.copy_limit, hook.part_size = MIB, 5 * MIB
            seed(product)
            first, last = run_all_modes(product, Flow(declaration, hooks), proxy)
    requests = proxy.requests
    return Recording(declaration, requests[:first] + requests[last:], requests[first:last], proxy.seen, counted)


def seed(product: Product) -> None:
    product.seed("image/a.png", "image/b.png", "image/\x01.png")
    product.put("legacy", "image/tagged.png", Tagging=TAGS)
    product.put("legacy", "image/large", LARGE, Tagging=TAGS)
    # Other content is in the way of a copy, of one made of parts, and content that only a look at the bytes tells.
    for name, ours, theirs in (("conflict", b"ours", b"another's"), ("large-conflict", LARGE, b"y" * (MIB + 1))):
        product.put("legacy", f"image/{name}", ours)
        product.put("production", f"avatar/{name}", theirs)
    product.row("image/dangling.png")


def run_all_modes(product: Product, flow: Flow, proxy: Proxy) -> tuple[int, int]:
    """Answers the first request of the undo that removes copies, and the first after it."""
    # Both of these are fetched: no checksum tells.
    proxy.fault(lambda request: request.method == "HEAD" and "large-conflict" in request.key, without_checksums)
    flow.attempt(Mode.PLAN)
    flow.attempt(Mode.COPY)
    product.put("legacy", "image/b.png", b"rewritten after it was copied")
    flow.attempt(Mode.SWITCH, before_copy=lambda: product.put("legacy", "image/a.png", b"rewritten after the listing"))
    flow.attempt(Mode.UNDO)
    first = len(proxy.requests)
    flow.attempt(Mode.UNDO, remove_copies=True)
    last = len(proxy.requests)
    flow.attempt(Mode.MOVE)
    return first, last


# -- what AWS asks for it -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Right:
    sender: str  # access key
    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


# From AWS's "Service Authorization Reference", Amazon S3, and "Required permissions for Amazon S3 API operations".
# LIST: not to do it, but to be told that an object is absent (404) and not that it may not be seen (403).
# MATCH: where the request compares the ETag of what is there, as "Enforce conditional writes" and "Enforce conditional
# deletes" say. TAGS: where the object has any. KMS: where its bucket is encrypted with a key of ours.
SOURCE, TARGET = "source", "target"
ASKED: dict[str, list[tuple[str, str, str]]] = {
    "ListObjectsV2": [("s3:ListBucket", TARGET, "")],
    # Without the right to the tags it leaves their number out.
    "HeadObject": [
        ("s3:GetObject", TARGET, ""),
        ("s3:ListBucket", TARGET, "LIST"),
        ("s3:GetObjectTagging", TARGET, "TAGS"),
        ("kms:Decrypt", TARGET, "CHECKSUM"),
    ],
    "GetObject": [("s3:GetObject", TARGET, ""), ("s3:ListBucket", TARGET, "LIST"), ("kms:Decrypt", TARGET, "KMS")],
    "GetObjectTagging": [("s3:GetObjectTagging", TARGET, "")],
    # On AWS each look of a plan at an ACL goes with one at the annotations, which no server here knows.
    "GetObjectAcl": [("s3:GetObjectAcl", TARGET, ""), ("s3:ListObjectAnnotations", TARGET, "")],
    "GetBucketWebsite": [("s3:GetBucketWebsite", TARGET, "")],
    "ListMultipartUploads": [("s3:ListBucketMultipartUploads", TARGET, "")],
    "PutObject": [("s3:PutObject", TARGET, ""), ("kms:GenerateDataKey", TARGET, "KMS")],
    "CopyObject": [
        ("s3:GetObject", SOURCE, ""),
        ("s3:ListBucket", SOURCE, "LIST"),
        ("s3:GetObjectTagging", SOURCE, "TAGS"),
        ("kms:Decrypt", SOURCE, "KMS"),
        ("s3:PutObject", TARGET, ""),
        ("s3:PutObjectTagging", TARGET, "TAGS"),
        ("s3:GetObject", TARGET, "MATCH"),
        ("kms:GenerateDataKey", TARGET, "KMS"),
    ],
    "CreateMultipartUpload": [
        ("s3:PutObject", TARGET, ""),
        ("s3:PutObjectTagging", TARGET, "TAGS"),
        ("kms:GenerateDataKey", TARGET, "KMS"),
    ],
    "UploadPartCopy": [
        ("s3:GetObject", SOURCE, ""),
        ("s3:ListBucket", SOURCE, "LIST"),
        ("kms:Decrypt", SOURCE, "KMS"),
        ("s3:PutObject", TARGET, ""),
        ("kms:Decrypt", TARGET, "KMS"),
    ],
    "CompleteMultipartUpload": [
        ("s3:PutObject", TARGET, ""),
        ("s3:GetObject", TARGET, "MATCH"),
        ("kms:Decrypt", TARGET, "KMS"),
    ],
    "AbortMultipartUpload": [("s3:AbortMultipartUpload", TARGET, "")],
    "DeleteObject": [("s3:DeleteObject", TARGET, ""), ("s3:GetObject", TARGET, "MATCH")],
    "DeleteObjects": [("s3:DeleteObject", TARGET, ""), ("s3:GetObject", TARGET, "MATCH")],
}
OF_BUCKETS = {"s3:ListBucket", "s3:GetBucketWebsite", "s3:ListBucketMultipartUploads"}


def asked(request: Request, declaration: Declaration) -> Iterator[Right]:
    """The rights that AWS would look for."""
    signed = re.search(r"Credential=([^/]+)/", request.headers.get("authorization") or unquote(request.target))
    assert signed is not None
    bucket = unquote(request.target.partition("?")[0]).lstrip("/").partition("/")[0]
    copied = unquote(request.headers.get("x-amz-copy-source", "")).lstrip("/")
    source = (copied.partition("/")[0], copied.partition("/")[2])
    tagged = "image/tagged.png" in (source[1], request.key) or "x-amz-tagging" in request.headers
    targets = [(bucket, request.key, "if-match" in request.headers)]
    if request.operation == "DeleteObjects":
        objects = re.findall(rb"<Object>(.*?)</Object>", request.body, re.DOTALL)
        targets = [(bucket, _tag(text, "Key"), bool(_tag(text, "ETag"))) for text in objects]
    for target in targets:
        for action, of, when in ASKED[request.operation]:
            if (when == "TAGS" and not tagged) or (when == "MATCH" and not target[2]):
                continue
            if when == "CHECKSUM" and "x-amz-checksum-mode" not in request.headers:
                continue
            place, key = source if of == SOURCE else target[:2]
            if when in {"KMS", "CHECKSUM"}:
                side = next(side for side in SIDES if getattr(declaration, side).bucket == place)
                yield Right(signed[1], action, KEYS[side], tuple(VIA_S3.items()))
            else:
                yield Right(signed[1], action, f"arn:aws:s3:::{place}{'' if action in OF_BUCKETS else f'/{key}'}")


def _tag(text: bytes, name: str) -> str:
    found = re.search(f"<{name}>(.*?)</{name}>".encode(), text, re.DOTALL)
    return unescape(found[1].decode()) if found else ""


def all_asked(recording: Recording, *, undo: bool = True) -> set[Right]:
    requests = [*recording.requests, *(recording.removing if undo else [])]
    return {right for request in requests for right in asked(request, recording.declaration)}


# -- how AWS decides ----------------------------------------------------------------------------------------------


def matches(pattern: str, text: str) -> bool:
    """`*` and `?` as IAM takes them, `${*}`, `${?}` and `${$}` for the characters themselves."""
    parts = re.findall(r"\$\{[*?$]\}|[\s\S]", pattern)
    wild = {"*": "[\\s\\S]*", "?": "[\\s\\S]"}
    return bool(
        re.fullmatch("".join(wild.get(part) or re.escape(part[2] if len(part) > 1 else part) for part in parts), text)
    )


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def allows(made: Policy | None, right: Right, principal: str | None = None) -> bool:
    """Whether a statement allows it. There are no others than Allow, and no other conditions than StringEquals."""
    for part in made["Statement"] if made else []:
        assert part["Effect"] == "Allow"
        assert set(part.get("Condition", {})) <= {"StringEquals"}
        if (
            (principal is None or part["Principal"] in ("*", {"AWS": principal}))
            and right.action in as_list(part["Action"])
            and any(matches(resource, right.resource) for resource in as_list(part["Resource"]))
            and part.get("Condition", {}).get("StringEquals", {}).items() <= dict(right.context).items()
        ):
            return True
    return False


def place_of(right: Right) -> str:
    """The bucket or key, to which a policy of its own may be attached."""
    return right.resource if right.resource in KEYS.values() else right.resource.partition("/")[0]


@dataclass
class World:
    """Who has which policy. Identities are called by their account, other policies by what they are attached to."""

    homes: dict[str, str]  # the account of each sender's identity; two of one account are one identity
    identities: dict[str, Policy] = field(default_factory=dict)  # by account
    resources: dict[str, Policy] = field(default_factory=dict)  # bucket and key policies, by the ARN of either
    owners: dict[str, str] = field(default_factory=dict)  # their accounts

    def principal(self, account: str) -> str:
        return f"arn:aws:iam::{ACCOUNTS[account]}:role/migrator"

    def allowed(self, right: Right) -> bool:
        """Within an account one of the two policies is enough; across accounts both have to allow it."""
        home, place = self.homes[right.sender], place_of(right)
        by_identity = allows(self.identities[home], right)
        by_resource = allows(self.resources.get(place), right, self.principal(home))
        if self.owners[place] == home:
            return by_identity or by_resource
        return by_identity and by_resource

    def poorer(self) -> Iterator[tuple[str, World]]:
        """This world with one right less, each in its turn."""
        for kind in ("identities", "resources"):
            for name, made in getattr(self, kind).items():
                for number, part in enumerate(made["Statement"]):
                    for action in as_list(part["Action"]):
                        less = copy.deepcopy(self)
                        left = getattr(less, kind)[name]["Statement"][number]
                        left["Action"] = [each for each in as_list(part["Action"]) if each != action]
                        yield f"{action} of {part['Sid']} in that of {name}", less


def world(declaration: Declaration, homes: dict[str, str], owner: str | None = None, *, undo: bool = True) -> World:
    """What setup.py prints for these homes of the identities of legacy_s3 and production_s3.

    :param owner: of both buckets and keys; default: each side's are its own account's.
    """
    made = World({SENDERS[side]: home for side, home in homes.items()})
    one = homes["legacy"] == homes["production"]
    for home in set(homes.values()):
        (*_, side) = (side for side in SIDES if homes[side] == home)
        keys = {f"kms_{each}": KEYS[each] for each in SIDES}
        made.identities[home] = policy(declaration, None if one else side, undo=undo, **keys)  # type: ignore[arg-type]
        for bucket in SIDES:
            arn, account = f"arn:aws:s3:::{getattr(declaration, bucket).bucket}", owner or bucket
            made.owners[arn] = made.owners[KEYS[bucket]] = account
            who = made.principal(home), None if one else side
            if account != home and (one or side == "production"):
                made.resources[arn] = bucket_policy(declaration, bucket, *who, undo=undo)
                made.resources[KEYS[bucket]] = key_policy(declaration, bucket, KEYS[bucket], *who)
    return made


WORLDS: dict[str, tuple[dict[str, str], str | None]] = {
    "one account": ({"legacy": "production", "production": "production"}, "production"),
    "one identity, in production's account": ({"legacy": "production", "production": "production"}, None),
    "one identity, in legacy's account": ({"legacy": "legacy", "production": "legacy"}, None),
    "one identity, in a third account": ({"legacy": "third", "production": "third"}, None),
    "two identities, each in its bucket's account": ({"legacy": "legacy", "production": "production"}, None),
}


# -- the proof ----------------------------------------------------------------------------------------------------


def test_every_operation_is_known_and_all_are_counted(recording: Recording) -> None:
    assert set(recording.seen) == set(ASKED)
    assert recording.counted == recording.seen


def test_each_connection_sends_what_its_policy_says(recording: Recording) -> None:
    """Nothing was refused for want of a right, though the server held each to its part."""
    by_sender = {
        (right.sender, right.action, right.resource.split(":::")[1].split("-")[0])
        for right in all_asked(recording)
        if right.action.startswith("s3:")
    }
    legacy, production = SENDERS["legacy"], SENDERS["production"]
    assert {part for part in by_sender if part[0] == legacy} == {
        (legacy, f"s3:{action}", "legacy")
        for action in (
            *("ListBucket", "GetObject", "PutObject", "DeleteObject"),
            *("GetObjectTagging", "GetObjectAcl", "ListObjectAnnotations"),
        )
    }
    assert {part[1:] for part in by_sender if part[0] == production and part[2] == "legacy"} == {
        (f"s3:{action}", "legacy") for action in ("ListBucket", "GetObject", "GetObjectTagging", "GetBucketWebsite")
    }


def test_what_the_docs_say_is_never_sent_is_never_sent(recording: Recording) -> None:
    """No version, payer, ACL, class or key is named; and a HEAD asks for no checksum, which would ask for the key, but
    where both contents would be fetched otherwise."""
    for request in [*recording.requests, *recording.removing]:
        assert "versionId" not in request.query
        unwanted = r"x-amz-(acl|grant-.*|request-payer|server-side-encryption.*|storage-class|object-lock-.*)"
        assert not [name for name in request.headers if re.fullmatch(unwanted, name)]
        asks = request.operation == "HeadObject" and "x-amz-checksum-mode" in request.headers
        assert not asks or "conflict" in request.target or "/b.png" in request.target or "/large" in request.target


of_all_worlds = pytest.mark.parametrize(("homes", "owner"), WORLDS.values(), ids=WORLDS)
with_and_without_undo = pytest.mark.parametrize("undo", [False, True], ids=["", "undo"])


@of_all_worlds
@with_and_without_undo
def test_the_policies_are_enough(recording: Recording, homes: dict[str, str], owner: str | None, undo: bool) -> None:
    made = world(recording.declaration, homes, owner, undo=undo)
    assert [right for right in all_asked(recording, undo=undo) if not made.allowed(right)] == []


@of_all_worlds
@with_and_without_undo
def test_each_right_is_needed(recording: Recording, homes: dict[str, str], owner: str | None, undo: bool) -> None:
    rights = all_asked(recording, undo=undo)
    poorer = list(world(recording.declaration, homes, owner, undo=undo).poorer())
    assert len(poorer) >= 15
    assert [name for name, less in poorer if all(map(less.allowed, rights))] == []


def test_removing_copies_needs_the_right_that_is_asked_for(recording: Recording) -> None:
    made = world(recording.declaration, *WORLDS["one account"], undo=False)
    refused = {right.action for right in all_asked(recording) if not made.allowed(right)}
    assert refused == {"s3:DeleteObject"}


def test_without_the_bucket_policy_the_other_account_is_refused(recording: Recording) -> None:
    made = world(recording.declaration, *WORLDS["one identity, in production's account"])
    places = {f"arn:aws:s3:::{recording.declaration.legacy.bucket}", KEYS["legacy"]}
    assert set(made.resources) == places
    made.resources.clear()
    assert {place_of(right) for right in all_asked(recording) if not made.allowed(right)} == places


def test_an_endpoint_lets_all_of_it_through(recording: Recording) -> None:
    made = endpoint_policy(recording.declaration, undo=True)
    s3_alone = [right for right in all_asked(recording) if right.action.startswith("s3:")]
    assert [right for right in s3_alone if not allows(made, right, "anybody")] == []


PREFIXES = st.text("ab*?${}/:é\n", min_size=1, max_size=6)
OTHERS = ("s3:DeleteObjectVersion", "s3:PutObjectAcl", "s3:GetObjectVersion", "s3:PutBucketPolicy", "s3:DeleteBucket")
OURS = {action for rights in ASKED.values() for action, _, _ in rights if action.startswith("s3:")}
ACTIONS = sorted({*OURS, *OTHERS})


ALWAYS = {"s3:GetObject"}  # on both sides


@given(PREFIXES, PREFIXES, st.text("ab*?${}/:é\n", max_size=9))
@example("image/", "avatar/", "imagex")
@example("im*ge/", "avatar/", "image/a")
@example("${aws:username}/", "avatar/", "me/a")
def test_nothing_outside_the_prefixes_is_allowed(legacy: str, production: str, key: str) -> None:
    prefixes = {"legacy": legacy, "production": production}
    stores = {side: getattr(declare(), side).model_copy(update={"prefix": prefixes[side]}) for side in SIDES}
    declaration = declare().model_copy(update=stores)
    made = policy(declaration, undo=True)
    of_all = [made, bucket_policy(declaration, "legacy", "me"), endpoint_policy(declaration, undo=True)]
    for place, prefix in (("legacy-s3", legacy), ("production-s3", production), ("legacy-s3x", None), ("other", None)):
        inside = prefix is not None and key.startswith(prefix)
        for action in ACTIONS:
            granted = any(allows(each, Right("", action, f"arn:aws:s3:::{place}/{key}")) for each in of_all)
            assert inside or not granted, (action, place)
            assert granted or not inside or action not in ALWAYS
            assert not granted or action in OURS
    for place in ("legacy-s3", "production-s3", "legacy-s3x"):
        granted_here = {action for action in ACTIONS if allows(made, Right("", action, f"arn:aws:s3:::{place}"))}
        beside = "s3:GetBucketWebsite" if place.startswith("legacy") else "s3:ListBucketMultipartUploads"
        assert granted_here == (set() if place.endswith("x") else {"s3:ListBucket", beside})


# -- the real server, where check asks for less than a run may need --------------------------------------------------


def test_without_the_right_to_read_tags_a_tagged_object_fails_and_all_others_move(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for with a request of its own only where a copy is made of parts: S3 alone asks for it in a copy."""
    connect_s3(monkeypatch, product.endpoint_url, "without-get-tags")
    product.seed("image/a.png")
    product.put("legacy", "image/large", LARGE, Tagging=TAGS)
    with shared_clients(product.declaration, monkeypatch) as hooks:
        for hook in hooks:
            hook.copy_limit, hook.part_size = MIB, 5 * MIB
        flow = Flow(product.declaration, hooks)
        flow.attempt()
    assert "failed: 'image/large': AccessDenied: " in str(flow.red["copy", 1])
    assert set(product.objects("legacy")) == {"image/large"}
    assert set(product.objects("production")) == {"avatar/a.png"}


# -- docs/aws.md --------------------------------------------------------------------------------------------------

DOCUMENT = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition(" | ")[0]
    for line in DOCUMENT.splitlines()
    if line.strip().startswith("python -m s3_migration setup")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_of_the_docs_prints_something(command: str, run: Run) -> None:
    ended = run(*shlex.split(command)[3:])
    assert ended.code == 0
    assert ended.out


def test_the_docs_forecast_is_the_one_that_a_plan_makes() -> None:
    rows = dict(re.findall(r"^\| (\w+)[^|]* \| ([\d,]+ \| [\d,]+) \|$", DOCUMENT, re.MULTILINE))
    made = Forecast.of(100_000_000, already_there=0, conflicts=0, dangling=0, observed=None)
    names = {"COPY": "COPY", "LIST": "LIST", "DELETE": "DeleteObjects"}
    for operation, name in names.items():
        number = made.requests[operation]
        assert rows[name] == f"{number:,} | {number * PRICES[operation]:,.0f}"
    assert round(made.dollars) == 504
    assert rows["KMS"] == f"{2 * made.requests['COPY']:,} | 600"
