"""N3: a trio server waits for connections. Twin of l1_trio_forgotten_peer.py."""

import labkit

trio = labkit.import_trio()


async def main():
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    labkit.ready()
    await trio.serve_listeners(trio.aclose_forcefully, listeners)


trio.run(main)
