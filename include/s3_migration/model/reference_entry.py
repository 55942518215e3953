"""The part of a declaration that would take a column, to paste. Pure."""

from __future__ import annotations

import math
import re
from urllib.parse import quote

import yaml

from s3_migration.model.legacy_names import Names
from s3_migration.model.survey import Form, Way


def declare_as(table: tuple[str, str], column: str, way: Way, names: Names) -> str:
    """The entry of `database.references` that would take these values, as YAML."""
    production, guessed = _in_production(way.path_prefix, names)
    comment = "   # production guessed: put the real one" if guessed else ""
    prefixes = f"{{legacy: {_quoted(way.path_prefix)}, production: {_quoted(production)}}}"
    lines = [
        f"- table: {_scalar('.'.join(table))}",
        f"  column: {_scalar(column)}",
        f"  path_prefix: {prefixes}{comment}",
    ]
    if way.encoded:
        lines.append("  path_encoding: url")
    if way.form is Form.ELEMENT:
        lines.append("  array: true")
    if way.form is Form.JSON_PATH:
        steps = ", ".join(str(step) if isinstance(step, int) else _scalar(step) for step in way.json_path)
        lines.append(f"  json_path: [{steps}]")
    return "\n".join(lines)


def _in_production(path_prefix: str, names: Names) -> tuple[str, bool]:
    if path_prefix == names.path_prefix:
        return names.production_path_prefix, False
    spelt = next(each for each in names.spelt if path_prefix.endswith(each))
    before = path_prefix.removesuffix(spelt).replace(names.bucket, names.production_bucket)
    prefix = names.production_prefix
    if spelt not in {names.prefix, names.path_prefix}:
        prefix = quote(prefix, safe="/" if "/" in spelt else "")
    elif spelt == names.path_prefix:
        prefix = names.production_path_prefix
    return before + prefix, True


def _scalar(text: str) -> str:
    plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.]*", text) and yaml.safe_load(text) == text
    return text if plain else _quoted(text)


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=math.inf).strip()
