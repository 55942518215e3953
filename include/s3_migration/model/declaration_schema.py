"""What may stand in a declaration's file: as JSON Schema, for editors, and as a page of docs. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from pydantic import TypeAdapter

from s3_migration.model.declaration import Declaration
from s3_migration.model.field_types import duration_text

# What most declare comes first.
ORDER = sorted(Declaration.model_fields, key=lambda name: name not in Declaration.__annotations__)
DURATIONS = ["24h"]  # the examples of each field that is one
DRAFT = "https://json-schema.org/draft/2020-12/schema"
_HEAD = """# Every field of a declaration

A declaration is a YAML file in `include/migrations/`, or in the directory that `S3_MIGRATION_DECLARATIONS` names; the
file's name is the migration's. Durations have a unit: `90s`, `15m`, `24h`, `7d`. What is not listed here is refused.
`python -m s3_migration declaration avatars` says what is declared, and by which default or environment variable;
`--schema` prints this page for editors: with `# yaml-language-server: $schema=declaration.schema.json` in its first
line a file is completed and checked while it is written.

This page is made from the code: `python -m s3_migration declaration avatars --reference`.
"""


def schema() -> dict[str, Any]:
    """Of a file: its name is none of its fields, and one reference may stand in `database` itself."""
    made = Declaration.model_json_schema()
    made["properties"] = {name: made["properties"][name] for name in ORDER if name != "name"}
    made["required"].remove("name")
    database, flat = made["$defs"]["Database"], made["$defs"]["ReferenceEntry"]
    for name, field in flat["properties"].items():
        said = f"of the one reference, in place of references: {_described(field)}"
        database["properties"][name] = {**field, "description": said}
    database["required"] = ["conn_id"]
    database["oneOf"] = [{"required": ["references"]}, {"required": flat["required"]}]
    for part in (made, *made["$defs"].values()):
        for field in part.get("properties", {}).values():
            if field.get("examples") == DURATIONS and "default" in field:  # else as ISO 8601 has it
                field["default"] = duration_text(TypeAdapter(timedelta).validate_python(field["default"]))
    return {"$schema": DRAFT, **made}


def reference() -> str:
    """A page of Markdown with every field."""
    made = schema()
    return "\n".join([_HEAD, *_table("", made, made["$defs"])])


def _table(place: str, of: Mapping[str, Any], parts: Mapping[str, Any]) -> Iterator[str]:
    within = list[tuple[str, Mapping[str, Any]]]()
    yield f"## {f'`{place}`' if place else 'The file'}"
    if place and of.get("description"):
        yield f"{of['description']}\n"
    yield "| field | what it takes | default | meaning |"
    yield "| --- | --- | --- | --- |"
    for name, field in of["properties"].items():
        for part in _parts(field):
            within.append((f"{place}.{name}".lstrip("."), parts[part]))
        needed = name in of.get("required", ())
        default = "**needed**" if needed else _default(field)
        meaning = " ".join(str(_described(field)).split()).replace("|", "\\|")
        yield f"| `{name}` | {_taken(field, parts)} | {default} | {meaning} |"
    yield ""
    for inner, part_of in within:
        if "properties" in part_of:
            yield from _table(inner, part_of, parts)


def _default(field: Mapping[str, Any]) -> str:
    value = field.get("default")
    if value in (None, "", [], {}) or isinstance(value, dict):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _described(field: Mapping[str, Any]) -> str:
    found = [field, *field.get("anyOf", ())]
    return next((each["description"] for each in found if "description" in each), "")


def _parts(field: Mapping[str, Any]) -> list[str]:
    """Names of the parts that it is made of."""
    found = [field, *field.get("anyOf", ()), field.get("items", {})]
    return [each["$ref"].rpartition("/")[2] for each in found if "$ref" in each]


def _taken(field: Mapping[str, Any], parts: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_taken(each, parts) for each in field["anyOf"] if each.get("type") != "null")
    if "$ref" in field:
        of = parts[field["$ref"].rpartition("/")[2]]
        return "fields, below" if "properties" in of else _taken(of, parts)
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"a list of: {_taken(field['items'], parts)}"
    if field.get("examples") == DURATIONS:
        return "a duration"
    bounds = [
        f"{word} {field[bound]}"
        for bound, word in (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"))
        if bound in field
    ]
    names = {"string": "text", "integer": "a number", "number": "a number", "boolean": "`true` or `false`"}
    return " ".join([names.get(field.get("type", ""), "fields of your own"), *bounds])
