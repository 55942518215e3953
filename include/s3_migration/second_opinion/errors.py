"""What keeps a second opinion from being formed."""

from __future__ import annotations


class CannotJudge(Exception):
    """Nothing was concluded. The message says what, where, and how to fix it."""
