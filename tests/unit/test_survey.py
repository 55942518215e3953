"""How a value names objects: what can be declared is recognised as that, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from s3_migration.model.legacy_names import Names, excerpt
from s3_migration.model.reference_entry import declare_as
from s3_migration.model.survey import MIME_TYPES, Form, Kind, Spelling, Way, grouped, spellings
from tests.support.product import declare

NAMES = Names.of(declare())
RESTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\n"), min_size=1, max_size=40)
ANY = st.text(st.characters(exclude_characters="\x00"), max_size=60)


def one(value: str, kind: Kind = Kind.TEXT, names: Names = NAMES) -> Spelling:
    (found,) = spellings(value, kind, names)
    return found


def groups(*values: str, kind: Kind = Kind.TEXT, known: tuple[str, ...] = (), complete: bool = False) -> list[Way]:
    samples = [(value, spellings(value, kind, NAMES)) for value in values]
    return [group.way for group in grouped(samples, known, NAMES, complete=complete)]


# -- what is searched ---------------------------------------------------------------------------------------------


def test_what_is_searched_holds_every_way_to_escape_it_and_nothing_twice() -> None:
    assert set(NAMES.needles) == {"image/", r"image\/", r"image\\/", "image%2F", "image%2f", "legacy-s3"}
    longer = replace(NAMES, path_prefix="https://cdn.example/image/")
    assert set(longer.needles) == set(NAMES.needles)
    awkward = replace(NAMES, prefix='ä "&/').needles
    assert {'ä "&/', "%C3%A4%20%22%26/", "ä &quot;&amp;/", '\\u00e4 \\"&/'} <= set(awkward)


@given(st.text(min_size=1, max_size=8), RESTS)
def test_whatever_json_makes_of_a_path_it_is_found(prefix: str, rest: str) -> None:
    prefix = prefix.encode(errors="ignore").decode() or "x"
    names = replace(NAMES, prefix=prefix, path_prefix=prefix)
    for written in (json.dumps(prefix + rest), json.dumps(prefix + rest, ensure_ascii=False), quote(prefix) + rest):
        for value in (written, written.replace("/", r"\/")):
            assert any(needle in value for needle in names.needles)


# -- how it is named ----------------------------------------------------------------------------------------------


@given(RESTS)
def test_a_path_is_its_key(rest: str) -> None:
    found = one(f"image/{rest}")
    if found.way.form is Form.PATH:
        assert found.raw == (f"image/{rest}",)
        assert found.way.path_prefix == "image/"
    else:
        assert any(f"{end}image/" in rest for end in " \t\r\x0b\x0c,;|") or not rest.isprintable()


@given(RESTS, st.sampled_from(["https://cdn.example/image/", "//cdn.example/a/b/image/", "https://h:1/x?u=image%2F"]))
def test_a_url_is_its_key_percent_decoded(rest: str, before: str) -> None:
    found = one(before + quote(rest))
    assert (found.way.form, found.way.path_prefix) == (Form.URL, before)
    assert f"image/{rest}" in found.decoded
    assert found.way.encoded is (quote(rest) != rest)


@given(RESTS, st.lists(st.one_of(st.text("ab", max_size=3), st.integers(0, 2)), max_size=4))
def test_a_string_in_json_is_found_at_its_place(rest: str, place: list[str | int]) -> None:
    value: object = f"image/{rest}"
    for step in reversed(place):
        value = {step: value} if isinstance(step, str) else [*[None] * step, value]
    for found in spellings(json.dumps(value), Kind.JSON, NAMES):
        assert found.way.form is Form.TEXT or (found.way.form, found.way.json_path) == (Form.JSON_PATH, tuple(place))


@given(ANY, ANY, st.sampled_from(list(Kind)))
def test_no_value_is_too_odd(before: str, after: str, kind: Kind) -> None:
    for value in (f"{before}image/{after}", json.dumps({"a": [f"{before}image/{after}"]})):
        found = spellings(value, kind, NAMES)
        assert found
        for group in grouped([(value, found)], [], NAMES, complete=False):
            assert group.example.isprintable()
            assert group.objects is None
        for spelling in found:
            assert all(key.encode() and "\x00" not in key for key in spelling.keys)
            if spelling.way.form in {Form.PATH, Form.URL}:
                (key,) = spelling.raw
                assert value == spelling.way.path_prefix + key.removeprefix("image/")


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ("image/", Form.PATH),
        ("image/image/1.png", Form.PATH),
        ("/image/1.png", Form.URL),
        ("legacy-s3/image/1.png", Form.URL),
        ("myimage/1.png", Form.TEXT),
        ("image/1.png image/2.png", Form.TEXT),
        ("image/1.png\nimage/2.png", Form.TEXT),
        ("see /image/1.png", Form.TEXT),
        ("https://cdn.example/image/1.png#top", Form.TEXT),
        ("s3://legacy-s3/image/1#2.png", Form.URL),
        ("s3://legacy-s3/1.png", Form.BUCKET),
        ("data:image/png;base64,xxxx", Form.TEXT),
        ("{not json image/1.png", Form.TEXT),
    ],
)
def test_the_whole_value_is_one_path_or_it_is_text(value: str, form: Form) -> None:
    assert one(value).way.form is form


def test_a_declared_prefix_of_paths_is_known_and_the_keys_own_is_another_way() -> None:
    names = replace(NAMES, path_prefix="https://cdn.example/image/")
    assert one("https://cdn.example/image/1.png", names=names).way == Way(Form.PATH, "https://cdn.example/image/")
    assert one("image/1.png", names=names).way == Way(Form.URL, "image/")


@pytest.mark.parametrize("value", ["image/png", "image/jpeg; q=0.9", "text/html,image/webp", "data:image/x;base64,yy"])
def test_mime_types_are_recognised(value: str) -> None:
    assert one(value).way.note == MIME_TYPES


def test_a_name_like_a_mime_type_is_an_object_where_the_ledger_knows_it() -> None:
    (group,) = grouped([("image/png", spellings("image/png", Kind.TEXT, NAMES))], ["image/png"], NAMES, complete=True)
    assert (group.objects, group.names_objects) == (True, True)


def test_elements_and_json_that_is_nested_too_deep() -> None:
    assert groups('["image/1", ["image/2"], "x"]', kind=Kind.ARRAY) == [Way(Form.ELEMENT, "image/")]
    (deep,) = groups('{"a":' * 100_000 + '"image/1"' + "}" * 100_000, kind=Kind.JSON)
    assert deep.form is Form.TEXT
    (keyed,) = groups('{"image/1.png": 1}', kind=Kind.JSON)
    assert keyed.form is Form.TEXT
    assert one('{"image/1.png": 1}', Kind.JSON).keys == ("image/1.png",)


# -- what a column holds ------------------------------------------------------------------------------------------


def test_the_ledger_decides_what_is_percent_encoded() -> None:
    path, url = "image/a%20b", "https://cdn.example/image/a%20b"
    assert [way.encoded for way in groups(path)] == [False]
    assert [way.encoded for way in groups(path, known=("image/a b",))] == [True]
    assert [way.encoded for way in groups(url)] == [True]
    assert [way.encoded for way in groups(url, known=("image/a%20b",))] == [False]
    assert [way.encoded for way in groups(url, "https://cdn.example/image/c")] == [True]


def test_what_names_objects_comes_first_then_what_is_frequent() -> None:
    found = groups("//a/image/1", "//b/image/2", "//b/image/3", "//c/image/4", known=("image/4",))
    assert [way.path_prefix for way in found] == ["//c/image/", "//b/image/", "//a/image/"]


@pytest.mark.parametrize(
    ("known", "complete", "objects"), [((), False, None), ((), True, False), (("image/1",), False, True)]
)
def test_whether_they_are_objects(known: tuple[str, ...], complete: bool, objects: bool | None) -> None:
    for value in ("image/1", "see image/1"):
        (group,) = grouped([(value, spellings(value, Kind.TEXT, NAMES))], known, NAMES, complete=complete)
        assert group.objects is objects
    bucket = "legacy-s3 is full"
    (group,) = grouped([(bucket, spellings(bucket, Kind.TEXT, NAMES))], known, NAMES, complete=complete)
    assert (group.objects, group.names_objects) == (False, False)


# -- what is shown ------------------------------------------------------------------------------------------------


@given(ANY, ANY)
def test_an_example_is_one_short_line_with_the_find_in_it(before: str, after: str) -> None:
    shown = excerpt(f"{before * 5}image/{after * 5}", NAMES)
    assert "image/" in shown
    assert shown.isprintable()
    assert len(shown) <= 2 + 100 * len(r"\U0001f600")


@given(RESTS.map(lambda text: text.replace("\r", "")), RESTS, st.lists(st.one_of(RESTS, st.integers(0, 9)), max_size=3))
def test_an_entry_is_yaml_that_says_what_was_found(before: str, column: str, place: list[str | int]) -> None:
    way = Way(Form.JSON_PATH, f"{before}/image/", tuple(place), encoded=True)
    (entry,) = yaml.safe_load(declare_as(("public", "yes"), column, way, NAMES))
    assert entry == {
        "table": "public.yes",
        "column": column,
        "path_prefix": {
            "legacy": f"{before}/image/",
            "production": f"{before}/avatar/".replace("legacy-s3", "production-s3"),
        },
        "path_encoding": "url",
        "json_path": place,
    }


@pytest.mark.parametrize(
    ("way", "production", "guessed"),
    [
        (Way(Form.PATH, "image/"), "avatar/", False),
        (Way(Form.URL, "https://cdn.example/image/"), "https://cdn.example/avatar/", True),
        (Way(Form.URL, "s3://legacy-s3/image/"), "s3://production-s3/avatar/", True),
        (Way(Form.URL, "/x?u=image%2F"), "/x?u=avatar%2F", True),
    ],
)
def test_what_stands_for_it_in_production_is_declared_or_guessed(way: Way, production: str, guessed: bool) -> None:
    text = declare_as(("public", "users"), "no", way, NAMES)
    (entry,) = yaml.safe_load(text)
    assert entry["path_prefix"] == {"legacy": way.path_prefix, "production": production}
    assert entry["column"] == "no"
    assert ("guessed" in text) is guessed
