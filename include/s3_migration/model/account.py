"""The account of a run: every object in one state, what was done, what it took. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from s3_migration.model.completion import ROWS_EXPLAINED, unfinished_states
from s3_migration.model.forecast import Forecast
from s3_migration.model.modes import Mode
from s3_migration.model.states import PROBLEMS


def _tallied(what: str, *steps: str) -> int:
    """A field that is the sum of these steps' tallies."""
    return field(default=0, metadata={"tallies": [(step, what) for step in steps]})


# What a step that sleeps without a worker tallies of it, in milliseconds: in table timing it is a gap.
ASLEEP = "milliseconds asleep"
# A plan tallies the rows of each column that may name the objects and is not declared, after this.
NOT_DECLARED = "not declared "
# Tallies that are kept for each reference: what they are called in the account, and whose count. As of all together.
_BY_REFERENCE = {"rows": ("switched", ("switch", "verify", "reconcile")), "rows_left": ("left", ("reconcile",))}


@dataclass(frozen=True)
class Account:
    """What a run found and did. Small whatever the number of objects: it is an XCom and a column."""

    migration: str
    run_id: str
    mode: str
    window: str = ""  # of a slice: only what was last modified in it
    staged: int = _tallied("objects", "list")  # objects in scope, of `bytes`
    bytes: int = _tallied("bytes", "list")
    # Production held the content: no copy made.
    already_there: int = _tallied("already_there", "list", "copy", "verify", "delete", "reconcile")
    copied: int = _tallied("copied", "copy", "verify", "delete", "reconcile")
    rows_to_switch: int = _tallied("rows_to_switch", "list")  # as the listing found them
    rows_switched: int = _tallied("rows", "switch", "verify", "reconcile")
    # That name a legacy path of an object in scope: dangling, superseded, a problem.
    rows_left: int = _tallied("rows_left", "reconcile")
    verified: int = _tallied("objects", "verify")
    proven: dict[str, int] = field(default_factory=dict)  # with verify: checksum, by what: checksum, ETag, bytes
    deleted: int = _tallied("deleted", "delete", "reconcile")
    unreferenced: int = _tallied("unreferenced", "list")
    dangling: int = _tallied("dangling", "list")
    conflicts_forecast: int = _tallied("conflict", "list")
    misspelt_forecast: int = _tallied("misspelt", "list")
    removed: int = _tallied("removed", "delete", "reconcile")  # our copies, by an undo that was asked to
    beyond_undo: int = _tallied("beyond_undo", "reconcile")  # gone from legacy: their rows still name production
    # A plan's, of legacy: objects by storage class; of `sampled` ones, how many have what their copies will not have
    # (or keep, and need rights for), by its name.
    classes: dict[str, int] = field(default_factory=dict)
    sample: dict[str, int] = field(default_factory=dict)
    sampled: int = _tallied("sampled", "list")
    heads: int = _tallied("heads", "list")  # that the declaration costs a move beside all else
    undeclared: dict[str, int] = field(default_factory=dict)  # a plan's: about so many rows, by column
    # By reference: `switched` and `left`, as in rows_switched and rows_left.
    references: dict[str, dict[str, int]] = field(default_factory=dict)
    acknowledged: int = 0  # of the problems in `states`: they turn no run red
    states: dict[str, int] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)  # by operation and outcome, retries included
    seconds: dict[str, float] = field(default_factory=dict)  # at work, by step; of grace what was waited as well
    report: str = ""  # where the completion report's manifest is
    forecast: dict[str, Any] = field(default_factory=dict)  # a plan's: include/s3_migration/model/forecast.py

    @classmethod
    def of(
        cls,
        migration: str,
        run_id: str,
        mode: str,
        states: Mapping[str, int],
        tallies: Mapping[tuple[str, str], int],
        seconds: Mapping[str, float],
        observed: float | None = None,
        *,
        acknowledged: int = 0,
        window: str = "",
    ) -> Account:
        """Put the account together.

        :param tallies: number by (step, what), of table tally.
        :param observed: objects a second that an earlier run copied, for a plan's forecast.
        """
        requests: Counter[str] = Counter()
        for (_, what), number in sorted(tallies.items()):
            if what.startswith("S3 "):
                requests[what[3:]] += number
        sums = {each.name: each.metadata["tallies"] for each in fields(cls) if each.metadata}
        found = {name: sum(tallies.get(tally, 0) for tally in parts) for name, parts in sums.items()}
        references: dict[str, dict[str, int]] = {}
        for (step, what), number in sorted(tallies.items()):
            kind, _, name = what.partition(" of ")
            if name and kind in _BY_REFERENCE:
                called, steps = _BY_REFERENCE[kind]
                of = references.setdefault(name, dict.fromkeys((each for each, _ in _BY_REFERENCE.values()), 0))
                of[called] += number if step in steps else 0
        forecast = {}
        if mode == Mode.PLAN.value:
            forecast = Forecast.of(
                found["staged"],
                found["already_there"],
                found["conflicts_forecast"],
                found["dangling"],
                observed,
                heads=found["heads"],
            ).as_dict()
        return cls(
            migration,
            run_id,
            mode,
            window,
            proven=_of_kind(tallies, "proven by "),
            classes=_of_kind(tallies, "class "),
            sample=_of_kind(tallies, "sample "),
            undeclared={column: rows for column, rows in _of_kind(tallies, NOT_DECLARED).items() if rows},
            references=references,
            acknowledged=acknowledged,
            states=dict(states),
            requests=dict(requests),
            seconds={step: round(value + tallies.get((step, ASLEEP), 0) / 1000, 2) for step, value in seconds.items()},
            report="",
            forecast=forecast,
            **found,
        )

    @property
    def problems(self) -> dict[str, int]:
        return {kind: self.states.get(kind, 0) for kind in PROBLEMS}

    @property
    def _planned(self) -> dict[str, int]:
        """What a plan has listed, each object once."""
        known = {"already there": self.already_there, "conflicts": self.conflicts_forecast}
        return {"to copy": self.staged - sum(known.values()), **known}

    @property
    def finished(self) -> bool:
        """Whether this run deleted the last of what it had in scope, and nothing unexplained is left of it.

        | mode  | deleted | something to do about (completion.py) | rows left    | finished |
        | ----- | ------- | ------------------------------------- | ------------ | -------- |
        | move  | some    | nothing, or acknowledged problems     | none, or explained | yes |
        | move  | some    | nothing, or acknowledged problems     | unexplained  | no       |
        | move  | some    | anything else                         | any          | no       |
        | move  | none    | any                                   | any          | no: it was finished before |
        | other | any     | any                                   | any          | no       |

        Rows are explained where an object is dangling, superseded or acknowledged.
        """
        explained = self.acknowledged or any(self.states.get(state) for state in ROWS_EXPLAINED)
        return (
            self.mode == Mode.MOVE.value
            and self.deleted > 0
            # Only problems are acknowledged, and every problem is something to do about.
            and sum(unfinished_states(self.states).values()) == self.acknowledged
            and (not self.rows_left or bool(explained))
        )

    @property
    def objects_per_second(self) -> float:
        """Of the copy step."""
        return self.copied / self.seconds["copy"] if self.seconds.get("copy") else 0.0

    @property
    def forecast_lines(self) -> list[tuple[str, str]]:
        """A plan's, name and text of each: what a move will take, and what it would leave behind."""
        if not self.forecast:
            return []
        rows = ", ".join(f"{column} (some {number:,} rows)" for column, number in self.undeclared.items())
        told = f"{rows}: may name these objects, and would not be switched; what to declare: the log of list_legacy"
        return [
            *Forecast(**self.forecast).as_lines(),
            ("not declared", told if rows else "no column that was found"),
        ]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        """The account as a person reads it."""
        done = [
            ("listed", f"{self.staged:,} objects, {self.bytes:,} bytes"),
            ("already there", f"{self.already_there:,} (production held the content: no copy made)"),
            ("copied", f"{self.copied:,} ({self.objects_per_second:,.0f} objects/s)"),
            (
                "switched",
                f"{self.rows_switched:,} rows; {self.rows_left:,} rows of objects in scope still name a legacy path",
            ),
            ("verified", f"{self.verified:,} (in scope, and seen again: copied, waiting or moved)"),
            *_proven_line(self.proven),
            ("deleted", f"{self.deleted:,}"),
            (
                "unreferenced",
                f"{self.unreferenced:,} (no row names them; moved, unless declared to be kept)",
            ),
            ("dangling", f"{self.dangling:,} (rows name them, no object anywhere)"),
        ]
        if self.mode == "plan":
            done = [
                ("listed", f"{_sum(self.staged, self._planned)}; {self.bytes:,} bytes"),
                ("to switch", f"{self.rows_to_switch:,} rows"),
                ("conflicts", f"{self.conflicts_forecast:,} (production holds other content: their COPY is refused)"),
                ("misspelt", f"{self.misspelt_forecast:,} (rows name them in another spelling; they will be kept)"),
                *done[-2:],
                ("classes", _listed(self.classes) or "none"),
                ("sample", f"of {self.sampled:,} objects looked at: {_sampled(self)}"),
                *self.forecast_lines,
            ]
        if self.mode == "undo":
            done = [
                ("in legacy", f"{self.staged:,} objects, {self.bytes:,} bytes"),
                ("switched back", f"{self.rows_switched:,} rows; {self.rows_left:,} of these still name production"),
                ("copies removed", f"{self.removed:,}"),
                ("beyond undo", f"{self.beyond_undo:,} objects are gone from legacy: their rows stay as they are"),
            ]
        if len(self.references) > 1 and self.mode != Mode.PLAN.value:
            at = next(place for place, (name, _) in enumerate(done) if name.startswith("switched"))
            of = [("", f"{name}: {n['switched']:,}; {n['left']:,} left") for name, n in self.references.items()]
            done[at + 1 : at + 1] = of
        slice_of = f", objects last modified in {self.window}" if self.window else ""
        lines = [f"Account of run {self.run_id} of migration {self.migration}, mode {self.mode}{slice_of}"]
        lines += [f"  {name:<14} {text}" for name, text in done]
        if self.mode != "plan":
            known = f" ({self.acknowledged:,} of them acknowledged)" if self.acknowledged else ""
            objects, problems = sum(self.states.values()), sum(self.problems.values())
            lines += ["  in scope       " + (_sum(objects, self.states) if objects else "nothing")]
            lines += [f"  problems       {_sum(problems, self.problems)}{known}"]
        lines += [f"  report         {self.report}"] if self.report else []
        lines += ["  S3 requests    " + (f"{_listed(self.requests)}, of this run" if self.requests else "none")]
        lines += ["  seconds        " + ", ".join(f"{step} {value:.1f}" for step, value in self.seconds.items())]
        return "\n".join(lines)


def _sampled(account: Account) -> str:
    nothing = "as their copies will be" if account.sampled else "nothing is known"
    return _listed(account.sample) or nothing


def _proven_line(proven: Mapping[str, int]) -> list[tuple[str, str]]:
    return [("bytes proven", ", ".join(f"{number:,} by {how}" for how, number in proven.items()))] if proven else []


def _of_kind(tallies: Mapping[tuple[str, str], int], kind: str) -> dict[str, int]:
    return {what.removeprefix(kind): number for (_, what), number in sorted(tallies.items()) if what.startswith(kind)}


def _sum(number: int, parts: Mapping[str, int]) -> str:
    """So many objects, and of which kinds: each is of one."""
    kinds = " + ".join(f"{of:,} {kind}" for kind, of in sorted(parts.items()) if of)
    return f"{number:,} object{'s' * (number != 1)}{f' = {kinds}' if kinds else ''}"


def _listed(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in sorted(numbers.items()))
