"""The run params, each defined once: its default, its place in the trigger form, and what it accepts. Pure.

A new one is an entry here, a field of `Request` (run_request.py), and a line of the table in docs/operate.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from s3_migration.model.declaration import Declaration
from s3_migration.model.declaration_faults import grace_period_from
from s3_migration.model.field_types import DURATION, duration_text
from s3_migration.model.modes import Mode
from s3_migration.model.states import PROBLEMS

WINDOWS = ("auto", "all", "data_interval")
MODES = tuple(mode.value for mode in Mode)


@dataclass(frozen=True)
class RunParam:
    """One param. `schema` (JSON Schema) makes the field of the form; server and `check` hold each value to it."""

    name: str
    default: Any
    schema: Mapping[str, Any]
    expected: str  # the schema in words, for who is refused
    title: str
    description: str
    section: str | None = None  # of the form; none: in sight at once

    def accepts(self, value: object) -> bool:
        return bool(Draft202012Validator(self.schema).is_valid(value))


def defaults_in_words(declaration: Declaration) -> str:
    """What a run with the defaults does, to what, and from when on it may delete something: what follows "this"."""
    legacy, production = declaration.legacy.address, declaration.production.address
    rows = ", ".join(reference.name for reference in declaration.references)
    asked = ", once a person has approved it" if declaration.approve_deletion else ""
    return (
        f"moves everything from {legacy} to {production}, points {rows} there, and deletes from legacy what is "
        f"proven, {duration_text(declaration.grace_period)} after the switch of its rows at the earliest{asked}."
    )


def run_params(declaration: Declaration) -> tuple[RunParam, ...]:
    """All of them, in the order of the form."""
    return (
        RunParam(
            "mode",
            Mode.MOVE.value,
            {"type": "string", "enum": list(MODES)},
            expected=f"one of {', '.join(MODES)}",
            title="What to do",
            description=f"As it stands, this {defaults_in_words(declaration)} "
            "plan: count and forecast only, change nothing. copy: copy only. switch: copy, then point "
            "the rows at the copies. move: all of it, then delete what is proven from legacy. undo: point the rows "
            "that were switched at legacy again, as far as it still holds their objects.",
        ),
        RunParam(
            "limit",
            None,
            {"type": ["null", "integer"], "minimum": 1, "maximum": 1_000_000},
            expected="a whole number of objects from 1 to 1,000,000, or nothing for all",
            title="Only the first N objects",
            description="A canary run: at most this many objects. Empty: all of them.",
        ),
        RunParam(
            "window",
            WINDOWS[0],
            {"type": "string", "enum": list(WINDOWS)},
            expected=f"one of {', '.join(WINDOWS)}",
            title="Objects of which age",
            description="auto: a backfill run takes the objects last modified in its data interval, any other run "
            "takes all. all: whatever their age. data_interval: as a backfill run.",
            section="Which objects",
        ),
        RunParam(
            "grace_period",
            None,
            {"type": ["null", "string"], "pattern": f"^{DURATION}$"},
            expected="a duration with its unit, e.g. 90s, 15m, 24h or 7d",
            title="Grace period before deletion",
            description="From the switch of the rows to the deletion, e.g. 90s, 15m, 24h, 7d. Up to 30 minutes are "
            "waited for within the run; what takes longer, a later run deletes. "
            f"Empty: {duration_text(declaration.grace_period)}, {grace_period_from()}.",
            section="Before anything is deleted",
        ),
        RunParam(
            "acknowledge",
            None,
            {"type": ["null", "object"], "additionalProperties": {"type": ["null", "string"], "pattern": r"\S"}},
            expected=f"reasons by legacy key or by problem ({', '.join(PROBLEMS)}), "
            'e.g. {"image/a.png": "broken since 2019"}; null takes one back',
            title="Known problems",
            description=f"Reasons by legacy key, or by problem ({', '.join(PROBLEMS)}) for all "
            'that have it now: {"image/a.png": "broken since 2019"}. They turn no run red any more, and are still '
            "counted; null instead of a reason takes it back.",
            section="Known problems",
        ),
        RunParam(
            "remove_copies",
            False,
            {"type": "boolean"},
            expected="true or false",
            title="Remove our copies from production",
            description="Only with mode undo: after the grace period, remove the copies that this migration made "
            "and that no row names any more. Needs a right that the other modes do without.",
            section="Undo",
        ),
    )
