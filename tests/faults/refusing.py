"""AWS that refuses: a proxy in front of the local AWS that denies calls, and a server that never answers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

ARN = "arn:aws:iam::123456789012:user/eve"
SCAN = (
    '{"__type": "com.amazon.coral.service#AccessDeniedException", "Message": "User: '
    + ARN
    + ' is not authorized to perform: dynamodb:Scan on resource: the table"}'
)
S3 = "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


@contextmanager
def denying(endpoint: str, denied: Callable[[str, str, bytes], bool]) -> Iterator[str]:
    """Yield the URL of a proxy that denies the requests for which ``denied(method, path, body)`` is true."""
    netloc = urlsplit(endpoint).netloc

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            scans = "DynamoDB" in self.headers.get("X-Amz-Target", "")
            if denied(self.command, self.path, body):
                self.answer(*((400, SCAN.encode()) if scans else (403, S3.encode())), [])
                return
            onward = HTTPConnection(netloc)
            onward.request(self.command, self.path, body, dict(self.headers))
            got = onward.getresponse()
            kept = [each for each in got.getheaders() if each[0].lower() not in _HOPS]
            self.answer(got.status, got.read(), kept)
            onward.close()

        def answer(self, status: int, body: bytes, headers: list[tuple[str, str]]) -> None:
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_one  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


_HOPS = {"content-length", "transfer-encoding", "connection", "server", "date"}


@contextmanager
def silent() -> Iterator[str]:
    """Yield the URL of a server that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
