"""What a statement would be without one of its conditions, assignments or alternatives (test_guards.py).

Works on the text as it is sent to the server: it does not matter from which files or tables a statement is composed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import sqlglot
from sqlglot import exp


def parse(text: str) -> exp.Expression:
    return sqlglot.parse_one(text, dialect="postgres")


def render(tree: exp.Expression) -> str:
    return tree.sql("postgres", comments=False)


def mutants(text: str) -> Iterator[tuple[str, str]]:
    """Name and text of each mutant.

    A condition (an operand of AND and OR, what follows WHERE, ON or WHEN, any comparison) becomes TRUE, and FALSE. A
    SET leaves the column as it was. One value of IN, one argument of COALESCE or GREATEST, a USING is left out.
    """
    tree = parse(text)
    seen: Counter[str] = Counter()
    for node in list(tree.walk()):
        for what, replacement in _replacements(node):
            name = f"{_place(node)}{_short(render(node))}: {what}"
            seen[name] += 1
            # In its place for so long: a copy of the tree, for each of them, takes longer than all else here.
            node.replace(replacement)
            mutant = render(tree)
            replacement.replace(node)
            yield f"{name} ({seen[name]})" if seen[name] > 1 else name, mutant


def _place(node: exp.Expression) -> str:
    named = node.find_ancestor(exp.CTE)
    return f"{named.alias}: " if named else ""


def _short(text: str, length: int = 60) -> str:
    return text if len(text) <= length else f"{text[:length]}…"


def _replacements(node: exp.Expression) -> Iterator[tuple[str, exp.Expression]]:
    if isinstance(node.parent, (exp.Update, exp.OnConflict)) and node.arg_key == "expressions":
        statement = node.find_ancestor(exp.Update, exp.Insert)
        written = statement.find(exp.Table).alias_or_name
        yield "as it was", exp.EQ(this=node.this.copy(), expression=exp.column(node.this.name, written))
    elif _is_condition(node):
        yield "TRUE", exp.true()
        yield "FALSE", exp.false()
    if isinstance(node, exp.In) and len(node.expressions) > 1:
        for value in node.expressions:
            others = [other.copy() for other in node.expressions if other is not value]
            yield f"without {render(value)}", exp.In(this=node.this.copy(), expressions=others)
    if isinstance(node, (exp.Coalesce, exp.Greatest)):
        arguments = [node.this, *node.expressions]
        for argument in arguments:
            first, *rest = (other.copy() for other in arguments if other is not argument)
            yield f"without {render(argument)}", exp.Coalesce(this=first, expressions=rest) if rest else first
    if isinstance(node, exp.Join) and node.args.get("using"):
        yield "without USING", exp.Join(this=node.this.copy(), kind="CROSS")


def _is_condition(node: exp.Expression) -> bool:
    """Whether it is a condition, and not one made of others. Under NOT and IS TRUE it is part of that one."""
    if isinstance(node, (exp.And, exp.Or, exp.Paren, exp.Case, exp.Any, exp.All)):
        return False
    inner, outer = node, node.parent
    while isinstance(outer, exp.Paren):
        inner, outer = outer, outer.parent
    if isinstance(outer, exp.Not) or (isinstance(outer, exp.Is) and isinstance(outer.expression, exp.Boolean)):
        return False
    return (
        isinstance(node, exp.Predicate)
        or isinstance(outer, (exp.And, exp.Or, exp.Where))
        or (isinstance(outer, exp.If) and inner.arg_key == "this")
        or (isinstance(outer, exp.Join) and inner.arg_key == "on")
    )
