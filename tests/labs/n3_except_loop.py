"""Twin of s6_except_loop.py: the same handler in a server that waits for clients. It is idle, not hung; but Ctrl-C does not
end it.
"""

import logging
import socket

import labkit

log = logging.getLogger("server")


def serve(listener):
    while True:
        try:
            connection, _ = listener.accept()
            connection.close()
        except:  # noqa: E722
            log.info("a client failed")


with socket.create_server(("127.0.0.1", 0)) as listener:
    labkit.ready()
    serve(listener)
