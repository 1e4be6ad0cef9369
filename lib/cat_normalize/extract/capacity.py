"""What a scan of a table costs and how fast it may read, by what DynamoDB says of it (contract §8)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

SHARE = 0.25
"""Of the read units a second that a table provides, those that a scan takes by default: the rest is for those
whom the table is there for."""
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
        on_demand_rcu: the most read units per second, if one is set where it is billed per request.
    """

    name: str
    items: int
    bytes: int
    billing_mode: str
    provisioned_rcu: int | None
    on_demand_rcu: int | None = None

    @classmethod
    def of(cls, described: Mapping[str, Any]) -> TableSize:
        """Read DescribeTable's answer; it has no billing mode where that was never changed.

        >>> TableSize.of({"TableName": "t", "ProvisionedThroughput": {"ReadCapacityUnits": 25}}).billing_mode
        'PROVISIONED'
        """
        mode = described.get("BillingModeSummary", {}).get("BillingMode", "PROVISIONED")
        units = int(described.get("ProvisionedThroughput", {}).get("ReadCapacityUnits", 0))
        most = int(described.get("OnDemandThroughput", {}).get("MaxReadRequestUnits", -1))  # -1: none is set
        return cls(
            described["TableName"],
            int(described.get("ItemCount", 0)),
            int(described.get("TableSizeBytes", 0)),
            mode,
            units if mode == "PROVISIONED" else None,
            most if mode != "PROVISIONED" and most > 0 else None,
        )

    def scan(self, max_rcu: float | None = None) -> Scan:
        """Return what a scan consumes, how fast it may, and how long it takes at least.

        Args:
            max_rcu: read units per second that the scan may use, as somebody set it; by default `SHARE` of
                what the table provides, but 1 at least, and no limit where nothing limits the table;
                ``math.inf`` for no limit.

        >>> table = TableSize("t", 5000, 5_209_783, "PROVISIONED", 100)
        >>> table.scan()
        Scan(rcu=636.0, max_rcu=25.0, seconds=25.44)
        >>> table.scan(max_rcu=200)
        Scan(rcu=636.0, max_rcu=200, seconds=6.36)
        >>> TableSize("t", 5000, 5_209_783, "PAY_PER_REQUEST", None).scan()
        Scan(rcu=636.0, max_rcu=None, seconds=None)
        """
        rcu = -(-self.bytes // _READ_BYTES) / 2
        provided = self.provisioned_rcu or self.on_demand_rcu
        if max_rcu is None and provided:
            max_rcu = max(1.0, SHARE * provided)
        rates = [rate for rate in (max_rcu, provided) if rate and rate < math.inf]
        return Scan(rcu, None if max_rcu == math.inf else max_rcu, rcu / min(rates) if rates else None)

    def as_dict(self, max_rcu: float | None = None) -> dict[str, Any]:
        """Return the sizes and the estimate, as ``doctor --json`` prints them."""
        return asdict(self) | self.scan(max_rcu).as_dict()


@dataclass(frozen=True, slots=True)
class Scan:
    """What a scan is about to do, as far as the table's size is known.

    Args:
        rcu: the read units that it consumes: half a unit per 4096 bytes, rounded up.
        max_rcu: the read units per second that it may use; None if nothing limits it.
        seconds: how long it takes at least; None if neither it nor the table has a limit.
    """

    rcu: float
    max_rcu: float | None
    seconds: float | None

    def as_dict(self) -> dict[str, float | None]:
        """Return the estimate by the names that ``doctor --json`` and the Lambda's log have for it."""
        return {"scan_rcu": self.rcu, "max_rcu": self.max_rcu, "scan_seconds": self.seconds}

    def __str__(self) -> str:
        """Say it in one line.

        >>> print(Scan(636.0, 25.0, 25.44))
        the scan takes about 636 read units, at most 25 a second: 25 seconds at least
        >>> print(Scan(636.0, None, None))
        the scan takes about 636 read units; nothing limits its rate
        """
        units = f"the scan takes about {self.rcu:,.12g} read units"
        if self.max_rcu is None or self.seconds is None:
            return f"{units}; nothing limits its rate"
        return f"{units}, at most {self.max_rcu:,.12g} a second: {self.seconds:,.0f} seconds at least"
