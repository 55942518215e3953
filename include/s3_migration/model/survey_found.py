"""What a survey of the database found: the columns, what was looked at of each, and what nobody looked at. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from s3_migration.model.survey import Group


class Column(NamedTuple):
    schema: str
    table: str
    column: str
    type: str
    kind: str  # a Kind
    relation: str  # r: table, p: partitioned, m: materialized view, f: foreign table
    has_children: bool
    is_generated: bool
    may_read: bool
    rows: float | None  # an estimate, of when it was last analyzed; None: it never was

    @property
    def key(self) -> tuple[str, str, str]:
        return self.schema, self.table, self.column

    @property
    def name(self) -> str:
        return ".".join(self.key)

    @property
    def follows(self) -> str | None:
        """Why its values follow by themselves once those that they are made from are switched."""
        if self.relation == "m":
            return "a materialized view: it follows by REFRESH MATERIALIZED VIEW"
        return "a generated column: it follows the columns that it is made from" if self.is_generated else None


@dataclass(frozen=True)
class Look:
    """What was looked at of a column."""

    column: Column
    percent: float  # of the table's pages; 100: all of it
    rows: int  # looked at
    found: int  # of them
    newest: int = 0  # found at the end of a table that was sampled; as far as values were taken from there

    @property
    def sampled(self) -> bool:
        return self.percent < 100

    @property
    def about(self) -> int:
        """Rows of the table; an estimate where it was sampled."""
        if not self.sampled:
            return self.rows
        # What the catalog says may be of long ago.
        return round(self.rows * 100 / self.percent if self.rows else self.column.rows or 0)

    @property
    def about_found(self) -> int:
        """Rows with a find; an estimate where it was sampled."""
        if not self.sampled:
            return self.found
        return max(round(self.found * 100 / self.percent), self.newest)


@dataclass(frozen=True)
class Find:
    """A column whose values name the migration's objects, or seem to."""

    look: Look
    groups: Sequence[Group]
    examples: Sequence[str]
    declared: bool

    @property
    def undeclared(self) -> bool:
        """Whether it names objects, and nothing would make it follow."""
        follows = self.declared or self.look.column.follows is not None
        return not follows and any(group.names_objects for group in self.groups)


class Unseen(NamedTuple):
    """What nobody looked at: a table, or a column of it."""

    schema: str
    table: str
    column: str | None
    why: str

    @property
    def name(self) -> str:
        return ".".join(part for part in self[:3] if part is not None)


@dataclass(frozen=True)
class Survey:
    """All of it. What is neither in `looks` nor in `unseen` cannot hold text."""

    finds: Sequence[Find]
    looks: Sequence[Look]
    unseen: Sequence[Unseen]
    ledger: str | None  # "complete", or "partial": no run has listed all of legacy; None: no ledger that can be read

    @property
    def undeclared(self) -> Sequence[Find]:
        return [find for find in self.finds if find.undeclared]
