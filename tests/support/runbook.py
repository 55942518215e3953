"""docs/runbook.md in blocks."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from . import ROOT

RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block of the runbook: `sql` is the role's, `sql administrator` an administrator's."""

    heading: str
    language: str
    text: str

    @property
    def id(self) -> str:
        return f"{self.heading}: {self.text.split()[0]}"

    @property
    def statements(self) -> list[str]:
        code = re.sub(r"--.*", "", self.text)
        return [statement.strip() for statement in code.split(";") if statement.strip()]


def blocks() -> list[Block]:
    found, heading = [], ""
    for part in re.finditer(r"^#+ ([^\n]+)$|^( *)```([a-z ]+)\n(.*?)^\2```$", RUNBOOK, re.MULTILINE | re.DOTALL):
        heading = part[1] or heading
        if part[3]:
            found.append(Block(heading, part[3], textwrap.dedent(part[4]).strip()))
    return found


BLOCKS = blocks()
# Its commands build one upon the other, on a migration that is over: tests/flow/test_retire.py runs them.
RETIREMENT = "Retire it"
# Its commands ask Airflow's server: tests/stack/test_scheduler_approval.py runs them.
APPROVAL = "Approving a deletion"
COMMANDS = [
    (block, line)
    for block in BLOCKS
    if block.language == "bash" and block.heading not in (RETIREMENT, APPROVAL)
    for line in block.text.splitlines()
]
