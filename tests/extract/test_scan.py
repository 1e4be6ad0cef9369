"""Scan: throttling is waited out, other errors end it at once, and one that failed stops the others.

The table is a server on this machine that gives prepared answers.
"""

import json
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.config import Config

from cat_normalize.core.errors import ExtractError, UsageError
from cat_normalize.extract import extract_table, item_files, scan
from cat_normalize.extract.scan import FULL_PAGE, RateLimiter

THROTTLED = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"]


def error(code, status=400):
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "refused"}


def item(number):
    return {"PK": {"S": f"USER#{number}"}, "SK": {"S": "REGISTER"}}


def page(*numbers, units=0.5, last=False):
    answer = {"Items": [item(each) for each in numbers], "Count": len(numbers)}
    if units is not None:
        answer["ConsumedCapacity"] = {"TableName": "t", "CapacityUnits": units}
    if not last:
        answer["LastEvaluatedKey"] = {"PK": {"S": "USER#x"}, "SK": {"S": "REGISTER"}}
    return 200, answer


DESCRIBED = {
    "Table": {
        "TableName": "t",
        "KeySchema": [
            {"AttributeName": "PK", "KeyType": "HASH"},
            {"AttributeName": "SK", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
    }
}


class Table(ThreadingHTTPServer):
    """Answers each segment's requests by a script of its own, and keeps what was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answering)
        self.script, self.asked = {}, defaultdict(list)

    def answer(self, request):
        asked = self.asked[request["Segment"]]
        asked.append(request)
        script = self.script[request["Segment"]]
        return script(len(asked)) if callable(script) else script[len(asked) - 1]


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        described = self.headers["X-Amz-Target"].endswith("DescribeTable")
        status, answer = (200, DESCRIBED) if described else self.server.answer(request)
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def table():
    with Table() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def client(table):
    """A client that gives up at the first failure, so that no test waits for botocore."""
    made = boto3.client(
        "dynamodb",
        endpoint_url=f"http://127.0.0.1:{table.server_port}",
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(retries={"mode": "standard", "total_max_attempts": 1}),
    )
    yield made
    made.close()


def read(client, limiter=None, sleep=lambda _: None):
    with scan.raw_bodies(client):
        return [
            json.loads(bytes(raw))
            for page in scan.pages(client, "t", 0, 1, limiter, sleep)
            for raw in page.items
        ]


@pytest.mark.parametrize("code", THROTTLED)
@pytest.mark.parametrize("times", [1, 12])
def test_throttling_is_waited_out_longer_and_longer(table, client, code, times):
    table.script[0] = [page(1), *[error(code)] * times, page(2), error(code), page(3, last=True)]
    waits = []
    assert read(client, sleep=waits.append) == [item(1), item(2), item(3)]
    assert len(waits) == times + 4
    waits = [wait for wait in waits if wait]
    *first, after = waits
    assert all(0 < wait <= min(2**tried, scan.LONGEST_WAIT) for tried, wait in enumerate(first))
    assert all(wait >= min(2**tried, scan.LONGEST_WAIT) / 2 for tried, wait in enumerate(first))
    assert after <= 1  # a page arrived: the whole patience is available again
    asked = table.asked[0]
    assert [request.get("ExclusiveStartKey") is None for request in asked] == [True] + [False] * (times + 3)


def test_throttling_without_end_is_an_error_that_says_what_to_do(table, client):
    table.script[0] = lambda _: error(THROTTLED[0])
    waits = []
    with pytest.raises(
        ExtractError, match=r"table t was throttled for 600 seconds on end: .*more read capacity"
    ):
        read(client, sleep=waits.append)
    assert scan.PATIENCE <= sum(waits) <= scan.PATIENCE + scan.LONGEST_WAIT


def test_segments_do_not_wait_in_step(table, client):
    waits = {}
    for segment in range(2):
        table.script[segment] = [*[error(THROTTLED[0])] * 5, page(last=True)]
        waits[segment] = []
        with scan.raw_bodies(client):
            assert len(list(scan.pages(client, "t", segment, 2, sleep=waits[segment].append))) == 1
    assert waits[0] != waits[1]


@pytest.mark.parametrize(
    "answer",
    [
        error("AccessDeniedException"),
        error("ResourceNotFoundException"),
        error("ValidationException"),
        error("InternalServerError", 500),
        (200, b"<html>"),
        (200, {"Items": [], "Count": "many"}),
    ],
)
def test_anything_else_fails_at_once(table, client, answer):
    table.script[0] = [answer]
    waits = []
    with pytest.raises(ExtractError, match="table t could not be scanned"):
        read(client, sleep=waits.append)
    assert waits == [0.0]
    assert len(table.asked[0]) == 1


def test_a_page_of_another_count_is_refused(table, client):
    table.script[0] = [(200, {"Items": [item(1)], "Count": 2})]
    with pytest.raises(ExtractError, match="a page of 2 items came with 1"):
        read(client)


def test_an_item_over_several_lines_becomes_one(table, client, tmp_path):
    table.script[0] = [(200, json.dumps({"Items": [item(1), item(2)], "Count": 2}, indent=2).encode())]
    extract_table(client, "t", tmp_path / "raw", 1, 1)
    lines = (tmp_path / "raw" / item_files.name(0)).read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == [item(1), item(2)]


class Time:
    """A clock that only sleep moves on."""

    def __init__(self):
        self.now = 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_a_scan_keeps_its_rate_and_throttled_requests_consume_nothing(table, client):
    time = Time()
    pages = [page(1, units=128), page(2, units=64), error(THROTTLED[0]), page(3, units=128, last=True)]
    table.script[0] = pages
    waits = []
    assert len(read(client, RateLimiter(128, time.clock, time.sleep), waits.append)) == 3
    assert time.now == pytest.approx(1.5)  # for the first two pages; nobody waits after the last
    assert not any("Limit" in request for request in table.asked[0])


def test_a_slow_scan_requests_few_items_at_a_time(table, client):
    time = Time()
    table.script[0] = [
        page(1, units=0.5),
        page(*range(20), units=10),
        page(3, units=None),
        page(4, last=True),
    ]
    read(client, RateLimiter(10, time.clock, time.sleep))
    assert [request["Limit"] for request in table.asked[0]] == [1, 20, 20, 20]
    # a page that does not say what it took counts as a full one
    assert time.now == pytest.approx(0.05 + 1 + FULL_PAGE / 10)


def test_all_segments_share_one_limit(table, client, tmp_path):
    """While a page is under way at 10 units a second nobody else asks: it could cost 12 seconds' worth."""
    lock, second, alone = threading.Lock(), threading.Event(), []

    def answer(_):
        with lock:
            first, _ = not alone, alone.append(None)
        if first:
            alone[0] = not second.wait(0.5)
        second.set()
        return page(1, units=0.5, last=True)

    table.script = dict.fromkeys(range(4), answer)
    done = extract_table(client, "t", tmp_path / "raw", 4, 2, max_rcu=10)
    assert (done.items, done.read_units, alone[0]) == (4, 2, True)


def test_the_order_of_the_segments_does_not_depend_on_which_ends_first(table, client, tmp_path):
    ended = threading.Event()

    def slow(asked):
        assert ended.wait(60)
        return page(asked, last=asked == 2)

    def fast(asked):
        ended.set()
        return page(asked + 4, last=asked == 2)

    table.script = {0: slow, 1: [page(3), page(4, last=True)], 2: fast}
    extract_table(client, "t", tmp_path / "raw", 3, 1)
    lines = (tmp_path / "raw" / item_files.name(0)).read_bytes().splitlines()
    assert [json.loads(line) for line in lines] == [item(number) for number in range(1, 7)]


def test_the_rate_limit_does_not_change_the_bytes(table, client, tmp_path):
    def pages(segment):
        return [page(*range(n, n + 5)) for n in range(segment * 100, segment * 100 + 20, 5)] + [
            page(last=True)
        ]

    made = []
    for rate in (50, 5000):
        table.script = {segment: pages(segment) for segment in range(3)}
        table.asked.clear()
        extract_table(client, "t", tmp_path / f"{rate}", 3, 4, max_rcu=rate)
        made.append({path.name: path.read_bytes() for path in (tmp_path / f"{rate}").iterdir()})
    assert made[0] == made[1]


def test_a_rate_below_one_is_refused_before_anything(table, client, tmp_path):
    with pytest.raises(UsageError, match="max_rcu: 0 is too few"):
        extract_table(client, "t", tmp_path / "raw", max_rcu=0)
    assert not table.asked
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("busy", [page(1), error(THROTTLED[0])])
def test_a_segment_that_fails_stops_the_others(table, client, tmp_path, busy):
    """The others would read on for ever, or wait for a throttled table."""
    going = threading.Event()

    def fails(_):
        assert going.wait(60)
        return error("AccessDeniedException")

    def goes_on(asked):
        going.set()
        return busy

    table.script = {0: goes_on, 1: fails, 2: goes_on}
    with pytest.raises(ExtractError, match="AccessDenied"):
        extract_table(client, "t", tmp_path / "raw", 3, 2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("max_rcu", [1, 1e6])
def test_an_error_of_the_progress_function_stops_all_segments(table, client, tmp_path, max_rcu):
    """The others would read on for ever, or wait for their turn."""

    def fail(_):
        raise RuntimeError("no")

    table.script = {segment: lambda _: page(1, units=FULL_PAGE) for segment in range(4)}
    with pytest.raises(RuntimeError, match="no"):
        extract_table(client, "t", tmp_path / "raw", 4, 2, fail, max_rcu)
