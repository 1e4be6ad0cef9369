"""The permissions of a role, one at a time, and which of them a call needs."""

from __future__ import annotations

from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from infra.assembly import Assembly


class Call(NamedTuple):
    """A request to IAM: an action on a resource; ``prefix`` is the value of ``s3:prefix``."""

    action: str
    resource: str
    prefix: str | None = None


class Grant(NamedTuple):
    """One action on one resource under one condition: nothing, or operator, key and one value."""

    action: str
    resource: str
    condition: str = ""

    def allows(self, call: Call) -> bool:
        """Return whether IAM allows the call because of this grant alone."""
        return (
            self.action == call.action
            and _matches(self.resource, call.resource)
            and (not self.condition or self._holds(call.prefix))
        )

    def _holds(self, prefix: str | None) -> bool:
        operator, key, value = self.condition.split(" ")
        if key != "s3:prefix" or prefix is None:
            return False  # a key that the request does not have fails both operators
        return {"StringLike": _matches, "StringEquals": str.__eq__}[operator](value, prefix)


def _matches(pattern: str, text: str) -> bool:
    assert not set("?[") & set(pattern)  # only the star is used here; fnmatch has more wildcards
    return fnmatchcase(text, pattern)


def many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def grants(role: dict[str, Any]) -> set[Grant]:
    """Flatten a role's inline policies, which may hold only plain Allow statements."""
    found = set()
    for policy in role["Policies"]:
        for statement in policy["PolicyDocument"]["Statement"]:
            assert set(statement) <= {"Effect", "Action", "Resource", "Condition"}
            assert statement["Effect"] == "Allow"
            found |= {
                Grant(action, resource, condition)
                for action in many(statement["Action"])
                for resource in many(statement["Resource"])
                for condition in _conditions(statement.get("Condition", {}))
            }
    return found


def _conditions(block: dict[str, dict[str, Any]]) -> list[str]:
    """Return a condition's values, each enough alone; it must have one operator and one key."""
    if not block:
        return [""]
    ((operator, keys),) = block.items()
    ((key, values),) = keys.items()
    return [f"{operator} {key} {value}" for value in many(values)]


def roles(assembly: Assembly) -> dict[str, dict[str, Any]]:
    """Return every role by process and id, less the hash that the CDK adds."""
    return {
        f"{process}/{name[:-8]}": body["Properties"]
        for process, template in (("etl1", assembly.etl1), ("etl2", assembly.etl2))
        for name, body in template.resources.items()
        if body["Type"] == "AWS::IAM::Role"
    }


def refused(calls: Collection[Call], given: Collection[Grant]) -> list[Call]:
    """Return the calls that no grant allows."""
    return sorted({call for call in calls if not any(grant.allows(call) for grant in given)}, key=str)


def superfluous(calls: Collection[Call], given: Collection[Grant]) -> list[Grant]:
    """Return the grants that no call needs."""
    standing = ([grant for grant in given if grant.allows(call)] for call in set(calls))
    needed = {on[0] for on in standing if len(on) == 1}
    return sorted(set(given) - needed)


def too_wide(calls: Collection[Call], given: Collection[Grant]) -> list[Grant]:
    """Return the grants whose star is wider than the common folder of the calls that need that star.

    Listing a whole bucket is too wide if every call has a prefix, which a condition can require.
    """
    found = {
        grant
        for grant in given
        if (grant.action, grant.condition) == ("s3:ListBucket", "")
        and all(call.prefix is not None for call in calls if grant.allows(call))
    }
    for grant in given:
        for field, pattern, asked in (
            ("resource", grant.resource, "resource"),
            ("condition", grant.condition.rpartition(" ")[2], "prefix"),
        ):
            alike = [each for each in given if getattr(each, field) == getattr(grant, field)]
            under = {call for call in set(calls) if any(each.allows(call) for each in alike)}
            if "*" in pattern and under and pattern != f"{_folder([getattr(it, asked) for it in under])}*":
                found.add(grant)
    return sorted(found)


def _folder(texts: list[str]) -> str:
    """Return the common beginning of texts, up to its last slash."""
    low, high = min(texts), max(texts)
    same = next((n for n, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    return low[: low.rfind("/", 0, same) + 1]
