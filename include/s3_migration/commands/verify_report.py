"""A second opinion, for a person and for a program: the verdict, what is wrong, and what could not be judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from s3_migration.commands.answer import PROGRAM
from s3_migration.model.declaration import Declaration
from s3_migration.second_opinion.finding import Example, Finding
from s3_migration.second_opinion.judgement import Fault

# Of each kind, for a person; --json has more.
_SHOWN = 3
_FAULTS = {
    Fault.BROKEN: "rows name an object in production that is not there",
    Fault.UNSWITCHED: "rows name an object in legacy that is not there any more, and is in production",
    Fault.DANGLING: "rows name an object in legacy that is nowhere",
    Fault.NOT_MOVED: "rows still name an object in legacy, which is there",
    Fault.ONLY_IN_LEGACY: "objects are in legacy alone",
    Fault.DIFFERS: "objects are in legacy, and production holds another content",
    Fault.UNPROVEN: "objects are in legacy; production's have the same size, and ETags cannot tell more (--bytes can)",
    Fault.LEFT: "objects are in legacy, and production holds the same",
}


class Unjudged(NamedTuple):
    """What nobody can conclude from this: of how many (None: nobody counts them), why, and some of them."""

    what: str
    number: int | None
    why: str
    examples: list[str]


def unjudged(declaration: Declaration, finding: Finding) -> list[Unjudged]:
    """All that the verdict says nothing about."""
    spelt = [
        Unjudged(
            f"rows of {name} in another spelling",
            reading.otherwise,
            "they hold a prefix or a bucket of ours, and do not begin as declared",
            [_shown(value) for value in reading.examples],
        )
        for name, reading in finding.readings.items()
        if reading.otherwise
    ]
    foreign = [
        Unjudged(
            f"values of {name} that name nothing of ours",
            reading.foreign,
            "they hold no prefix and no bucket of ours",
            [_shown(value) for value in reading.foreign_examples],
        )
        for name, reading in finding.readings.items()
        if reading.foreign
    ]
    counted = [
        Unjudged("objects in legacy that no row names", finding.kept, "kept, as declared", []),
        Unjudged("contents without an original", finding.without_original, "it is gone, or never was in legacy", []),
        Unjudged("ETags that cannot tell", finding.faults[Fault.UNPROVEN], "in parts, or encrypted with a key", []),
        Unjudged(
            "faults that were seen once",
            finding.seen_once.total(),
            "enough of their kind were looked at again, and were still so",
            [],
        ),
        Unjudged("the rows of now", 1 if finding.standby else 0, "the database is a standby, which may be behind", []),
    ]
    always = [
        Unjudged("columns that are not declared", None, f"{PROGRAM} survey {declaration.name} finds them", []),
        Unjudged("headers, metadata, tags, rights", None, "no listing shows them", []),
        Unjudged("earlier versions and delete markers", None, "only what a reader gets now was looked at", []),
        Unjudged("rows written since it began", None, "all rows were read as they were at one moment", []),
    ]
    return [*spelt, *foreign, *(each for each in counted if each.number), *always]


def report(declaration: Declaration, finding: Finding) -> str:
    """All of it, for a person: the verdict first."""
    return "\n".join(_lines(declaration, finding))


def _lines(declaration: Declaration, finding: Finding) -> Iterator[str]:
    spelt = f": {finding.otherwise:,} rows in another spelling, which could not be judged"
    yield (
        f"Migration {declaration.name}: {'WHOLE' if finding.whole else 'NOT WHOLE'} for the product"
        f"{spelt if finding.otherwise else ''}."
    )
    yield (
        f"{finding.values:,} values of {len(finding.readings)} columns, {finding.production_objects:,} objects in "
        f"production and {finding.legacy_objects:,} in legacy were looked at, in {finding.seconds:,.1f} s."
    )
    for fault, said in _FAULTS.items():
        if number := finding.faults[fault]:
            yield ""
            yield f"{number:>15,}  {said}"
            yield from (f"{'':15}  e.g. {_told(fault, each)}" for each in finding.examples[fault][:_SHOWN])
    yield ""
    yield "As it should be, or nobody's fault:"
    for name, reading in finding.readings.items():
        yield f"{reading.production:>15,}  values of {name} name an object in production, of {reading.values:,}"
    yield f"{finding.unnamed:>15,}  objects in production are named by no row"
    if finding.canaries:
        yield f"{finding.canaries:>15,}  canaries were left by a check that was killed; the next one removes them"
    if finding.settled:
        yield f"{finding.settled:>15,}  were wrong at the first look and right at the second: the product went on"
    yield ""
    yield "Could not be judged:"
    for each in unjudged(declaration, finding):
        yield f"{'' if each.number is None else format(each.number, ','):>15}  {each.what}: {each.why}"
        yield from (f"{'':15}  e.g. {example}" for example in each.examples[:_SHOWN])


def _told(fault: Fault, example: Example) -> str:
    key = example.production_key if fault is Fault.BROKEN else example.legacy_key
    if example.value is None:
        return _shown(key)
    named = "" if example.value == key else f" (key {_shown(key)})"
    return f"{example.reference}: {_shown(example.value)}{named}"


def document(declaration: Declaration, finding: Finding) -> dict[str, Any]:
    """All of it, for a program."""
    return {
        "migration": declaration.name,
        "whole": finding.whole,
        "seconds": round(finding.seconds, 1),
        "faults": {
            fault.value: {
                "number": finding.faults[fault],
                "of": "rows" if said.startswith("rows") else "objects",
                "means": said,
                "seen_once": finding.seen_once[fault],
                "examples": [example._asdict() for example in finding.examples.get(fault, [])],
            }
            for fault, said in _FAULTS.items()
        },
        "rows": {
            name: {
                "values": reading.values,
                "production": reading.production,
                "legacy": reading.legacy,
                "otherwise": reading.otherwise,
                "nothing_of_ours": reading.foreign,
            }
            for name, reading in finding.readings.items()
        },
        "objects": {
            "legacy": finding.legacy_objects,
            "legacy_kept": finding.kept,
            "production": finding.production_objects,
            "production_unnamed": finding.unnamed,
            "canaries": finding.canaries,
        },
        "settled": finding.settled,
        "not_judged": [each._asdict() for each in unjudged(declaration, finding)],
    }


def _shown(text: str, width: int = 200) -> str:
    """On one line that any terminal shows."""
    cut = text if len(text) <= width else f"{text[:width]}…"
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in cut)
