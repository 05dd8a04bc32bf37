"""N3 twin of L6 with trio: the thread that a cancelled scope waits for ends at a date."""
import threading
import time

import labkit

trio = labkit.import_trio()


def job():
    labkit.ready()
    time.sleep(3600)


async def main():
    with trio.move_on_after(0.05):
        await trio.to_thread.run_sync(job)


trio.run(main)
