"""Temporary: moves to core.manifest."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class Summary(Struct):
    """What became of every item (§3)."""

    items_read: int = 0
    conversations: int = 0
    feedback: int = 0
    registrations: int = 0
    filtered: int = 0
    rejected: int = 0
    rejected_by_reason: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, int] = field(default_factory=dict)
    users: int = 0

    def add(self, other: Summary) -> None:
        """Add."""
        for name in (
            "items_read",
            "conversations",
            "feedback",
            "registrations",
            "filtered",
            "rejected",
            "users",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in (
            (self.rejected_by_reason, other.rejected_by_reason),
            (self.warnings, other.warnings),
        ):
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count

    def count_reject(self, reason: str) -> None:
        """Count."""
        self.rejected += 1
        self.rejected_by_reason[reason] = self.rejected_by_reason.get(reason, 0) + 1

    def count_warning(self, code: str) -> None:
        """Count."""
        self.warnings[code] = self.warnings.get(code, 0) + 1

    def as_dict(self) -> dict[str, Any]:
        """Return."""
        out = {name: getattr(self, name) for name in self.__struct_fields__}
        return out | {n: dict(sorted(out[n].items())) for n in ("rejected_by_reason", "warnings")}
