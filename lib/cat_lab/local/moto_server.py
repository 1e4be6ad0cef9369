"""The process that runs moto: every AWS service on a free port of 127.0.0.1, until its parent ends."""

from __future__ import annotations

import os

from cat_lab.local.child_process import wait_for_parent_end


def main() -> None:
    """Serve, and print the address of the server on standard output."""
    output = os.dup(1)
    os.dup2(2, 1)  # what moto prints belongs in the log
    from moto.server import ThreadedMotoServer
    from werkzeug import serving

    serving._log_add_style = False  # no color codes in the log; werkzeug has no public switch
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ["MOTO_PORT"] = str(port)  # for moto's requests to itself
    os.write(output, f"http://{host}:{port}\n".encode())
    os.close(output)
    wait_for_parent_end()
    os._exit(0)


if __name__ == "__main__":
    main()
