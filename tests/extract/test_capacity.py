"""What a scan of a table costs and how fast it may read, whatever DescribeTable says."""

import math

import pytest

from cat_normalize.extract.capacity import Scan, TableSize

BYTES = {"TableSizeBytes": 4096 * 20}
ON_DEMAND = {
    "BillingModeSummary": {"BillingMode": "PAY_PER_REQUEST"},
    "ProvisionedThroughput": {"ReadCapacityUnits": 0},
}


def provisioned(units):
    return BYTES | {"ProvisionedThroughput": {"ReadCapacityUnits": units}}


def on_demand(most):
    return BYTES | ON_DEMAND | {"OnDemandThroughput": {"MaxReadRequestUnits": most}}


@pytest.mark.parametrize(
    ("described", "given", "scan"),
    [
        ({}, None, Scan(0, None, None)),
        ({"TableSizeBytes": 1}, 10, Scan(0.5, 10, 0.05)),
        (BYTES, 10, Scan(10, 10, 1)),
        (BYTES | ON_DEMAND, None, Scan(10, None, None)),
        (BYTES | ON_DEMAND, 5, Scan(10, 5, 2)),
        (on_demand(-1), None, Scan(10, None, None)),  # as DynamoDB says that none is set
        (on_demand(80), None, Scan(10, 20, 0.5)),
        (on_demand(80), 40, Scan(10, 40, 0.25)),
        (provisioned(80), None, Scan(10, 20, 0.5)),
        (provisioned(30), None, Scan(10, 7.5, 10 / 7.5)),
        (provisioned(2), None, Scan(10, 1, 10)),  # a rate below 1 cannot be kept
        (provisioned(1), None, Scan(10, 1, 10)),
        (provisioned(80), 100, Scan(10, 100, 0.125)),  # what is given wins, and the table gives no more
        (provisioned(80), 40, Scan(10, 40, 0.25)),
        (provisioned(80), math.inf, Scan(10, None, 0.125)),
        (
            provisioned(80) | on_demand(8) | provisioned(80) | {"BillingModeSummary": {}},
            None,
            Scan(10, 20, 0.5),
        ),
        ({"TableSizeBytes": 10 * 2**30} | ON_DEMAND, 1000, Scan(1_310_720, 1000, 1310.72)),
    ],
)
def test_a_scan_takes_what_is_given_or_a_quarter_of_what_the_table_provides(described, given, scan):
    assert TableSize.of({"TableName": "t"} | described).scan(given) == scan


def test_a_large_scan_is_said_in_figures():
    said = str(Scan(1_310_720.5, 7.5, 174_763))
    assert said == (
        "the scan takes about 1,310,720.5 read units, at most 7.5 a second: 174,763 seconds at least"
    )


def test_a_scan_without_a_limit_of_a_table_without_one_takes_an_unknown_time() -> None:
    assert TableSize("t", 1, 4096, "PAY_PER_REQUEST", None).scan(math.inf).as_dict() == {
        "scan_rcu": 0.5,
        "max_rcu": None,
        "scan_seconds": None,
    }
