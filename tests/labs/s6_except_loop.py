"""S6 by a handler: the main thread waits for an item that nobody can put, and the loop around it catches everything, so
that each Ctrl-C only begins the same wait anew. Must be said: S6 and the line of the handler. Twins: n3_except_loop.py,
n3_except_stop.py.
"""

import os
import queue

import labkit


class Worker:
    def __init__(self):
        self.items = queue.SimpleQueue()
        self.failures = 0

    def take(self):
        return self.items.get()

    def run(self):
        while True:
            try:
                item = self.take()
            except BaseException as error:  # BLAME
                print("failed:", type(error).__name__)
                continue
            print(item)


labkit.ready(blame=os.getpid())
Worker().run()
