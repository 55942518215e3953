"""What a person is asked before a deletion: Markdown that shows each key as it is."""

from __future__ import annotations

from typing import Any

import pytest
from markdown_it import MarkdownIt

from s3_migration.model.approval import code, question

ASKED: dict[str, Any] = {
    "migration": "avatars",
    "run_id": "manual__1",
    "due": (12000, 3456, "image/a", "image/z"),
    "legacy": "s3://legacy-s3/image/",
    "production": "s3://production-s3/avatar/",
    "done": {"objects copied": 11000, "rows switched": 12500},
    "states": {"copied": 12000, "waiting": 7, "conflict": 2, "superseded": 1, "moved": 9},
    "problems": [("conflict", "image/x", "production holds other content")],
}


@pytest.mark.parametrize(
    "text", ["image/a.png", "`", "a`b", "``a`", " a ", "a|b", "<b>*c*</b>", "[a](b)", "&amp;", "Zürich/猫.png"]
)
def test_a_key_is_shown_as_it_is(text: str) -> None:
    (paragraph,) = [token for token in MarkdownIt().parse(f"- key {code(text)}: x") if token.type == "inline"]
    assert paragraph.children is not None
    assert [token.content.strip() for token in paragraph.children if token.type == "code_inline"] == [text.strip()]
    assert {token.type for token in paragraph.children} == {"text", "code_inline"}


@pytest.mark.parametrize("text", ["a\nb", "a\r\n\r\n# b", "a\x00b", "", "\u2028"])
def test_a_key_ends_no_line(text: str) -> None:
    assert len(code(text).splitlines()) == 1
    (paragraph,) = [token for token in MarkdownIt().parse(f"- key {code(text)}: x") if token.type == "inline"]
    assert {token.type for token in paragraph.children or []} == {"text", "code_inline"}


def test_what_will_be_deleted_and_what_stays_is_told() -> None:
    asked = question(**ASKED)
    assert asked.subject == "Migration avatars: delete 12,000 objects from legacy?"
    lines = asked.body.splitlines()
    assert "- **to be deleted: 12,000 objects, 3,456 bytes**, below `s3://legacy-s3/image/`" in lines
    assert "- from `image/a` to `image/z`" in lines
    assert "- done by this run: 11,000 objects copied, 12,500 rows switched" in lines
    waiting = "- waiting for their grace period: 7; those whose grace period ends before the deletion go as well"
    assert waiting in lines
    assert "- problems, which stay in legacy: 2 conflict" in lines
    assert "- others that are not deleted: 1 superseded" in lines
    assert "- conflict: `image/x`: `production holds other content`" in lines


def test_a_run_without_problems_says_so() -> None:
    body = question(**{**ASKED, "states": {"copied": 12000}, "problems": []}).body
    assert "problems, which stay in legacy: none" in body
    assert "others" not in body


def test_what_is_too_long_for_a_page_is_cut() -> None:
    long = f"image/{'y' * 1000}.png"
    body = question(**{**ASKED, "due": (1, 1, long, long), "problems": [("failed", long, "y" * 5000)]}).body
    assert max(map(len, body.split())) <= 202
    assert "to be deleted: 1 object, 1 bytes" in body
    assert body.count(f"`image/{'y' * 44}…{'y' * 46}.png`") == 3


def test_problems_that_are_not_named_are_said_to_be_there() -> None:
    assert "\nThe first 1 of these problems:\n" in question(**ASKED).body
    assert "\nAll of these problems:\n" in question(**{**ASKED, "states": {"conflict": 1}}).body
