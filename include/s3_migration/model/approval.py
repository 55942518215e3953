"""What a person is asked before a move deletes, as Markdown, and what is decided. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from s3_migration.model.states import PROBLEMS

APPROVE, REJECT = "Approve", "Reject"

# Of what says what is wrong with one object, and of a key: a page shows no longer one as a whole.
_LONGEST_DETAIL = 200
_LONGEST_KEY = 100


@dataclass(frozen=True)
class Question:
    """A question to be answered with APPROVE or REJECT."""

    subject: str
    body: str


@dataclass(frozen=True)
class Decision:
    """What came of it. `approved` is None where nobody answered in time."""

    approved: bool | None
    by: str = ""
    at: datetime | None = None
    user_id: str | None = None  # as Airflow's auth manager has it


def question(
    *,
    migration: str,
    run_id: str,
    due: tuple[int, int, str, str],
    legacy: str,
    production: str,
    done: Mapping[str, int],
    states: Mapping[str, int],
    problems: Sequence[tuple[str, str, str]],
) -> Question:
    """The account of the run so far, and what will be deleted.

    :param due: objects and bytes that would be deleted, their first and last key.
    :param legacy: the bucket and prefix that they lie in, as is `production`.
    :param done: how much the run did, by what it is called.
    :param states: objects by state.
    :param problems: some objects that stay: problem, key, detail.
    """
    number, size, first, last = due
    objects = f"{number:,} object{'s' * (number != 1)}"
    kept = {name: states[name] for name in PROBLEMS if states.get(name)}
    lines = [
        f"Run {code(run_id)} has copied, switched and verified. If you approve, it deletes from legacy what is proven:",
        "",
        f"- **to be deleted: {objects}, {size:,} bytes**, below {code(legacy)}",
        f"- from {code(_short(first))} to {code(_short(last))}",
        f"- their copies, which the rows name: below {code(production)}",
        f"- done by this run: {_listed(done)}",
        f"- waiting for their grace period: {states.get('waiting', 0):,}; those whose grace period ends before the "
        f"deletion go as well",
        f"- problems, which stay in legacy: {_listed(kept) or 'none'}",
    ]
    others = {name: states[name] for name in ("superseded", "unreferenced", "dangling") if states.get(name)}
    if others:
        lines.append(f"- others that are not deleted: {_listed(others)}")
    if problems:
        more = sum(kept.values()) > len(problems)
        lines += ["", f"{f'The first {len(problems)}' if more else 'All'} of these problems:", ""]
        lines += [f"- {name}: {code(_short(key))}: {code(detail[:_LONGEST_DETAIL])}" for name, key, detail in problems]
    lines += [
        "",
        f"**{APPROVE}**: each object is compared with its copy once more, and goes only if it is what was copied. "
        f"**{REJECT}**: nothing is deleted, rows and copies stay as they are, and the run ends red.",
    ]
    return Question(f"Migration {migration}: delete {objects} from legacy?", "\n".join(lines))


def code(text: str) -> str:
    """Whatever is in it, as it stands: a key may hold Markdown, and ends no line."""
    shown = repr(text)[1:-1] or " "
    fence = "`" * (1 + max(map(len, re.findall("`+", shown)), default=0))
    pad = " " if "`" in (shown[0], shown[-1]) else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _short(key: str) -> str:
    half = _LONGEST_KEY // 2
    return key if len(key) <= _LONGEST_KEY else f"{key[:half]}…{key[-half:]}"


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in numbers.items())
