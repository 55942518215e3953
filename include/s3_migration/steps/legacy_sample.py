"""What a plan says of legacy's objects beside their number: all classes, and what copies of a sample will not have."""

from __future__ import annotations

import heapq
import logging
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from s3_migration.model.checksums import checksums as full_checksums
from s3_migration.model.copy_settings import ENCRYPTION, KMS_KEY, STORAGE_CLASS, USUAL_ACL, CopySettings
from s3_migration.model.declaration import Declaration
from s3_migration.model.declared_store import ARCHIVES
from s3_migration.model.objects import STANDARD, S3Object
from s3_migration.s3.acl import canned
from s3_migration.s3.errors import STORE_ERRORS, error_code, error_status
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
ARCHIVED = "archived: cannot be copied before it is restored"
# Header, and what it says, of an archived object that can be copied for some days.
_RESTORED = ("x-amz-restore", 'ongoing-request="false"')


class Sample:
    """All classes of a listing, and some of its objects from all over it."""

    def __init__(self, settings: CopySettings) -> None:
        self._settings = settings
        self.read_first = 0  # objects whose headers a copy has to read before it replaces one
        self.classes: Counter[str] = Counter()
        self.archived: list[str] = []
        self._chosen: list[tuple[float, S3Object]] = []  # a heap: those with the greatest numbers of chance

    @property
    def keys(self) -> list[str]:
        return [entry.key for _, entry in self._chosen]

    def of(self, pages: Pages) -> Iterator[list[S3Object]]:
        """The pages as they are; a few objects of each are remembered."""
        for page in pages:
            self.classes.update(entry.storage_class for entry in page)
            if self._settings.replaces:
                self.read_first += sum(bool(self._settings.replaced(entry.key)) for entry in page)
            if len(self.archived) < NAMED and not self.classes.keys().isdisjoint(ARCHIVES):
                self.archived += [entry.key for entry in page if entry.storage_class in ARCHIVES]
                del self.archived[NAMED:]
            for entry in page:
                self._choose(random.random(), entry)  # noqa: S311 - of no secret
            yield page

    def _choose(self, number: float, entry: S3Object) -> None:
        """Of all objects that ever came each has the same chance to be among the SAMPLE."""
        if len(self._chosen) < SAMPLE:
            heapq.heappush(self._chosen, (number, entry))
        elif number > self._chosen[0][0]:
            heapq.heapreplace(self._chosen, (number, entry))


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
            "%d objects are archived (%s): S3 refuses to copy them until they are restored, e.g. %s: "
            "docs/runbook.md#copy_chunk-is-red",
            archived,
            ", ".join(f"{sample.classes[name]} {name}" for name in ARCHIVES if sample.classes[name]),
            ", ".join(map(repr, sample.archived)),
        )
    threads = run.legacy.transport.threads
    proves = run.declaration.verify == "checksum"
    asked = [threads.submit(_look, run.legacy, run.legacy_bucket, key, proves) for key in sample.keys]
    seen = [each.result() for each in asked]
    looks = [look for look in seen if isinstance(look, Look)]
    for code, number in Counter(code for code in seen if isinstance(code, str)).items():
        log.warning(
            "%d of %d objects cannot be looked at (HeadObject: %s): nothing is known of them", number, len(seen), code
        )
    settings = run.declaration.production.copy_settings
    found = Counter(name for look in looks for name in differing(look, settings))
    if proves and (none := sum(not full_checksums(look.headers) for look in looks)):
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
        yield ARCHIVED
    yield from (each.name for each in PROPERTIES if each.name in {"object lock", *KEPT} and each.is_of(headers))
    if look.annotations:
        yield "annotations"


def _copies_have(name: str, settings: CopySettings) -> str:
    declared = {
        "ACL": settings.acl,
        "storage class": settings.storage_class,
        "encryption": settings.kms_key_id,
        "cache-control": settings.cache_control,
        "content-type": ", ".join(settings.content_types.values()),
    }
    if said := declared.get(name):
        return f"copies: {said}, as declared"
    if name == ARCHIVED:
        return "docs/runbook.md, InvalidObjectState"
    if name == "annotations":
        return "copies need s3:GetObjectAnnotation and s3:PutObjectAnnotation: setup NAME --iam --annotations"
    usual = next((each.single.removeprefix("lost: ") for each in PROPERTIES if each.name == name), "docs/runbook.md")
    return usual if name in KEPT else f"copies: {usual}"


def _look(hook: BulkS3Hook, bucket: str, key: str, checksums: bool) -> Look | str | None:
    """None: it is gone by now. A text: the code with which the store refuses.

    :param checksums: of SSE-KMS objects these need a right more, so they are asked for where they are used.
    """
    asked: Any = {"ChecksumMode": "ENABLED"} if checksums else {}
    try:
        answer = hook.client.head_object(Bucket=bucket, Key=key, **asked)
    except STORE_ERRORS as error:
        return None if error_status(error) == 404 else error_code(error)
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
