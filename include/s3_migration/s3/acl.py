"""Which canned ACL an object has, as far as its grants are those of one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

OTHER = "grants of its own"
_GROUPS = {
    frozenset(): "private",
    frozenset({("AllUsers", "READ")}): "public-read",
    frozenset({("AllUsers", "READ"), ("AllUsers", "WRITE")}): "public-read-write",
    frozenset({("AuthenticatedUsers", "READ")}): "authenticated-read",
}


def groups_of(grants: Iterable[Mapping[str, Any]]) -> frozenset[tuple[str, str]]:
    """What groups may do, each as (group, permission)."""
    found = {(each["Grantee"].get("URI", "").rpartition("/")[2], each["Permission"]) for each in grants}
    return frozenset(each for each in found if each[0])


def canned(answer: Mapping[str, Any]) -> str:
    """The canned ACL that a GetObjectAcl shows, or OTHER: another account has a grant, or a group one of its own."""
    owner = answer.get("Owner", {}).get("ID")
    people = [each["Grantee"] for each in answer["Grants"] if "URI" not in each["Grantee"]]
    if any(each.get("ID") != owner for each in people):
        return OTHER
    return _GROUPS.get(groups_of(answer["Grants"]), OTHER)
