"""Which canned ACL an object has, as far as its grants are those of one. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

OTHER = "grants of its own"
# What a canned ACL lets groups do. The others let nobody do more whom every store knows.
GROUPS = {
    "private": frozenset[tuple[str, str]](),
    "public-read": frozenset({("AllUsers", "READ")}),
    "public-read-write": frozenset({("AllUsers", "READ"), ("AllUsers", "WRITE")}),
    "authenticated-read": frozenset({("AuthenticatedUsers", "READ")}),
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
    may = groups_of(answer["Grants"])
    return next((name for name, groups in GROUPS.items() if groups == may), OTHER)
