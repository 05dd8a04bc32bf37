"""L8 wakeup-drain-eof-spin: somebody closed the writing end of trio's wakeup pair by its number."""
import os
import threading

import labkit

trio = labkit.import_trio()


async def main():
    runner = trio._core._run.GLOBAL_RUN_CONTEXT.runner
    os.close(runner.entry_queue.wakeup.write_sock.fileno())
    threading.Thread(target=labkit.ready, daemon=True).start()
    await trio.sleep_forever()


trio.run(main)
