"""Every awkward key and case of promises 3, 4 and 7, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LEGACY, PRODUCTION = "image/", "avatar/"
SMALLEST_PART = 5 * 2**20  # bytes, of all but the last one; what is larger is uploaded in parts


@dataclass(frozen=True)
class Case:
    """One key on both sides, and the rows that name it.

    :param rest: what follows the prefix in the key and in the paths.
    :param legacy: content in the legacy bucket, if any.
    :param production: content that production has beforehand, if any.
    :param rows: the prefix of each row that names it.
    """

    name: str
    rest: str
    legacy: bytes | None
    production: bytes | None = None
    rows: tuple[str, ...] = (LEGACY,)
    content_type: str = "image/png"
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: str = ""

    @property
    def legacy_key(self) -> str:
        return LEGACY + self.rest

    @property
    def production_key(self) -> str:
        return PRODUCTION + self.rest

    @property
    def paths(self) -> list[str]:
        return [prefix + self.rest for prefix in self.rows]


DIRECTORY = "awkward/"

# Not among them: a key that is a folder of others (`a` beside `a/b.png`). SeaweedFS holds both, but refuses a
# conditional copy of the first once the second is there. S3 and moto do not (tests/unit/test_s3_keys.py).

_KEYS = {
    "space": "a b.png",
    "spaces at the ends": " a ",
    "plus": "a+b.png",
    "percent-encoded slash": "a%2Fb.png",
    "bare percent sign": "100%.png",
    "double slash": "double//slash.png",
    "slash after the prefix": "/rooted.png",
    "dot segment": "dot/./a.png",
    "double dot segment": "dots/../a.png",
    "dots in a name": "..a..png",
    "backslash": "back\\slash.png",
    "control characters": "control-\x01\x1f\x7f.png",
    "tab": "tab\t.png",
    "newline": "new\nline.png",
    "carriage return": "carriage\rreturn.png",
    "quotes": "'single' \"double\" `back`.png",
    "markup": "a&b<c>d&amp;.png",
    "query and fragment": "a?versionId=1#b.png",
    "other signs": "!*()[]{}|^~$,:;=@.png",
    "format and wildcard": "%s_{0}_$1_%_*.png",
    "emoji": "smile-\U0001f600.png",
    "composed accent (NFC)": "caf\u00e9.png",
    "decomposed accent (NFD)": "cafe\u0301.png",
    "right to left": "\u05d0\u05d1\u05d2.png",
    "last character of the plane": "\uffff.png",
    "upper case": "CASE.png",
    "lower case": "case.png",
}
# 1,024 bytes in production, in segments that a file system can hold.
_LONGEST = f"{'/'.join(['l' * 200] * 10)[: 1023 - len(PRODUCTION + DIRECTORY)]}x"

GREEN = (
    *(Case(name, DIRECTORY + rest, name.encode()) for name, rest in _KEYS.items()),
    Case("longest key", DIRECTORY + _LONGEST, b"longest"),
    Case("empty object", DIRECTORY + "empty.png", b""),
    Case("trailing slash", DIRECTORY + "folder/", b""),
    Case("multipart upload", DIRECTORY + "multipart.png", b"m" * (SMALLEST_PART + 1)),
    Case(
        "headers, metadata and tags",
        DIRECTORY + "described.png",
        b"described",
        content_type="image/png; awkward=1",
        metadata={"owner": "someone", "note": "plus+and%20percent"},
        tags="team=avatars&cost=a%20b",
    ),
    Case("no row", DIRECTORY + "unreferenced.png", b"unreferenced", rows=()),
    Case("two rows", DIRECTORY + "shared.png", b"shared", rows=(LEGACY, LEGACY)),
    Case("copied before", DIRECTORY + "copied.png", b"copied", production=b"copied"),
    Case("copied and switched before", DIRECTORY + "late.png", b"late", production=b"late", rows=(PRODUCTION,)),
    Case("one row switched before", DIRECTORY + "half.png", b"half", production=b"half", rows=(LEGACY, PRODUCTION)),
    Case("moved, row left behind", DIRECTORY + "gone.png", None, production=b"gone"),
    Case("no object anywhere", DIRECTORY + "dangling.png", None),
)

# Left alone on both sides; a run that meets these ends red.
CONFLICTS = (
    Case("other content, other size", DIRECTORY + "conflict-size.png", b"legacy", b"production's own"),
    Case("other content, same size", DIRECTORY + "conflict-same-size.png", b"legacy", b"theirs"),
    Case("other content, no row", DIRECTORY + "conflict-unreferenced.png", b"legacy", b"production's own", rows=()),
)

# Rows and objects that are none of the migration's business, and stay as they are.
FOREIGN_PATHS = (
    *(None, "", "image", "imagex/a.png", "IMAGE/a.png", "/image/a.png", " image/a.png", "x/image/a.png"),
    *("avatar/awkward-own.png", "avatarx/a.png"),
)
FOREIGN_OBJECTS = (
    ("legacy-s3", "imagex/a.png"),
    ("legacy-s3", "avatar/a.png"),
    ("production-s3", "avatar/awkward-own.png"),
    ("production-s3", "image/a.png"),
)
