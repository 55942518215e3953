"""What a plan says of legacy's objects beside their number: all classes, and what copies of a sample will not have."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from s3_migration.model.checksums import checksums
from s3_migration.model.copy_settings import ENCRYPTION, KMS_KEY, STORAGE_CLASS, USUAL_ACL, CopySettings
from s3_migration.model.declaration import Declaration
from s3_migration.model.declared_store import ARCHIVES
from s3_migration.model.objects import STANDARD, S3Object
from s3_migration.s3.acl import canned
from s3_migration.s3.errors import STORE_ERRORS, error_code
from s3_migration.s3.hook import BulkS3Hook
from s3_migration.s3.properties import PROPERTIES, count_annotations
from s3_migration.steps.inventory import Pages
from s3_migration.steps.run import Run

log = logging.getLogger(__name__)

# Objects that are looked at: some seconds.
SAMPLE = 100
# Archived objects that are named.
NAMED = 5
# Of these names a copy has what its source has; all else that is counted it has not.
KEPT = ("tags", "annotations", "website redirect")
# Header, and what it says, of an archived object that can be copied for some days.
_RESTORED = ("x-amz-restore", 'ongoing-request="false"')


class Sample:
    """All classes of a listing, and some of its objects from all over it."""

    def __init__(self, settings: CopySettings) -> None:
        self._settings = settings
        self.read_first = 0  # objects whose headers a copy has to read before it replaces one
        self.objects: list[S3Object] = []
        self.classes: Counter[str] = Counter()
        self.archived: list[str] = []
        self._pages = 0

    @property
    def keys(self) -> list[str]:
        return [each.key for each in self.objects]

    def of(self, pages: Pages) -> Iterator[list[S3Object]]:
        """The pages as they are; a few objects of each are remembered."""
        for page in pages:
            self._pages += 1
            self.classes.update(entry.storage_class for entry in page)
            if self._settings.replaces:
                self.read_first += sum(bool(self._settings.replaced(entry.key)) for entry in page)
            if len(self.archived) < NAMED and not self.classes.keys().isdisjoint(ARCHIVES):
                self.archived += [entry.key for entry in page if entry.storage_class in ARCHIVES]
                del self.archived[NAMED:]
            wanted = min(len(page), max(1, SAMPLE // self._pages))
            self.objects += random.sample(page, wanted)
            if len(self.objects) > SAMPLE:
                self.objects = random.sample(self.objects, SAMPLE)
            yield page


@dataclass(frozen=True)
class Look:
    """What one object has. What may not be asked is named in `unknown`, with the store's code."""

    key: str
    headers: Mapping[str, str]
    acl: str
    annotations: int
    unknown: tuple[str, ...] = ()


def tell(run: Run, sample: Sample) -> None:
    """Say, and tally, the classes of all objects, and which properties of the sample copies will not have."""
    run.tally("heads", _heads(run.declaration, sample), add=False)
    for name, number in sorted(sample.classes.items()):
        run.tally(f"class {name}", number, add=False)
    if archived := sum(sample.classes[name] for name in ARCHIVES):
        log.warning(
            "%d objects are archived (%s): S3 refuses to copy them until they are restored, e.g. %s: docs/runbook.md",
            archived,
            ", ".join(f"{sample.classes[name]} {name}" for name in ARCHIVES if sample.classes[name]),
            ", ".join(map(repr, sample.archived)),
        )
    threads = run.legacy.transport.threads
    asked = [threads.submit(_look, run.legacy, run.legacy_bucket, entry.key) for entry in sample.objects]
    looks = [look for each in asked if (look := each.result())]
    settings = run.declaration.production.copy_settings
    found = Counter(name for look in looks for name in differing(look, settings))
    if run.declaration.verify == "checksum" and (none := sum(not checksums(look.headers) for look in looks)):
        run.tally("sample no checksum", none, add=False)
        log.warning(
            "%d of %d objects looked at have no checksum over the whole object: in its place verify: checksum compares "
            "ETags, and where these differ it fetches and compares all bytes",
            none,
            len(looks),
        )
    run.tally("sampled", len(looks), add=False)
    for name, number in found.items():
        run.tally(f"sample {name}", number, add=False)
        kept = name in KEPT
        log.log(
            logging.INFO if kept else logging.WARNING,
            "%d of %d objects looked at %s: %s (%s)",
            number,
            len(looks),
            "have what copies keep" if kept else "have what their copies will not have",
            name,
            _copies_have(name, settings),
        )
    for unknown, number in Counter(name for look in looks for name in look.unknown).items():
        log.warning("of %d of %d objects nobody may see the %s", number, len(looks), unknown)


def _heads(declared: Declaration, sample: Sample) -> int:
    """HEADs that the declaration costs a move: two an object for each such proof, one to replace a header."""
    share = declared.checksum_share if declared.verify == "checksum" else 0
    each = 2 * share + (2 if declared.compare == "head" else 0)
    return round(each * sample.classes.total()) + sample.read_first


def differing(look: Look, settings: CopySettings) -> Iterator[str]:
    """Names of what a copy of this object has not as the object has it; and of what it keeps and needs rights for."""
    headers = look.headers
    if look.acl and look.acl != (settings.acl or USUAL_ACL):
        yield "ACL"
    if headers.get(STORAGE_CLASS, STANDARD) != (settings.storage_class or STANDARD):
        yield "storage class"
    # Where nothing is declared production's bucket decides: only what S3 does by itself is sure to be the same.
    if settings.kms_key_id:
        same = headers.get(KMS_KEY) == settings.kms_key_id
    else:
        same = headers.get(ENCRYPTION, "AES256") == "AES256"
    if not same:
        yield "encryption"
    yield from (name for name, value in settings.replaced(look.key).items() if headers.get(name) != value)
    if "x-amz-archive-status" in headers or (
        headers.get(STORAGE_CLASS) in ARCHIVES and _RESTORED[1] not in headers.get(_RESTORED[0], "")
    ):
        yield "archived: cannot be copied before it is restored"
    yield from (each.name for each in PROPERTIES if each.name in {"object lock", *KEPT} and each.is_of(headers))
    if look.annotations:
        yield "annotations"


def _copies_have(name: str, settings: CopySettings) -> str:
    declared = {
        "ACL": settings.acl,
        "storage class": settings.storage_class,
        "encryption": settings.kms_key_id,
        **settings.replaced(""),
    }
    if said := declared.get(name):
        return f"copies: {said}, as declared"
    usual = next((each.single.removeprefix("lost: ") for each in PROPERTIES if each.name == name), "docs/runbook.md")
    return usual if name in KEPT else f"copies: {usual}"


def _look(hook: BulkS3Hook, bucket: str, key: str) -> Look | None:
    """None: it is gone, or archived beyond a HEAD: the copy will say it."""
    try:
        answer = hook.client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except STORE_ERRORS:
        return None
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    acl, annotations, unknown = "", 0, []
    try:
        acl = canned(hook.client.get_object_acl(Bucket=bucket, Key=key))
    except STORE_ERRORS as error:
        unknown.append(f"ACL (s3:GetObjectAcl: {error_code(error)})")
    try:
        annotations = count_annotations(hook.client, bucket, key)
    except STORE_ERRORS as error:
        unknown.append(f"annotations (s3:ListObjectAnnotations: {error_code(error)})")
    return Look(key, headers, acl, annotations, tuple(unknown))
