"""How the values of a column name the objects of a migration: as paths that a declaration can take, or otherwise. Pure.

A value comes as PostgreSQL casts it to text; an array and an hstore as JSON.
"""

from __future__ import annotations

import html
import json
import mimetypes
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice
from typing import Any
from urllib.parse import unquote

from s3_migration.model.legacy_names import ESCAPE, Names, excerpt


class Kind(str, Enum):
    """What a column holds, whatever domain it is of."""

    TEXT = "text"
    ARRAY = "array"
    JSON = "json"  # jsonb too
    XML = "xml"
    HSTORE = "hstore"
    COMPOSITE = "composite type"
    LONG = "long value"  # whatever it is of: only a part of it, around the find


class Form(str, Enum):
    """How a value names objects. All but the last two can be declared."""

    PATH = "path"  # the whole value is a path as declared for legacy
    URL = "url"  # the whole value is a path after another prefix: a full URL, say
    ELEMENT = "element"  # the same of an element of an array
    JSON_PATH = "json_path"  # the same of one string in JSON
    TEXT = "text"  # within a longer text
    BUCKET = "bucket"  # the value names the bucket, and no key below the prefix


DECLARABLE = {Form.PATH, Form.URL, Form.ELEMENT, Form.JSON_PATH}
# Paths that are looked for within one text, and strings within one JSON value: more of them tell nothing new.
_MOST = 20
_IN_NO_PREFIX = re.compile(r"[\s\"'<>{}\[\]()|,;\\]")
_ENDS_PATH = re.compile(r"[\s\"'<>{}\[\]()|,;\\?#]")
_IS_URL = re.compile(r"(https?:)?//", re.IGNORECASE)
_BUILT_IN = mimetypes.MimeTypes(filenames=())
_MIME = {
    *(kind for table in _BUILT_IN.types_map for kind in table.values()),
    *("image/avif", "image/heic", "image/heif", "image/jpg", "image/webp", "video/webm", "audio/webm", "audio/ogg"),
}


@dataclass(frozen=True)
class Way:
    """One way in which values of a column name objects."""

    form: Form
    path_prefix: str = ""  # what stands in the value before the rest of the key; of a declarable form only
    json_path: tuple[str | int, ...] = ()
    encoded: bool = False  # the rest of the key is percent-encoded
    note: str = ""


@dataclass(frozen=True)
class Spelling:
    """One place of one value, and the keys that may be meant: as it stands, and percent-decoded."""

    way: Way
    raw: tuple[str, ...] = ()
    decoded: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Those that PostgreSQL can be asked for."""
        return tuple(key for key in {*self.raw, *self.decoded} if _storable(key))


@dataclass(frozen=True)
class Group:
    """All sampled values of a column that name objects in one way."""

    way: Way
    samples: int
    objects: bool | None  # whether one of them is an object that the ledger knows; None: nobody can tell
    example: str

    @property
    def declarable(self) -> bool:
        return self.way.form in DECLARABLE

    @property
    def names_objects(self) -> bool:
        """As far as anybody knows: without a ledger a path counts, and a MIME type does not."""
        return self.objects is True or (self.objects is None and self.way.note != MIME_TYPES)


MIME_TYPES = "MIME types, as it seems"


def spellings(value: str, kind: Kind, names: Names) -> list[Spelling]:
    """Every way in which a value that was found names objects: at least one."""
    if kind is Kind.TEXT:
        return [_of_text(value, names)]
    strings = _strings(value, names) if kind in {Kind.ARRAY, Kind.JSON} else []
    found = [_of_string(place, text, kind, names) for place, text in strings]
    return list(dict.fromkeys(found)) or [_within(value, names, f"in {kind.value}")]


def _of_string(place: tuple[str | int, ...], text: str, kind: Kind, names: Names) -> Spelling:
    """The same of one string in a JSON value, at its place."""
    spelling = _of_text(text, names)
    way = spelling.way
    if way.form in {Form.PATH, Form.URL} and kind is Kind.JSON:
        way = replace(way, form=Form.JSON_PATH, json_path=place)
    elif way.form in {Form.PATH, Form.URL} and all(isinstance(step, int) for step in place):
        way = replace(way, form=Form.ELEMENT)
    elif way.form is not Form.BUCKET:
        way = Way(Form.TEXT, note=way.note or f"in {kind.value}")
    return replace(spelling, way=way)


def _strings(value: str, names: Names) -> list[tuple[tuple[str | int, ...], str]]:
    """The strings in a JSON value that name something, each with its place; keys of objects are none of them."""
    try:
        found = [(place, text) for place, text in _walk(json.loads(value), ()) if _names_something(text, names)]
    except (ValueError, RecursionError):  # cut off, a number of thousands of digits, or nested too deep
        return []
    return found[:_MOST]


def _walk(value: Any, place: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _walk(inner, (*place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _walk(inner, (*place, index))


def _names_something(text: str, names: Names) -> bool:
    return any(needle in text for needle in names.needles)


def _of_text(text: str, names: Names) -> Spelling:
    whole = _whole(text, names)
    if whole is not None:
        return whole
    note = ""
    if text.lstrip()[:1] in {"{", "["}:
        try:
            note = "JSON in a text" if isinstance(json.loads(text), dict | list) else ""
        except (ValueError, RecursionError):
            note = ""
    elif text.lstrip()[:1] == "<":
        note = "HTML or XML in a text"
    return _within(text, names, note)


def _whole(text: str, names: Names) -> Spelling | None:
    """Where the whole text is one path: what stands before the prefix looks like the start of a URL, if anything."""
    for prefix in names.spelt:
        at = text.find(prefix)
        while at > 0 and text[at - 1] not in "/=":
            at = text.find(prefix, at + 1)
        before, rest = text[: max(at, 0)], text[at + len(prefix) :]
        if at < 0 or _IN_NO_PREFIX.search(before) or "\n" in rest or _again(prefix, rest):
            continue
        if before and re.search(r"[\"'<>]", rest):
            continue
        is_url = _IS_URL.match(before + prefix) is not None
        if is_url and re.search(r"[?#]", rest):
            return _within(text, names, "URLs with a query or a fragment")
        form = Form.PATH if not before and prefix == names.path_prefix else Form.URL
        encoded = bool(ESCAPE.search(rest)) and (is_url or prefix not in {names.path_prefix, names.prefix})
        way = Way(form, before + prefix, encoded=encoded, note=MIME_TYPES if _is_mime(text) else "")
        return Spelling(way, (names.prefix + rest,), (names.prefix + unquote(rest),))
    return None


def _again(prefix: str, rest: str) -> bool:
    """Whether another path follows, so that the text is a list of them."""
    return re.search(rf"[\s,;|]{re.escape(prefix)}", rest) is not None


def _within(text: str, names: Names, note: str) -> Spelling:
    """Of a longer text: the keys of the paths in it, each up to what no URL holds."""
    plain = html.unescape(re.sub(r"\\+/", "/", text))
    rests, only_mime = [], True
    for prefix in names.spelt:
        for found in islice(re.finditer(re.escape(prefix), plain), _MOST):
            rest = _ENDS_PATH.split(plain[found.end() : found.end() + 1024], maxsplit=1)[0]
            rests.append(rest)
            is_data = plain.endswith("data:", 0, found.start())
            only_mime = only_mime and (is_data or _is_mime(prefix + rest))
    if not rests and not any(needle in text for needle in names.needles if needle != names.bucket):
        return Spelling(Way(Form.BUCKET, note=note))
    way = Way(Form.TEXT, note=MIME_TYPES if rests and only_mime else note)
    raw = dict.fromkeys(names.prefix + rest for rest in rests if rest)
    return Spelling(way, tuple(raw), tuple(unquote(key) for key in raw))


def grouped(
    samples: Sequence[tuple[str, list[Spelling]]], known: Collection[str], names: Names, *, complete: bool
) -> list[Group]:
    """The ways of a column: first those that name objects, then the most frequent.

    :param samples: values, each with its spellings.
    :param known: which of their keys the ledger holds.
    :param complete: the ledger holds every object, so that a key it does not hold is none.
    """
    by_way: dict[Way, list[tuple[str, Spelling]]] = {}
    for value, found in samples:
        for spelling in found:
            by_way.setdefault(replace(spelling.way, encoded=False), []).append((value, spelling))
    groups = [_group(way, members, set(known), names, complete) for way, members in by_way.items()]
    return sorted(groups, key=lambda group: (not group.objects, -group.samples, group.example))


def _group(way: Way, members: list[tuple[str, Spelling]], known: set[str], names: Names, complete: bool) -> Group:
    keys = {key for _, spelling in members for key in spelling.keys}
    objects: bool | None = None
    if keys & known:
        objects = True
    elif way.form is Form.BUCKET or (keys and complete):
        objects = False
    if way.form in DECLARABLE:
        way = replace(way, encoded=_encoded([spelling for _, spelling in members], known))
    example = next((value for value, spelling in members if known.intersection(spelling.keys)), members[0][0])
    return Group(way, len(members), objects, excerpt(example, names))


def _encoded(spellings: Sequence[Spelling], known: set[str]) -> bool:
    """Whether the keys are percent-encoded: as the ledger knows them, else as the values look."""
    differing = [each for each in spellings if each.raw != each.decoded]
    raw = sum(not known.isdisjoint(each.raw) for each in differing)
    decoded = sum(not known.isdisjoint(each.decoded) for each in differing)
    return decoded > raw if raw or decoded else any(each.way.encoded for each in differing)


def _is_mime(value: str) -> bool:
    return value.split(";")[0].strip().lower() in _MIME


def _storable(key: str) -> bool:
    try:
        return "\x00" not in key and bool(key.encode())
    except UnicodeEncodeError:  # half a character, which JSON may hold
        return False
