"""What a person at the command line must fix."""

from __future__ import annotations


class LocalError(Exception):
    """One clear line: what is missing or wrong, where, and the next step. Shown without a traceback."""
