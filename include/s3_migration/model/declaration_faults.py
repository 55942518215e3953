"""What is wrong with a declaration, in words: where, what it is, what was expected, how to fix it. Pure."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

# A deployment (the embedded stack among them) may shorten or lengthen the grace period of all its migrations.
GRACE_PERIOD_VARIABLE = "S3_MIGRATION_GRACE_PERIOD"


def grace_period_from() -> str:
    """Whence it is, for whoever reads another one in the file."""
    if os.environ.get(GRACE_PERIOD_VARIABLE):
        return f"as {GRACE_PERIOD_VARIABLE} in the deployment's environment has it, whatever the file says"
    return "as declared"


def explain(path: Path, fault: Any, names: set[str], *, flat: bool) -> str:
    """What is wrong with a field: where, what it is, what was expected, how to fix it.

    :param names: of all fields that there are.
    :param flat: the one reference stands in `database` itself."""
    field = ".".join(str(part) for part in fault["loc"]) or "legacy, production, database"
    if flat:
        field = field.replace("database.references.0", "database")
    place: object = path
    if field == "grace_period" and os.environ.get(GRACE_PERIOD_VARIABLE):
        place, got, fix = "the environment", _short(fault["input"]), f"correct or unset {GRACE_PERIOD_VARIABLE}"
    elif field == "name":
        got, fix = _short(fault["input"]), "rename the file: small letters, digits and _, at most 40"
    elif fault["type"] == "missing":
        got, fix = "absent", f"add {field}"
    elif fault["type"] == "extra_forbidden":
        written = str(fault["loc"][-1])
        near = get_close_matches(written, names, n=1) if written not in names else []
        meant = f"did you mean {near[0]}? Else remove it" if near else f"remove {field}, or correct its spelling"
        got, fix = _short(fault["input"]), meant
    else:
        got, fix = _short(fault["input"]), f"correct {field}"
    said = fault["msg"].removeprefix("Value error, ")
    return f"{place}: {field}: {got}: {said}. Fix: {fix} (all fields: docs/declaration.md)."


def field_names(part: type[BaseModel]) -> set[str]:
    """The names of all fields, those of its parts included."""
    found = set(part.model_fields)
    for field in part.model_fields.values():
        kinds = [field.annotation, *get_args(field.annotation)]
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                found |= field_names(kind)
    return found


def _short(value: object) -> str:
    return "the whole" if isinstance(value, dict) else repr(value)[:80]
