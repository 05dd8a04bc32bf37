"""S2 in an isolated subinterpreter: the main thread sits in a lock there for good. Must be said: S2, step 5."""

import os

import labkit

labkit.execute(
    labkit.create("isolated"),
    f"""
import os, _thread
lock = _thread.allocate_lock()
lock.acquire()
os.write(1, b'READY blame={os.getpid()}\\n')
lock.acquire()
""",
)
