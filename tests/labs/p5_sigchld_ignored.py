"""P5: a watcher that lives on SIGCHLD was set up, then somebody ignores SIGCHLD: the kernel collects the child by itself
and nobody is told. Must be said: P5, the line that waits. Twin: n3_asyncio_child_alive.py.
"""

import asyncio
import os
import signal
import warnings

import labkit

warnings.simplefilter("ignore")  # the watcher is deprecated, which does not keep anybody from using it


async def run():
    watcher = asyncio.SafeChildWatcher()
    watcher.attach_loop(asyncio.get_running_loop())
    asyncio.set_child_watcher(watcher)
    child = await asyncio.create_subprocess_exec("/bin/cat", stdin=asyncio.subprocess.PIPE)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    waiting = asyncio.create_task(child.wait())
    child.stdin.close()
    while os.path.exists(f"/proc/{child.pid}"):
        await asyncio.sleep(0.001)
    labkit.ready()
    await waiting  # BLAME


asyncio.run(run())
