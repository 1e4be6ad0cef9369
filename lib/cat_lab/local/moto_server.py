"""The process that moto runs in; `server` starts it by path, so it imports nothing of this package.

Its standard input is a pipe that the parent alone holds: the end of that pipe is the end of this process.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import Any

HOST = "127.0.0.1"


def main() -> None:
    """Serve every AWS backend of moto on a free port, and print that port on standard output."""
    threading.Thread(target=_end_with, args=(int(sys.argv[1]),), daemon=True).start()
    answer = os.dup(1)
    os.dup2(2, 1)  # whatever moto prints later belongs in the log
    server = _server()
    os.environ["MOTO_PORT"] = str(server.port)  # moto's own calls to itself
    os.write(answer, f"{server.port}\n".encode())
    os.close(answer)
    server.serve_forever()


def _server() -> Any:
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    class PlainLog(MotoRequestHandler):
        """Logs requests without the colour codes werkzeug puts around them."""

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            self.log("info", '"%s" %s %s', self.requestline.translate(self._control_char_table), code, size)

    app = DomainDispatcherApplication(create_backend_app)
    return make_server(HOST, 0, app, threaded=True, request_handler=PlainLog)


def _end_with(parent: int) -> None:
    """End this process when its standard input ends or its parent is another.

    The second catches a parent that was killed while a fork of it still holds the pipe.
    """
    while os.getppid() == parent:
        if select.select([0], [], [], 1.0)[0] and not os.read(0, 1):
            break
    os._exit(0)


if __name__ == "__main__":
    main()
