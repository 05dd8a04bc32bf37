"""B2 by a forgotten close: the child that should have written has ended, and this process itself has the writing end open
still. Must be said: B2. Twin: n3_self_pipe_handler.py.
"""

import os

import labkit


def read_end():
    return os.read(reader, 100)  # BLAME


reader, writer = os.pipe()
if os.fork() == 0:
    os._exit(0)
os.wait()
labkit.ready()
read_end()
