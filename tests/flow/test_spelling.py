"""A row that names an object in another spelling than the declared one keeps it, and is named with a fix."""

from __future__ import annotations

import re

import pytest

from s3_migration.model.modes import Mode
from tests.support.flow import Flow
from tests.support.product import Product

PLAIN = "no declaration makes them match"
URL = "declare path_encoding: url, if all rows are spelt so"
# The object's key, what the row holds, and what would make them match.
SPELT: dict[str, tuple[str, str, str]] = {
    "percent-encoded": ("image/a b.png", "image/a%20b.png", URL),
    "percent-encoded, twice": ("image/a b.png", "image/a%2520b.png", PLAIN),
    "percent-encoded, an emoji": ("image/\U0001f600.png", "image/%F0%9F%98%80.png", URL),
    "the key is encoded, not the row": ("image/a%20b.png", "image/a b.png", PLAIN),
    "a plus for a space": ("image/a b.png", "image/a+b.png", PLAIN),
    "a leading slash": ("image/a b.png", "/image/a b.png", "declare path_prefix '/image/'"),
    "a full URL": (
        "image/a.png",
        "https://cdn.example/image/a.png",
        "declare path_prefix 'https://cdn.example/image/'",
    ),
    "a full URL, encoded": ("image/a b.png", "https://cdn.example/image/a%20b.png", "declare path_encoding: url and"),
    "a query": ("image/a.png", "image/a.png?v=3", PLAIN),
    "a full URL with a fragment": ("image/a.png", "https://cdn.example/image/a.png#top", PLAIN),
    "a trailing blank": ("image/a.png", "image/a.png ", PLAIN),
    "a leading blank": ("image/a.png", " image/a.png", "declare path_prefix ' image/'"),
    "a line end": ("image/a.png", "image/a.png\n", PLAIN),
    "capitals in the rest": ("image/a.png", "image/A.PNG", PLAIN),
    "capitals in the key": ("image/A.png", "image/a.png", PLAIN),
    "capitals in the prefix": ("image/a.png", "Image/a.png", "declare path_prefix 'Image/'"),
    "an encoded slash in the prefix": ("image/a.png", "image%2Fa.png", "declare path_prefix 'image%2F'"),
    "decomposed": ("image/\u00e9.png", "image/e\u0301.png", PLAIN),
    "composed": ("image/e\u0301.png", "image/\u00e9.png", PLAIN),
    "the prefix twice": ("image/a.png", "https://image/image/a.png", "declare path_prefix 'https://image/image/'"),
    "a text around it": ("image/a.png", "s3://legacy/image/a.png", "declare path_prefix 's3://legacy/image/'"),
}


@pytest.mark.parametrize(("key", "path", "fix"), SPELT.values(), ids=SPELT)
def test_an_object_that_a_row_spells_otherwise_is_kept(
    product: Product, flow: Flow, key: str, path: str, fix: str
) -> None:
    product.seed("image/other.png")
    product.put("legacy", key)
    product.row(path)
    account = flow.attempt()
    assert set(product.objects("legacy")) == {key}, "the object that the row names"
    assert set(product.rows()) == {"avatar/other.png", path}
    assert account.states["misspelt"] == 1
    assert account.states["moved"] == 1, "others go on"
    said = str(flow.red["verify", 0])
    assert repr(key) in said
    assert fix in said
    assert product.problems()[key] == "misspelt"


def test_a_row_that_was_corrected_ends_it(product: Product, flow: Flow) -> None:
    product.seed("image/other.png")
    product.put("legacy", "image/a b.png")
    product.row("image/a%20b.png")
    flow.attempt()
    product.sql("UPDATE avatars SET path = 'image/a b.png' WHERE path = 'image/a%20b.png'")
    flow.clear_failed()
    assert flow.red == {}
    assert set(product.rows()) == {"avatar/other.png", "avatar/a b.png"}
    flow.run()
    assert product.objects("legacy") == {}


def test_of_twins_each_row_names_its_own(product: Product, flow: Flow) -> None:
    product.seed("image/a.png", "image/A.png", "image/a b", "image/a%20b", "image/a+b", "image/e\u0301", "image/\u00e9")
    flow.run()
    assert product.objects("legacy") == {}
    assert all(path and path.startswith("avatar/") for path in product.rows())


def test_of_twins_in_a_canary_run_the_one_that_is_not_in_it_is_no_misspelling(product: Product, flow: Flow) -> None:
    product.seed("image/A.png", "image/a.png")
    account = flow.run(limit=1)
    assert account.states == {"moved": 1}


def test_a_canary_run_keeps_what_is_spelt_otherwise(product: Product, flow: Flow) -> None:
    product.put("legacy", "image/a b.png")
    product.row("image/a%20b.png")
    product.seed("image/b.png")
    account = flow.attempt(limit=1)
    assert account.states == {"misspelt": 1}


def test_a_row_that_is_written_between_the_listing_and_the_proof(product: Product, flow: Flow) -> None:
    product.put("legacy", "image/a b.png")
    product.seed("image/b.png")
    account = flow.attempt(before_verify=lambda: product.row("/image/a b.png"))
    assert account.states == {"misspelt": 1, "moved": 1}


def test_what_a_row_does_not_name_is_not_held_up(product: Product, flow: Flow) -> None:
    product.seed("image/png", "image/a.png")
    product.row(
        "text/html", "my image", "https://image.example/", "image/", "IMAGE", None, "avatar/x%20y", "video/a.png"
    )
    flow.run()
    assert product.objects("legacy") == {}


def test_a_plan_foretells_it(product: Product, flow: Flow, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    product.put("legacy", "image/a b.png")
    product.row("image/a%20b.png")
    product.seed("image/b.png")
    account = flow.run(Mode.PLAN)
    assert account.misspelt_forecast == 1
    assert re.search(r"misspelt, and would be kept: 'image/a b.png': avatars.path holds 'image/a%20b.png'", caplog.text)


def test_a_known_misspelling_may_be_acknowledged(product: Product, flow: Flow) -> None:
    product.put("legacy", "image/a b.png")
    product.row("image/a%20b.png")
    product.seed("image/b.png")
    flow.attempt()
    account = flow.run(acknowledge={"misspelt": "rows of a shop that is closed"})
    assert account.states == {"misspelt": 1, "dangling": 1}
    assert set(product.objects("legacy")) == {"image/a b.png"}
