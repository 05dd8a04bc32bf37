"""N3, look-alike of L1: the only task waits for signals, by design. Twin of l1_trio_dropped_sender.py."""

import signal

import labkit

trio = labkit.import_trio()


async def main():
    with trio.open_signal_receiver(signal.SIGTERM) as signals:
        labkit.ready()
        async for _ in signals:
            return


trio.run(main)
