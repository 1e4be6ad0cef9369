"""Estimate what a scan of a table costs, from what DynamoDB says of the table (contract §8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

_READ_BYTES = 4096
"""Bytes that half a read unit reads where reads are eventually consistent, as a scan's are by default."""


@dataclass(frozen=True, slots=True)
class TableSize:
    """Size and read capacity of a table; DynamoDB counts items and bytes anew about every six hours.

    Args:
        name: the table's name.
        items: how many items it has.
        bytes: what they take, names of attributes included.
        billing_mode: ``PROVISIONED`` or ``PAY_PER_REQUEST``.
        provisioned_rcu: read units per second; None if billed per request.
    """

    name: str
    items: int
    bytes: int
    billing_mode: str
    provisioned_rcu: int | None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> TableSize:
        """Read DescribeTable's answer; it has no billing mode where that was never changed.

        >>> TableSize.of({"TableName": "t", "ProvisionedThroughput": {"ReadCapacityUnits": 25}}).billing_mode
        'PROVISIONED'
        """
        mode = described.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
        units = int(described.get("ProvisionedThroughput", {}).get("ReadCapacityUnits", 0))
        return cls(
            described["TableName"],
            int(described.get("ItemCount", 0)),
            int(described.get("TableSizeBytes", 0)),
            mode,
            units if mode == "PROVISIONED" else None,
        )

    @property
    def scan_rcu(self) -> float:
        """The read units that a scan consumes: half a unit per 4096 bytes, rounded up.

        >>> TableSize("t", 5000, 5_209_783, "PROVISIONED", 25).scan_rcu
        636.0
        """
        return -(-self.bytes // _READ_BYTES) / 2

    def scan_seconds(self, max_rcu: int | None = None) -> float | None:
        """Return how long a scan takes at least, at the lower of ``max_rcu`` and the provisioned rate.

        Args:
            max_rcu: read units per second that the scan may use; no limit by default.

        Returns:
            Seconds; None if neither rate is known.

        >>> table = TableSize("t", 5000, 5_209_783, "PROVISIONED", 25)
        >>> table.scan_seconds(), table.scan_seconds(max_rcu=10)
        (25.44, 63.6)
        """
        rates = [rate for rate in (max_rcu, self.provisioned_rcu) if rate]
        return self.scan_rcu / min(rates) if rates else None

    def as_dict(self, max_rcu: int | None = None) -> dict[str, Any]:
        """Return the sizes and the estimate, as ``doctor --json`` prints them."""
        estimate = {"scan_rcu": self.scan_rcu, "scan_seconds": self.scan_seconds(max_rcu)}
        return asdict(self) | {"max_rcu": max_rcu} | estimate
