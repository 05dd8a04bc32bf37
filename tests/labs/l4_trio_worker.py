"""L4 self-wait: trio's thread blocks until a worker has ended, and the worker calls back into trio."""
import threading

import labkit

trio = labkit.import_trio()

MAIN = threading.get_native_id()


async def lookup():
    return 1


def job(token):
    labkit.await_syscall(MAIN, {202})
    labkit.ready()
    trio.from_thread.run(lookup, trio_token=token)


async def main():
    worker = threading.Thread(target=job, args=(trio.lowlevel.current_trio_token(),), name="worker")
    worker.start()
    worker.join()  # BLAME


trio.run(main)
